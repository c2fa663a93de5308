from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..reports.statement import Statement

MAX_WALLETS = 500  # at an instant: each one's readings of that day are rated


class EnergyStatement(models.TransientModel):
    """Asks for the statement of some wallets, or for their balances at an instant."""

    _name = "energy.statement"
    _description = "Wallet Statement"

    mode = fields.Selection(
        [("period", "Statement of a Period"), ("instant", "Balance at an Instant")],
        required=True,
        default="period",
    )
    wallet_ids = fields.Many2many(
        "energy.wallet",
        string="Wallets",
        context={"active_test": False},
        default=lambda self: self._default_wallets(),
        help="Empty: all wallets of the companies that are chosen above.",
    )
    date_from = fields.Date(
        required=True,
        default=lambda self: fields.Date.context_today(self).replace(day=1),
    )
    date_to = fields.Date(
        required=True,
        default=fields.Date.context_today,
        help="Included; by the clock of the wallet's tariff.",
    )
    moment = fields.Datetime(
        "Instant", required=True, default=fields.Datetime.now, help="By your own clock."
    )
    balances = fields.Json(readonly=True)
    result = fields.Html(compute="_compute_result", sanitize=False)

    def _default_wallets(self):
        if self.env.context.get("active_model") != "energy.wallet":
            return False
        return self.env.context.get("active_ids")

    def _compute_display_name(self):
        self.display_name = self.env._("Statement")

    @api.constrains("date_from", "date_to")
    def _check_dates(self):
        for wizard in self:
            if wizard.date_to < wizard.date_from:
                raise ValidationError(self.env._("The period ends before it begins."))

    def _wallets(self):
        """The chosen wallets, closed ones as well; all where none is chosen.

        :raise AccessError: not the user's.
        """
        wallets = self.wallet_ids.with_context(active_test=False)
        if not wallets:
            wallets = wallets.search([("company_id", "in", self.env.companies.ids)])
        wallets.check_access("read")
        return wallets

    def _statement(self):
        self.ensure_one()
        return Statement(self._wallets(), self.date_from, self.date_to)

    def _file_name(self, extension):
        wallets = self.wallet_ids
        who = wallets.reference if len(wallets) == 1 else self.env._("wallets")
        return f"statement_{who}_{self.date_from}_{self.date_to}.{extension}"

    # ------------------------------------------------------------------ period

    def action_pdf(self):
        """Print the statement."""
        return self._report("qweb-pdf")

    def action_html(self):
        """Show the statement in the browser."""
        return self._report("qweb-html")

    def _report(self, report_type):
        self.ensure_one()
        report = self.env.ref("prepaid_energy.action_report_wallet_statement")
        action = report.report_action(
            self.wallet_ids, data={"statement_id": self.id}, config=False
        )
        name = self._file_name("")[:-1]
        return {
            **action,
            "report_type": report_type,
            "name": name,
            "display_name": name,
        }

    def action_xlsx(self):
        """Download the statement as a workbook."""
        return self._download("xlsx")

    def action_csv(self):
        """Download the statement's rows as text."""
        return self._download("csv")

    def _download(self, extension):
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/energy/statement/{self.id}/{extension}",
            "target": "download",
        }

    # ------------------------------------------------------------------ instant

    def action_balances(self):
        """Work out the balances at the instant.

        :raise UserError: too many wallets, or the readings of that day were dropped.
        """
        self.ensure_one()
        wallets = self._wallets()
        if len(wallets) > MAX_WALLETS:
            raise UserError(
                self.env._(
                    "Choose at most %(most)s wallets, these are %(n)s.",
                    most=MAX_WALLETS,
                    n=len(wallets),
                )
            )
        self.balances = [
            [wallet.id, str(wallet._balance_at(self.moment))] for wallet in wallets
        ]

    @api.onchange("moment", "wallet_ids", "mode")
    def _onchange_question(self):
        self.balances = False

    @api.depends("balances")
    def _compute_result(self):
        for wizard in self:
            wizard.result = wizard.balances and self.env["ir.qweb"]._render(
                "prepaid_energy.statement_balances", wizard._tabulate()
            )

    def _tabulate(self):
        """The balances as the page shows them: rows [wallet, balance], and totals
        {currency: balance}, exact."""
        Wallet = self.env["energy.wallet"]
        rows = [
            (Wallet.browse(wallet_id), Decimal(balance))
            for wallet_id, balance in self.balances
        ]
        totals = {}
        for wallet, balance in rows:
            currency = wallet.currency_id
            totals[currency] = totals.get(currency, Decimal(0)) + balance
        return {"rows": rows, "totals": totals}
