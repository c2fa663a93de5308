from odoo import fields, models
from odoo.tools import SQL

TOLD = "energy_wallet/changed"


class EnergyWallet(models.Model):
    """Tells the open pages of wallets that there is something to fetch."""

    _inherit = "energy.wallet"

    def _tell_pages(self):
        """Tell the pages of these wallets, when the transaction is about to be done.

        The message says no more than that: a page fetches what its user may see. One
        statement a transaction looks for open pages, however many wallets changed.
        """
        data = self.env.cr.precommit.data
        if TOLD not in data:
            data[TOLD] = set()
            # sudo: whoever changes a wallet, a bridge or a tenant, reads no watches
            self.env.cr.precommit.add(self.sudo().browse()._tell_pages_now)
        data[TOLD].update(self.ids)

    def _tell_pages_now(self):
        changed = self.env.cr.precommit.data.pop(TOLD, ())
        if not changed:
            return
        watched = self.env.execute_query(
            SQL(
                "SELECT wallet_id FROM energy_wallet_watch "
                "WHERE wallet_id = ANY(%s) AND until > %s ORDER BY wallet_id",
                sorted(changed),
                fields.Datetime.now(),
            )
        )
        for (wallet_id,) in watched:
            wallet = self.browse(wallet_id)
            self.env["bus.bus"]._sendone(wallet, TOLD, {"wallet": wallet_id})
