from decimal import Decimal

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from ..exchange.numbers import exact
from ..purchase import Balance, Purchase, split
from ..purchase.variance import to_cents


class EnergySupplyBill(models.Model):
    """Reading the meters for a bill: the arithmetic itself is in ``purchase/``."""

    _inherit = "energy.supply.bill"

    quantity_metered = fields.Float(digits=(18, 3), readonly=True, copy=False)
    metered_energy = fields.Monetary("Energy by Own Tariff", readonly=True, copy=False)
    metered_other = fields.Monetary(
        "Fixed and Other by Own Tariff", readonly=True, copy=False
    )
    amount_metered = fields.Monetary("By Own Meters", readonly=True, copy=False)
    variance = fields.Monetary(readonly=True, copy=False, tracking=True)
    loss_quantity = fields.Float("Losses", digits=(18, 3), readonly=True, copy=False)
    loss_percent = fields.Float(
        "Losses (%)", digits=(9, 2), readonly=True, copy=False, aggregator="avg"
    )
    loss_amount = fields.Monetary("Losses in Money", readonly=True, copy=False)
    notes = fields.Text(
        "To Know",
        readonly=True,
        copy=False,
        help="Estimated readings, gaps and what else the figures do not say.",
    )
    matched_at = fields.Datetime("Meters Read", readonly=True, copy=False)
    line_ids = fields.One2many("energy.supply.bill.line", "bill_id", copy=False)
    balance_ids = fields.One2many(
        "energy.supply.bill.line", "bill_id", domain=[("section", "=", "balance")]
    )
    node_ids = fields.One2many(
        "energy.supply.bill.line", "bill_id", domain=[("section", "=", "node")]
    )
    variance_ids = fields.One2many(
        "energy.supply.bill.line",
        "bill_id",
        "Parts of the Variance",
        domain=[("section", "=", "variance")],
    )

    def action_match(self):
        """Read the meters again."""
        self.check_access("write")
        if any(bill.state == "posted" for bill in self):
            raise UserError(self.env._("It is posted: reverse it first."))
        self._match()

    def _match(self):
        for bill in self:
            bill._match_one()

    def _match_one(self):
        accounts = {line.kind: line.account_id.id for line in self.variance_ids}
        # sudo: the books may see all meters below the company's feeders
        feeders = self.feeder_ids.sudo()
        day = self.move_id.invoice_date or self.date_to
        balance = Balance(feeders, self.date_from, self.date_to, day)
        cent = Decimal(1).scaleb(-self.currency_id.decimal_places)
        billed = Purchase(
            exact(self.quantity_billed, 3),
            self._money(self.amount_energy),
            self._money(self.amount_other),
        )
        parts = split(billed, balance.metered, cent)
        own = balance.metered.rounded(cent)
        loss = balance.shares["loss"]
        rows = [
            *self._balance_rows(balance, cent),
            *self._node_rows(balance, cent),
            *self._variance_rows(parts, accounts),
        ]
        notes = [*balance.notes, *self._unmatched()]
        # sudo: the figures are nobody's to type; the caller may write the bill
        self.sudo().write(
            {
                "quantity_metered": float(own.quantity),
                "metered_energy": float(own.energy),
                "metered_other": float(own.other),
                "amount_metered": float(own.energy + own.other),
                "variance": float(sum((part.amount for part in parts), Decimal(0))),
                "loss_quantity": float(loss.quantity),
                "loss_percent": _percent(loss.quantity, own.quantity),
                "loss_amount": next(
                    row["amount"] for row in rows if row["kind"] == "loss"
                ),
                "notes": "\n".join(notes) or False,
                "matched_at": fields.Datetime.now(),
                "line_ids": [Command.clear(), *map(Command.create, rows)],
            }
        )

    def _unmatched(self):
        """A note about what of the bill is in no comparison."""
        rest = self._total() - self._others() - self._money(self.amount_billed)
        if not rest:
            return []
        amount = self.currency_id.format(float(rest))
        return [self.env._("%s of the bill's net amount is not compared.", amount)]

    def _balance_rows(self, balance, cent):
        """Where the energy went; money rounded so that the rows add up."""
        rest = to_cents(balance.metered.energy, cent)
        kinds = [
            kind
            for kind, share in balance.shares.items()
            if kind == "loss" or share.quantity or share.charged
        ]
        kinds.sort(key=lambda kind: kind == "loss")  # takes the rounding
        for number, kind in enumerate(kinds):
            share = balance.shares[kind]
            amount = rest if kind == "loss" else to_cents(share.cost, cent)
            rest -= amount
            yield {
                "section": "balance",
                "sequence": number,
                "kind": kind,
                "quantity": float(share.quantity),
                "percent": _percent(share.quantity, balance.metered.quantity),
                "amount": float(amount),
                "charged": float(to_cents(share.charged, cent)),
            }

    def _node_rows(self, balance, cent):
        for number, node in enumerate(balance.nodes):
            lost = node.inflow - node.outflow
            yield {
                "section": "node",
                "sequence": number,
                "kind": "loss" if node.known else "unknown",
                "service_point_id": node.point_id,
                "quantity": float(node.inflow),
                "outflow": float(node.outflow),
                "percent": _percent(lost, node.inflow),
                "amount": float(to_cents(node.cost, cent)),
            }

    def _variance_rows(self, parts, accounts):
        for number, part in enumerate(parts):
            yield {
                "section": "variance",
                "sequence": number,
                "kind": part.kind,
                "quantity": float(part.quantity or 0),
                "price": float(part.price or 0),
                "amount": float(part.amount),
                "account_id": accounts.get(part.kind, False),
            }


def _percent(part, whole):
    return float(100 * part / whole) if whole else 0.0
