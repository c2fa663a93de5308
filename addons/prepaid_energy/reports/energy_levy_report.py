from odoo import fields, models
from odoo.tools import SQL

from .energy_usage_report import USAGE_KINDS, WALLET_KINDS


class EnergyLevyReport(models.Model):
    """Net amounts and each levy on them, for the tax return.

    Read-only. Each row of ``energy.usage`` has one row of its net amount and one for
    each levy of the tariff version that it was rated by: ``amount`` summed over all is
    the amount with levies. The id is the usage's times :data:`LEVIES`, plus the levy's
    number in its version.
    """

    _name = "energy.levy.report"
    _description = "Levies and Taxes"
    _auto = False
    _rec_name = "name"
    _order = "day desc, id"

    LEVIES = 1000  # more than a version has

    day = fields.Date(readonly=True, help="By the clock of the tariff.")
    name = fields.Char("Net or Levy", readonly=True)
    booked_as = fields.Selection(
        [
            ("net", "Net Amount"),
            ("tax", "Levy With a Tax in the Books"),
            ("price", "Levy as Part of the Price"),
        ],
        readonly=True,
    )
    levy_id = fields.Many2one("energy.tariff.levy", readonly=True)
    tax_id = fields.Many2one("account.tax", readonly=True)
    percent = fields.Float(readonly=True, digits=(12, 6), aggregator=None)
    base = fields.Monetary(
        readonly=True, help="The net amount that a levy is taken of."
    )
    amount = fields.Monetary(readonly=True)
    unbilled = fields.Monetary(
        "Not Billed Yet", readonly=True, help="What no invoice and no cost entry has."
    )
    service_point_id = fields.Many2one("energy.service.point", readonly=True)
    wallet_id = fields.Many2one("energy.wallet", readonly=True)
    wallet_kind = fields.Selection(WALLET_KINDS, readonly=True)
    partner_id = fields.Many2one("res.partner", "Tenant", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    tariff_id = fields.Many2one("energy.tariff", readonly=True)
    version_id = fields.Many2one("energy.tariff.version", readonly=True)
    kind = fields.Selection(USAGE_KINDS, readonly=True)

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT usage.id::bigint * %(levies)s + part.number AS id, usage.day,
                   part.name, part.booked_as, part.levy_id, part.tax_id, part.percent,
                   CASE WHEN part.number > 0 THEN usage.amount END AS base,
                   usage.amount * part.percent / 100 AS amount,
                   (usage.amount - COALESCE(usage.amount_billed, 0))
                       * part.percent / 100 AS unbilled,
                   usage.service_point_id, usage.wallet_id, wallet.kind AS wallet_kind,
                   wallet.partner_id, usage.company_id, usage.currency_id,
                   usage.tariff_id, usage.version_id, usage.kind
              FROM energy_usage usage
              LEFT JOIN energy_wallet wallet ON wallet.id = usage.wallet_id
              JOIN (SELECT id AS version_id, 0 AS number, %(net)s AS name,
                           'net' AS booked_as, NULL::int AS levy_id,
                           NULL::int AS tax_id, 100::numeric AS percent
                      FROM energy_tariff_version
                     UNION ALL
                    SELECT version_id,
                           row_number() OVER (PARTITION BY version_id ORDER BY id),
                           name, CASE WHEN tax_id IS NULL THEN 'price' ELSE 'tax' END,
                           id, tax_id, percent
                      FROM energy_tariff_levy) part
                ON part.version_id = usage.version_id
             WHERE usage.amount <> 0 OR usage.amount_billed <> 0
            """,
            levies=self.LEVIES,
            net=self.env._("Net amount"),
        )
