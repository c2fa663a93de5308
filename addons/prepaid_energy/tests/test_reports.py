import io
import random
from ast import literal_eval
from base64 import b64decode
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import openpyxl

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from odoo.addons.prepaid_energy.reports.statement import Statement
from odoo.addons.prepaid_energy.wizards.energy_ageing import COLUMNS

from .common import EnergyCase, add_point, flat_version
from .test_statement import credit_at

DAY = 86400


def reader(case, role="user", **values):
    return new_test_user(
        case.env,
        f"report_{role}",
        groups=f"prepaid_energy.group_energy_{role}",
        **values,
    )


@tagged("post_install", "-at_install")
class TestUsageReport(EnergyCase):
    """One point at 0.25, one at 1.00 a kWh: 30 and 10 kWh."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stranger = cls.env["res.partner"].create({"name": "Stranger"})
        dear = cls.env["energy.tariff"].create(
            {
                "name": "Dear",
                "tz": "UTC",
                "version_ids": [Command.create(flat_version("2020-01-01", 1))],
            }
        )
        cls.other_wallet = cls.env["energy.wallet"].create(
            {"name": "Stranger", "partner_id": stranger.id}
        )
        cls.other_point, _meter = add_point(
            cls, "M-2", wallet_id=cls.other_wallet.id, tariff_id=dear.id
        )

    def setUp(self):
        super().setUp()
        self.begin = datetime(2026, 5, 4, tzinfo=UTC)
        self.ingest((0, "0"), (3 * DAY, "30"), (0, "0", "M-2"), (2 * DAY, "10", "M-2"))
        self.run_tasks()
        self.Report = self.env["energy.usage.report"].with_user(reader(self))
        self.mine = [("service_point_id", "in", (self.point | self.other_point).ids)]

    def test_a_price_is_money_divided_by_quantity(self):
        ((price, all_in, quantity),) = self.Report._read_group(
            self.mine, [], ["price:avg", "price_all_in:avg", "quantity:sum"]
        )
        self.assertEqual(quantity, 40)
        self.assertAlmostEqual(price, (30 * 0.25 + 10 * 1) / 40)
        self.assertAlmostEqual(all_in, (30 * 0.275 + 10 * 1) / 40)
        groups = self.Report._read_group(
            self.mine, ["partner_id"], ["price:avg", "levies:sum", "amount_total:sum"]
        )
        found = {partner.name: tuple(parts) for partner, *parts in groups}
        self.assertAlmostEqual(found["Tenant Ltd"][0], 0.25)
        self.assertAlmostEqual(found["Tenant Ltd"][1], 0.75)
        self.assertAlmostEqual(found["Stranger"][0], 1)

    def test_a_price_is_never_a_sum_of_prices(self):
        ((price,),) = self.Report._read_group(self.mine, [], ["price:sum"])
        self.assertAlmostEqual(price, 0.4375)
        (group,) = self.Report.formatted_read_group(self.mine, [], ["price:avg"])
        self.assertAlmostEqual(group["price:avg"], 0.4375)

    def test_fixed_charges_count_in_the_price_all_in_only(self):
        self.env.cr.execute(
            """
            INSERT INTO energy_usage (service_point_id, wallet_id, company_id,
                   currency_id, tariff_id, uom_id, day, kind, charge, quantity, amount,
                   amount_total, amount_settled)
            SELECT service_point_id, wallet_id, company_id, currency_id, tariff_id,
                   uom_id, day, 'fixed', 'Base', 0, 4, 5, 5
              FROM energy_usage WHERE service_point_id = %s LIMIT 1
            """,
            (self.point.id,),
        )
        ((price, all_in),) = self.Report._read_group(
            self.mine, [], ["price:avg", "price_all_in:avg"]
        )
        self.assertAlmostEqual(price, 17.5 / 40)
        self.assertAlmostEqual(all_in, (30 * 0.275 + 10 + 5) / 40)

    def test_no_price_of_mixed_units(self):
        kwh = self.tariff.uom_id
        unit = self.env["uom.uom"].search([("id", "!=", kwh.id)], limit=1)
        self.env.cr.execute(
            "UPDATE energy_usage SET uom_id = %s WHERE service_point_id = %s",
            (unit.id, self.other_point.id),
        )
        ((price,),) = self.Report._read_group(self.mine, [], ["price:avg"])
        self.assertFalse(price)

    def test_it_is_the_usage(self):
        usage = self.env["energy.usage"].search(self.mine)
        report = self.Report.search(self.mine)
        self.assertEqual(sorted(usage.ids), sorted(report.ids))
        for row in usage:
            twin = self.Report.browse(row.id)
            for name in ("day", "band", "kind", "quantity", "amount", "amount_total"):
                self.assertEqual(row[name], twin[name], name)
            self.assertEqual(twin.site_id, self.site)
            self.assertEqual(twin.wallet_kind, "tenant")

    def test_a_tenant_analyses_the_own_consumption(self):
        mine = self.env["energy.usage.report"].with_user(self.portal_user)
        self.assertEqual(mine.search([]).wallet_id.sudo(), self.wallet)
        ((quantity, wallets),) = mine._read_group(
            [], [], ["quantity:sum", "wallet_id:count_distinct"]
        )
        self.assertEqual((quantity, wallets), (30, 1))
        row = self.env["energy.usage.report"].search(
            [("wallet_id", "=", self.other_wallet.id)], limit=1
        )
        with self.assertRaises(AccessError):
            row.with_user(self.portal_user).read(["quantity"])

    def test_other_companies_and_clerks_see_nothing(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        user = reader(
            self,
            "manager",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        clerk = new_test_user(self.env, "clerk", groups="base.group_user")
        for model in ("energy.usage.report", "energy.levy.report"):
            Model = self.env[model]
            ((count,),) = Model.with_user(user)._read_group([], [], ["__count"])
            self.assertEqual(count, 0, model)
            for someone in (clerk, self.gateway.user_id):
                with self.assertRaises(AccessError, msg=model):
                    Model.with_user(someone)._read_group([], [], ["__count"])
            self.assertFalse(Model.with_user(user).has_access("create"), model)
            self.assertFalse(Model.with_user(user).has_access("write"), model)
        with self.assertRaises(AccessError):
            self.env["energy.levy.report"].with_user(self.portal_user).search([])

    def test_the_shipped_filters_and_views_work(self):
        filters = self.env["ir.filters"].search(
            [("model_id", "=", "energy.usage.report"), ("user_ids", "=", False)]
        )
        self.assertGreaterEqual(len(filters), 6)
        for found in filters:
            domain = found._get_eval_domain()
            context = literal_eval(found.context)
            measures = [
                f"{name}:{self.Report._fields[name].aggregator}"
                for name in context["pivot_measures"]
            ]
            by = context["pivot_row_groupby"] + context["pivot_column_groupby"]
            self.Report.formatted_read_group(domain, by, measures)
            self.assertIn(context["graph_measure"], self.Report._fields)


@tagged("post_install", "-at_install")
class TestLevyReport(EnergyCase):
    """10 % that are a tax in the books, 2.5 % that are not, a rebate of 1 %."""

    def setUp(self):
        super().setUp()
        self.tax = self.env["account.tax"].create(
            {"name": "VAT 10", "amount": 10, "type_tax_use": "sale"}
        )
        version = flat_version("2020-01-01", 0.3)
        version["levy_ids"] = [
            Command.create({"name": "VAT", "percent": 10, "tax_id": self.tax.id}),
            Command.create({"name": "Concession", "percent": 2.5}),
            Command.create({"name": "Rebate", "percent": -1}),
        ]
        tariff = self.env["energy.tariff"].create(
            {"name": "Levied", "tz": "UTC", "version_ids": [Command.create(version)]}
        )
        self.point2, _meter = add_point(
            self, "M-3", wallet_id=self.wallet.id, tariff_id=tariff.id
        )
        self.begin = datetime(2026, 4, 30, tzinfo=UTC)
        self.ingest((0, "0", "M-3"), (2 * DAY, "33.3", "M-3"))
        self.run_tasks()
        self.Report = self.env["energy.levy.report"].with_user(
            reader(self, "accountant")
        )
        self.mine = [("service_point_id", "=", self.point2.id)]

    def test_net_and_each_levy_by_month(self):
        groups = self.Report._read_group(
            self.mine, ["day:month", "name", "booked_as"], ["amount:sum", "base:sum"]
        )
        net = 16.65 * 0.3
        self.assertEqual(len(groups), 8)
        expected = {
            "Net amount": ("net", net, 0),
            "VAT": ("tax", net * 0.1, net),
            "Concession": ("price", net * 0.025, net),
            "Rebate": ("price", -net * 0.01, net),
        }
        for _month, name, booked_as, amount, base in groups:
            self.assertEqual(booked_as, expected[name][0])
            self.assertAlmostEqual(amount, expected[name][1])
            self.assertAlmostEqual(base or 0, expected[name][2])

    def test_they_add_up_to_what_the_wallet_paid(self):
        ((amount,),) = self.Report._read_group(self.mine, [], ["amount:sum"])
        usage = self.env["energy.usage"].search(self.mine)
        self.assertAlmostEqual(amount, sum(usage.mapped("amount_total")), 9)

    def test_what_is_not_billed_yet(self):
        self.env.cr.execute(
            """
            UPDATE energy_usage SET amount_billed = amount, total_billed = amount_total
             WHERE service_point_id = %s AND day < '2026-05-01'
            """,
            (self.point2.id,),
        )
        groups = self.Report._read_group(
            [*self.mine, ("booked_as", "!=", "price")],
            ["booked_as", "day:month"],
            ["unbilled:sum"],
        )
        net = 16.65 * 0.3
        found = [(name, round(unbilled, 6)) for name, _month, unbilled in groups]
        self.assertEqual(
            found,
            [
                ("net", 0),
                ("net", round(net, 6)),
                ("tax", 0),
                ("tax", round(net / 10, 6)),
            ],
        )
        usage = self.env["energy.usage.report"]
        groups = usage._read_group(self.mine, ["day:month"], ["unbilled:sum"])
        self.assertEqual(groups[0][1], 0)
        self.assertAlmostEqual(groups[1][1], net * 1.115)

    def test_ids_are_unique_and_stable(self):
        rows = self.Report.search(self.mine)
        self.assertEqual(len(set(rows.ids)), len(rows))
        self.assertEqual(rows, self.Report.browse(rows.ids).exists())
        taxed = rows.filtered(lambda row: row.booked_as == "tax")
        self.assertEqual(taxed.tax_id, self.tax)


@tagged("post_install", "-at_install")
class TestLineCost(EnergyCase):
    def test_cost_by_analytic_account_and_month(self):
        plan = self.env["account.analytic.plan"].create({"name": "Lines"})
        account = self.env["account.analytic.account"].create(
            {"name": "Line 1", "plan_id": plan.id}
        )
        line = self.env["energy.wallet"].create(
            {
                "name": "Line 1",
                "kind": "line",
                "department_id": self.env["hr.department"].create({"name": "D"}).id,
                "analytic_account_id": account.id,
            }
        )
        add_point(self, "M-4", wallet_id=line.id)
        self.begin = datetime(2026, 4, 30, tzinfo=UTC)
        self.ingest((0, "0", "M-4"), (2 * DAY, "40", "M-4"))
        self.run_tasks()
        groups = self.env["energy.usage.report"]._read_group(
            [("wallet_kind", "=", "line"), ("analytic_account_id", "=", account.id)],
            ["analytic_account_id", "day:month"],
            ["amount:sum"],
        )
        self.assertEqual([group[2] for group in groups], [5, 5])


@tagged("post_install", "-at_install")
class TestAgeing(EnergyCase):
    DATE = date(2026, 6, 30)

    def ageing(self, day=DATE):
        return self.env["energy.ageing"].create({"date": day})

    def line(self, day=DATE):
        ageing = self.ageing(day)
        ageing._fill()
        return ageing.line_ids.filtered(lambda line: line.wallet_id == self.wallet)

    def paid(self, amount, days_ago, **values):
        at = datetime.combine(self.DATE, datetime.min.time()) - timedelta(days=days_ago)
        credit_at(self.wallet, amount, f"{amount}:{days_ago}", at.isoformat(), **values)

    def columns(self, line):
        return [line[name] for name in COLUMNS]

    def test_each_column(self):
        for days in (0, 30, 31, 60, 61, 90, 91, 180, 181, 400):
            self.paid("10", days)
        line = self.line()
        self.assertEqual(self.columns(line), [20, 20, 20, 20, 20])
        self.assertEqual((line.debt, line.balance), (0, 100))

    def test_what_was_paid_first_is_used_first(self):
        self.paid("100", 200)
        self.paid("50", 70)
        self.paid("20", 3)
        self.paid("-110", 1, name="Fee", kind="fee")
        self.assertEqual(self.columns(self.line()), [20, 0, 40, 0, 0])
        before = self.line(date(2026, 6, 28))
        self.assertEqual(self.columns(before), [20, 0, 50, 0, 100])

    def test_a_debt_is_apart(self):
        self.paid("10", 5)
        self.paid("-25.50", 1, name="Fee", kind="fee")
        line = self.line()
        self.assertEqual(self.columns(line), [0] * 5)
        self.assertEqual((line.debt, line.balance), (-15.5, -15.5))

    def test_an_undone_topup_has_not_been(self):
        payments = self.env["account.payment"]
        for _ in range(2):
            payments |= payments.create(
                {
                    "payment_type": "inbound",
                    "partner_type": "customer",
                    "partner_id": self.tenant.id,
                    "amount": 10,
                    "journal_id": self.journal.id,
                }
            )
        topup, undone = payments
        undone.energy_reversed_id = topup
        self.paid("30", 300)
        self.paid("40", 40, payment_id=topup.id)
        self.paid("-40", 2, name="Undone", kind="refund", payment_id=undone.id)
        self.assertEqual(self.columns(self.line()), [0, 0, 0, 0, 30])

    def test_it_ties_to_the_statements_under_random_histories(self):
        generator = random.Random(5)
        for number in range(60):
            amount = Decimal(generator.randrange(-4000, 5000)) / 100
            at = datetime(2025, 6, 1) + timedelta(hours=generator.randrange(9000))
            credit_at(self.wallet, amount, f"r{number}", at.isoformat())
        self.begin = datetime(2026, 1, 1, tzinfo=UTC)
        self.ingest(*[(n * 10 * DAY, str(n * 30)) for n in range(19)])
        self.run_tasks()
        for day in (date(2025, 9, 1), date(2026, 1, 31), self.DATE):
            balance = Statement(self.wallet, day, day).sums()[self.wallet.id].closing
            line = self.line(day)
            total = sum(self.columns(line)) + line.debt
            self.assertAlmostEqual(total, float(balance), 6)
            self.assertAlmostEqual(line.balance, float(balance), 6)

    def test_workbook_and_rights(self):
        self.wallet.name = "=1+1"
        self.paid("10", 5)
        user = reader(self, "accountant")
        ageing = self.env["energy.ageing"].with_user(user).create({"date": self.DATE})
        action = ageing.action_show()
        self.assertEqual(action["domain"], [("ageing_id", "=", ageing.id)])
        sheet = openpyxl.load_workbook(io.BytesIO(b64decode(ageing.xlsx))).active
        rows = {row[0]: row for row in sheet.iter_rows(values_only=True)}
        self.assertEqual(rows["'=1+1"][3], 10)
        self.assertTrue(rows["Total"][3].startswith("=SUM(D2"))
        looker = reader(self)
        with self.assertRaises(AccessError):
            self.env["energy.ageing"].with_user(looker).create({})
        other = new_test_user(
            self.env, "acc2", groups="prepaid_energy.group_energy_accountant"
        )
        with self.assertRaises(AccessError):
            ageing.with_user(other).read(["xlsx"])
        self.assertFalse(self.env["energy.ageing.line"].with_user(other).search([]))
