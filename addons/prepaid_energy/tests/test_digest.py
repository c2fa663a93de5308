"""The figures of the digest mail: of the right time, company and users."""

from datetime import UTC, datetime, timedelta

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import freeze_time, new_test_user, tagged
from odoo.tools import SQL

from .common import EnergyCase, credit


@tagged("post_install", "-at_install")
class TestDigest(EnergyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = new_test_user(
            cls.env,
            "reader",
            email="reader@example.com",
            groups="prepaid_energy.group_energy_manager",
        )
        # a company of its own: other wallets of the database do not count
        cls.digest = cls.env["digest.digest"].create(
            {
                "name": "Park",
                "company_id": cls.company.id,
                "kpi_energy_used": True,
                "kpi_energy_topup": True,
                "kpi_energy_cut": True,
                "kpi_energy_loss": True,
                "user_ids": [Command.set(cls.manager.ids)],
            }
        )

    def value(self, name, day=8, **kw):
        """Of the 24 hours from six o'clock on, as the digest asks for it."""
        self.env.flush_all()
        self.env.invalidate_all()
        digest = kw.get("digest", self.digest).with_user(kw.get("user", self.manager))
        start = datetime(2026, 6, day, 6)
        digest = digest.with_context(
            start_datetime=start, end_datetime=start + timedelta(days=1)
        )
        return digest[f"kpi_energy_{name}_value"]

    def book(self, amount, key, at):
        with freeze_time(at):
            credit(self.wallet, amount, key)

    def test_what_was_used_on_whole_days(self):
        self.begin = datetime(2026, 6, 8, tzinfo=UTC)
        before = self.value("used")
        self.ingest((0, "0"), (3600 * 10, "30"), (86400, "50"), (86400 + 3600, "90"))
        self.assertAlmostEqual(self.value("used") - before, 50)

    def test_top_ups_of_the_time(self):
        before = self.value("topup")
        self.book("40", "a", "2026-06-08 12:00:00")
        self.book("2.5", "b", "2026-06-09 05:59:59")
        self.book("900", "c", "2026-06-09 06:00:00")
        self.env["energy.wallet.entry"]._post(
            self.wallet, "correction", 7, source_key="d", name="No top-up"
        )
        self.assertAlmostEqual(self.value("topup") - before, 42.5)

    def test_wallets_that_are_cut_off(self):
        before = self.value("cut")
        credit(self.wallet, "-10", "x")
        self.wallet._apply_policy()
        self.wallet.flush_recordset()
        self.env.cr.execute(
            "UPDATE energy_wallet SET level_since = '2026-06-08 22:00' WHERE id = %s",
            [self.wallet.id],
        )
        self.assertEqual(self.value("cut") - before, 1)
        self.assertEqual(self.value("cut", day=9), 0)

    def test_what_is_lost(self):
        before = self.value("loss")
        self.env.flush_all()
        for day, amount in (("2026-06-08", 12.5), ("2026-06-09", 99)):
            self.env.cr.execute(
                SQL(
                    "INSERT INTO energy_loss (service_point_id, site_id, company_id, "
                    "currency_id, at, day, amount) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                    self.point.id,
                    self.site.id,
                    self.company.id,
                    self.company.currency_id.id,
                    f"{day} 10:00:00",
                    day,
                    amount,
                )
            )
        self.assertAlmostEqual(self.value("loss") - before, 12.5)

    def test_another_company_has_its_own_figures(self):
        self.book("40", "a", "2026-06-08 12:00:00")
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.manager.company_ids |= company
        other = self.digest.copy({"company_id": company.id})
        self.assertEqual(self.value("topup", digest=other), 0)

    def test_who_may_not_see_it_does_not_get_it(self):
        nobody = new_test_user(self.env, "nobody", groups="base.group_user")
        for name in ("used", "topup", "cut", "loss"):
            with self.assertRaises(AccessError):
                self.value(name, user=nobody)

    def test_the_mail_has_them(self):
        kpis = self.digest._compute_kpis(self.company, self.manager)
        names = {kpi["kpi_name"] for kpi in kpis}
        self.assertLessEqual(
            {f"kpi_energy_{name}" for name in ("used", "topup", "cut", "loss")}, names
        )
        for kpi in kpis:
            self.assertTrue(kpi["kpi_action"], kpi["kpi_name"])
            xmlid = kpi["kpi_action"].split("?")[0]
            self.assertTrue(self.env.ref(xmlid), xmlid)
