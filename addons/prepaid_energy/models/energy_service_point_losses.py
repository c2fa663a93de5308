from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_amount

from .. import losses
from ..exchange import loss_picture
from ..exchange.numbers import exact
from .patience import patiently
from .protected import refuse, without_defaults

DAYS = 28  # of the heat map, and of what a model is fitted to
WATCHED = 24  # hours
ENOUGH = 12  # of them must be known
TECHNICAL = ("loss_fixed", "loss_percent", "loss_load")
MADE_OF = {"parent_id", "active", "commodity", *TECHNICAL}
DECIDED = {"loss_alarm"}


class EnergyServicePoint(models.Model):
    """A feeder: what it may lose, and the alarm where it loses more."""

    _inherit = "energy.service.point"

    loss_fixed = fields.Float(
        "Fixed Loss (kW)",
        digits=(16, 6),
        tracking=True,
        help="What transformers and instruments lose also without load.",
    )
    loss_percent = fields.Float(
        "Loss in Proportion (%)",
        digits=(9, 6),
        tracking=True,
        help="Of what the feeder delivers.",
    )
    loss_load = fields.Float(
        "Copper Loss at 100 kW (kW)",
        digits=(16, 6),
        tracking=True,
        help="It grows with the square of the load: four times as much at 200 kW.",
    )
    loss_limit = fields.Float(
        "Alarm Above (%)",
        digits=(6, 2),
        default=5,
        tracking=True,
        help="Of what the feeder delivered in the last 24 hours. More than this is "
        "neither measured below nor technical: an alarm, once, until it is down to "
        "four fifths of that. 0: never.",
    )
    loss_alarm = fields.Boolean("Loses Too Much", readonly=True, copy=False)
    loss_picture = fields.Html(compute="_compute_loss_picture", sanitize=False)

    _loss_positive = models.Constraint(
        "CHECK (loss_fixed >= 0 AND loss_percent >= 0 AND loss_load >= 0 "
        "AND loss_limit >= 0)",
        "A loss cannot be below zero.",
    )

    def _compute_loss_picture(self):
        for point in self:
            since = point.site_id._today() - timedelta(days=DAYS)
            rows = self.env["energy.loss"].search_read(
                [("service_point_id", "=", point.id), ("day", ">", since)],
                ["day", "hour", "unexplained", "known"],
                order="at",
            )
            cells = [
                (row["day"], row["hour"], row["unexplained"] if row["known"] else None)
                for row in rows
            ]
            point.loss_picture = cells and self.env["ir.qweb"]._render(
                "prepaid_energy.loss_heat_map",
                loss_picture.heat_map(cells, point.site_id.tz),
            )

    @api.model_create_multi
    def create(self, vals_list):
        """An alarm is raised by what was measured."""
        for vals in vals_list:
            self._refuse_loss_alarm(vals)
        points = super(EnergyServicePoint, without_defaults(self, DECIDED)).create(
            vals_list
        )
        points.parent_id._order_losses()
        return points

    def write(self, vals):
        """Have losses made again where the tree or the technical loss changes."""
        self._refuse_loss_alarm(vals)
        changed = MADE_OF & {*vals}
        before = self.parent_id if changed else self.browse()
        result = super().write(vals)
        if changed:
            (before | self.parent_id | self.filtered("child_ids"))._order_losses()
        return result

    def _refuse_loss_alarm(self, vals):
        message = self.env._("%s cannot be written: what is measured decides.")
        refuse(self, vals, DECIDED, message)

    def _order_losses(self):
        """Have the losses of these feeders, and of what feeds them, made again."""
        beginning = fields.Datetime.to_datetime("1970-01-01")
        self.env["energy.interval"]._again(dict.fromkeys(self.ids, beginning))

    def _technical(self):
        """The technical loss as it is entered."""
        self.ensure_one()
        return losses.Technical(*(exact(self[name], 6) for name in TECHNICAL))

    def action_fit_losses(self):
        """Enter the technical loss that explains the last weeks best.

        :raise UserError: too few hours are known.
        """
        self.check_access("write")
        for point in self:
            # sudo: losses that were made of what this user may read
            rows = point.sudo()._known_losses(days=DAYS)
            try:
                model, r2 = losses.fitted(rows)
            except ValueError as error:
                raise UserError(
                    point.env._(
                        "%(point)s: only %(count)s hours of the last %(days)s days "
                        "have no missing data; at least %(least)s are needed.",
                        point=point.name,
                        count=len(rows),
                        days=DAYS,
                        least=losses.MINIMUM_HOURS,
                    )
                ) from error
            point.write(
                {
                    "loss_fixed": float(model.fixed),
                    "loss_percent": float(model.percent),
                    "loss_load": float(model.load),
                }
            )
            point._note(
                point.env._(
                    "Technical loss from %(hours)s hours: it explains %(share)s %% of "
                    "what varies. What was lost in all of them counts as technical "
                    "now.",
                    hours=len(rows),
                    share=round(100 * (r2 or 0)),
                )
            )

    def _known_losses(self, days):
        """(energy, loss) of the hours without missing data, as Decimals."""
        since = fields.Datetime.now() - timedelta(days=days)
        found = self.env.execute_query(
            SQL(
                "SELECT measured::text, loss::text FROM energy_loss "
                "WHERE service_point_id = %s AND known = 1 AND at >= %s",
                self.id,
                since,
            )
        )
        return [(Decimal(energy), Decimal(loss)) for energy, loss in found]

    def action_view_loss_picture(self):
        """Open the heat map of this feeder's losses, on a page of its own."""
        self.ensure_one()
        view = self.env.ref("prepaid_energy.energy_service_point_view_form_heat_map")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Losses of %s", self.name),
            "res_model": self._name,
            "res_id": self.id,
            "views": [(view.id, "form")],
        }

    def action_view_losses(self):
        """Open the losses of this feeder by hour."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_loss_action"
        )
        return {
            **action,
            "domain": [("service_point_id", "=", self.id)],
            "context": {"search_default_last_days": 1},
        }

    @api.model
    def _cron_watch_losses(self):
        """Raise and end alarms of unexplained losses and uneven phases."""
        patiently(self.env, self._watch_losses)
        patiently(self.env, self._watch_phases)

    def _watch_losses(self):
        """Compare the last 24 hours of each feeder with its limit.

        With less than half of them known, all stays as it is.
        """
        # sudo: the site's tree, whoever asks
        points = self.sudo().search([("child_ids", "!=", False)])
        for row in self._last_losses(points):
            point = points.browse(row[0])
            sums = [Decimal(value) for value in row[2:]]
            if row[1] < ENOUGH:
                continue
            limit = exact(point.loss_limit, 2)
            due = losses.alarming(sums[0], sums[1], limit, point.loss_alarm)
            if due != point.loss_alarm:
                point.loss_alarm = due
                point._tell_loss(due, *sums)

    def _last_losses(self, points):
        """(feeder, hours known, unexplained, measured, money) of the last 24 hours."""
        return self.env.execute_query(
            SQL(
                """
                SELECT last.service_point_id, sum(loss.known),
                       sum(loss.unexplained)::text, sum(loss.measured)::text,
                       sum(loss.amount)::text
                  FROM (SELECT service_point_id, max(at) AS at FROM energy_loss
                         WHERE service_point_id = ANY(%s) AND at > %s GROUP BY 1) last
                  JOIN energy_loss loss ON loss.service_point_id = last.service_point_id
                   AND loss.at > last.at - %s * interval '1 hour'
                 GROUP BY 1 ORDER BY 1
                """,
                points.ids,
                fields.Datetime.now() - timedelta(hours=2 * WATCHED),
                WATCHED,
            )
        )

    def _tell_loss(self, due, unexplained, measured, amount):
        """Call a person, or say that it is over."""
        share = 100 * unexplained / measured if measured else Decimal(0)
        text = self.env._(
            "In the last %(hours)s hours %(energy)s kWh (%(share)s %%, %(amount)s) "
            "were neither measured below nor technical.",
            hours=WATCHED,
            energy=round(unexplained, 1),
            share=round(share, 1),
            amount=format_amount(self.env, float(amount), self.tariff_id.currency_id),
        )
        if due:
            summary = self.env._("Unexplained loss: %s", self.name)
            self._alarm("alarm_loss", summary, text)
        else:
            self._all_clear(["alarm_loss"], text)
