from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from ..ingest.charges import Charges, month_sums
from ..ingest.store import Store
from .patience import patiently

GRACE = timedelta(days=1)  # for the last readings of a month


class EnergyServicePoint(models.Model):
    """Charges that fall due by day and month, see ``ingest/charges.py``."""

    _inherit = "energy.service.point"

    def init(self):
        """Leave room in the pages for the rating state, which each batch updates."""
        self.env.cr.execute("ALTER TABLE energy_service_point SET (fillfactor = 60)")

    @api.model
    def _cron_charge(self, batch=500):
        """Charge each service point for the local days that have begun.

        Idempotent: ``charged_until`` and ``closed_until`` move in the same transaction.
        """
        cron = self.env["ir.cron"]
        for tariff in (
            self.env["energy.tariff"]
            .with_context(active_test=False)
            .search([("version_ids", "!=", False)])
        ):
            done = batch
            while done == batch:
                done = patiently(
                    self.env, lambda tariff=tariff: self._charge_batch(tariff, batch)
                )
                if done and not cron._commit_progress(done, remaining=done // batch):
                    return

    def _charge_batch(self, tariff, limit):
        """Charge up to ``limit`` service points of a tariff that are behind.

        :return: how many there were.
        """
        if not tariff._in_force():
            return 0
        today = tariff._local_day(fields.Datetime.now())
        self.env.flush_all()
        found = self.env.execute_query(
            SQL(
                """
                SELECT id FROM energy_service_point
                 WHERE tariff_id = %s AND meter_id IS NOT NULL
                   AND (charged_until IS NULL OR charged_until < %s)
                 ORDER BY id LIMIT %s FOR NO KEY UPDATE
                """,
                tariff.id,
                today,
                limit,
            )
        )
        points = self.browse([row[0] for row in found])
        if points:
            points._charge_until(today)
        return len(points)

    def _charge_until(self, today):
        """Draw what is due until the local day ``today``, included."""
        starting = self.filtered(lambda point: not point.charged_from)
        starting.charged_from = today
        starting.closed_until = today.replace(day=1) - timedelta(days=1)
        charges = Charges(self)
        rows = {}
        for point in self:
            begin = today
            if point.charged_until:
                begin = point.charged_until + timedelta(days=1)
            rows.update(charges.fixed(point, begin, today))
        self.charged_until = today
        store = Store(self.env)
        store.usage(rows)
        closing = {}
        for point in self:
            closing.update(point._close_months(charges, today))
        store.usage(closing)

    def _close_months(self, charges, today):
        """The demand charges and minima of the months that are over."""
        self.ensure_one()
        rows = {}
        first = self.closed_until + timedelta(days=1)
        following = (first + timedelta(days=32)).replace(day=1)
        while following + GRACE <= today:
            sums = month_sums(self.env, self.id, first)
            state = self.rating_state or {}
            rows.update(charges.month_end(self, first, state, sums))
            self.closed_until = following - timedelta(days=1)
            first = following
            following = (first + timedelta(days=32)).replace(day=1)
        return rows
