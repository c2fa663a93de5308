import re

from odoo import api, fields, models
from odoo.fields import Domain

from . import reference as references

# what the shipped sequence makes, with and without check digits
OURS = re.compile(r"(RF\d\d)?EW\d{4,}")


class EnergyWallet(models.Model):
    """How a wallet is found: by what payers write and by what people say."""

    _inherit = "energy.wallet"
    _rec_names_search = ["name", "reference", "service_point_ids.meter_id.serial"]

    reference_key = fields.Char(
        compute="_compute_reference_key",
        store=True,
        precompute=True,
        index=True,
        help="The reference without spaces and dashes, in capitals.",
    )

    @api.depends("reference")
    def _compute_reference_key(self):
        for wallet in self:
            wallet.reference_key = references.key(wallet.reference)

    @api.model
    def _search_display_name(self, operator, value):
        """Find "rf60 ew00-0001" too. Meters are looked at where they may be read."""
        domain = super()._search_display_name(operator, value)
        spelling = references.key(value) if isinstance(value, str) else ""
        if operator in ("ilike", "=ilike", "like", "=") and spelling:
            domain = Domain(domain) | Domain("reference_key", "=", spelling)
        return domain

    @api.model
    def _next_reference(self):
        """A new reference: the next number of the sequence, with check digits."""
        # sudo: who may create a wallet may draw its number
        number = self.env["ir.sequence"].sudo().next_by_code("energy.wallet")
        return references.with_check_digits(number)

    @api.model
    def _named_in(self, text, company):
        """The wallets of a company that a text names; closed ones too.

        :return: (wallets, problem): why it names none, or empty where the text has
            nothing like a reference.
        """
        keys = references.read(text)
        wrong = references.mistyped(keys)
        wallets = self.with_context(active_test=False).search(
            [("reference_key", "in", list(keys)), ("company_id", "=", company.id)]
        )
        # "RF61 EW000001" with wrong digits does not name the old reference EW000001
        wallets = wallets.filtered(
            lambda wallet: (
                references.is_checked(wallet.reference_key)
                or not any(one.endswith(wallet.reference_key) for one in wrong)
            )
        )
        if wallets:
            return wallets, ""
        if wrong:
            # the shortest: longer ones have the next words joined to it
            return wallets, self.env._(
                "%s has a typing error: its check digits do not fit.",
                min(wrong, key=len),
            )
        unknown = [one for one in keys if OURS.fullmatch(one)]
        if unknown:
            return wallets, self.env._(
                "No wallet has the reference %s.", max(unknown, key=len)
            )
        return wallets, ""
