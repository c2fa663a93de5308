from odoo import api, fields, models
from odoo.tools import SQL


class EnergyRerating(models.Model):
    """The order to rate a tariff's past usage again, and what came of it.

    It makes a task for each service point, see ``energy.rerating.task``.
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
    task_ids = fields.One2many("energy.rerating.task", "rerating_id")
    point_count = fields.Integer("Service Points", readonly=True, default=0)
    amount = fields.Monetary(
        "Charged More", readonly=True, default=0, help="Levies included."
    )
    problems = fields.Text(readonly=True)

    @api.model_create_multi
    def create(self, vals_list):
        """Make the tasks: all service points that the tariff has rated since then."""
        reratings = super().create(vals_list)
        self.env.flush_all()
        for rerating in reratings:
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO energy_rerating_task
                           (service_point_id, company_id, rerating_id, day_from, reason)
                    SELECT DISTINCT service_point_id, company_id, %s, %s::date, %s
                      FROM energy_usage WHERE tariff_id = %s AND day >= %s
                     ORDER BY 1
                    """,
                    rerating.id,
                    rerating.day_from,
                    rerating.reason,
                    rerating.tariff_id.id,
                    rerating.day_from,
                )
            )
        self.env["energy.rerating.task"].invalidate_model()
        self.env.ref("prepaid_energy.cron_rerate")._trigger()
        return reratings

    def _note(self, more, problem):
        """Add what one service point came to; finish after the last.

        :param Decimal more: what its wallets pay more.
        :param str problem: why it could not be rated, or empty.
        """
        self.ensure_one()
        self.flush_recordset()
        self.env.cr.execute(
            SQL(
                "UPDATE energy_rerating SET amount = amount + %s, "
                "point_count = point_count + 1, "
                "problems = NULLIF(concat(problems, %s), '') WHERE id = %s",
                more,
                f"{problem}\n" if problem else "",
                self.id,
            )
        )
        self.invalidate_recordset()
        if not self.task_ids:
            self._finish()

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
