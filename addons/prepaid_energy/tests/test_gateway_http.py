import json

from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from .common import set_up_park


@tagged("post_install", "-at_install")
class TestGatewayHttp(HttpCase):
    """The bridge protocol as the bridge speaks it: JSON-2 with an API key."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        cls.key = cls.gateway._new_api_key()

    def call(self, method, key=None, model="energy.gateway", **arguments):
        return self.url_open(
            f"/json/2/{model}/{method}",
            data=json.dumps(arguments),
            headers={
                "Authorization": f"bearer {key or self.key}",
                "Content-Type": "application/json",
                "X-Odoo-Database": self.env.cr.dbname,
            },
        )

    def test_readings_commands_and_reports(self):
        batch = {"uid": "h-1", "readings": [["M-1", 1767225600, "12.5"]]}
        answer = self.call("ingest", batch=batch)
        self.assertEqual(answer.status_code, 200, answer.text)
        self.assertEqual(answer.json()["accepted"], 1)
        self.assertEqual(self.call("ingest", batch=batch).json(), answer.json())
        reported = [{"meter_serial": "M-1", "relay": "closed", "generation": 0}]
        self.assertEqual(
            self.call("commands", reported=reported).json(), {"commands": []}
        )
        self.assertEqual(
            self.call("report", results=[]).json(), {"accepted": 0, "unknown": []}
        )
        self.assertTrue(self.gateway.online)

    @mute_logger("odoo.http")
    def test_a_wrong_key_is_401(self):
        answer = self.call("ingest", key="0" * 40, batch={"uid": "x"})
        self.assertEqual(answer.status_code, 401)

    @mute_logger("odoo.http", "odoo.addons.rpc.controllers.json2")
    def test_an_old_key_stops_working(self):
        old, self.gateway_key = self.key, self.gateway._new_api_key()
        self.assertEqual(self.call("commands", key=old, reported=[]).status_code, 401)
        answer = self.call("commands", key=self.gateway_key, reported=[])
        self.assertEqual(answer.status_code, 200)

    @mute_logger("odoo.http")
    def test_what_is_no_batch_is_422(self):
        answer = self.call("ingest", batch={"readings": []})
        self.assertEqual(answer.status_code, 422)
        self.assertIn("batch.uid", answer.json()["message"])

    @mute_logger("odoo.http")
    def test_a_gateway_may_call_nothing_else(self):
        for model, method, arguments in (
            ("energy.wallet", "search_read", {"domain": []}),
            ("energy.meter", "write", {"ids": self.meter.ids, "vals": {}}),
            ("energy.gateway", "search_read", {"domain": []}),
            ("energy.gateway", "action_new_key", {"ids": self.gateway.ids}),
            ("energy.service.point", "action_switch_off", {"ids": self.point.ids}),
            ("res.partner", "search_read", {"domain": []}),
            ("account.payment", "create", {"vals_list": [{}]}),
        ):
            answer = self.call(method, model=model, **arguments)
            self.assertIn(answer.status_code, (403, 404), f"{model}.{method}")
