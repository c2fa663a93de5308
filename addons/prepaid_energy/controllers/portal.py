import math

from odoo import fields, http
from odoo.exceptions import AccessError, MissingError, UserError, ValidationError
from odoo.http import request

from odoo.addons.account_payment.controllers.portal import PortalAccount
from odoo.addons.portal.controllers.portal import pager

from ..exchange.numbers import exact

PAGE = 20


class PortalEnergy(PortalAccount):
    """``/my/energy``: the tenant's wallets, consumption and top-ups."""

    def _prepare_home_portal_values(self, counters):
        values = super()._prepare_home_portal_values(counters)
        if "energy_wallet_count" in counters:
            Wallet = request.env["energy.wallet"]
            values["energy_wallet_count"] = (
                Wallet.search_count([]) if Wallet.has_access("read") else 0
            )
        return values

    @http.route("/my/energy", type="http", auth="user", website=True)
    def portal_my_energy(self, **_kwargs):
        """The tenant's wallets; a single one opens at once."""
        wallets = request.env["energy.wallet"].search([])
        if len(wallets) == 1:
            return request.redirect(wallets.access_url)
        return request.render(
            "prepaid_energy.portal_my_energy",
            {"wallets": wallets, "page_name": "energy_wallet"},
        )

    @http.route(
        ["/my/energy/<int:wallet_id>", "/my/energy/<int:wallet_id>/page/<int:page>"],
        type="http",
        auth="user",
        website=True,
    )
    def portal_energy_wallet(self, wallet_id, page=1, amount=None, **kwargs):
        """One wallet: balance, consumption, ledger, and the top-up form."""
        wallet_sudo = self._energy_wallet(wallet_id)
        if wallet_sudo is None:
            return request.redirect("/my/energy")
        values = self._energy_wallet_values(wallet_sudo, page)
        values.update(self._energy_topup_values(wallet_sudo, amount, **kwargs))
        return request.render("prepaid_energy.portal_energy_wallet", values)

    @http.route(
        "/my/energy/<int:wallet_id>/transaction",
        type="jsonrpc",
        auth="user",
        website=True,
    )
    def portal_energy_transaction(self, wallet_id, **kwargs):
        """Create the draft transaction of a top-up.

        Partner and currency come from the wallet, not from the browser; the amount is
        checked against the policy's limits.

        :return: the processing values of the transaction.
        :raise ValidationError: not one's own wallet, or an amount out of bounds.
        """
        wallet_sudo = self._energy_wallet(wallet_id)
        if wallet_sudo is None:
            raise ValidationError(request.env._("This wallet is not yours."))
        self._validate_transaction_kwargs(kwargs)
        amount = self._energy_amount(wallet_sudo, kwargs.get("amount"))
        try:
            wallet_sudo._check_topup_amount(amount)
        except UserError as error:
            raise ValidationError(error.args[0]) from error
        kwargs.update(
            amount=amount,
            currency_id=wallet_sudo.currency_id.id,
            partner_id=request.env.user.partner_id.id,
            landing_route=wallet_sudo.access_url,
            is_validation=False,
        )
        self._check_energy_provider(wallet_sudo, kwargs)
        transaction_sudo = self._create_transaction(
            custom_create_values={
                "energy_wallet_id": wallet_sudo.id,
                "energy_topup_fee": float(wallet_sudo._topup_fee(amount)),
            },
            **kwargs,
        )
        return transaction_sudo._get_processing_values()

    def _check_energy_provider(self, wallet_sudo, kwargs):
        """Refuse what the payment form does not offer; core trusts the browser here.

        :raise ValidationError: the provider is of another company, disabled, not
            published or not for this amount; or its method or token does not fit.
        """
        partner = request.env.user.partner_id
        # sudo: tenants read no providers
        providers = (
            request.env["payment.provider"]
            .sudo()
            ._get_compatible_providers(
                wallet_sudo.company_id.id,
                partner.id,
                kwargs["amount"],
                currency_id=kwargs["currency_id"],
            )
            .filtered(lambda one: one.id == kwargs.get("provider_id"))
        )
        if kwargs.get("flow") == "token":
            offered = providers.env["payment.token"]._get_available_tokens(
                providers.ids, partner.id
            )
            wanted = kwargs.get("token_id")
        else:
            offered = providers.env["payment.method"]._get_compatible_payment_methods(
                providers.ids, partner.id, currency_id=kwargs["currency_id"]
            )
            wanted = kwargs.get("payment_method_id")
        if not providers or wanted not in offered.ids:
            raise ValidationError(
                request.env._("This way of paying is not offered for this wallet.")
            )

    def _energy_wallet(self, wallet_id):
        """The wallet in sudo mode if the user may read it, else ``None``."""
        try:
            return self._document_check_access("energy.wallet", wallet_id)
        except (AccessError, MissingError):
            return None

    def _energy_amount(self, wallet_sudo, value):
        """The amount that the browser sent, rounded; 0 if it is none."""
        amount = self._cast_as_float(value)
        if amount is None or not math.isfinite(amount):
            return 0.0
        return wallet_sudo.currency_id.round(amount)

    def _energy_wallet_values(self, wallet_sudo, page):
        """What the page shows of the wallet; read in the user's own rights."""
        Entry = request.env["energy.wallet.entry"]
        domain = [("wallet_id", "=", wallet_sudo.id)]
        pages = pager(
            url=wallet_sudo.access_url,
            total=Entry.search_count(domain),
            page=page,
            step=PAGE,
        )
        today = fields.Date.context_today(wallet_sudo)
        days = request.env["energy.usage"]._read_group(
            [*domain, ("day", ">=", fields.Date.subtract(today, days=13))],
            ["day:day", "uom_id"],
            ["quantity:sum", "amount_total:sum"],
        )
        most = {}
        for _day, uom, quantity, _cost in days:
            most[uom] = max(quantity, most.get(uom) or 1)
        return {
            "wallet": wallet_sudo,
            # sudo: meters are not the tenant's, their relay state is shown to him
            "points": wallet_sudo.service_point_ids.sudo(),
            "entries": Entry.search(domain, limit=PAGE, offset=pages["offset"]),
            "pager": pages,
            "days": [
                {
                    "day": day,
                    "quantity": quantity,
                    "unit": uom.sudo().name,  # sudo: tenants read no units
                    "share": 100 * quantity / most[uom],
                    "cost": cost,
                }
                for day, uom, quantity, cost in days
            ],
            "page_name": "energy_wallet",
        }

    def _energy_topup_values(self, wallet_sudo, amount, **kwargs):
        """The payment form for the chosen amount, or the choice of amounts."""
        policy = wallet_sudo.policy_id
        low = policy.topup_minimum or 5.0
        choices = [low * factor for factor in (1, 4, 10, 20, 40)]
        if policy:
            choices = [choice for choice in choices if choice <= policy.topup_maximum]
        values = {"topup_choices": choices, "topup_amount": None, "topup_error": None}
        if amount is None:
            return values
        chosen = self._energy_amount(wallet_sudo, amount)
        try:
            wallet_sudo._check_topup_amount(chosen)
        except UserError as error:
            return {**values, "topup_error": error.args[0]}
        form = self._get_common_page_view_values(
            invoices_data={
                "partner": wallet_sudo.partner_id,
                "company": wallet_sudo.company_id,
                "total_amount": chosen,
                "currency": wallet_sudo.currency_id,
                "amount_residual": chosen,
                "landing_route": wallet_sudo.access_url,
                "transaction_route": f"{wallet_sudo.access_url}/transaction",
            },
            **kwargs,
        )
        fee = wallet_sudo._topup_fee(chosen)
        return {
            **values,
            **form,
            "amount": chosen,
            "topup_amount": chosen,
            "topup_fee": float(fee),
            "topup_credited": float(exact(chosen, 6) - fee),
        }
