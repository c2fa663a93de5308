from psycopg2 import IntegrityError

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import EnergyCase, add_point


@tagged("post_install", "-at_install")
class TestInstallation(EnergyCase):
    def install(self, meter, point, **values):
        return self.env["energy.meter.installation"].create(
            {"meter_id": meter.id, "service_point_id": point.id, **values}
        )

    def test_a_meter_moves_and_the_point_stays(self):
        other = self.env["energy.meter"].create({"serial": "M-NEW"})
        self.meter.installation_ids.date_to = "2026-01-01 00:00:00"
        self.assertFalse(self.point.meter_id)
        self.install(other, self.point, date_from="2026-01-01 00:00:00")
        self.assertEqual(self.point.meter_id, other)
        self.assertFalse(self.meter.service_point_id)

    def test_overlaps_are_refused(self):
        point, _meter = add_point(self, "M-2")
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            with self.env.cr.savepoint():
                self.install(self.meter, point)
        spare = self.env["energy.meter"].create({"serial": "SPARE"})
        with self.assertRaisesRegex(ValidationError, "overlaps"):
            self.install(
                spare,
                self.point,
                date_from="2025-01-01 00:00:00",
                date_to="2025-02-01 00:00:00",
            )

    def test_serials_are_unique_and_meters_with_readings_stay(self):
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            with self.env.cr.savepoint():
                self.env["energy.meter"].create({"serial": "M-1"})
        self.ingest((0, "1"))
        with self.assertRaises(UserError):
            self.meter.unlink()

    def test_a_feeder_cannot_feed_itself(self):
        child, _meter = add_point(self, "M-2", parent_id=self.point.id)
        with self.assertRaises(UserError):
            self.point.parent_id = child
