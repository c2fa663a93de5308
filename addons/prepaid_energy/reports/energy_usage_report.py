from odoo import fields, models
from odoo.tools import SQL

from ..models.energy_tariff import COMMODITIES

WALLET_KINDS = [
    ("tenant", "Tenant"),
    ("line", "Production Line"),
    ("debt", "Deferred Debt"),
]
USAGE_KINDS = [
    ("energy", "Energy"),
    ("fixed", "Fixed Charge"),
    ("demand", "Demand Charge"),
    ("minimum", "Minimum"),
]
PRICES = ("price", "price_all_in")


class EnergyUsageReport(models.Model):
    """What was consumed and what it cost, with whose and where, for pivots and graphs.

    Read-only, one row for each row of ``energy.usage`` and with its id. A price of
    several rows is their money divided by their quantity, worked out by the database;
    where they have several units or currencies there is none.
    """

    _name = "energy.usage.report"
    _description = "Consumption Analysis"
    _inherit = ["energy.tenant.view"]
    _auto = False
    _rec_name = "day"
    _order = "day desc, id desc"
    _tenant_fields = frozenset(
        {
            "amount",
            "amount_total",
            "band",
            "charge",
            "commodity",
            "company_id",
            "currency_id",
            "day",
            "kind",
            "levies",
            "partner_id",
            "price",
            "price_all_in",
            "quantity",
            "season",
            "service_point_id",
            "site_id",
            "tariff_id",
            "tier",
            "uom_id",
            "wallet_id",
            "wallet_kind",
        }
    )

    day = fields.Date(readonly=True, help="By the clock of the tariff.")
    service_point_id = fields.Many2one("energy.service.point", readonly=True)
    site_id = fields.Many2one("energy.site", readonly=True)
    wallet_id = fields.Many2one("energy.wallet", readonly=True)
    wallet_kind = fields.Selection(WALLET_KINDS, readonly=True)
    partner_id = fields.Many2one("res.partner", "Tenant", readonly=True)
    department_id = fields.Many2one("hr.department", readonly=True)
    analytic_account_id = fields.Many2one(
        "account.analytic.account",
        readonly=True,
        help="That of the wallet as it is today.",
    )
    company_id = fields.Many2one("res.company", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    tariff_id = fields.Many2one("energy.tariff", readonly=True)
    version_id = fields.Many2one("energy.tariff.version", readonly=True)
    commodity = fields.Selection(COMMODITIES, readonly=True)
    uom_id = fields.Many2one("uom.uom", "Unit", readonly=True)
    kind = fields.Selection(USAGE_KINDS, readonly=True)
    charge = fields.Char(readonly=True)
    season = fields.Char(readonly=True)
    band = fields.Char(readonly=True)
    tier = fields.Integer(readonly=True, aggregator=None)
    quantity = fields.Float("Consumption", digits=(18, 3), readonly=True)
    amount = fields.Monetary("Net Amount", readonly=True)
    levies = fields.Monetary(readonly=True)
    amount_total = fields.Monetary("Amount With Levies", readonly=True)
    unbilled = fields.Monetary(
        "Not Billed Yet",
        readonly=True,
        help="With levies; what no invoice and no cost entry has.",
    )
    price = fields.Float(
        "Average Price",
        digits=(16, 5),
        readonly=True,
        aggregator="avg",
        help="Net, of the energy alone: its money divided by its quantity.",
    )
    price_all_in = fields.Float(
        "Average Price, All In",
        digits=(16, 5),
        readonly=True,
        aggregator="avg",
        help="With fixed and demand charges, the minimum and levies, for each unit "
        "that was consumed.",
    )

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT usage.id, usage.day, usage.service_point_id, point.site_id,
                   usage.wallet_id, wallet.kind AS wallet_kind, wallet.partner_id,
                   wallet.department_id, wallet.analytic_account_id, usage.company_id,
                   usage.currency_id, usage.tariff_id, usage.version_id,
                   usage.commodity, usage.uom_id, usage.kind, usage.charge,
                   usage.season, usage.band, usage.tier, usage.quantity, usage.amount,
                   usage.amount_total - usage.amount AS levies, usage.amount_total,
                   usage.amount_total - COALESCE(usage.total_billed, 0) AS unbilled,
                   CASE WHEN usage.kind = 'energy'
                        THEN usage.amount / NULLIF(usage.quantity, 0) END AS price,
                   usage.amount_total / NULLIF(usage.quantity, 0) AS price_all_in
              FROM energy_usage usage
              JOIN energy_service_point point ON point.id = usage.service_point_id
              LEFT JOIN energy_wallet wallet ON wallet.id = usage.wallet_id
            """
        )

    def _read_group_select(self, aggregate_spec, query):
        """A price of rows is a quotient of sums, whatever aggregate is asked for."""
        fname = aggregate_spec.partition(":")[0]
        if fname not in PRICES:
            return super()._read_group_select(aggregate_spec, query)
        column = {
            name: self._field_to_sql(self._table, name, query)
            for name in ("quantity", "amount", "amount_total", "kind", "uom_id")
        }
        currency = self._field_to_sql(self._table, "currency_id", query)
        if fname == "price":
            money = SQL(
                "SUM(%s) FILTER (WHERE %s = 'energy')", column["amount"], column["kind"]
            )
        else:
            money = SQL("SUM(%s)", column["amount_total"])
        return SQL(
            "CASE WHEN MIN(%(unit)s) = MAX(%(unit)s) AND MIN(%(currency)s) = "
            "MAX(%(currency)s) THEN %(money)s / NULLIF(SUM(%(quantity)s), 0) END",
            unit=column["uom_id"],
            currency=currency,
            money=money,
            quantity=column["quantity"],
        )
