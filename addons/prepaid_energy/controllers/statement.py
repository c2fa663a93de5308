from datetime import date, timedelta

from werkzeug.exceptions import NotFound
from werkzeug.wsgi import wrap_file

from odoo import fields, http
from odoo.http import Response, content_disposition, request
from odoo.tools import SQL

from ..models.day_words import MONTH, day_words
from ..reports.report_wallet_statement import MAX_ROWS, printed
from ..reports.statement import Statement
from ..reports.statement_files import csv_file, xlsx_file
from .portal import PortalEnergy

MONTHS = 36  # to choose from
FILES = {
    "csv": (csv_file, "text/csv; charset=utf-8"),
    "xlsx": (
        xlsx_file,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
}


def file_response(statement, extension, name):
    """The statement's file, sent from disk piece by piece."""
    write, mimetype = FILES[extension]
    stream = write(statement)
    size = stream.seek(0, 2)
    stream.seek(0)
    return Response(
        wrap_file(request.httprequest.environ, stream),
        headers=[
            ("Content-Type", mimetype),
            ("Content-Length", size),
            ("Content-Disposition", content_disposition(name)),
            ("X-Content-Type-Options", "nosniff"),
        ],
        direct_passthrough=True,
    )


class StatementFiles(http.Controller):
    """Downloads of the office's statement wizard."""

    @http.route(
        "/energy/statement/<int:statement_id>/<any(csv, xlsx):extension>",
        type="http",
        auth="user",
    )
    def statement_file(self, statement_id, extension):
        """The file that a wizard of the user's own asks for."""
        wizard = request.env["energy.statement"].browse(statement_id)
        if not wizard.has_access("read") or not wizard.exists():
            raise NotFound()
        name = wizard._file_name(extension)
        return file_response(wizard._statement(), extension, name)


class PortalStatement(PortalEnergy):
    """``/my/energy/<id>/statement``: a month of the tenant's own wallet."""

    @http.route(
        "/my/energy/<int:wallet_id>/statement", type="http", auth="user", website=True
    )
    def portal_energy_statement(self, wallet_id, month=None, **_kwargs):
        """The month's statement, with the months to choose from."""
        wallet_sudo = self._energy_wallet(wallet_id)
        if wallet_sudo is None:
            return request.redirect("/my/energy")
        months = self._energy_months(wallet_sudo)
        statement = self._energy_statement(wallet_sudo, month)
        long = statement.count() > MAX_ROWS
        return request.render(
            "prepaid_energy.portal_energy_statement",
            {
                "wallet": wallet_sudo,
                "statement": statement,
                "shown": None if long else printed(statement)[wallet_id],
                "month": statement.date_from,
                "months": [(one, day_words(request.env, one, MONTH)) for one in months],
                "page_name": "energy_wallet",
            },
        )

    @http.route(
        "/my/energy/<int:wallet_id>/statement/<any(pdf, csv, xlsx):extension>",
        type="http",
        auth="user",
        website=True,
    )
    def portal_energy_statement_file(self, wallet_id, extension, month=None):
        """The month's statement to keep."""
        wallet_sudo = self._energy_wallet(wallet_id)
        if wallet_sudo is None:
            return request.redirect("/my/energy")
        statement = self._energy_statement(wallet_sudo, month)
        stem = f"statement_{wallet_sudo.reference}_{statement.date_from:%Y-%m}"
        if extension in FILES:
            return file_response(statement, extension, f"{stem}.{extension}")
        report = request.env["ir.actions.report"].with_company(wallet_sudo.company_id)
        name = "prepaid_energy.report_wallet_statement"
        dates = {
            "date_from": str(statement.date_from),
            "date_to": str(statement.date_to),
        }
        pdf, _type = report._render_qweb_pdf(name, [wallet_id], data=dates)
        return request.make_response(
            pdf,
            headers=[
                ("Content-Type", "application/pdf"),
                ("Content-Length", len(pdf)),
                ("Content-Disposition", content_disposition(f"{stem}.pdf")),
            ],
        )

    def _energy_statement(self, wallet_sudo, month):
        """The statement of ``month`` ("2026-05"), read in the user's rights."""
        wallet = request.env["energy.wallet"].browse(wallet_sudo.id)
        today = self._energy_today(wallet)
        try:
            first = date.fromisoformat(f"{month}-01")
        except ValueError:
            first = today
        first = min(first, today).replace(day=1)
        last = min(fields.Date.end_of(first, "month"), today)
        return Statement(wallet, first, last)

    def _energy_today(self, wallet):
        clock = wallet._clocks()[wallet.id]
        return fields.Date.context_today(wallet.with_context(tz=clock))

    def _energy_months(self, wallet):
        """The first days of the months from this one back to the wallet's first."""
        found = request.env.execute_query(
            SQL(
                """
                SELECT least((SELECT (min(at) AT TIME ZONE 'UTC'
                                      AT TIME ZONE %(tz)s)::date
                                FROM energy_wallet_entry WHERE wallet_id = %(id)s),
                             (SELECT min(day) FROM energy_usage
                               WHERE wallet_id = %(id)s))
                """,
                id=wallet.id,
                tz=wallet._clocks()[wallet.id],
            )
        )
        month = self._energy_today(wallet).replace(day=1)
        months = [month]
        while found[0][0] and month > found[0][0] and len(months) < MONTHS:
            month = (month - timedelta(days=1)).replace(day=1)
            months.append(month)
        return months
