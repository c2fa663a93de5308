from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..ingest.rerate import Rerating
from .patience import patiently


class EnergyReratingTask(models.Model):
    """One service point that waits to be rated again from a local day on."""

    _name = "energy.rerating.task"
    _description = "Re-Rating Task"
    _order = "id"
    _rec_name = "service_point_id"

    service_point_id = fields.Many2one(
        "energy.service.point", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="service_point_id.company_id", store=True)
    rerating_id = fields.Many2one("energy.rerating", readonly=True, ondelete="cascade")
    day_from = fields.Date("From", required=True, readonly=True)
    reason = fields.Char(required=True, readonly=True)
    problem = fields.Text(readonly=True, help="Why it could not be rated again.")

    _point_uniq = models.UniqueIndex(
        "(service_point_id, rerating_id) NULLS NOT DISTINCT"
    )

    @api.model
    def _order_points(self, spans, reason):
        """Have points rated again, at once, one statement for all.

        :param dict spans: service point id -> naive UTC moment from which on.
        :param str reason: for the correction entries.
        """
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO energy_rerating_task
                       (service_point_id, company_id, day_from, reason)
                SELECT point.id, point.company_id,
                       (new.since AT TIME ZONE 'UTC' AT TIME ZONE tariff.tz)::date, %s
                  FROM unnest(%s::int[], %s::timestamp[]) AS new(point_id, since)
                  JOIN energy_service_point point ON point.id = new.point_id
                  JOIN energy_tariff tariff ON tariff.id = point.tariff_id
                 ORDER BY point.id
                ON CONFLICT (service_point_id, rerating_id)
                DO UPDATE SET problem = NULL, reason = EXCLUDED.reason,
                       day_from = LEAST(energy_rerating_task.day_from,
                                        EXCLUDED.day_from)
                """,
                reason,
                list(spans),
                list(spans.values()),
            )
        )
        self.invalidate_model()
        self.env.ref("prepaid_energy.cron_rerate")._trigger()

    @api.model
    def _cron_run(self):
        """Work off what waits, a commit after each service point."""
        waiting = [("problem", "=", False)]
        cron = self.env["ir.cron"]
        if self.search_count(waiting, limit=1):
            # what changes in settled days shall be in the ledger soon
            self.env.ref("prepaid_energy.cron_settle")._trigger(
                fields.Datetime.now() + timedelta(minutes=1)
            )
        while task := self.search(waiting, limit=1):
            patiently(self.env, task._run)
            if not cron._commit_progress(1, remaining=self.search_count(waiting)):
                return

    def _run(self):
        """Rate the point again; what fails calls a person and stops nobody else."""
        self.ensure_one()
        if not self.exists():
            return
        point, order = self.service_point_id, self.rerating_id
        more, problem = 0, ""
        try:
            with self.env.cr.savepoint():
                more = Rerating(point, self.day_from, self.reason).run()
        except UserError as error:
            problem = str(error)
        if problem:
            self._order_hours()
        if problem and not order:
            self.problem = problem
            point.activity_schedule(
                "mail.mail_activity_data_todo",
                summary=self.env._("Could not be rated again"),
                note=problem,
            )
            return
        self.unlink()
        if order:
            order._note(more, problem)

    def _order_hours(self):
        """Have the hours made again, whose readings may have changed all the same."""
        since = fields.Datetime.subtract(
            fields.Datetime.to_datetime(self.day_from), days=1
        )
        self.env["energy.interval"]._again({self.service_point_id.id: since})
