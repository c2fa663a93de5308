import base64
from datetime import timedelta
from decimal import Decimal

from odoo import fields, models
from odoo.fields import Command
from odoo.tools import SQL

from ..models.energy_wallet_operations import PREPAID
from ..models.energy_wallet_statement import CONSUMPTION, day_begin
from ..reports.statement import Statement
from .ageing_xlsx import workbook

# The last day of age of each column but the oldest.
AGES = (("d30", 30), ("d60", 60), ("d90", 90), ("d180", 180))
COLUMNS = (*(name for name, _days in AGES), "older")

# What is left of each wallet's credits, the newest first, by age.
LEFT = """
WITH span AS (
    SELECT * FROM unnest(%(wallets)s::int[], %(balances)s::text[],
                         %(clocks)s::text[], %(highs)s::timestamp[])
        AS span(wallet_id, balance, tz, high)
), credit AS (%(credits)s), newest AS (
    SELECT *, sum(amount) OVER (PARTITION BY wallet_id
                                ORDER BY day DESC, id DESC) AS until
      FROM credit WHERE amount > 0
), kept AS (
    SELECT newest.wallet_id, %(date)s::date - newest.day AS age,
           greatest(0, least(newest.amount, span.balance::numeric
               - newest.until + newest.amount)) AS amount
      FROM newest JOIN span USING (wallet_id)
)
SELECT wallet_id, width_bucket(age - 1, %(limits)s::int[]),
       sum(amount)::text
  FROM kept WHERE amount > 0 GROUP BY 1, 2
"""


class EnergyAgeing(models.TransientModel):
    """How old the money is that tenants have paid and not yet consumed.

    First in, first out: what is left of a wallet is of its newest top-ups. A top-up
    that was undone counts as if it had not been; money that came from another wallet
    is as old as its transfer. Wallets below zero are debts, in a column of their own.
    The sum of all columns is the sum of the wallets' balances.
    """

    _name = "energy.ageing"
    _description = "Prepayment Ageing"

    date = fields.Date(
        required=True,
        default=fields.Date.context_today,
        help="At the end of this day, by the clock of each wallet's tariff.",
    )
    line_ids = fields.One2many("energy.ageing.line", "ageing_id")
    xlsx = fields.Binary(compute="_compute_xlsx")
    xlsx_name = fields.Char(compute="_compute_xlsx")

    def _compute_display_name(self):
        self.display_name = self.env._("Prepayment Ageing")

    def action_show(self):
        """Work out the lines and show them as list and pivot."""
        self.ensure_one()
        self._fill()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_ageing_line_action"
        )
        name = self.env._("Prepayments on %s", self.date)
        return {
            **action,
            "display_name": name,
            "name": name,
            "domain": [("ageing_id", "=", self.id)],
        }

    def action_xlsx(self):
        """Work out the lines and download them as a workbook."""
        self.ensure_one()
        self._fill()
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/energy.ageing/{self.id}/xlsx"
            "?download=true&filename_field=xlsx_name",
            "target": "download",
        }

    def _fill(self):
        self.line_ids.unlink()
        self.line_ids = [Command.create(values) for values in self._lines()]

    def _lines(self):
        """Values of a line for each wallet that holds or owes money, closed ones too.

        :raise AccessError: the user may not read wallets.
        """
        wallets = (
            self.env["energy.wallet"]
            .with_context(active_test=False)
            .search(
                [
                    ("kind", "in", PREPAID),
                    ("company_id", "in", self.env.companies.ids),
                ]
            )
        )
        statement = Statement(wallets, self.date, self.date)
        balances = {key: sums.closing for key, sums in statement.sums().items()}
        ages = self._ages(balances, statement.clocks)
        for wallet in wallets:
            balance = balances[wallet.id]
            if not balance:
                continue
            yield {
                "wallet_id": wallet.id,
                "balance": balance,
                "debt": min(balance, Decimal(0)),
                **dict(zip(COLUMNS, ages.get(wallet.id, ()), strict=False)),
            }

    def _ages(self, balances, clocks):
        """What is left of each wallet's money, by age.

        Raw SQL: :class:`Statement` has checked access. Consumption that is below zero
        on a day (a rebate) counts as money that came in on that day.

        :param dict balances: wallet id -> exact Decimal.
        :param dict clocks: wallet id -> name of a time zone.
        :return: dict wallet id -> list of Decimals as :data:`COLUMNS`.
        """
        until = self.date + timedelta(days=1)
        holding = [key for key, balance in balances.items() if balance > 0]
        limits = [days for _name, days in AGES]
        found = self.env.execute_query(
            SQL(
                LEFT,
                wallets=holding,
                balances=[str(balances[key]) for key in holding],
                clocks=[clocks[key] for key in holding],
                highs=[day_begin(until, clocks[key]) for key in holding],
                credits=self._credits(),
                date=self.date,
                limits=limits,
            )
        )
        ages = {key: [Decimal(0)] * len(COLUMNS) for key in holding}
        for wallet_id, column, amount in found:
            ages[wallet_id][column] = Decimal(amount)
        return ages

    def _credits(self):
        """SELECT wallet_id, id, day, amount of what came into the wallets.

        An undone top-up is taken together with what undid it.
        """
        return SQL(
            """
            SELECT entry.wallet_id, min(entry.id) AS id,
                   min((entry.at AT TIME ZONE 'UTC' AT TIME ZONE span.tz)::date) AS day,
                   sum(entry.amount) AS amount
              FROM span
              JOIN energy_wallet_entry entry ON entry.wallet_id = span.wallet_id
               AND entry.at < span.high
              LEFT JOIN account_payment payment ON payment.id = entry.payment_id
             WHERE NOT (entry.kind IN %s AND entry.service_point_id IS NOT NULL)
             GROUP BY entry.wallet_id,
                   COALESCE(payment.energy_reversed_id, entry.payment_id, -entry.id)
             UNION ALL
            SELECT usage.wallet_id, 0, usage.day, -sum(usage.amount_total)
              FROM span
              JOIN energy_usage usage ON usage.wallet_id = span.wallet_id
             WHERE usage.day <= %s
             GROUP BY usage.wallet_id, usage.day
            """,
            CONSUMPTION,
            self.date,
        )

    def _compute_xlsx(self):
        for ageing in self:
            ageing.xlsx = base64.b64encode(workbook(ageing))
            ageing.xlsx_name = f"prepayments_{ageing.date}.xlsx"


class EnergyAgeingLine(models.TransientModel):
    """One wallet of an ageing."""

    _name = "energy.ageing.line"
    _description = "Prepayment Ageing of a Wallet"
    _order = "wallet_name, id"

    ageing_id = fields.Many2one("energy.ageing", required=True, ondelete="cascade")
    wallet_id = fields.Many2one("energy.wallet", readonly=True, ondelete="cascade")
    wallet_name = fields.Char(related="wallet_id.name", store=True)
    partner_id = fields.Many2one(related="wallet_id.partner_id", store=True)
    company_id = fields.Many2one(related="wallet_id.company_id", store=True)
    currency_id = fields.Many2one(related="wallet_id.currency_id", store=True)
    d30 = fields.Monetary("0–30 Days", readonly=True)
    d60 = fields.Monetary("31–60 Days", readonly=True)
    d90 = fields.Monetary("61–90 Days", readonly=True)
    d180 = fields.Monetary("91–180 Days", readonly=True)
    older = fields.Monetary(readonly=True)
    debt = fields.Monetary("Debts", readonly=True)
    balance = fields.Monetary(readonly=True)
