from odoo import api, fields, models
from odoo.tools import SQL


class EnergySupplyTerm(models.Model):
    """Which tariff and wallet a service point has from a moment on.

    A change counts for all that is consumed after the last reading before it, so these
    moments are times of readings. Rating again reads them; see ``ingest/rerate.py``.
    """

    _name = "energy.supply.term"
    _description = "Supply Terms"
    _order = "service_point_id, date_from desc nulls last, id desc"

    service_point_id = fields.Many2one(
        "energy.service.point", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="service_point_id.company_id", store=True, precompute=True
    )
    date_from = fields.Datetime("Since", help="Empty: from the beginning.")
    tariff_id = fields.Many2one("energy.tariff", required=True, ondelete="restrict")
    wallet_id = fields.Many2one("energy.wallet", ondelete="restrict")

    _point_from_uniq = models.UniqueIndex(
        "(service_point_id, date_from) NULLS NOT DISTINCT"
    )

    @api.model
    def _record(self, points):
        """Note the tariff and wallet that the points have now, where they are new."""
        for point in points:
            terms = self.search([("service_point_id", "=", point.id)])
            newest = terms[:1]
            values = {"tariff_id": point.tariff_id.id, "wallet_id": point.wallet_id.id}
            if (newest.tariff_id, newest.wallet_id) == (
                point.tariff_id,
                point.wallet_id,
            ):
                continue
            since = self._last_reading_at(point)
            if newest and (not since or newest.date_from and newest.date_from >= since):
                newest.write(values)  # nothing was consumed under them
            else:
                values["service_point_id"] = point.id
                values["date_from"] = since if newest else False
                self.create(values)

    def _last_reading_at(self, point):
        """When the point was read last, by whatever meter; None if never."""
        return self.env.execute_query(
            SQL(
                """
                SELECT max(newest.at)
                  FROM energy_meter_installation installation
                 CROSS JOIN LATERAL (
                    SELECT max(reading.at) AS at FROM energy_reading reading
                     WHERE reading.meter_id = installation.meter_id
                       AND reading.at >= installation.date_from
                       AND reading.at <= COALESCE(installation.date_to, 'infinity')
                 ) newest
                 WHERE installation.service_point_id = %s
                """,
                point.id,
            )
        )[0][0]
