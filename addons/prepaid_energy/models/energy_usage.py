from odoo import api, fields, models
from odoo.tools import SQL

from .energy_tariff import COMMODITIES
from .patience import patiently

# Books what is open of some service-point days; %s: which, and how many at most.
# Wallets are locked before their usage, as a batch of readings does it: the other way
# round the two would wait for each other.
SETTLE = """
WITH due AS MATERIALIZED (
    %s ORDER BY 2, 3, 1 LIMIT %s
), held AS MATERIALIZED (
    SELECT id FROM energy_wallet WHERE id IN (SELECT wallet_id FROM due)
     ORDER BY id FOR NO KEY UPDATE
), locked AS MATERIALIZED (
    SELECT usage.id, usage.wallet_id, usage.service_point_id, usage.day,
           usage.company_id, usage.currency_id,
           usage.amount_total - usage.amount_settled AS open,
           usage.reason
      FROM energy_usage usage
      JOIN due USING (service_point_id, wallet_id, day)
      JOIN held ON held.id = usage.wallet_id
     ORDER BY usage.id
       FOR UPDATE OF usage
), settled AS (
    UPDATE energy_usage usage
       SET amount_settled = usage.amount_total, open = false,
           unbilled = true
      FROM locked WHERE usage.id = locked.id
), per_day AS (
    SELECT wallet_id, service_point_id, day, company_id, currency_id,
           sum(open) AS amount, max(reason) AS reason
      FROM locked GROUP BY 1, 2, 3, 4, 5
), wallets AS (
    UPDATE energy_wallet wallet
       SET accrued = wallet.accrued - part.amount,
           balance = wallet.balance + part.amount
      FROM (SELECT wallet_id, sum(amount) AS amount
              FROM per_day GROUP BY 1) part
     WHERE wallet.id = part.wallet_id
)
SELECT wallet_id, service_point_id, day, company_id, currency_id,
       (-amount)::text, reason
  FROM per_day ORDER BY day, service_point_id
"""


class EnergyUsage(models.Model):
    """What a service point owes for one local day: energy by band and tier, charges.

    Rows grow while readings come in and are settled into the ledger after their day.
    Written by SQL only (see ``ingest/store.py``); users read them.
    """

    _name = "energy.usage"
    _description = "Energy Usage"
    _inherit = ["energy.tenant.view"]
    _order = "day desc, service_point_id, band, tier"
    _tenant_fields = frozenset(
        {
            "amount",
            "amount_total",
            "band",
            "charge",
            "commodity",
            "company_id",
            "currency_id",
            "day",
            "kind",
            "open",
            "quantity",
            "season",
            "service_point_id",
            "site_id",
            "tariff_id",
            "tier",
            "uom_id",
            "wallet_id",
        }
    )
    _log_access = False
    _rec_name = "day"

    service_point_id = fields.Many2one(
        "energy.service.point", required=True, readonly=True, ondelete="restrict"
    )
    site_id = fields.Many2one(related="service_point_id.site_id")
    wallet_id = fields.Many2one(
        "energy.wallet", readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, ondelete="restrict"
    )
    currency_id = fields.Many2one("res.currency", readonly=True, ondelete="restrict")
    tariff_id = fields.Many2one("energy.tariff", readonly=True, ondelete="restrict")
    day = fields.Date(required=True, readonly=True, string="Local Day")
    version_id = fields.Many2one(
        "energy.tariff.version",
        readonly=True,
        ondelete="restrict",
        help="Empty: consumed before the tariff's first version, at no charge.",
    )
    commodity = fields.Selection(COMMODITIES, readonly=True)
    uom_id = fields.Many2one("uom.uom", "Unit", readonly=True, ondelete="restrict")
    kind = fields.Selection(
        [
            ("energy", "Energy"),
            ("fixed", "Fixed Charge"),
            ("demand", "Demand Charge"),
            ("minimum", "Minimum"),
        ],
        required=True,
        readonly=True,
        default="energy",
    )
    charge = fields.Char(
        readonly=True, help="The name of a fixed or demand charge in the tariff."
    )
    season = fields.Char(readonly=True)
    band = fields.Char(readonly=True)
    tier = fields.Integer(readonly=True, aggregator=None)
    quantity = fields.Float("Consumption", digits=(18, 3), readonly=True)
    amount = fields.Monetary("Net Amount", readonly=True)
    amount_total = fields.Monetary("Amount With Levies", readonly=True)
    amount_settled = fields.Monetary(
        "Settled", readonly=True, help="What ledger rows have already taken."
    )
    open = fields.Boolean(
        "Not Settled",
        readonly=True,
        default=True,
        help="It may differ from what ledger rows have taken.",
    )
    reason = fields.Char(
        readonly=True, help="Why it was changed after it was rated first."
    )
    quantity_billed = fields.Float(digits=(18, 3), readonly=True, default=0)
    amount_billed = fields.Monetary("Net Billed", readonly=True, default=0)
    total_billed = fields.Monetary(
        "Billed", readonly=True, default=0, help="What invoices or cost entries have."
    )
    unbilled = fields.Boolean(
        "Not Billed",
        readonly=True,
        default=True,
        help="It may differ from what was billed.",
    )

    _key_uniq = models.UniqueIndex(
        "(service_point_id, day, wallet_id, tariff_id, version_id, kind, season, "
        "band, tier, charge) "
        "NULLS NOT DISTINCT"
    )
    _version_day = models.Index("(version_id, day)")
    _day_brin = models.Index("USING brin (day)")
    _unsettled = models.Index("(day) WHERE open AND wallet_id IS NOT NULL")
    _unbilled = models.Index("(company_id, wallet_id) WHERE unbilled OR open")

    def init(self):
        """Leave room in the pages: a row of today is updated with every reading.

        With room, and with no index on what changes, PostgreSQL updates it in place
        (HOT) and touches no index. So amounts are in no index; ``open`` is.
        """
        self.env.cr.execute(
            "ALTER TABLE energy_usage SET (fillfactor = 60), "
            "ALTER unbilled SET DEFAULT true"
        )

    @api.model
    def _cron_settle(self, batch=100):
        """Book each finished local day of each service point as one ledger row.

        Idempotent: what is booked is the difference to what was booked before, so a
        late reading of a settled day becomes a correction row, and a second run books
        nothing.

        :param int batch: service-point days per transaction.
        """
        while True:
            done = patiently(self.env, lambda: self._settle_batch(batch))
            remaining = self._count_due() if done == batch else 0
            left = self.env["ir.cron"]._commit_progress(done, remaining=remaining)
            if not remaining or not left:
                return

    @api.model
    def _settle_wallets(self, wallets, until=None):
        """Book what these wallets have used, also on a day that is not over.

        :param date until: the last local day; None: all, today as well.
        """
        query = SQL(
            """
            SELECT service_point_id, wallet_id, day FROM energy_usage
             WHERE open AND wallet_id = ANY(%s) AND day <= %s GROUP BY 1, 2, 3
            """,
            wallets.ids,
            until or "infinity",
        )
        self.env.flush_all()
        while self._settle_batch(1000, query):
            pass

    def _due_query(self):
        """Service-point days whose local day is over and whose sums differ."""
        return SQL(
            """
            SELECT usage.service_point_id, usage.wallet_id, usage.day
              FROM energy_usage usage
              JOIN energy_tariff tariff ON tariff.id = usage.tariff_id
             WHERE usage.open AND usage.wallet_id IS NOT NULL
               AND usage.day < (%s::timestamp AT TIME ZONE 'UTC'
                                AT TIME ZONE tariff.tz)::date
             GROUP BY 1, 2, 3
            """,
            fields.Datetime.now(),
        )

    def _count_due(self):
        query = SQL("SELECT count(*) FROM (%s) AS due", self._due_query())
        return self.env.execute_query(query)[0][0]

    def _settle_batch(self, limit, due=None):
        """Settle up to ``limit`` service-point days in a constant number of statements.

        Wallets and usage rows are locked first, so that a reading that comes in at the
        same time is either in this row's amount or in the next correction.

        :param SQL due: which (service point, wallet, day); None: all that is over.
        :return: how many of them were settled.
        """
        rows = self.env.execute_query(SQL(SETTLE, due or self._due_query(), limit))
        if rows:
            self._book(rows)
            self.env["energy.wallet"].invalidate_model(
                ["balance", "accrued", "entry_ids", "entry_count"]
            )
        return len(rows)

    def _book(self, rows):
        """Insert the ledger rows; a day that was booked before gets a correction.

        :param rows: (wallet, service point, day, company, currency, amount as text,
            reason of a correction or None).
        """
        words = self._words_of_tenants({row[0] for row in rows})
        rows = [(*row, *words[row[0]]) for row in rows]
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO energy_wallet_entry (wallet_id, company_id, currency_id,
                       service_point_id, day, amount, at, kind, name, source_key)
                SELECT new.wallet, new.company, new.currency, new.point, new.day,
                       new.amount::numeric, %s,
                       CASE before.n WHEN 0 THEN 'consumption' ELSE 'correction' END,
                       concat(CASE before.n WHEN 0 THEN new.first
                                   ELSE COALESCE(new.reason, new.later) END,
                              ': ', point.name, ', ', new.day),
                       concat_ws(':', 'usage', new.wallet, new.point, new.day, before.n)
                  FROM unnest(%s::int[], %s::int[], %s::date[], %s::int[], %s::int[],
                              %s::text[], %s::text[], %s::text[], %s::text[])
                       AS new(wallet, point, day, company, currency, amount, reason,
                              first, later)
                  JOIN energy_service_point point ON point.id = new.point
                 CROSS JOIN LATERAL (
                    SELECT count(*) AS n FROM energy_wallet_entry entry
                     WHERE entry.service_point_id = new.point AND entry.day = new.day
                       AND entry.wallet_id = new.wallet) before
                 WHERE new.amount::numeric <> 0
                 ORDER BY new.day, new.point
                """,
                self.env["energy.wallet.entry"]._now(),
                *(list(column) for column in zip(*rows, strict=True)),
            )
        )

    def _words_of_tenants(self, wallet_ids):
        """Wallet id -> what a day and its correction are called on its statement."""
        # sudo: the ledger follows the usage, whoever causes it
        wallets = self.env["energy.wallet"].sudo().browse(wallet_ids)
        found = {}
        for wallet in wallets:
            env = wallet._in_words_of_tenant().env
            found[wallet.id] = (env._("Consumption"), env._("Late readings"))
        return found
