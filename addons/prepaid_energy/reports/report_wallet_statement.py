from decimal import ROUND_FLOOR, Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError

from .statement import Statement
from .statement_files import Texts

MAX_ROWS = 5_000  # on paper; a workbook takes more
HALF = Decimal("0.5")


class ReportWalletStatement(models.AbstractModel):
    """The values of the printed statement.

    Whoever asks by ``/report/…`` gets what the user may read; the rest is refused.
    """

    _name = "report.prepaid_energy.report_wallet_statement"
    _description = "Wallet Statement"

    @api.model
    def _get_report_values(self, docids, data=None):
        """The statements of some wallets over a period.

        :param docids: of ``energy.wallet``; or none, and ``data["statement_id"]`` is
            the wizard that knows them.
        :param dict data: date_from and date_to as text; this month if they are missing.
        :raise AccessError: not the user's wallets, or wizard.
        :raise UserError: too many rows, or no dates.
        """
        statement = self._statement(docids, data or {})
        count = statement.count()
        if count > MAX_ROWS:
            raise UserError(
                self.env._(
                    "%(n)s rows are too many to print (at most %(most)s): "
                    "export a workbook.",
                    n=count,
                    most=MAX_ROWS,
                )
            )
        return {
            "doc_ids": statement.wallets.ids,
            "doc_model": "energy.wallet",
            "docs": statement.wallets,
            "statement": statement,
            "printed": printed(statement),
        }

    def _statement(self, docids, data):
        if data.get("statement_id"):
            wizard = self.env["energy.statement"].browse(int(data["statement_id"]))
            wizard.check_access("read")
            return wizard._statement()
        wallets = self.env["energy.wallet"].browse(docids or [])
        if not wallets:
            raise UserError(self.env._("Choose the wallets."))
        today = fields.Date.context_today(self)
        try:
            date_from = fields.Date.to_date(data.get("date_from"))
            date_to = fields.Date.to_date(data.get("date_to"))
        except (TypeError, ValueError) as error:
            raise UserError(self.env._("These are no dates.")) from error
        return Statement(wallets, date_from or today.replace(day=1), date_to or today)


def printed(statement):
    """What a statement shows, in whole minor units that add up.

    A shown amount is the difference of the rounded balances after and before it, so
    that the column's sum is what a reader works out. Money that is paid in whole minor
    units is shown as it is.

    :return: dict wallet id -> dict opening, paid_in, taken_out, consumption, closing
        (Decimals), lines (dicts) and points (list of ``PointSums``).
    """
    found = {wallet.id: {"lines": [], "points": []} for wallet in statement.wallets}
    kinds = Texts(statement.env).kinds
    for wallet in statement.wallets:
        sums = statement.sums()[wallet.id]
        parts = {
            name: minor(wallet, getattr(sums, name))
            for name in ("opening", "paid_in", "taken_out", "closing")
        }
        known = parts["opening"] + parts["paid_in"] + parts["taken_out"]
        parts["consumption"] = parts["closing"] - known
        found[wallet.id].update(parts)
    before = None
    for line in statement.lines():
        balance = minor(line.wallet, line.balance)
        if line.amount is not None:
            found[line.wallet.id]["lines"].append(
                {
                    **line._asdict(),
                    "kind_name": kinds[line.kind],
                    "amount": balance - before,
                    "balance": balance,
                }
            )
        before = balance
    for sums in statement.points():
        found[sums.wallet]["points"].append(sums)
    return found


def minor(wallet, amount):
    """``amount`` in whole minor units; halves go up, so a whole sum moves nothing."""
    unit = Decimal(1).scaleb(-wallet.currency_id.decimal_places)
    return (amount / unit + HALF).to_integral_value(ROUND_FLOOR) * unit
