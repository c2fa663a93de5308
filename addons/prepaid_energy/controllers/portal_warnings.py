from decimal import Decimal, InvalidOperation

from odoo import http
from odoo.exceptions import AccessError, UserError
from odoo.http import request

from .portal import PortalEnergy

BLANKS = 2  # empty lines for further levels


class PortalWarnings(PortalEnergy):
    """``/my/energy/<id>/warnings``: when and how a tenant wants to be warned."""

    @http.route(
        "/my/energy/<int:wallet_id>/warnings", type="http", auth="user", website=True
    )
    def portal_energy_warnings(self, wallet_id, **_kwargs):
        """The levels of the policy, the own ones, and who is told of what."""
        wallet_sudo = self._energy_wallet(wallet_id)
        if wallet_sudo is None:
            return request.redirect("/my/energy")
        policy = wallet_sudo.policy_id
        levels = policy._levels() if policy else {"balance": [], "days": []}
        own = wallet_sudo.own_level_ids
        return request.render(
            "prepaid_energy.portal_energy_warnings",
            {
                "wallet": wallet_sudo,
                "given": [
                    request.env._(
                        "The park warns you at a balance of %s.",
                        wallet_sudo._format(level),
                    )
                    for level in levels["balance"]
                ]
                + [
                    request.env._(
                        "The park warns you when it lasts %s days.", f"{float(level):g}"
                    )
                    for level in levels["days"]
                ],
                "balances": [
                    f"{level.balance:g}" for level in own if level.basis == "balance"
                ]
                + [""] * BLANKS,
                "days": [f"{level.days:g}" for level in own if level.basis == "days"]
                + [""] * BLANKS,
                "contacts": self._energy_contacts(wallet_sudo),
                "may_pay": request.env["energy.wallet"]._portal_role() != "view",
                "message": request.session.pop("energy_warnings_message", None),
                "page_name": "energy_wallet",
            },
        )

    @http.route(
        "/my/energy/<int:wallet_id>/warnings/levels",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def portal_energy_levels(self, wallet_id, **_kwargs):
        """Replace the tenant's own levels by those of the form."""
        form = request.httprequest.form
        return self._energy_warnings_do(
            wallet_id,
            lambda wallet: wallet._set_own_levels(
                self._energy_numbers(form.getlist("balance")),
                self._energy_numbers(form.getlist("days")),
            ),
        )

    @http.route(
        "/my/energy/<int:wallet_id>/warnings/channels",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def portal_energy_channels(self, wallet_id, partner="", **_kwargs):
        """Note of what a contact wants to be told, and how."""
        form = request.httprequest.form
        wanted = {tuple(one.split(":", 1)) for one in form.getlist("wanted")}
        ids = [int(partner)] if partner.isdecimal() else []
        contact = request.env["res.partner"].browse(ids)
        return self._energy_warnings_do(
            wallet_id, lambda wallet: wallet._set_preferences(contact, wanted)
        )

    def _energy_warnings_do(self, wallet_id, work):
        """Do it in the user's own rights, and say on the page what came of it."""
        wallet_sudo = self._energy_wallet(wallet_id)
        if wallet_sudo is None:
            return request.redirect("/my/energy")
        message = (True, request.env._("Saved."))
        try:
            with request.env.cr.savepoint():
                work(request.env["energy.wallet"].browse(wallet_id))
        except (AccessError, UserError) as error:
            message = (False, error.args[0])
        request.session["energy_warnings_message"] = message
        return request.redirect(f"{wallet_sudo.access_url}/warnings")

    def _energy_contacts(self, wallet_sudo):
        """Whose choices the user makes: the own ones, and a main contact the tenant's.

        :return: list of dicts: partner, own, channels [(name, address, choices)]; a
            choice is (key, kind, chosen).
        """
        partners = request.env.user.partner_id
        if self._energy_may_manage():
            partners = wallet_sudo.partner_id | partners
        return [
            {
                "partner": partner.sudo(),  # sudo: the tenant's own name and address
                "own": partner == request.env.user.partner_id,
                "channels": self._energy_channels(wallet_sudo, partner.sudo()),
            }
            for partner in partners
        ]

    def _energy_channels(self, wallet_sudo, partner):
        """What a contact may be told over each channel, see ``_energy_contacts``."""
        Preference = wallet_sudo.env["energy.wallet.preference"]
        channels, kinds = (
            dict(Preference._fields[name]._description_selection(request.env))
            for name in ("channel", "kind")
        )
        addresses = Preference._addresses(partner)
        choices = {}
        for channel, kind in Preference._choices():
            chosen = partner in wallet_sudo._listeners(kind, channel)
            choice = (f"{channel}:{kind}", kinds[kind], chosen)
            choices.setdefault(channel, []).append(choice)
        return [
            (channels[channel], addresses.get(channel), some)
            for channel, some in choices.items()
        ]

    def _energy_numbers(self, values):
        """The numbers of a form; empty ones are left out.

        :raise UserError: names what is no number.
        """
        numbers = []
        for value in values:
            text = value.strip().replace(",", ".")
            if not text:
                continue
            try:
                number = Decimal(text)
            except InvalidOperation:
                number = Decimal("nan")
            if not number.is_finite():
                raise UserError(request.env._("%s is not a number.", value))
            numbers.append(number)
        return numbers
