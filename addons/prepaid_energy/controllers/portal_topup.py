import json
import math
from collections import Counter

from odoo import http
from odoo.exceptions import UserError, ValidationError
from odoo.http import request

from ..exchange.numbers import exact
from .portal import PortalEnergy

CHOICES = 6  # amounts to tap at …
LAST = 3  # … so many of them were paid before
LOOK_BACK = 20  # payments in which they are looked for


class PortalTopup(PortalEnergy):
    """Top-ups in two taps: an amount, then "Pay" with the saved way of paying."""

    def _energy_wallet_values(self, wallet_sudo, page, amount=None, **kwargs):
        values = super()._energy_wallet_values(wallet_sudo, page, **kwargs)
        if not values["may_pay"]:
            amount = None
        values["message"] = values["message"] or self._energy_payment_message(
            wallet_sudo
        )
        return {**values, **self._energy_topup_values(wallet_sudo, amount)}

    def _energy_now_values(self, wallet_sudo):
        return {
            **super()._energy_now_values(wallet_sudo),
            "topup_choices": self._energy_topup_choices(wallet_sudo),
        }

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
        request.env["energy.wallet"]._check_may_pay()
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
        request.session["energy_paying"] = transaction_sudo.id
        return transaction_sudo._get_processing_values()

    def _energy_payment_message(self, wallet_sudo):
        """What came of the payment from which the tenant returns, once it is known.

        :return: (whether it is good news, text), or ``None``.
        """
        payment = wallet_sudo.env["payment.transaction"].search(
            [
                ("id", "=", request.session.get("energy_paying", 0)),
                ("energy_wallet_id", "=", wallet_sudo.id),
                ("state", "!=", "draft"),
            ]
        )
        if not payment:
            return None
        del request.session["energy_paying"]
        text = wallet_sudo._format(payment.amount)
        if payment.state == "done":
            return True, request.env._("Paid: %s. Thank you.", text)
        if payment.state in ("pending", "authorized"):
            return True, request.env._(
                "Your payment of %s is under way; the balance follows it.",
                text,
            )
        return False, request.env._("Your payment of %s did not go through.", text)

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

    def _energy_amount(self, wallet_sudo, value):
        """The amount that the browser sent, rounded; 0 if it is none."""
        amount = self._cast_as_float(value)
        if amount is None or not math.isfinite(amount):
            return 0.0
        return wallet_sudo.currency_id.round(amount)

    def _energy_topup_choices(self, wallet_sudo):
        """Amounts to tap at: what restores supply, what is usually paid, round ones.

        :return: list of (amount, reason): ``restore``, ``last`` or "".
        """
        policy = wallet_sudo.policy_id
        low = policy.topup_minimum or 5.0
        # where nothing is supplied yet, nothing is restored
        needed = bool(wallet_sudo.service_point_ids) and float(
            wallet_sudo._topup_needed()
        )
        last = wallet_sudo.env["account.payment"].search(
            [
                ("energy_wallet_id", "=", wallet_sudo.id),
                ("state", "in", ("in_process", "paid")),
                ("payment_type", "=", "inbound"),
            ],
            order="id desc",
            limit=LOOK_BACK,
        )
        usual = [
            amount
            for amount, times in Counter(last.mapped("amount")).most_common()
            # once, and to the cent: what was missing on a day
            if times > 1 or amount == int(amount)
        ]
        reasons = {needed: "restore"} if needed else {}
        reasons.update((amount, "last") for amount in usual[:LAST] if amount != needed)
        for factor in (1, 4, 10, 20, 40):
            if len(reasons) < CHOICES:
                reasons.setdefault(low * factor, "")
        most = policy.topup_maximum if policy else math.inf
        # what leaves the tenant in the dark is not offered; it can be typed
        least = max(low, needed) if needed <= most else low
        return sorted(
            (amount, why) for amount, why in reasons.items() if least <= amount <= most
        )

    def _energy_topup_values(self, wallet_sudo, amount):
        """The payment form for the chosen amount, or the choice of amounts."""
        values = {"topup_amount": None, "topup_error": None}
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
            }
        )
        fee = wallet_sudo._topup_fee(chosen)
        return {
            **values,
            **form,
            **self._energy_pay_labels(wallet_sudo, chosen, form["tokens_sudo"]),
            "amount": chosen,
            "topup_amount": chosen,
            "topup_text": request.env._("You pay %s.", wallet_sudo._format(chosen)),
            "fee_text": fee
            and request.env._(
                "Of this, %(fee)s is a fee; %(rest)s come to your balance.",
                fee=wallet_sudo._format(fee),
                rest=wallet_sudo._format(exact(chosen, 6) - fee),
            ),
        }

    def _energy_pay_labels(self, wallet_sudo, amount, tokens_sudo):
        """What the button says, for each saved way of paying and for any other.

        The saved one that was used last is chosen already: one tap pays.
        """
        text = wallet_sudo._format(amount)
        labels = {
            token.id: request.env._(
                "Pay %(amount)s with %(saved)s", amount=text, saved=token.display_name
            )
            for token in tokens_sudo
        }
        last = wallet_sudo.env["payment.transaction"].search(
            [
                ("energy_wallet_id", "=", wallet_sudo.id),
                ("token_id", "in", tokens_sudo.ids),
                ("state", "=", "done"),
            ],
            order="id desc",
            limit=1,
        )
        chosen = last.token_id or tokens_sudo[:1]
        other = request.env._("Pay %s", text)
        return {
            "default_token_id": chosen.id,
            "submit_button_label": labels.get(chosen.id, other),
            "pay_labels": json.dumps({"": other, **labels}),
        }
