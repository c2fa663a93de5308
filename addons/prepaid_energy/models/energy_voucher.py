import hashlib
import hmac
import secrets

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.orm.models import NO_ACCESS
from odoo.tools import SQL

from . import reference as references

RANDOM_DIGITS = 18  # and two check digits: five groups of four
KEY = "prepaid_energy.voucher_key"
EXPIRE_LIMIT = 10000  # rows a run of the cron


class EnergyVoucher(models.Model):
    """A prepaid code: sold at the counter, redeemed once on any wallet of the company.

    Codes are 18 random digits and two check digits (ISO 7064 mod 97-10). The database
    has only a keyed hash of each; the code itself is shown once, when it is issued.
    A state changes by one UPDATE that names the state before, so that two sessions
    cannot both redeem, sell or void a voucher.
    """

    _name = "energy.voucher"
    _description = "Energy Voucher"
    _order = "id desc"
    _rec_name = "serial"
    _check_company_auto = True

    serial = fields.Char(
        required=True,
        readonly=True,
        help="Printed beside the code; it redeems nothing.",
    )
    batch = fields.Char(readonly=True, index=True)
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    currency_id = fields.Many2one("res.currency", required=True, readonly=True)
    amount = fields.Monetary(required=True, readonly=True)
    expires_on = fields.Date(readonly=True, help="The last day to redeem it.")
    state = fields.Selection(
        [
            ("issued", "Issued"),
            ("sold", "Sold"),
            ("redeemed", "Redeemed"),
            ("void", "Voided"),
            ("expired", "Expired"),
        ],
        required=True,
        readonly=True,
        default="issued",
        index=True,
    )
    code_hash = fields.Char(readonly=True, groups=NO_ACCESS)
    payment_id = fields.Many2one(
        "account.payment", "Sale", readonly=True, index="btree_not_null"
    )
    partner_id = fields.Many2one(related="payment_id.partner_id", string="Buyer")
    wallet_id = fields.Many2one(
        "energy.wallet", "Redeemed On", readonly=True, index="btree_not_null"
    )
    redeemed_at = fields.Datetime(readonly=True)
    redeemed_by = fields.Many2one("res.users", readonly=True)
    void_reason = fields.Char(readonly=True)
    settled = fields.Boolean(
        readonly=True, help="Redeemed, paid back or written to income: nothing is owed."
    )

    _code_uniq = models.UniqueIndex("(code_hash)")
    _serial_uniq = models.UniqueIndex("(serial, company_id)")
    _amount_positive = models.Constraint(
        "CHECK (amount > 0)", "A voucher's amount is above zero."
    )

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("A voucher is never deleted: void it."))

    # ------------------------------------------------------------------ codes

    @api.model
    def _new_code(self):
        """A code as it is printed: "1234 5678 9012 3456 7890"."""
        body = "".join(secrets.choice("0123456789") for _digit in range(RANDOM_DIGITS))
        code = body + references.check_digits(body)
        return " ".join(code[at : at + 4] for at in range(0, len(code), 4))

    @api.model
    def _is_code(self, text):
        """Whether a text has the digits of a code, with the right check digits."""
        digits = references.key(text)
        return (
            len(digits) == RANDOM_DIGITS + 2
            and digits.isdigit()
            and references.remainder(digits) == 1
        )

    @api.model
    def _hash(self, code):
        """What the database keeps of a code: a hash keyed by a secret of its own."""
        # sudo: the key is nobody's to read; it is not Odoo's database secret, which
        # changes when a database is restored as a copy
        Parameter = self.env["ir.config_parameter"].sudo()
        key = Parameter.get_param(KEY)
        if not key:
            key = secrets.token_hex(32)
            Parameter.set_param(KEY, key)
        digits = references.key(code)
        return hmac.new(key.encode(), digits.encode(), hashlib.sha256).hexdigest()

    # ------------------------------------------------------------------ life

    @api.model
    def _issue(self, count, **values):
        """Make vouchers.

        sudo mode is the caller's, who has checked rights.

        :param values: ``company_id``, ``currency_id``, ``amount``, ``expires_on``.
        :return: (vouchers, codes) in the same order; the codes are kept nowhere.
        """
        sequence = self.env["ir.sequence"]
        batch = sequence.next_by_code("energy.voucher.batch")
        codes = [self._new_code() for _number in range(count)]
        vouchers = self.create(
            [
                {
                    **values,
                    "batch": batch,
                    "serial": sequence.next_by_code("energy.voucher"),
                    "code_hash": self._hash(code),
                }
                for code in codes
            ]
        )
        return vouchers, codes

    def _claim(self, states, **values):
        """Change the state of vouchers that are in one of ``states``, all or none.

        Raw SQL: one statement decides who was first. The caller has checked access.

        :raise UserError: one of them is in another state.
        """
        self.flush_recordset()
        assignments = SQL(", ").join(
            SQL("%s = %s", SQL.identifier(name), value)
            for name, value in values.items()
        )
        rows = self.env.execute_query(
            SQL(
                "UPDATE energy_voucher SET %s "
                "WHERE id = ANY(%s) AND state = ANY(%s) AND NOT settled IS TRUE "
                "RETURNING id",
                assignments,
                self.ids,
                list(states),
            )
        )
        self.invalidate_recordset()
        missed = self - self.browse(row[0] for row in rows)
        if missed:
            raise UserError(
                self.env._("Voucher %s was sold, used or voided.", missed[0].serial)
            )

    @api.model
    def _redeem(self, code, wallet):
        """Redeem a code on a wallet that the caller may top up.

        Nothing is raised for a wrong code: the failed attempt must be kept.

        :param recordset wallet: in sudo mode; rights were checked.
        :return: (voucher, ""), or (none, what is wrong with the code).
        """
        # sudo: nobody reads codes or attempts; this method decides about both
        voucher = self.sudo().browse()
        attempts = self.env["energy.voucher.attempt"].sudo()
        if attempts._is_blocked(wallet.company_id):
            return voucher, self.env._("Too many wrong codes: try again in an hour.")
        if not self._is_code(code):
            return voucher, self.env._("A digit is wrong: please compare the code.")
        voucher = voucher.search(
            [
                ("code_hash", "=", self._hash(code)),
                ("company_id", "=", wallet.company_id.id),
            ]
        )
        if not voucher:
            attempts._count(wallet.company_id)
            return voucher, self.env._("There is no voucher with this code.")
        problem = voucher._problem(wallet)
        if problem:
            return voucher.browse(), problem
        voucher._redeem_on(wallet)
        return voucher, ""

    def _problem(self, wallet):
        """What speaks against redeeming this voucher on a wallet; empty if nothing."""
        if self.state == "redeemed":
            return self.env._("This voucher was redeemed already.")
        if self.state != "sold" or self.settled:
            return self.env._("This voucher is not valid.")
        if self.expires_on and self.expires_on < self._today():
            return self.env._("This voucher expired on %s.", self.expires_on)
        if wallet.kind != "tenant" or not wallet.active:
            return self.env._("%s takes no vouchers.", wallet.name)
        if self.currency_id != wallet.currency_id:
            return self.env._(
                "The voucher is in %(currency)s, the wallet in %(other)s.",
                currency=self.currency_id.name,
                other=wallet.currency_id.name,
            )
        return ""

    def _today(self):
        company = self.company_id or self.env.company
        return company._energy_today()

    @api.model
    def _cron_expire(self):
        """Expire what nobody may redeem any more."""
        overdue = self.search(
            [
                ("state", "in", ("issued", "sold")),
                ("expires_on", "<", fields.Date.add(fields.Date.today(), days=1)),
            ],
            limit=EXPIRE_LIMIT,
        )
        # by each company's own date; who redeems in the meantime was first
        overdue = overdue.filtered(lambda v: v.expires_on < v._today())
        if overdue:
            overdue._claim(("issued", "sold"), state="expired")
