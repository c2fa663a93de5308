from ast import literal_eval

from lxml import etree

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.modules.migration import load_script
from odoo.tests import new_test_user
from odoo.tools.misc import file_path

from ..reports.energy_quota_report import OF_QUOTA
from .line_case import LineCase


class TestQuotaReport(LineCase):
    def report(self, domain, groups, measures):
        rows = self.env["energy.quota.report"]._read_group(
            domain, groups, [f"{name}:sum" for name in measures]
        )
        return [
            tuple(None if v is False else getattr(v, "name", v) for v in row)
            for row in rows
        ]

    def test_plan_and_consumption_are_not_counted_twice(self):
        self.share(self.line_b, self.a1, 25)
        quota = self.plan(self.line_a, 500)
        self.use(self.a1, 100, "2026-06-16", band="peak")
        self.use(self.a2, 60, "2026-06-16", band="base")
        quota._watch()
        rows = self.report(
            [], ["line_id"], ["total", "used", "energy", "money", "price"]
        )
        self.assertEqual(rows[0], ("Line A", 500, 135, 135, 33.75, 0.25))
        self.assertEqual(rows[1], ("Line B", None, None, 25, 6.25, 0.25))
        bands = self.report(
            [("line_id", "=", self.line_a.id)], ["band"], ["energy", "total"]
        )
        self.assertIn(("base", 60, None), bands)
        self.assertIn(("peak", 75, None), bands)
        self.assertIn((None, None, 500), bands)

    def test_kwh_and_money_do_not_add_up(self):
        self.plan(self.line_a, 500)
        self.plan(self.line_b, 70, unit="money")
        rows = self.report([("unit", "!=", False)], ["unit"], ["total"])
        self.assertEqual(rows, [("energy", 500), ("money", 70)])
        self.assertEqual(self.report([], [], ["total"]), [(None,)])

    def output(self, quantity, unit, day="2026-06-10", line=None, product=None):
        return self.env["energy.line.output"].create(
            {
                "line_id": (line or self.line_a).id,
                "day": day,
                "quantity": quantity,
                "uom_id": self.env.ref(f"uom.product_uom_{unit}").id,
                "product_id": product and product.id,
            }
        )

    def product(self, name, unit):
        uom = self.env.ref(f"uom.product_uom_{unit}")
        return self.env["product.product"].create({"name": name, "uom_id": uom.id})

    def test_a_unit_of_output(self):
        """Tonnes and kilograms are converted to the unit of the line."""
        self.line_a.output_uom_id = self.env.ref("uom.product_uom_kgm")
        self.use(self.a1, 300)
        self.output(0.5, "ton")
        self.output(100, "kgm", product=self.product("Granulate", "kgm"))
        measures = ["output", "energy_per_unit", "cost_per_unit"]
        self.assertEqual(
            self.report([], ["line_id"], measures), [("Line A", 600, 0.5, 0.125)]
        )
        rows = self.report([("output", "!=", False)], ["uom_id"], ["output"])
        self.assertEqual(rows, [("kg", 600)])

    def test_pieces_and_tonnes_do_not_add_up(self):
        self.use(self.a1, 300)
        self.use(self.b1, 100)
        self.output(5, "ton")
        self.output(70, "unit", product=self.product("Gear", "unit"))
        self.output(50, "unit", line=self.line_b)
        measures = ["output", "energy_per_unit", "cost_per_unit"]
        self.assertEqual(
            self.report([], ["line_id"], measures),
            [("Line A", None, None, None), ("Line B", 50, 2, 0.5)],
        )
        self.assertEqual(self.report([], [], measures), [(None, None, None)])
        rows = self.report([("output", "!=", False)], ["uom_id"], ["output"])
        self.assertEqual(rows, [("Units", 120), ("Ton", 5)])
        Output = self.env["energy.line.output"]
        sums = Output._read_group([], ["line_id"], ["reported_quantity:sum"])
        self.assertEqual([row[1] for row in sums], [False, 50])
        self.assertIsNone(Output._fields["quantity"].aggregator)

    def test_months_without_output_are_not_in_a_unit(self):
        """The output of June has not taken the energy of May."""
        self.use(self.a1, 1000, "2026-05-10")
        self.use(self.a1, 300)
        self.output(100, "unit")
        rows = self.report([], ["line_id"], ["energy", "energy_per_unit"])
        self.assertEqual(rows, [("Line A", 1300, 3)])

    def test_ids_are_stable_and_rows_can_be_read(self):
        self.plan(self.line_a, 500)
        self.use(self.a1, 100, band="peak")
        self.use(self.b1, 100, band="peak")
        rows = self.env["energy.quota.report"].search([])
        self.assertEqual(len(rows), 3)
        self.assertEqual(len(rows.read(["energy", "month"])), 3)

    def test_each_favourite_opens(self):
        self.plan(self.line_a, 500)
        self.use(self.a1, 100)
        filters = self.env["ir.filters"].search(
            [("model_id", "=", "energy.quota.report")]
        )
        self.assertGreaterEqual(len(filters), 7)
        for favourite in filters:
            values = literal_eval(favourite.context)
            self.env["energy.quota.report"].formatted_read_group(
                favourite._get_eval_domain(),
                values["pivot_row_groupby"] + values["pivot_column_groupby"],
                [f"{name}:sum" for name in values["pivot_measures"]],
            )

    def test_figures_of_quotas_stand_beside_their_unit(self):
        """In the pivot as it opens, and in what the favourites show."""
        arch = etree.fromstring(
            self.env["energy.quota.report"].get_view(view_type="pivot")["arch"]
        )
        shown = {
            kind: {one.get("name") for one in arch.iterfind(f"field[@type='{kind}']")}
            for kind in ("row", "measure")
        }
        self.assertTrue(shown["measure"].intersection(OF_QUOTA))
        self.assertIn("figures", shown["row"])
        filters = self.env["ir.filters"].search(
            [("model_id", "=", "energy.quota.report")]
        )
        for favourite in filters:
            values = literal_eval(favourite.context)
            if not {*values["pivot_measures"], values["graph_measure"]}.isdisjoint(
                OF_QUOTA
            ):
                for groups in ("pivot_row_groupby", "graph_groupbys", "group_by"):
                    self.assertIn("unit", values[groups], favourite.name)

    def test_each_row_says_what_its_figures_are_of(self):
        self.plan(self.line_a, 500)
        self.plan(self.line_b, 70, unit="money")
        self.use(self.a1, 100, "2026-06-16")
        self.output(10, "unit")
        rows = self.report([], ["figures"], ["total", "energy", "output"])
        self.assertEqual(
            rows,
            [
                ("energy", 500, None, None),
                ("money", 70, None, None),
                ("output", None, None, 10),
                ("usage", None, 100, None),
            ],
        )

    def test_an_update_brings_the_favourites_units(self):
        """Those that are as they were delivered, whatever else the user set."""
        favourite = self.env.ref("prepaid_energy.filter_quota_overran")
        other = self.env.ref("prepaid_energy.filter_quota_band")
        new, untouched = favourite.context, other.context
        favourite.context = new.replace(
            "['line_id', 'unit'], 'graph_m", "['line_id'], 'graph_m"
        )
        self.assertNotEqual(favourite.context, new)
        self.env.flush_all()
        path = file_path("prepaid_energy/migrations/19.0.5.0.0/post-favourites.py")
        migrate = load_script(path, "post_favourites").migrate
        for _again in range(2):
            migrate(self.env.cr, "19.0.4.0.0")
        self.env.invalidate_all()
        self.assertEqual((favourite.context, other.context), (new, untouched))

    def test_other_companies_and_strangers_see_nothing(self):
        self.plan(self.line_a, 500)
        company = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env,
            "stranger",
            groups="prepaid_energy.group_energy_manager",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        Report = self.env["energy.quota.report"]
        self.assertTrue(Report.search([]))
        self.assertFalse(Report.with_user(stranger).search([]))
        with self.assertRaises(AccessError):
            Report.with_user(self.portal_user).search([])
