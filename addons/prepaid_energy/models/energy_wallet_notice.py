from decimal import Decimal

from odoo import fields, models
from odoo.exceptions import UserError

from ..exchange.numbers import exact

MOST_LEVELS = 10  # of a tenant's own, on one wallet


class EnergyWallet(models.Model):
    """Who is told of what, and at which levels; what a tenant chooses of it."""

    _inherit = "energy.wallet"

    preference_ids = fields.One2many("energy.wallet.preference", "wallet_id")
    own_level_ids = fields.One2many(
        "energy.wallet.level", "wallet_id", "Tenant's Own Warnings"
    )

    def _listeners(self, kind, channel="email"):
        """The contacts who are told of a kind of news over a channel.

        :param str kind: see ``energy.wallet.preference``.
        """
        self.ensure_one()
        # sudo: the news goes out whoever caused it
        chosen = {
            row.partner_id: row.wanted
            for row in self.sudo().preference_ids
            if (row.kind, row.channel) == (kind, channel)
        }
        if channel == "email":
            chosen.setdefault(self.sudo().partner_id, True)
        wanted = [partner.id for partner, wants in chosen.items() if wants]
        return self.env["res.partner"].sudo().browse(wanted).filtered("active")

    def _warning_levels(self):
        """The policy's levels and the tenant's own: {"balance": […], "days": […]}."""
        self.ensure_one()
        policy = self.sudo().policy_id  # sudo: a paying tenant may not read policies
        levels = policy._levels() if policy else {"balance": [], "days": []}
        for level in self.sudo().own_level_ids:
            digits = 6 if level.basis == "balance" else 1
            levels[level.basis].append(exact(level[level.basis], digits))
        return levels

    def _in_words_of_tenant(self):
        """This wallet in the language of its tenant."""
        lang = self.sudo().partner_id.lang
        return self.with_context(lang=lang) if lang else self

    # ------------------------------------------------------------------ choices

    def _set_own_levels(self, balances, days):
        """Replace the tenant's own levels; called in the tenant's rights.

        :param list balances, days: Decimals.
        :raise AccessError: not one's own wallet, or only allowed to look.
        :raise UserError: names what is wrong.
        """
        self.ensure_one()
        self.check_access("read")
        self._check_may_pay()
        if len(balances) + len(days) > MOST_LEVELS:
            raise UserError(
                self.env._("No more than %s warning levels, please.", MOST_LEVELS)
            )
        if any(not Decimal(0) < level < Decimal(10000) for level in days):
            raise UserError(self.env._("Days left are above zero."))
        if any(abs(level) >= Decimal(10) ** 12 for level in balances):
            raise UserError(self.env._("This balance is too large."))
        # sudo: tenants write no wallets; these levels are their own
        rows = [(5, 0, 0)]
        rows += [
            (0, 0, {"basis": "balance", "balance": float(one)})
            for one in sorted(set(balances))
        ]
        rows += [
            (0, 0, {"basis": "days", "days": float(one)}) for one in sorted(set(days))
        ]
        self.sudo().write({"own_level_ids": rows})

    def _set_preferences(self, partner, wanted):
        """Note what a contact wants to be told; called in the tenant's rights.

        :param recordset partner: the user's own, or the tenant for a main contact.
        :param set wanted: of (channel, kind).
        :raise AccessError: not one's own wallet, or somebody else's preferences.
        """
        self.ensure_one()
        self.check_access("read")
        if partner != self.env.user.partner_id:
            self._check_may_manage()
            if partner != self.sudo().partner_id:
                raise UserError(self.env._("These are somebody else's choices."))
        # sudo: tenants write no preferences; these are their own
        Preference = self.env["energy.wallet.preference"].sudo()
        known = {
            (row.channel, row.kind): row
            for row in Preference.search(
                [("wallet_id", "=", self.id), ("partner_id", "=", partner.id)]
            )
        }
        for key in Preference._choices():
            values = {"wanted": key in wanted}
            if key in known:
                known[key].write(values)
                continue
            Preference.create(
                {
                    "wallet_id": self.id,
                    "partner_id": partner.id,
                    "channel": key[0],
                    "kind": key[1],
                    **values,
                }
            )
