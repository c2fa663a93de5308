from odoo import http
from odoo.exceptions import AccessError, UserError
from odoo.http import request

from .portal import PortalEnergy


class PortalPeople(PortalEnergy):
    """``/my/energy/people``: whom a tenant's main contact lets in."""

    @http.route("/my/energy/people", type="http", auth="user", website=True)
    def portal_energy_people(self, **_kwargs):
        """The colleagues who were invited, and the form to invite another."""
        Wallet = request.env["energy.wallet"]
        try:
            people = Wallet._invited_users()
        except AccessError:
            return request.redirect("/my/energy")
        own = Wallet.search([])
        shared = own.sudo()  # sudo: who sees the tenant's own wallets
        return request.render(
            "prepaid_energy.portal_energy_people",
            {
                "wallets": own,
                "people": [
                    {
                        "user": user,
                        "wallets": shared.filtered(
                            lambda wallet, user=user: user in wallet.portal_user_ids
                        ),
                    }
                    for user in people
                ],
                "message": request.session.pop("energy_people_message", None),
                "page_name": "energy_people",
            },
        )

    @http.route(
        "/my/energy/people/invite",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def portal_energy_invite(self, name="", email="", role="", **_kwargs):
        """Invite a colleague to the chosen wallets."""
        return self._energy_people_do(
            lambda: self._energy_chosen()._invite(name, email, role),
            request.env._("The invitation is on its way."),
        )

    @http.route(
        "/my/energy/people/<int:user_id>",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def portal_energy_person(self, user_id, role="", remove=None, **_kwargs):
        """Change what a colleague may see and do, or take the access away."""
        if remove:
            return self._energy_people_do(
                lambda: request.env["energy.wallet"]._remove_invited(user_id),
                request.env._("The access was taken away."),
            )
        return self._energy_people_do(
            lambda: self._energy_chosen()._change_invited(user_id, role),
            request.env._("Saved."),
        )

    def _energy_chosen(self):
        """The wallets that were ticked; their access is checked where they are used."""
        ticked = request.httprequest.form.getlist("wallet")
        ids = [int(number) for number in ticked if number.isdecimal()]
        return request.env["energy.wallet"].search([("id", "in", ids)])

    def _energy_people_do(self, work, done):
        """Do it, and say on the page what came of it; a failure leaves nothing."""
        try:
            with request.env.cr.savepoint():
                work()
            request.session["energy_people_message"] = (True, done)
        except (AccessError, UserError) as error:
            request.session["energy_people_message"] = (False, error.args[0])
        return request.redirect("/my/energy/people")
