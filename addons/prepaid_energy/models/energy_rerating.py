from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..ingest.rerate import Rerating
from .patience import patiently


class EnergyRerating(models.Model):
    """The order to rate a tariff's past usage again, service point by service point.

    A cron works it off, each point in its own transaction, and goes on after a restart.
    """

    _name = "energy.rerating"
    _description = "Re-Rating"
    _order = "id desc"
    _rec_name = "reason"

    tariff_id = fields.Many2one(
        "energy.tariff", required=True, readonly=True, ondelete="restrict"
    )
    version_id = fields.Many2one(
        "energy.tariff.version", readonly=True, ondelete="restrict"
    )
    company_id = fields.Many2one(related="tariff_id.company_id", store=True)
    currency_id = fields.Many2one(related="tariff_id.currency_id")
    day_from = fields.Date("From", required=True, readonly=True)
    reason = fields.Char(required=True, readonly=True)
    state = fields.Selection(
        [("waiting", "Waiting"), ("done", "Done")],
        required=True,
        readonly=True,
        default="waiting",
    )
    last_point_id = fields.Integer(readonly=True, default=0, aggregator=None)
    point_count = fields.Integer("Service Points", readonly=True, default=0)
    amount = fields.Monetary(
        "Charged More", readonly=True, default=0, help="Levies included."
    )
    problems = fields.Text(readonly=True)

    def _points_left(self, limit):
        """The next service points that this tariff has rated from the day on."""
        self.ensure_one()
        rows = self.env.execute_query(
            SQL(
                "SELECT DISTINCT service_point_id FROM energy_usage "
                "WHERE tariff_id = %s AND day >= %s AND service_point_id > %s "
                "ORDER BY 1 LIMIT %s",
                self.tariff_id.id,
                self.day_from,
                self.last_point_id,
                limit,
            )
        )
        return self.env["energy.service.point"].browse([row[0] for row in rows])

    @api.model
    def _cron_run(self, batch=100):
        """Work off what waits, a commit after each service point."""
        cron = self.env["ir.cron"]
        for rerating in self.search([("state", "=", "waiting")], order="id"):
            while points := rerating._points_left(batch):
                for point in points:
                    patiently(self.env, partial(rerating._rate_point, point))
                    if not cron._commit_progress(1, remaining=1):
                        return
            rerating._finish()
            cron._commit_progress(1, remaining=0)

    def _rate_point(self, point):
        """Rate one point again and note how far the order is."""
        more, problem = 0, ""
        try:
            with self.env.cr.savepoint():
                more = Rerating(point, self.day_from, self.reason).run()
        except UserError as error:
            problem = f"{error}\n"
        self.flush_recordset()
        self.env.cr.execute(
            SQL(
                "UPDATE energy_rerating SET last_point_id = %s, amount = amount + %s, "
                "point_count = point_count + 1, "
                "problems = NULLIF(concat(problems, %s), '') WHERE id = %s",
                point.id,
                more,
                problem,
                self.id,
            )
        )
        self.invalidate_recordset()

    def _finish(self):
        """Tell the tariff's followers what came of it."""
        self.state = "done"
        body = self.env._(
            "Rated again from %(day)s on: %(count)s service points, %(amount)s more "
            "charged. %(problems)s",
            day=self.day_from,
            count=self.point_count,
            amount=self.currency_id.format(self.amount),
            problems=self.problems or "",
        )
        self.tariff_id.message_post(body=body)
