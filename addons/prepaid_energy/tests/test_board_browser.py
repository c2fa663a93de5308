from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import HttpCase, new_test_user, tagged

from .common import add_point, credit, leave_out_missing_file, set_up_park

BOARD = "/odoo/energy-board"

MODULE = "odoo.loader.modules.get('@prepaid_energy/backend/board_tree')"
# The tree alone: main incomer > feeder (relay) > two units, and a water meter.
TREE = """
const {BoardTree} = MODULE;
const columns = ["id", "parent", "name", "commodity", "active", "serial", "power",
    "power_at", "heard_at", "loss_limit", "has_relay", "relay", "state", "level",
    "wallet", "wallet_id", "technical"];
const meter = ["id", "serial", "power", "power_at", "heard_at", "has_relay", "relay",
    "state"];
const wallet = ["wallet_id", "wallet", "balance", "level"];
const row = (id, parent, name, power, more = {}) => {
    const values = {id, parent, name, power, commodity: "electricity", active: true,
        serial: `M${id}`, power_at: 1000, heard_at: 1000, loss_limit: 5,
        has_relay: false, relay: "unknown", state: "none", level: null, wallet: null,
        wallet_id: null, technical: null,
        ...more};
    return columns.map((column) => values[column]);
};
const unit = {has_relay: true, relay: "closed", state: "on", wallet: "W", wallet_id: 8,
    level: "low"};
const tree = new BoardTree();
tree.load({columns, meter, wallet, hour: {1: 200, 2: 180, 3: 100, 4: 60},
    until: 900, fresh: 300, silent: 3600, losses: {}, alarms: [], count: 5, rows: [
    row(1, null, "Main", 100),
    row(2, 1, "Feeder", 90, {has_relay: true, relay: "closed", state: "on"}),
    row(3, 2, "Unit 10", 50, unit),
    row(4, 2, "Unit 9", 30, unit),
    row(5, 2, "Water", 7, {commodity: "water"}),
]});
const node = (id) => tree.nodes.get(id);
const problems = [];
const same = (what, a, b) => {
    if (JSON.stringify(a) !== JSON.stringify(b)) {
        problems.push(`${what}: ${JSON.stringify(a)}, not ${JSON.stringify(b)}`);
    }
};
const names = () => tree.rows().map((line) => line.node.name);
tree.settle(1000);
const {kwh, percent, high} = node(1).loss;
same("loss", [kwh, percent, high], [20, 10, true]);
same("water is no loss", node(2).loss.kwh, 20);
same("no loss of a unit", node(3).loss, null);
const ids = (nodes) => nodes.map((one) => one.id);
same("total", [ids(tree.total().known), ids(tree.total().unknown)], [[1], []]);
same("order", names(), ["Main", "Feeder", "Unit 9", "Unit 10", "Water"]);
same("counts", [tree.counts.low, tree.counts.silent, tree.counts.dark], [2, 0, 0]);

// a value that is too old is none, and a loss that needs it is not known
tree.apply({count: 5, rows: [row(3, 2, "Unit 10", 50, {...unit, power_at: 699})]});
tree.settle(1000);
same("old value", node(3).now, null);
same("the hour is known", node(2).loss.kwh, 20);

// what is not known of the hour is no loss; what is technical is not red
tree.takeHour({hour: {1: 200, 2: 180, 4: 60}, until: 960});
const main = {technical: [1, 2, 2.5]};
tree.apply({count: 5, rows: [row(1, null, "Main", 100, main)]});
tree.settle(1000);
same("unknown loss", node(2).loss.unknown.map((part) => part.name), ["Unit 10"]);
same("known above", node(1).loss.kwh, 20);
same("technical", [node(1).loss.unexplained, node(1).loss.high], [2.5, false]);

// what only a meter or a wallet says comes without the rest of the row
tree.apply({count: 5, rows: [],
    meters: [[4, "M4", 31, 1001, 1001, true, "open", "off"], [99, "M99", 1, 1, 1]],
    wallets: [[8, "W2", 7.5, "cut"], [9, "other", 1, "normal"]]});
tree.settle(1000);
same("meter", [node(4).now, node(4).state, node(4).name], [31, "off", "Unit 9"]);
same("wallet", [node(3), node(4)].map((one) => [one.wallet, one.balance, one.level]),
    [["W2", 7.5, "cut"], ["W2", 7.5, "cut"]]);
same("no other wallet", node(2).wallet, null);
tree.apply({count: 5, rows: [row(4, 2, "Unit 9", 30, unit),
    row(3, 2, "Unit 10", 50, {...unit, power_at: 699})]});
tree.settle(1000);
tree.settle(4601);
same("silent", tree.counts.silent, 5);

// an open feeder: what it feeds is dark
const open = {has_relay: true, relay: "open", state: "off"};
tree.apply({count: 5, rows: [row(2, 1, "Feeder", 0, open)]});
tree.settle(1000);
same("dark", tree.counts.dark, 3);
same("below", [node(1).below.points, node(1).below.problems], [4, 1]);

// filter and search show what matches, and what feeds it
tree.filter = "off";
tree.mark();
same("filter", names(), ["Main", "Feeder"]);
tree.filter = null;
tree.search = "m4";
tree.mark();
same("search", names(), ["Main", "Feeder", "Unit 9"]);
tree.search = "";
tree.mark();
tree.closeAll();
same("folded", names(), ["Main", "Feeder"]);
tree.toggle(node(2));
same("one click", names().length, 5);
tree.closeAll();
tree.reveal(node(5));
same("revealed", names().includes("Water"), true);

// rows that move or go; a count that differs means: load again
same("moved", tree.apply({count: 5, rows: [row(4, 1, "Unit 9", 30, unit)]}), true);
same("new feeder", node(1).children.map((child) => child.id), [4, 2]);
const gone = row(3, 2, "Unit 10", 0, {active: false});
same("gone", tree.apply({count: 4, rows: [gone]}), true);
same("deleted", tree.apply({count: 3, rows: []}), false);
tree.apply({count: 4, rows: [], alarms: [{id: 1, point: 4}]});
tree.apply({count: 4, rows: [], alarms: false});
tree.settle(1000);
same("alarms stay", node(4).alarms.length, 1);
if (problems.length) {
    console.error(problems.join(" | "));
} else {
    console.log("test successful");
}
"""


@tagged("post_install", "-at_install")
class TestBoardBrowser(HttpCase):
    """The live board in a real browser."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        leave_out_missing_file(cls.env)
        cls.env["energy.site"].search([("id", "!=", cls.site.id)]).active = False
        credit(cls.wallet, "100", "some")
        cls.wallet._apply_policy()
        cls.feeder, _meter = add_point(cls, "M-FEEDER", False, name="Workshops")
        cls.point.parent_id = cls.feeder
        cls.yard, _meter = add_point(cls, "M-YARD", False, name="Yard")
        cls.silent, _meter = add_point(cls, "M-SILENT", parent_id=cls.yard.id)
        cls.measure({"M-FEEDER": 100, "M-1": 80, "M-YARD": 10})
        cls.count({"M-FEEDER": 100, "M-1": 80, "M-YARD": 10})
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

    @classmethod
    def count(cls, energies):
        """Registers that say these energies of the last hour."""
        now = fields.Datetime.now()
        cls.env["energy.meter.installation"].search(
            [("meter_id.serial", "in", list(energies))]
        ).date_from = now - timedelta(hours=3)
        readings = [
            [serial, f"{now - timedelta(minutes=minutes)}Z", str(register)]
            for serial, energy in energies.items()
            for minutes, register in ((61, 0), (1, energy))
        ]
        cls.bridge.ingest({"uid": "registers", "readings": readings})

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

    def test_the_tree_alone(self):
        code = f"{{ {TREE.replace('MODULE', MODULE)} }}"
        ready = f"Boolean({MODULE})"
        self.browser_js(BOARD, code, ready, login="board_look", timeout=120)

    def test_who_only_looks_has_no_buttons(self):
        self.tour("energy_live_board_looker", "board_look")
