import json

from odoo.tests import HttpCase, tagged

from odoo.addons.prepaid_energy.tests.common import (
    credit,
    leave_out_missing_file,
    set_up_park,
)

from .test_dashboards import ROLES, add_users

# Opens one dashboard, waits until no cell is loading, then looks at each cell of the
# model behind the canvas, and at the cards.
CHECK = """
(async () => {
    const wanted = %s;
    const wait = (ms) => new Promise((done) => setTimeout(done, ms));
    const search = (node) => {
        if (node.component.loader?.getActiveDashboard) {
            return node.component.loader.getActiveDashboard();
        }
        for (const child of Object.values(node.children)) {
            const found = search(child);
            if (found) {
                return found;
            }
        }
    };
    const look = () => {
        const board = search(odoo.__WOWL_DEBUG__.root.__owl__);
        const problems = [];
        if (board?.status !== "Loaded" || board.data.id !== wanted.board) {
            return [`dashboard ${board?.data.id}: ${board?.status}`];
        }
        const { getters } = board.model;
        let cells = 0;
        for (const sheet of getters.getSheetIds()) {
            for (const id of Object.keys(getters.getCells(sheet))) {
                const position = getters.getCellPosition(id);
                const { type, value, message } = getters.getEvaluatedCell(position);
                cells++;
                if (type === "error" || value === "Loading...") {
                    const { content } = getters.getCell(position);
                    problems.push(`${content}: ${value} ${message}`);
                }
            }
        }
        for (const chart of getters.getOdooChartIds()) {
            const source = getters.getChartDataSource(chart);
            if (!source.isReady() || !source.isValid()) {
                problems.push(`${chart}: not ready`);
            }
        }
        const data = getters.getSheetIds()[1];
        for (const [row, number] of Object.entries(wanted.cards)) {
            const cell = { sheetId: data, col: 1, row: Number(row) };
            const { value } = getters.getEvaluatedCell(cell);
            if (typeof value !== "number" || Math.abs(value - number) > 0.005) {
                problems.push(`card ${row}: ${value}, not ${number}`);
            }
        }
        const figures = document.querySelectorAll(".o-figure canvas, .o-scorecard");
        if (figures.length < wanted.figures || !cells) {
            problems.push(`${figures.length} figures drawn, ${cells} cells`);
        }
        if (document.querySelector(".o_error_dialog, .o-chart-error")) {
            problems.push("an error is shown");
        }
        return problems;
    };
    let problems = [];
    for (let turn = 0; turn < 200; turn++) {
        await wait(250);
        problems = look();
        if (!problems.length) {
            return console.log("test successful");
        }
    }
    console.error(problems.slice(0, 5).join("; "));
})();
"""


@tagged("post_install", "-at_install")
class TestDashboardsBrowser(HttpCase):
    browser_size = "1366x2400"  # what is not in sight is not drawn

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        leave_out_missing_file(cls.env)
        add_users(cls)

    def test_they_open_and_show_what_is_so(self):
        credit(self.wallet, 100, "dashboard")
        self.env.flush_all()
        for role in ROLES:
            with self.subTest(role):
                self.look(role)

    def look(self, role):
        board = self.env.ref(f"prepaid_energy_dashboard.spreadsheet_dashboard_{role}")
        document = json.loads(board.spreadsheet_data)
        cards = {}
        if role == "operator":
            points = self.env["energy.service.point"].with_user(self.users[role])
            cards[0] = points.search_count([])
        if role == "accountant":
            wallets = self.env["energy.wallet"].with_user(self.users[role])
            domain = [("kind", "in", ("tenant", "debt")), ("balance", ">", 0)]
            cards[0] = sum(wallets.search(domain).mapped("balance"))
            domain[1] = ("balance", "<", 0)  # nobody: 0 is shown, not nothing
            cards[1] = sum(wallets.search(domain).mapped("balance"))
        wanted = {
            "board": board.id,
            "cards": cards,
            "figures": len(document["sheets"][0]["figures"]),
        }
        self.browser_js(
            f"/odoo/dashboards?dashboard_id={board.id}",
            CHECK % json.dumps(wanted),
            ready="odoo.isReady",
            login=self.users[role].login,
            timeout=120,
        )
