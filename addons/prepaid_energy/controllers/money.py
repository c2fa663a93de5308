from datetime import timedelta

from werkzeug.exceptions import Gone, NotFound

from odoo import fields, http
from odoo.http import Response, content_disposition, request

from .portal import PortalEnergy

RECEIPTS = 10  # the newest are listed
FAILED_HOURS = 24  # so long a payment that failed is shown
WAITING = ("pending", "authorized")
FAILED = ("cancel", "error")


class PortalMoney(PortalEnergy):
    """Money in, beside paying online: vouchers, receipts, payments under way."""

    def _energy_wallet_values(self, wallet_sudo, page, **kwargs):
        values = super()._energy_wallet_values(wallet_sudo, page, **kwargs)
        since = fields.Datetime.now() - timedelta(hours=FAILED_HOURS)
        transactions = wallet_sudo.env["payment.transaction"].search(
            [
                ("energy_wallet_id", "=", wallet_sudo.id),
                "|",
                ("state", "in", WAITING),
                "&",
                ("state", "in", FAILED),
                ("last_state_change", ">=", since),
            ],
            limit=RECEIPTS,
            order="id desc",
        )
        return {
            **values,
            "voucher_message": request.session.pop("energy_voucher_message", None),
            "under_way": transactions,
            "receipts": wallet_sudo.env["account.payment"].search(
                self._energy_receipts(wallet_sudo),
                limit=RECEIPTS,
                order="date desc, id desc",
            ),
            # in the user's own rights: the portal of Odoo's books decides who sees them
            "invoices": request.env["account.move"].search(
                [
                    ("energy_wallet_id", "=", wallet_sudo.id),
                    ("move_type", "in", ("out_invoice", "out_refund")),
                    ("state", "=", "posted"),
                ],
                limit=RECEIPTS,
                order="invoice_date desc, id desc",
            ),
        }

    def _energy_receipts(self, wallet_sudo):
        """Domain of the payments that have moved a wallet."""
        return [
            ("energy_wallet_id", "=", wallet_sudo.id),
            ("state", "in", ("in_process", "paid")),
        ]

    @http.route(
        "/my/energy/<int:wallet_id>/voucher",
        type="http",
        auth="user",
        methods=["POST"],
        website=True,
    )
    def portal_energy_voucher(self, wallet_id, code="", **_kwargs):
        """Redeem a voucher on one's own wallet; the page tells what came of it."""
        wallet_sudo = self._energy_wallet(wallet_id)
        if wallet_sudo is None:
            return request.redirect("/my/energy")
        request.env["energy.wallet"]._check_may_pay()
        voucher, problem = request.env["energy.voucher"]._redeem(code, wallet_sudo)
        text = problem or request.env._(
            "The voucher of %s was added to your balance.",
            wallet_sudo._format(voucher.amount),
        )
        request.session["energy_voucher_message"] = (not problem, text)
        return request.redirect(f"{wallet_sudo.access_url}#voucher")

    @http.route(
        "/my/energy/<int:wallet_id>/receipt/<int:payment_id>",
        type="http",
        auth="user",
        website=True,
    )
    def portal_energy_receipt(self, wallet_id, payment_id, report_type=None, **_kwargs):
        """The receipt of a payment on one's own wallet, to print or to keep.

        :param str report_type: "pdf", or a page.
        """
        wallet_sudo = self._energy_wallet(wallet_id)
        if wallet_sudo is None:
            raise NotFound()
        payment_sudo = wallet_sudo.env["account.payment"].search(
            [*self._energy_receipts(wallet_sudo), ("id", "=", payment_id)]
        )
        if not payment_sudo:
            raise NotFound()
        # sudo: the payment is one of the tenant's own wallet
        report = request.env["ir.actions.report"].sudo()
        name = "prepaid_energy.topup_receipt"
        if report_type != "pdf":
            html, _type = report._render_qweb_html(name, payment_sudo.ids)
            return request.make_response(html)
        pdf, _type = report._render_qweb_pdf(name, payment_sudo.ids)
        number = (payment_sudo.name or "").replace("/", "-")
        file_name = content_disposition(f"receipt_{number}.pdf")
        return request.make_response(
            pdf,
            headers=[
                ("Content-Type", "application/pdf"),
                ("Content-Disposition", file_name),
            ],
        )

    @http.route(
        "/energy/vouchers/<int:issue_id>/codes.csv",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=False,
    )
    def energy_voucher_codes(self, issue_id, **_kwargs):
        """The codes of a batch that was just issued; they can be fetched once."""
        wizard = request.env["energy.voucher.issue"].browse(issue_id).exists()
        if not wizard:
            raise NotFound()
        codes = wizard._take_codes()
        if codes is None:
            raise Gone(request.env._("These codes were fetched already."))
        return Response(
            codes,
            headers=[
                ("Content-Type", "text/csv; charset=utf-8"),
                ("Content-Disposition", content_disposition("vouchers.csv")),
                ("Cache-Control", "no-store"),
            ],
        )
