from datetime import timedelta
from itertools import groupby

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date

# Each day of the period with what keeps its cost from being divided, if anything.
DAYS = """
SELECT day::date,
       (SELECT string_agg(DISTINCT line.name, ', ' ORDER BY line.name)
          FROM energy_line_share share
          JOIN energy_line line ON line.id = share.line_id
         WHERE share.service_point_id = %(point)s AND share.share > 0
           AND share.share < 100 AND day >= share.date_from
           AND (share.date_to IS NULL OR day < share.date_to)),
       (SELECT string_agg(DISTINCT wallet.name, ', ' ORDER BY wallet.name)
          FROM energy_usage usage
          JOIN energy_wallet wallet ON wallet.id = usage.wallet_id
         WHERE usage.service_point_id = %(point)s AND usage.day = days.day::date
           AND wallet.kind <> 'line'),
       (SELECT string_agg(DISTINCT allocation.name, ', ' ORDER BY allocation.name)
          FROM energy_allocation_day divided
          JOIN energy_allocation allocation ON allocation.id = divided.allocation_id
         WHERE divided.service_point_id = %(point)s AND divided.day = days.day::date
           AND allocation.id <> %(allocation)s),
       day::date >= %(today)s
  FROM generate_series(%(first)s::timestamp, %(last)s::timestamp, '1 day') days(day)
 ORDER BY 1
"""
REASONS = ("shared", "paid", "divided", "open")


class EnergyAllocationDay(models.Model):
    """A day of a service point whose cost a posted allocation has divided.

    The database keeps it unique, so that no day is divided twice, whoever posts what
    at the same time. Taken back, its days are free again.
    """

    _name = "energy.allocation.day"
    _description = "Day of a Cost Allocation"
    _order = "service_point_id, day"
    _rec_name = "day"
    _log_access = False

    allocation_id = fields.Many2one(
        "energy.allocation",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    service_point_id = fields.Many2one(
        "energy.service.point", required=True, readonly=True, ondelete="restrict"
    )
    day = fields.Date(required=True, readonly=True)

    _point_day_uniq = models.UniqueIndex(
        "(service_point_id, day)", "The cost of this day was divided already."
    )

    def init(self):
        """Allocations that were posted before have divided all of their days."""
        self.env.cr.execute(
            """
            INSERT INTO energy_allocation_day (allocation_id, company_id,
                   service_point_id, day)
            SELECT allocation.id, company_id, service_point_id, day::date
              FROM energy_allocation allocation
             CROSS JOIN generate_series(date_from::timestamp, date_to::timestamp,
                   '1 day') day
             WHERE state = 'posted' AND NOT EXISTS (
                   SELECT FROM energy_allocation_day
                    WHERE allocation_id = allocation.id)
                ON CONFLICT DO NOTHING
            """
        )


class EnergyAllocation(models.Model):
    """Which days of the period an allocation divides, and why not the others."""

    _inherit = "energy.allocation"

    left_out = fields.Text(
        "Days Left Out", readonly=True, copy=False, help="As of the simulation."
    )
    day_count = fields.Integer("Days Divided", readonly=True, copy=False)

    def _judge_days(self):
        """:return: (free days, [(day, reason, names)] of the others)."""
        self.env.flush_all()
        point = self.service_point_id
        rows = self.env.execute_query(
            SQL(
                DAYS,
                point=point.id,
                allocation=self.id,
                first=self.date_from,
                last=self.date_to,
                today=point.sudo()._site_today(),
            )
        )
        free, others = [], []
        for day, *found in rows:
            judged = zip(REASONS, found, strict=True)
            why = next(((reason, names) for reason, names in judged if names), None)
            if why:
                others.append((day, *why))
            else:
                free.append(day)
        return free, others

    def _free_days(self):
        """The days whose cost may be divided; what is left out is noted.

        :raise UserError: there is none.
        """
        free, others = self._judge_days()
        reasons = "\n".join(self._reasons(others))
        if not free:
            raise UserError(
                self.env._(
                    "%(point)s: no day from %(first)s to %(last)s can be divided.\n"
                    "%(reasons)s",
                    point=self.service_point_id.name,
                    first=format_date(self.env, self.date_from),
                    last=format_date(self.env, self.date_to),
                    reasons=reasons,
                )
            )
        # sudo: what is worked out is not typed
        self.sudo().write({"left_out": reasons or False, "day_count": len(free)})
        return free

    def _reasons(self, others):
        """A sentence for each span of days that are left out for the same reason."""
        numbered = enumerate(others)
        spans = groupby(
            numbered, lambda item: (item[1][0] - timedelta(days=item[0]), item[1][1:])
        )
        for (_anchor, (reason, names)), items in spans:
            days = [row[0] for _number, row in items]
            span = format_date(self.env, days[0])
            if len(days) > 1:
                span = f"{span} – {format_date(self.env, days[-1])}"
            yield f"{span}: {self._reason(reason, names)}"

    def _reason(self, reason, names):
        point = self.service_point_id.name
        if reason == "shared":
            return self.env._(
                "%(point)s is shared by %(lines)s, each has its part of the cost "
                "already.",
                point=point,
                lines=names,
            )
        if reason == "paid":
            return self.env._(
                "%(point)s was paid from the wallet of %(tenant)s.",
                point=point,
                tenant=names,
            )
        if reason == "divided":
            return self.env._("divided already by “%s”.", names)
        return self.env._("not over yet.")

    def _claim_days(self):
        """Note the days as divided. sudo: written by the posting."""
        free, _others = self._judge_days()
        self.env["energy.allocation.day"].sudo().create(
            [
                {
                    "allocation_id": self.id,
                    "company_id": self.company_id.id,
                    "service_point_id": self.service_point_id.id,
                    "day": day,
                }
                for day in free
            ]
        )

    def _release_days(self):
        """Taken back: another allocation may divide them. sudo: as above."""
        self.env["energy.allocation.day"].sudo().search(
            [("allocation_id", "=", self.id)]
        ).unlink()
