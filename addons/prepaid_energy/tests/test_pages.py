from datetime import timedelta
from types import SimpleNamespace
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import freeze_time, new_test_user, tagged

from ..models.energy_wallet_pages import TOLD
from .common import EnergyCase, add_point, credit


@tagged("post_install", "-at_install")
class TestPages(EnergyCase):
    """Open pages are told of their wallet, and nobody else is."""

    def setUp(self):
        super().setUp()
        self.other = self.env["energy.wallet"].create(
            {
                "name": "Other",
                "partner_id": self.env["res.partner"].create({"name": "O"}).id,
            }
        )
        self.watch = self.env["energy.wallet.watch"].sudo()
        self.watch._note(self.wallet)
        self.told()

    def told(self):
        """The wallets that the end of the transaction would tell of."""
        bus = self.env["bus.bus"].sudo()
        bus.search([]).unlink()
        self.cr.precommit.run()
        found = [one for one in bus.search([]) if TOLD in one.message]
        for one in found:
            self.assertIn('"energy.wallet"', one.channel)
            self.assertNotIn("balance", one.message, "it says no more than that")
        return [int(one.channel.strip("]").split(",")[-1]) for one in found]

    def test_an_entry_tells_who_looks(self):
        credit(self.wallet, "5", "a")
        credit(self.wallet, "5", "b")
        credit(self.other, "5", "c")
        self.assertEqual(self.told(), self.wallet.ids)
        self.assertEqual(self.told(), [])

    def test_readings_tell_only_wallets_that_they_draw_from(self):
        _point, meter = add_point(self, "M-2")
        meter.service_point_id.wallet_id = self.other
        self.watch._note(self.other)
        self.ingest((0, "0"), (0, "0", "M-2"))
        self.told()
        self.ingest((3600, "2"), (3600, "0", "M-2"))
        self.assertEqual(self.told(), self.wallet.ids)

    def test_a_relay_tells(self):
        self.meter._take_relay("closed", 0)
        self.assertEqual(self.told(), self.wallet.ids)
        self.meter._take_relay("closed", 0)
        self.assertEqual(self.told(), [], "nothing has changed")

    def test_a_page_that_was_closed_is_not_told(self):
        with freeze_time(fields.Datetime.now() + timedelta(minutes=16)):
            credit(self.wallet, "5", "later")
            self.assertEqual(self.told(), [])
            self.watch._gc_over()
        self.assertFalse(self.watch.search([]))

    def test_a_page_that_stays_open_renews_its_note(self):
        until = self.watch.search([]).until
        self.watch._note(self.wallet | self.other)
        self.watch.invalidate_model()
        row = self.watch.search([("wallet_id", "=", self.wallet.id)])
        self.assertEqual(row.until, until, "a new note is left alone")
        with freeze_time(fields.Datetime.now() + timedelta(minutes=6)):
            self.watch._note(self.wallet)
        self.watch.invalidate_model()
        self.assertGreater(row.until, until)
        self.assertEqual(self.watch.search_count([]), 2)

    def test_however_many_wallets_one_statement_looks_for_pages(self):
        wallets = self.env["energy.wallet"].create(
            [{"name": f"W{n}", "partner_id": self.tenant.id} for n in range(20)]
        )
        self.told()
        for wallet in wallets:
            wallet._tell_pages()
        with self.assertQueryCount(1):
            self.env["energy.wallet"].sudo()._tell_pages_now()

    def test_only_who_reads_a_wallet_hears_of_it(self):
        stranger = new_test_user(self.env, "stranger", groups="base.group_portal")
        names = [f"energy_wallet_{self.wallet.id}", "energy_wallet_x", "else"]
        names.append(f"energy_wallet_{'9' * 30}")
        for user, heard in ((self.portal_user, [self.wallet]), (stranger, [])):
            session = SimpleNamespace(session=SimpleNamespace(uid=user.id))
            with patch("odoo.addons.bus.models.ir_websocket.wsrequest", session):
                socket = self.env["ir.websocket"].with_user(user)
                channels = socket._build_bus_channel_list(list(names))
            wallets = [
                channel
                for channel in channels
                if getattr(channel, "_name", "") == "energy.wallet"
            ]
            self.assertEqual(wallets, heard)
            texts = {channel for channel in channels if isinstance(channel, str)}
            self.assertEqual(texts & {*names}, {"else"})

    def test_tenants_read_no_watches(self):
        with self.assertRaises(AccessError):
            self.watch.with_user(self.portal_user).sudo(False).search([])

    def test_news_is_shown_to_who_sees_the_wallet(self):
        """Main contacts and who was invited to it; nobody else of the family."""
        family = {"parent_id": self.tenant.id}
        users = {}
        for login, role in (("main", False), ("invited", "view"), ("apart", "view")):
            users[login] = new_test_user(
                self.env, login, groups="base.group_portal", energy_role=role
            )
            users[login].partner_id.write(family)
        self.wallet.sudo().portal_user_ids = users["invited"]
        people = self.wallet._portal_people()
        self.assertIn(users["main"].partner_id, people)
        self.assertIn(users["invited"].partner_id, people)
        self.assertNotIn(users["apart"].partner_id, people)
        self.assertFalse(people & self.env["energy.wallet"].browse()._portal_people())
        for user in users.values():
            wallets = self.env["energy.wallet"].with_user(user).search([])
            self.assertEqual(self.wallet in wallets, user.partner_id in people)
