from datetime import timedelta

from odoo import fields, models
from odoo.tools import SQL

from .energy_usage_report import WALLET_KINDS

DAYS = 30
LEAKS = """
WITH loss AS (
    SELECT service_point_id, max(site_id) AS site_id, max(company_id) AS company_id,
           max(currency_id) AS currency_id, sum(hours) AS hours, sum(known) AS known,
           sum(measured) AS measured, sum(loss) AS loss, sum(expected) AS expected,
           sum(unexplained) AS unexplained, sum(amount) AS amount
      FROM energy_loss WHERE at >= %(since)s GROUP BY 1
), idle AS (
    SELECT hour.service_point_id, max(hour.site_id) AS site_id,
           max(hour.company_id) AS company_id, max(hour.currency_id) AS currency_id,
           max(point.wallet_id) AS wallet_id, count(*) AS hours,
           count(*) FILTER (WHERE hour.covered >= 3600) AS known,
           sum(hour.energy) AS measured,
           percentile_disc(0.1) WITHIN GROUP (ORDER BY hour.energy)
               FILTER (WHERE hour.covered >= 3600) AS power,
           sum(hour.amount) / NULLIF(sum(hour.energy), 0) AS price
      FROM energy_interval hour
      JOIN energy_service_point point ON point.id = hour.service_point_id
     WHERE hour.at >= %(since)s AND hour.commodity = 'electricity'
       AND NOT COALESCE(point.life_safety, false)
       AND (hour.weekday >= 5 OR hour.hour < 6 OR hour.hour >= 22)
       AND NOT EXISTS (
            SELECT FROM energy_service_point child WHERE child.parent_id = point.id)
     GROUP BY 1
), standing AS (
    SELECT driver.id, baseline.line_id, baseline.service_point_id, baseline.site_id,
           baseline.company_id, driver.coefficient / 24 AS power, money.currency_id,
           money.price, money.hours, money.known
      FROM energy_baseline_driver driver
      JOIN energy_baseline baseline ON baseline.id = driver.baseline_id
     CROSS JOIN LATERAL (
        SELECT max(hour.currency_id) AS currency_id, count(*) AS hours,
               count(*) FILTER (WHERE hour.covered >= 3600) AS known,
               sum(hour.amount) / NULLIF(sum(hour.energy), 0) AS price
          FROM energy_interval hour
         WHERE hour.at >= %(since)s AND hour.service_point_id IN (
            SELECT baseline.service_point_id UNION
            SELECT part.service_point_id FROM energy_line_point part
             WHERE part.line_id = baseline.line_id)) money
     WHERE driver.driver = 'days' AND driver.problem IS NULL AND baseline.active
       AND (baseline.line_id IS NOT NULL OR baseline.service_point_id IS NOT NULL)
       AND driver.coefficient > 0
), uneven AS (
    SELECT phase.service_point_id, max(phase.site_id) AS site_id,
           max(phase.company_id) AS company_id, max(hour.currency_id) AS currency_id,
           NULLIF(max(point.phase_limit), 0) AS phase_limit,
           %(days)s * 24 AS hours, count(DISTINCT phase.at) AS known,
           100 * sum(phase.deviation) / NULLIF(sum(phase.mean), 0) AS percent,
           sum(COALESCE(phase.extra * point.loss_load, 0)
               * (hour.energy / 100) * (hour.energy / 100)) AS lost,
           sum(COALESCE(phase.extra * point.loss_load, 0)
               * (hour.energy / 100) * (hour.energy / 100)
               * COALESCE(hour.amount / NULLIF(hour.energy, 0), 0)) AS amount
      FROM energy_phase phase
      JOIN energy_service_point point ON point.id = phase.service_point_id
      JOIN energy_interval hour ON hour.service_point_id = phase.service_point_id
       AND hour.at = phase.at AND hour.covered >= 3600
     WHERE phase.at >= %(since)s AND EXISTS (
            SELECT FROM energy_service_point child WHERE child.parent_id = point.id)
     GROUP BY 1
)
SELECT service_point_id * 4 AS id, 'loss' AS kind, service_point_id,
       NULL::int AS line_id, NULL::int AS wallet_id, NULL AS wallet_kind, site_id,
       company_id, currency_id, 100.0 * known / hours AS coverage, known,
       100 * loss / NULLIF(measured, 0) AS percent,
       100 * expected / NULLIF(measured, 0) AS technical_percent,
       100 * unexplained / NULLIF(measured, 0) AS unexplained_percent,
       unexplained / known AS power, unexplained / known * 730 AS energy_month,
       unexplained / known * 8760 AS energy_year, amount / known * 730 AS amount_month
  FROM loss WHERE known > 0 AND unexplained > 0
 UNION ALL
SELECT service_point_id * 4 + 1, 'idle', service_point_id, NULL, idle.wallet_id,
       wallet.kind, site_id, idle.company_id, idle.currency_id,
       100.0 * known / hours, known, 100 * power * hours /
       NULLIF(measured, 0), NULL, NULL, power, power * 730, power * 8760,
       power * 730 * price
  FROM idle LEFT JOIN energy_wallet wallet ON wallet.id = idle.wallet_id
 WHERE known >= 24
 UNION ALL
SELECT id * 4 + 2, 'standing', service_point_id, line_id, NULL, NULL, site_id,
       company_id, currency_id, 100.0 * known / hours, known, NULL, NULL, NULL, power,
       power * 730, power * 8760, power * 730 * price
  FROM standing WHERE hours > 0
 UNION ALL
SELECT service_point_id * 4 + 3, 'phases', service_point_id, NULL, NULL, NULL, site_id,
       company_id, currency_id, 100.0 * known / hours, known, percent, NULL, NULL,
       lost / known, lost / known * 730, lost / known * 8760, amount / known * 730
  FROM uneven WHERE lost > 0 OR percent > phase_limit
"""


class EnergyLeakReport(models.Model):
    """Where the money leaks: unexplained losses and idle loads, the dearest first.

    Of the last 30 days, hours without missing data only, stated for a month of 730
    hours.
    """

    _name = "energy.leak.report"
    _description = "Where the Money Leaks"
    _auto = False
    _rec_name = "place"
    _order = "amount_month desc, id"

    kind = fields.Selection(
        [
            ("loss", "Unexplained Loss"),
            ("idle", "Night and Idle Load"),
            ("standing", "Standing Load"),
            ("phases", "Uneven Phases"),
        ],
        readonly=True,
        help="Unexplained loss: delivered by the feeder, measured by no sub-meter, and "
        "not technical. Night and idle load: what a tenth of the hours at night (22 to "
        "6) and at weekends do not exceed; life safety has to run and is left out. "
        "Standing load: what a baseline finds to be consumed each day, whatever is "
        "produced. Uneven phases: what the copper of a feeder loses more than with "
        "even ones, by its copper loss; a part of what is unexplained.",
    )
    service_point_id = fields.Many2one("energy.service.point", readonly=True)
    line_id = fields.Many2one("energy.line", "Production Line", readonly=True)
    place = fields.Char("Where", readonly=True, help="Service point, or line.")
    wallet_id = fields.Many2one("energy.wallet", "Paid By", readonly=True)
    wallet_kind = fields.Selection(WALLET_KINDS, readonly=True)
    site_id = fields.Many2one("energy.site", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    coverage = fields.Float(
        "Coverage %",
        digits=(16, 1),
        readonly=True,
        aggregator=None,
        help="Hours without missing data, of all that are looked at.",
    )
    known = fields.Integer("Hours Known", readonly=True)
    percent = fields.Float(
        "Share %",
        digits=(16, 1),
        readonly=True,
        aggregator=None,
        help="The whole loss, of what the feeder delivered; the idle load, of what was "
        "consumed in these hours; how far the farthest phase is off the mean.",
    )
    technical_percent = fields.Float(
        "Technical %", digits=(16, 1), readonly=True, aggregator=None
    )
    unexplained_percent = fields.Float(
        "Unexplained %", digits=(16, 1), readonly=True, aggregator=None
    )
    power = fields.Float("Power (kW)", digits=(16, 2), readonly=True)
    energy_month = fields.Float("kWh / Month", digits=(16, 0), readonly=True)
    energy_year = fields.Float("kWh / Year", digits=(16, 0), readonly=True)
    amount_month = fields.Monetary("Money / Month", readonly=True)

    @property
    def _table_query(self):
        since = fields.Datetime.now() - timedelta(days=DAYS)
        return SQL(
            """
            SELECT leak.*, COALESCE(point.name, line.name) AS place
              FROM (%s) leak
              LEFT JOIN energy_service_point point ON point.id = leak.service_point_id
              LEFT JOIN energy_line line ON line.id = leak.line_id
            """,
            SQL(LEAKS, since=since, days=DAYS),
        )

    def action_open(self):
        """Show when it leaks: a feeder's heat map, else the hours."""
        self.ensure_one()
        if self.kind == "loss":
            return self.service_point_id.action_view_loss_picture()
        if self.kind == "phases":
            return self.service_point_id.action_view_phases()
        return self.action_open_hours()

    def action_open_hours(self):
        """Open the hours that this line is made of."""
        self.ensure_one()
        point = self.service_point_id
        if self.kind == "loss":
            name = self.env._("Losses of %s", point.name)
            return {**point.action_view_losses(), "name": name}
        points = point or self.line_id.point_ids.service_point_id
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_interval_action"
        )
        return {
            **action,
            "name": f"{action['name']}: {point.name or self.line_id.name}",
            "domain": [("service_point_id", "in", points.ids)],
            "context": {"search_default_last_days": 1},
        }
