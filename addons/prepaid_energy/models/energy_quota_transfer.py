from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

ASKED_HERE = {"from_quota_id", "to_quota_id", "amount"}


class EnergyQuotaTransfer(models.Model):
    """Moves what one line does not use of its quota to another line.

    The heads of both departments must agree; whoever is head and asks agrees by asking.
    """

    _name = "energy.quota.transfer"
    _description = "Quota Transfer"
    _inherit = ["energy.quota.decision"]
    _page = "transfer"

    from_quota_id = fields.Many2one(
        "energy.quota",
        "From",
        required=True,
        index=True,
        ondelete="restrict",
        domain="[('state', '!=', 'closed'), ('remaining', '>', 0)]",
    )
    to_quota_id = fields.Many2one(
        "energy.quota",
        "To",
        required=True,
        index=True,
        check_company=True,
        ondelete="restrict",
        domain="[('state', '!=', 'closed'), ('id', '!=', from_quota_id)]",
    )
    company_id = fields.Many2one(
        related="from_quota_id.company_id", store=True, precompute=True, index=True
    )
    currency_id = fields.Many2one(related="from_quota_id.currency_id")
    unit_name = fields.Char(related="from_quota_id.unit_name", string="Unit")
    amount = fields.Float(digits=(18, 6), required=True, tracking=True)
    remaining = fields.Float("Not Used Yet", related="from_quota_id.remaining")
    from_agreed_id = fields.Many2one(
        "res.users", "Giver Agreed", readonly=True, copy=False, ondelete="restrict"
    )
    to_agreed_id = fields.Many2one(
        "res.users", "Receiver Agreed", readonly=True, copy=False, ondelete="restrict"
    )

    _amount_positive = models.Constraint(
        "CHECK (amount > 0)", "A transfer moves more than nothing."
    )
    _two_quotas = models.Constraint(
        "CHECK (from_quota_id != to_quota_id)", "A transfer is between two quotas."
    )

    @api.model
    def _asked_fields(self):
        return super()._asked_fields() | ASKED_HERE

    # ------------------------------------------------------------------ decision

    def _submitted_values(self):
        self._check_quotas()
        self._check_unused()
        return self._agreements(self.env.user)

    def _submit(self):  # pylint: disable=missing-return
        """Where the one who asks is head of both, nobody else is to be asked."""
        self._check_heads()
        super()._submit()
        if not self._sides():
            self._move("")

    def _call_deciders(self):  # pylint: disable=missing-return
        if self._sides():
            super()._call_deciders()

    def _check_heads(self):
        for quota in self.from_quota_id | self.to_quota_id:
            if not self._heads(quota):
                raise UserError(
                    self.env._(
                        "%s: its department has no head with a user.",
                        quota.line_id.name,
                    )
                )

    def _check_quotas(self):
        one, other = self.from_quota_id, self.to_quota_id
        if (one.company_id, one.unit, one.month, one.currency_id) != (
            other.company_id,
            other.unit,
            other.month,
            other.currency_id,
        ):
            raise UserError(
                self.env._(
                    "%(one)s and %(other)s are not of one company, month and unit.",
                    one=one.display_name,
                    other=other.display_name,
                )
            )
        if "closed" in (one | other).mapped("state"):
            raise UserError(self.env._("The month of %s is over.", self.name))

    def _check_unused(self):
        """Raise UserError where less is left than is to be moved."""
        self.from_quota_id._measure(forecast=False)
        left = self.from_quota_id._exact()["remaining"]
        if self._exact_amount() > left:
            raise UserError(
                self.env._(
                    "%(line)s has %(left)s %(unit)s left: %(amount)s is more.",
                    line=self.from_quota_id.line_id.name,
                    left=f"{max(left, Decimal(0)):,.2f}",
                    unit=self.unit_name,
                    amount=f"{self._exact_amount():,.2f}",
                )
            )

    def _exact_amount(self):
        self.flush_recordset()
        [[text]] = self.env.execute_query(
            SQL("SELECT amount::text FROM energy_quota_transfer WHERE id = %s", self.id)
        )
        return Decimal(text)

    def _heads(self, quota):
        return quota.department_id._energy_deciders()

    def _sides(self):
        """The quotas whose head has not agreed yet."""
        sides = self.env["energy.quota"]
        if not self.from_agreed_id:
            sides |= self.from_quota_id
        if not self.to_agreed_id:
            sides |= self.to_quota_id
        return sides

    def _deciders(self):
        users = self.env["res.users"]
        for quota in self._sides():
            users |= self._heads(quota)
        return users.filtered("active")

    def _check_decider(self):
        """A head who asks has agreed for the own line and decides no more on it, but
        may say no as long as the other has not decided."""
        deciders = self._deciders()
        if self.env.user not in deciders:
            raise UserError(
                self.env._(
                    "%(name)s is decided by %(users)s.",
                    name=self.name,
                    users=", ".join(deciders.mapped("name")) or self.env._("nobody"),
                )
            )

    def _agreements(self, user):
        """Which sides ``user`` agrees for."""
        values = {}
        if not self.from_agreed_id and user in self._heads(self.from_quota_id):
            values["from_agreed_id"] = user.id
        if not self.to_agreed_id and user in self._heads(self.to_quota_id):
            values["to_agreed_id"] = user.id
        return values

    def _behalf(self, user):
        heads = self.env["res.users"]
        for quota in self.from_quota_id | self.to_quota_id:
            if user in self._heads(quota):
                heads |= quota.department_id._energy_head_of() - user
        return heads[:1]

    def _figures(self):
        return f"{self.from_quota_id.id}:{self.to_quota_id.id}:{self._exact_amount()}"

    def _approve(self, note):
        self._write_decided(self._agreements(self.env.user))
        if self._sides():
            behalf = self._behalf(self.env.user)
            text = self.env._("%s agrees.", self.env.user.name)
            if behalf:
                text = self.env._(
                    "%(user)s agrees on behalf of %(head)s.",
                    user=self.env.user.name,
                    head=behalf.name,
                )
            self._end_activities(True, self.env.user)
            self._tell_requester(f"{text} {note or ''}".strip())
            self._write_decided(
                {"decider_ids": [fields.Command.set(self._deciders().ids)]}
            )
        else:
            self._move(note)

    def _move(self, note):
        """Take from one, give to the other: both or none, and no more than is unused.

        The quotas are locked in id order, so that two transfers in opposite directions
        do not wait for each other.
        """
        both = self.from_quota_id | self.to_quota_id
        both.flush_recordset()
        self.env.execute_query(
            SQL(
                "SELECT id FROM energy_quota WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
                both.ids,
            )
        )
        both.invalidate_recordset()
        self._check_quotas()
        self._check_unused()
        name = self.env._(
            "%(name)s: %(giver)s to %(receiver)s",
            name=self.name,
            giver=self.from_quota_id.line_id.name,
            receiver=self.to_quota_id.line_id.name,
        )
        amount = self._exact_amount()
        self.from_quota_id._withdraw(amount, f"transfer:{self.id}:from", name)
        self.to_quota_id._grant(amount, f"transfer:{self.id}:to", name)
        self._close("approved", note)

    def _facts(self):
        one, other = self.from_quota_id, self.to_quota_id
        text = self.env["ir.qweb.field.float"].value_to_html
        unit = self.unit_name
        return [
            (self.env._("From"), one.line_id.name),
            (self.env._("To"), other.line_id.name),
            (self.env._("Amount"), f"{text(self.amount, {'precision': 2})} {unit}"),
            (
                self.env._("Not used yet"),
                f"{text(one.remaining, {'precision': 2})} {unit}",
            ),
        ]
