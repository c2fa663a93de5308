from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..exchange.numbers import exact
from .protected import refuse, without_defaults

INPUTS = {
    "move_id",
    "feeder_ids",
    "date_from",
    "date_to",
    "quantity_billed",
    "amount_energy",
    "amount_other",
}
METERED = {
    "quantity_metered",
    "metered_energy",
    "metered_other",
    "amount_metered",
    "variance",
    "loss_quantity",
    "loss_percent",
    "loss_amount",
    "notes",
    "matched_at",
}
DECIDED = METERED | {"state", "entry_id"}
CONTENT = INPUTS | {"date", "account_id", "loss_account_id", "counter_account_id"}


class EnergySupplyBill(models.Model):
    """A utility's bill, compared with own meters for its period.

    Money is net and in the company's currency. The meters are read in
    ``energy_supply_bill_match.py``, posting is in ``energy_supply_bill_posting.py``.
    """

    _name = "energy.supply.bill"
    _description = "Utility's Bill"
    _inherit = ["mail.thread"]
    _order = "date_to desc, id desc"
    _check_company_auto = True

    name = fields.Char(compute="_compute_name")
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    move_id = fields.Many2one(
        "account.move",
        "Vendor Bill",
        required=True,
        index=True,
        check_company=True,
        ondelete="restrict",
        domain="[('move_type', '=', 'in_invoice'), ('company_id', '=', company_id)]",
    )
    partner_id = fields.Many2one(related="move_id.partner_id", string="Utility")
    feeder_ids = fields.Many2many(
        "energy.service.point",
        "energy_supply_bill_feeder_rel",
        string="Feeders",
        check_company=True,
        help="The points where this utility's energy comes in.",
    )
    uom_id = fields.Many2one("uom.uom", "Unit", compute="_compute_uom_id")
    date_from = fields.Date(
        "From",
        required=True,
        compute="_compute_period",
        store=True,
        readonly=False,
        precompute=True,
        help="The first local day of the bill's period.",
    )
    date_to = fields.Date(
        "Until",
        required=True,
        compute="_compute_period",
        store=True,
        readonly=False,
        precompute=True,
        help="The last local day of the bill's period, included.",
    )
    quantity_billed = fields.Float(
        digits=(18, 3),
        compute="_compute_billed",
        store=True,
        readonly=False,
        help="What the bill says was delivered, in the unit of the feeders' tariff.",
    )
    amount_energy = fields.Monetary(
        "Energy Billed",
        compute="_compute_billed",
        store=True,
        readonly=False,
        help="The bill's lines with a quantity of energy, net.",
    )
    amount_other = fields.Monetary(
        "Fixed and Other Billed",
        compute="_compute_billed",
        store=True,
        readonly=False,
        help="The bill's other lines, net.",
    )
    amount_billed = fields.Monetary("Billed", compute="_compute_amount_billed")
    state = fields.Selection(
        [("draft", "Draft"), ("posted", "Posted")],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
    )

    _period_in_order = models.Constraint(
        "CHECK (date_to >= date_from)", "The period ends before it begins."
    )

    @api.depends("move_id", "date_from", "date_to")
    def _compute_name(self):
        for bill in self:
            move = bill.move_id
            number = move.ref or move.name or ""
            bill.name = f"{number}, {bill.date_from} – {bill.date_to}"

    @api.depends("feeder_ids")
    def _compute_uom_id(self):
        for bill in self:
            bill.uom_id = bill.feeder_ids[:1].tariff_id.uom_id

    @api.depends("move_id")
    def _compute_period(self):
        """The month before the bill, until somebody says better."""
        for bill in self:
            day = bill.move_id.invoice_date or fields.Date.context_today(bill)
            last = day.replace(day=1) - timedelta(days=1)
            bill.date_to = bill.date_to or last
            bill.date_from = bill.date_from or last.replace(day=1)

    @api.depends("move_id", "feeder_ids")
    def _compute_billed(self):
        """From the bill's lines: those in a unit of the feeders' are energy.

        What another comparison has taken of the same bill is left out.
        """
        for bill in self:
            quantity, energy = bill._billed_energy()
            taken = bill._others()
            bill.quantity_billed = float(quantity)
            bill.amount_energy = float(energy)
            bill.amount_other = float(bill._total() - energy - taken)

    @api.depends("amount_energy", "amount_other")
    def _compute_amount_billed(self):
        for bill in self:
            total = bill._money(bill.amount_energy) + bill._money(bill.amount_other)
            bill.amount_billed = float(total)

    @api.constrains("feeder_ids", "move_id")
    def _check_feeders(self):
        for bill in self:
            if bill.move_id.move_type != "in_invoice":
                raise ValidationError(bill.env._("Choose a vendor bill."))
            if not bill.feeder_ids:
                raise ValidationError(bill.env._("Choose the feeders of this bill."))
            if len(set(bill.feeder_ids.mapped("commodity"))) > 1:
                raise ValidationError(
                    bill.env._("One comparison is of one kind of energy.")
                )
            below = bill.feeder_ids & bill.feeder_ids._feeders()
            if below:
                raise ValidationError(
                    bill.env._(
                        "%s feeds another chosen feeder: it would count twice.",
                        ", ".join(below.mapped("name")),
                    )
                )

    # ------------------------------------------------------------------ the bill

    def _money(self, amount):
        """A stored amount as Decimal in whole minor units of the company's currency."""
        return exact(amount or 0, self.currency_id.decimal_places or 0)

    def _total(self):
        """The bill's net amount in the company's currency, as Decimal."""
        return self._sum(self._product_lines())

    def _product_lines(self):
        return self.move_id.invoice_line_ids.filtered(
            lambda line: line.display_type == "product"
        )

    def _sum(self, lines):
        return sum((self._money(line.balance) for line in lines), Decimal(0))

    def _energy_lines(self):
        """The bill's lines whose unit is one of the feeders' energy."""
        unit = self.uom_id
        return self._product_lines().filtered(
            lambda line: (
                unit
                and line.product_uom_id
                and line.product_uom_id._has_common_reference(unit)
            )
        )

    def _billed_energy(self):
        """(quantity in the feeders' unit, net amount) of the energy lines."""
        lines = self._energy_lines()
        quantity = sum(
            (
                exact(line.quantity, 6)
                * exact(line.product_uom_id.factor, 9)
                / exact(self.uom_id.factor, 9)
                for line in lines
            ),
            Decimal(0),
        )
        return quantity, self._sum(lines)

    def _others(self):
        """What other comparisons have taken of this bill, as Decimal."""
        others = self.search(
            [("move_id", "=", self.move_id.id), ("id", "not in", self._origin.ids)]
        )
        return sum((self._money(other.amount_billed) for other in others), Decimal(0))

    # ------------------------------------------------------------------ writing

    @api.model_create_multi
    def create(self, vals_list):
        """Read the meters at once; refuse what only they and the buttons tell."""
        for vals in vals_list:
            self._refuse_decided(vals)
        clean = without_defaults(self, DECIDED)
        bills = super(EnergySupplyBill, clean).create(vals_list)
        bills._match()
        return bills

    def write(self, vals):
        """Read the meters again when the period changes; a posted one stays."""
        self._refuse_decided(vals)
        posted = self.filtered(lambda bill: bill.state == "posted")
        if posted and CONTENT & {*vals}:
            raise UserError(
                self.env._("%s is posted: reverse it first.", posted[0].name)
            )
        result = super().write(vals)
        if INPUTS & {*vals}:
            self._match()
        return result

    def _refuse_decided(self, vals):
        message = self.env._("%s cannot be written: meters and buttons tell it.")
        refuse(self, vals, DECIDED, message)

    @api.ondelete(at_uninstall=False)
    def _unlink_draft(self):
        if any(bill.state == "posted" or bill.entry_ids for bill in self):
            raise UserError(self.env._("What was posted once is kept."))
