from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import email_normalize

MOST_PEOPLE = 50  # that one tenant may have invited
ROLES = ("pay", "view")


class EnergyWallet(models.Model):
    """Who of a tenant's people sees a wallet and may pay for it."""

    _inherit = "energy.wallet"

    portal_user_ids = fields.Many2many(
        "res.users",
        "energy_wallet_portal_user_rel",
        "wallet_id",
        "user_id",
        "Invited Users",
        copy=False,
        groups="prepaid_energy.group_energy_accountant",
        help="Portal users whom the tenant has invited to this wallet. The tenant's "
        "main contacts see it anyway.",
    )

    @api.model
    def _portal_role(self):
        """``manage``, ``pay`` or ``view``: what the user may do with own wallets."""
        return self.env.user.energy_role or "manage"

    def _portal_people(self):
        """The contacts who see this wallet in the portal; in sudo mode."""
        # sudo: as the rule of portal users says, whoever asks
        users = self.env["res.users"].sudo()
        family = self.sudo().partner_id.commercial_partner_id
        domain = [
            ("share", "=", True),
            ("partner_id.commercial_partner_id", "=", family.id),
            "|",
            ("energy_role", "=", False),
            ("id", "in", self.sudo().portal_user_ids.ids),
        ]
        return users.search(domain).partner_id if family else users.partner_id

    def _check_may_pay(self):
        """Raise AccessError for somebody who was invited only to look."""
        if not self.env.su and self._portal_role() == "view":
            raise AccessError(
                self.env._("You may look at this wallet, not move its money.")
            )

    def _check_may_manage(self):
        """Raise AccessError unless the user is a main contact of a tenant."""
        user = self.env.user
        if not user._is_portal() or self._portal_role() != "manage":
            raise AccessError(
                self.env._("Only a main contact of the tenant may do this.")
            )

    # ------------------------------------------------------------------ people

    @api.model
    def _invited_users(self):
        """Who was invited by the tenant of this main contact; in sudo mode.

        :raise AccessError: the user is none.
        """
        self._check_may_manage()
        tenant = self.env.user.commercial_partner_id
        # sudo: tenants read no users; these are of their own company
        return (
            self.env["res.users"]
            .sudo()
            .search(
                [
                    ("partner_id", "child_of", tenant.id),
                    ("energy_role", "!=", False),
                    ("share", "=", True),
                ]
            )
        )

    def _invite(self, name, email, role):
        """Give a colleague access to these wallets, and write an invitation.

        :param str name: of the colleague.
        :param str email: becomes the log-in.
        :param str role: ``pay`` or ``view``.
        :return: the new user, in sudo mode.
        :raise AccessError: the user is no main contact, or the wallets are not theirs.
        :raise UserError: names what is wrong with the values.
        """
        self._check_may_manage()
        self.check_access("read")
        name, address = (name or "").strip(), email_normalize(email or "")
        if not name or not address:
            raise UserError(self.env._("Please give a name and an e-mail address."))
        self._check_role(role)
        if len(self._invited_users()) >= MOST_PEOPLE:
            raise UserError(
                self.env._("No more than %s people can be invited.", MOST_PEOPLE)
            )
        partner = self._colleague(name, address)
        # sudo: portal users create no users; who may be invited was checked above
        wizard = self.env["portal.wizard"].sudo().create({})
        row = self.env["portal.wizard.user"].sudo()
        row = row.create(
            {"wizard_id": wizard.id, "partner_id": partner.id, "email": address}
        )
        # sudo: an address leads to one person, whoever they work for
        others = self.env["res.users"].sudo().with_context(active_test=False)
        taken = others.search(
            [
                ("partner_id.email_normalized", "=", address),
                ("partner_id", "!=", partner.id),
            ],
            limit=1,
        )
        if taken or row.email_state != "ok" or row.is_portal or row.is_internal:
            raise UserError(
                self.env._(
                    "%s cannot be invited from here; please ask the park's office.",
                    address,
                )
            )
        user = row._create_user() if not row.user_id else row.user_id.sudo()
        # the role before the portal group: never a main contact, not for a moment
        user.write({"energy_role": role})
        self._grant_to(user)
        row.invalidate_recordset(["user_id", "is_portal", "is_internal"])
        if not row.is_portal:
            row.action_grant_access()
        else:
            row.action_invite_again()
        return user

    def _colleague(self, name, address):
        """The tenant's contact with an e-mail address, made where there is none."""
        tenant = self.env.user.commercial_partner_id
        # sudo: tenants write no contacts
        Partner = self.env["res.partner"].sudo()
        known = Partner.search(
            [
                ("id", "child_of", tenant.id),
                ("id", "!=", tenant.id),
                ("email_normalized", "=", address),
            ],
            limit=1,
        )
        return known or Partner.create(
            {
                "name": name,
                "email": address,
                "parent_id": tenant.id,
                "lang": self.env.user.lang,
                "tz": self.env.user.tz,
            }
        )

    def _check_role(self, role):
        if role not in ROLES:
            raise UserError(
                self.env._("Please choose whether they may pay or only look.")
            )
        if not self:
            raise UserError(self.env._("Please choose at least one wallet."))

    def _grant_to(self, user):
        """Let an invited user see these wallets of the tenant, and no others."""
        tenant = self.env.user.commercial_partner_id
        # sudo: tenants write no wallets; these are their own
        wallets = self.env["energy.wallet"].sudo()
        for wallet in wallets.search([("partner_id", "child_of", tenant.id)]):
            wanted = wallet in self.sudo()
            if (user in wallet.portal_user_ids) != wanted:
                link = (4 if wanted else 3, user.id, 0)
                wallet.write({"portal_user_ids": [link]})

    def _change_invited(self, user_id, role):
        """Change what an invited colleague may do; these wallets are the whole list.

        :raise AccessError: nobody whom the tenant has invited.
        :raise UserError: no wallet, or no such role.
        """
        user = self._invited_users().filtered(lambda one: one.id == user_id)
        if not user:
            raise AccessError(self.env._("This is nobody whom you have invited."))
        self.check_access("read")
        self._check_role(role)
        user.write({"energy_role": role})
        self._grant_to(user)

    @api.model
    def _remove_invited(self, user_id):
        """Take the access of an invited colleague away; the user is archived.

        :raise AccessError: nobody whom the tenant has invited.
        """
        user = self._invited_users().filtered(lambda one: one.id == user_id)
        if not user:
            raise AccessError(self.env._("This is nobody whom you have invited."))
        self.env["energy.wallet"]._grant_to(user)
        wizard = self.env["portal.wizard"].sudo().create({})  # sudo: as in _invite
        self.env["portal.wizard.user"].sudo().create(
            {
                "wizard_id": wizard.id,
                "partner_id": user.partner_id.id,
                "email": user.email,
            }
        ).action_revoke_access()
