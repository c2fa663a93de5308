from odoo import api, fields, models
from odoo.tools import SQL


class EnergyWallet(models.Model):
    """The production line of a wallet."""

    _inherit = "energy.wallet"

    line_ids = fields.One2many("energy.line", "wallet_id", "Production Line")

    @api.constrains("policy_id")
    def _check_line_policy(self):
        self.sudo().line_ids._check_policy()  # sudo: whoever changes the wallet

    def _sharing(self):
        """The wallets of which lines of these wallets have shares.

        sudo: their consumption is the cost of these as well.
        """
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT point.wallet_id
                  FROM energy_line line
                  JOIN energy_line_share share ON share.line_id = line.id
                  JOIN energy_service_point point ON point.id = share.service_point_id
                 WHERE line.wallet_id = ANY(%s) AND point.wallet_id IS NOT NULL
                """,
                self.ids,
            )
        )
        return self.sudo().browse(row[0] for row in rows)
