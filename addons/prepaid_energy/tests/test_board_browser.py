from unittest.mock import patch

from odoo import fields
from odoo.tests import HttpCase, new_test_user, tagged

from .common import add_point, credit, set_up_park

BOARD = "/odoo/energy-board"

# Debian's package of Odoo lacks this file; a page that misses it logs an error.
MISSING = "mail/static/lib/selfie_segmentation/selfie_segmentation.js"


@tagged("post_install", "-at_install")
class TestBoardBrowser(HttpCase):
    """The live board in a real browser."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        cls.env["ir.asset"].create(
            {
                "name": "what is missing",
                "bundle": "web.assets_backend",
                "directive": "remove",
                "path": MISSING,
            }
        )
        cls.env["energy.site"].search([("id", "!=", cls.site.id)]).active = False
        credit(cls.wallet, "100", "some")
        cls.wallet._apply_policy()
        cls.feeder, _meter = add_point(cls, "M-FEEDER", False, name="Workshops")
        cls.point.parent_id = cls.feeder
        cls.yard, _meter = add_point(cls, "M-YARD", False, name="Yard")
        cls.silent, _meter = add_point(cls, "M-SILENT", parent_id=cls.yard.id)
        cls.measure({"M-FEEDER": 100, "M-1": 80, "M-YARD": 10})
        cls.meter._take_relay("closed", cls.point.generation)
        for login, group in (("board_op", "operator"), ("board_look", "user")):
            group = f"prepaid_energy.group_energy_{group}"
            new_test_user(cls.env, login, groups=group, password=login)

    @classmethod
    def measure(cls, powers):
        """Hand over telemetry as the bridge does."""
        now = fields.Datetime.now().isoformat() + "Z"
        telemetry = [[serial, now, {"p": power}] for serial, power in powers.items()]
        cls.bridge.ingest({"uid": repr(powers), "telemetry": telemetry})

    def tour(self, name, login):
        self.start_tour(BOARD, name, login=login, timeout=120)

    def test_an_operator_finds_watches_and_locks_out(self):
        asked = []

        def board_sites(sites):
            """The page asks on loading; the tour asks again when it wants a batch."""
            asked.append(True)
            if len(asked) == 2:
                self.measure({"M-1": 47.25})
            return real(sites)

        Site = type(self.env["energy.site"])
        real = Site.board_sites
        board_sites._api_model = True
        with patch.object(Site, "board_sites", board_sites):
            self.tour("energy_live_board", "board_op")
        commands = self.env["energy.command"].search(
            [("service_point_id", "=", self.point.id), ("kind", "=", "relay")]
        )
        reasons = " ".join(commands.mapped("reason"))
        self.assertIn("work on the busbar", reasons)
        self.assertIn("board_op", reasons)
        self.assertEqual(self.point.lockout_user_id.login, "board_op")
        self.assertFalse(self.point.locked_out)

    def test_who_only_looks_has_no_buttons(self):
        self.tour("energy_live_board_looker", "board_look")
