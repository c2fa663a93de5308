from odoo import http
from odoo.exceptions import AccessError, MissingError, UserError
from odoo.http import request

from odoo.addons.account_payment.controllers.portal import PortalAccount
from odoo.addons.portal.controllers.portal import pager

PAGE = 10


class PortalEnergy(PortalAccount):
    """``/my/energy``: the tenant's wallets, consumption and top-ups."""

    def _prepare_home_portal_values(self, counters):
        values = super()._prepare_home_portal_values(counters)
        if "energy_wallet_count" in counters:
            Wallet = request.env["energy.wallet"]
            values["energy_wallet_count"] = (
                Wallet.with_context(active_test=False).search_count([])
                if Wallet.has_access("read")
                else 0
            )
        return values

    @http.route("/my/energy", type="http", auth="user", website=True)
    def portal_my_energy(self, **_kwargs):
        """The tenant's wallets; a single one opens at once."""
        wallets = request.env["energy.wallet"].search([])
        closed = request.env["energy.wallet"].search(
            [("active", "=", False)], order="closed_on desc, id desc"
        )
        if len(wallets) == 1 and not closed:
            return request.redirect(wallets.access_url)
        # sudo: what a card shows of the tenant's own wallets
        cards, days = wallets.sudo(), wallets.sudo()._days()
        self._energy_watch(wallets)
        clocks = cards._clocks()
        return request.render(
            "prepaid_energy.portal_my_energy",
            {
                "cards": [
                    {
                        "wallet": card,
                        "balance": card._format(card.balance),
                        "lasts": card._lasts_text(days.get(card.id)),
                        "outage": card._outage_text(clocks[card.id]),
                    }
                    for card in cards
                ],
                "closed": closed.sudo(),
                "may_manage": self._energy_may_manage(),
                "page_name": "energy_wallet",
            },
        )

    @http.route(
        ["/my/energy/<int:wallet_id>", "/my/energy/<int:wallet_id>/page/<int:page>"],
        type="http",
        auth="user",
        website=True,
    )
    def portal_energy_wallet(self, wallet_id, page=1, **kwargs):
        """One wallet: balance, supply, top-up, consumption, ledger."""
        wallet_sudo = self._energy_wallet(wallet_id)
        if wallet_sudo is None:
            return request.redirect("/my/energy")
        request.env["energy.notice"].sudo()._seen(  # sudo: tenants read no notices
            wallet_sudo, request.env.user.partner_id
        )
        values = self._energy_wallet_values(wallet_sudo, page, **kwargs)
        return request.render("prepaid_energy.portal_energy_wallet", values)

    @http.route(
        "/my/energy/<int:wallet_id>/now", type="http", auth="user", website=True
    )
    def portal_energy_now(self, wallet_id, **_kwargs):
        """Balance, supply and meters alone: the open page fetches it when it is told.

        A wallet that is not one's own (any more) is not found: the page stops asking.
        """
        wallet_sudo = self._energy_wallet(wallet_id)
        if wallet_sudo is None:
            return request.not_found()
        response = request.render(
            "prepaid_energy.portal_energy_now", self._energy_now_values(wallet_sudo)
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    @http.route(
        "/my/energy/<int:wallet_id>/emergency",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def portal_energy_emergency(self, wallet_id, confirmed=None, **_kwargs):
        """Take the emergency credit, where it is offered and was confirmed."""
        wallet_sudo = self._energy_wallet(wallet_id)
        if wallet_sudo is None:
            return request.redirect("/my/energy")
        message = (False, request.env._("Please confirm that you want it."))
        if confirmed:
            try:
                # in the user's own rights, which are checked there
                request.env["energy.wallet"].browse(wallet_id).action_emergency()
                message = (True, request.env._("The emergency credit is yours to use."))
            except (AccessError, UserError) as error:
                message = (False, error.args[0])
        request.session["energy_message"] = message
        return request.redirect(wallet_sudo.access_url)

    def _energy_may_manage(self):
        """Whether the user is a main contact of a tenant, who invites others."""
        role = request.env["energy.wallet"]._portal_role()
        return request.env.user._is_portal() and role == "manage"

    def _energy_wallet(self, wallet_id):
        """The wallet in sudo mode if the user may read it, else ``None``."""
        try:
            return self._document_check_access("energy.wallet", wallet_id)
        except (AccessError, MissingError):
            return None

    def _energy_watch(self, wallets):
        """Note that a page of these wallets is open, so that it is told of changes."""
        request.env["energy.wallet.watch"].sudo()._note(wallets)  # sudo: as there

    def _energy_now_values(self, wallet_sudo):
        """What the part of the page shows that is fetched anew while it is open."""
        self._energy_watch(wallet_sudo)
        role = request.env["energy.wallet"]._portal_role()
        return {
            **wallet_sudo._portal_now(),
            "may_pay": role != "view" and wallet_sudo.active,
            "may_manage": self._energy_may_manage(),
            "emergency": role != "view"
            and bool(wallet_sudo.service_point_ids)
            and wallet_sudo.emergency_offered,
            "emergency_text": wallet_sudo._format(
                wallet_sudo.policy_id.emergency_credit
            ),
        }

    def _energy_wallet_values(self, wallet_sudo, page, **_kwargs):
        """What the page shows of the wallet; the ledger in the user's own rights."""
        Entry = request.env["energy.wallet.entry"]
        domain = [("wallet_id", "=", wallet_sudo.id)]
        pages = pager(
            url=wallet_sudo.access_url,
            total=Entry.search_count(domain),
            page=page,
            step=PAGE,
        )
        return {
            **self._energy_now_values(wallet_sudo),
            "entries": Entry.search(domain, limit=PAGE, offset=pages["offset"]),
            "pager": pages,
            "message": request.session.pop("energy_message", None),
            "page_name": "energy_wallet",
        }
