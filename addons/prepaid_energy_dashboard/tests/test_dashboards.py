import json

from odoo.fields import Domain
from odoo.tests import new_test_user, tagged

from odoo.addons.prepaid_energy.tests.common import EnergyCase, credit
from odoo.addons.spreadsheet.utils.validate_data import (
    fields_in_spreadsheet,
    links_urls,
    menus_xml_ids_in_spreadsheet,
    odoo_charts,
)

ROLES = ("manager", "accountant", "operator")
MENU = "odoo://ir_menu_xml_id/"
GRAINS = {"day", "week", "month", "quarter", "year"}


def add_users(cls):
    """A user of each role; HTTP cases use it too."""
    cls.users = {
        role: new_test_user(
            cls.env,
            f"dashboard_{role}",
            groups=f"base.group_user,prepaid_energy.group_energy_{role}",
        )
        for role in ROLES
    }


class DashboardCase(EnergyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        add_users(cls)

    def board(self, role, user=None):
        """The dashboard of ``role`` as its user, or as another, reads it."""
        board = self.env.ref(f"prepaid_energy_dashboard.spreadsheet_dashboard_{role}")
        return board.with_user(user or self.users[role])

    def document(self, role):
        board = self.board(role)
        return json.loads(board._get_serialized_readonly_dashboard())["snapshot"]

    def each(self):
        """(document, environment of its user) of each role."""
        for role in ROLES:
            yield self.document(role), self.env(user=self.users[role])


@tagged("post_install", "-at_install")
class TestDashboards(DashboardCase):
    def test_each_user_sees_the_dashboards_of_their_groups(self):
        ours = [self.board(role).sudo() for role in ROLES]
        for role, seen in (
            ("manager", {"manager", "accountant", "operator"}),
            ("accountant", {"accountant"}),
            ("operator", {"operator"}),
        ):
            found = self.env["spreadsheet.dashboard"].with_user(self.users[role])
            found = found.search([("id", "in", [board.id for board in ours])])
            self.assertEqual(set(found.ids), {self.board(one).id for one in seen}, role)
        looker = new_test_user(
            self.env,
            "dashboard_looker",
            groups="base.group_user,prepaid_energy.group_energy_user",
        )
        for role in ROLES:
            self.assertFalse(self.board(role, looker).has_access("read"))

    def test_fields_and_menus_exist(self):
        for document, env in self.each():
            for model, names in fields_in_spreadsheet(document).items():
                for name in names:
                    self.field(env, model, name)
            visible = env["ir.ui.menu"]._visible_menu_ids()
            menus = menus_xml_ids_in_spreadsheet(document)
            links = {
                cell.rpartition("(")[2].removeprefix(MENU).removesuffix(")")
                for cell in document["sheets"][0]["cells"].values()
                if MENU in cell
            }
            self.assertTrue(menus and links)
            self.assertFalse(links_urls(document))
            for xml_id in menus | links:
                self.assertIn(env.ref(xml_id).sudo().id, visible, xml_id)

    def field(self, env, model, path):
        """The last field of ``path``, which may lead over relations."""
        field = None
        for name in path.partition(":")[0].split("."):
            field = env[model]._fields.get(name)
            self.assertTrue(field, f"{model} has no {path}")
            model = field.comodel_name
        return field

    def test_filters_look_at_fields_of_their_kind(self):
        for document, env in self.each():
            filters = {one["id"]: one for one in document["globalFilters"]}
            used = set()
            for model, source in self.sources(document):
                for key, match in source["fieldMatching"].items():
                    used.add(key)
                    field = self.field(env, model, match["chain"])
                    self.assertEqual(field.type, match["type"], f"{model} {match}")
                    if filters[key]["type"] == "relation":
                        self.assertEqual(
                            field.comodel_name, filters[key]["modelName"], match
                        )
                        env[model].search([(match["chain"], "in", [1])], limit=1)
                    else:
                        self.assertTrue(field.store)
            self.assertEqual(used, filters.keys(), "a filter that filters nothing")

    def sources(self, document):
        """(model, definition) of all pivots, lists and charts."""
        for pivot in document["pivots"].values():
            yield pivot["model"], pivot
        for one in document["lists"].values():
            yield one["model"], one
        for chart in odoo_charts(document):
            yield chart["metaData"]["resModel"], chart

    def test_pivots_run(self):
        for document, env in self.each():
            self.assertTrue(document["pivots"])
            for pivot in document["pivots"].values():
                measures = [one["fieldName"] for one in pivot["measures"]]
                rows = [one["fieldName"] for one in pivot["rows"]]
                self.assertIn(pivot["sortedColumn"]["measure"], measures)
                self.group(env, pivot["model"], pivot["domain"], rows, measures)

    def test_charts_run(self):
        for document, env in self.each():
            charts = list(odoo_charts(document))
            self.assertTrue(charts)
            for chart in charts:
                data, search = chart["metaData"], chart["searchParams"]
                self.assertEqual(data["groupBy"], search["groupBy"])
                self.group(
                    env,
                    data["resModel"],
                    search["domain"],
                    data["groupBy"],
                    [data["measure"]],
                )

    def group(self, env, model, domain, groups, measures):
        """Ask as the client does; measures must be what can be added up or counted."""
        described = env[model].fields_get()
        for spec in groups:
            name, _colon, grain = spec.partition(":")
            self.assertTrue(described[name].get("groupable"), f"{model} {spec}")
            if described[name]["type"] in ("date", "datetime"):
                self.assertIn(grain, GRAINS, spec)
        for name in measures:
            if name != "__count":
                self.assertTrue(described[name].get("aggregator"), f"{model} {name}")
        aggregates = [
            name if name == "__count" else f"{name}:{described[name]['aggregator']}"
            for name in measures
        ]
        return env[model].formatted_read_group(Domain(domain), groups, aggregates)

    def test_lists_run(self):
        for document, env in self.each():
            self.assertTrue(document["lists"])
            for one in document["lists"].values():
                order = ", ".join(
                    f"{by['name']} {'asc' if by['asc'] else 'desc'}"
                    for by in one["orderBy"]
                )
                Model = env[one["model"]]
                for by in one["orderBy"]:
                    self.assertTrue(Model._fields[by["name"]].store, by)
                found = Model.search(one["domain"], order=order, limit=10)
                found.read(one["columns"])

    def test_formulas_name_what_there_is(self):
        """Each pivot and list is shown, and no formula asks for another."""
        for document, _env in self.each():
            text = json.dumps([sheet["cells"] for sheet in document["sheets"]])
            for key in document["pivots"]:
                self.assertRegex(text, rf"PIVOT(\.VALUE)?\({key},")
            for key in document["lists"]:
                self.assertIn(f"ODOO.LIST({key},", text)

    def test_leaks_are_counted_once_and_are_the_parks_own(self):
        document = self.document("manager")
        domains = [
            Domain(figure["domain"])
            for figure in (
                *document["pivots"].values(),
                *(
                    {**chart, **chart["metaData"], **chart["searchParams"]}
                    for chart in odoo_charts(document)
                ),
            )
            if figure.get("model", figure.get("resModel")) == "energy.leak.report"
        ]
        self.assertEqual(len(domains), 2)
        leaks = self.env["energy.leak.report"].new
        for domain in domains:
            for kind, payer, shown in (
                ("loss", False, True),
                ("idle", "line", True),
                ("idle", "tenant", False),
                ("standing", False, False),
            ):
                leak = leaks({"kind": kind, "wallet_kind": payer, "amount_month": 1})
                self.assertEqual(bool(leak.filtered_domain(domain)), shown, kind)

    def test_figures_are_true(self):
        """What the cards ask for is what was used, owed and held."""
        credit(self.wallet, 100, "dashboard")
        self.ingest((0, "0"), (60, "10"), (120, "9"))
        self.assertAlmostEqual(self.card("manager", "Electricity (kWh)"), 10)
        self.assertAlmostEqual(self.card("manager", "Cost of Electricity"), 2.75)
        self.assertAlmostEqual(self.card("accountant", "Prepaid by Tenants"), 97.25)
        self.assertAlmostEqual(self.card("accountant", "Not Billed Yet"), 2.75)
        self.assertEqual(self.card("operator", "To Review"), 1)

    def card(self, role, title):
        """The figure of a card, of the records of the test's site and tenant."""
        document, env = self.document(role), self.env(user=self.users[role])
        pivot = next(one for one in document["pivots"].values() if one["name"] == title)
        domain = Domain(pivot["domain"])
        for key, record in (("site", self.site), ("tenant", self.tenant)):
            if match := pivot["fieldMatching"].get(key):
                domain &= Domain(match["chain"], "in", record.ids)
        measure = pivot["measures"][0]["fieldName"]
        (row,) = self.group(env, pivot["model"], domain, [], [measure])
        return next(value for name, value in row.items() if name.startswith(measure))
