from odoo import api, fields, models
from odoo.exceptions import UserError

from .protected import refuse, without_defaults


class EnergySupplyBillLine(models.Model):
    """A row of the comparison of a utility's bill with own meters.

    Written when the meters are read; money is net, in the company's currency.
    """

    _name = "energy.supply.bill.line"
    _description = "Row of a Utility's Bill"
    _order = "section, sequence, id"

    bill_id = fields.Many2one(
        "energy.supply.bill",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(related="bill_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="bill_id.currency_id")
    state = fields.Selection(related="bill_id.state")
    section = fields.Selection(
        [
            ("balance", "Where It Went"),
            ("node", "Losses by Feeder"),
            ("variance", "Variance"),
        ],
        required=True,
        readonly=True,
    )
    sequence = fields.Integer(readonly=True, aggregator=None)
    kind = fields.Selection(
        [
            ("tenant", "Delivered to tenants"),
            ("line", "Delivered to production lines"),
            ("own", "Own use and vacant points"),
            ("loss", "Losses and unmetered"),
            ("unknown", "Not known: readings are missing"),
            ("node", "Feeder"),
            ("quantity", "Quantity: billed less metered, at the own price"),
            ("price", "Price: metered, at the difference of the prices"),
            ("mixed", "Quantity and price together, rounding"),
            ("other", "Fixed charges and other"),
        ],
        "Row",
        required=True,
        readonly=True,
    )
    service_point_id = fields.Many2one("energy.service.point", readonly=True)
    quantity = fields.Float(digits=(18, 3), readonly=True)
    outflow = fields.Float("Sub-meters", digits=(18, 3), readonly=True)
    percent = fields.Float("% of Inflow", digits=(9, 2), readonly=True, aggregator=None)
    price = fields.Float("Price Each", digits=(18, 6), readonly=True, aggregator=None)
    amount = fields.Monetary(
        readonly=True, help="Net, at the purchase price of the feeder's own tariff."
    )
    charged = fields.Monetary(
        "Sold or Charged",
        readonly=True,
        help="Net, by the tariffs of the tenants and production lines.",
    )
    account_id = fields.Many2one(
        "account.account",
        "Post To",
        help="Empty: the variance account of the bill.",
    )

    @api.model_create_multi
    def create(self, vals_list):
        """Refuse rows that no meter tells."""
        for vals in vals_list:
            self._refuse_told(vals)
        clean = without_defaults(self, self._fields)
        return super(EnergySupplyBillLine, clean).create(vals_list)

    def write(self, vals):
        """Refuse all but the account, and that as well once it is posted."""
        self._refuse_told(vals.keys() - {"account_id"})
        if any(line.state == "posted" for line in self):
            raise UserError(self.env._("It is posted: reverse it first."))
        return super().write(vals)

    def _refuse_told(self, vals):
        message = self.env._("%s cannot be written: the meters tell it.")
        refuse(self, vals, self._fields, message)
