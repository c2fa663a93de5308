from odoo.tests import HttpCase, tagged

from .common import credit, set_up_park

# the page's script has begun, where there is one
READY = (
    "document.readyState === 'complete' && document.querySelector('.o_energy_wallet')"
    " && !document.querySelector('#o_energy_now:not([data-live])')"
)
PHONE = "390x844"
# What is wrong for who cannot see well, has no mouse, or holds a phone; by the rules of
# WCAG 2.2 AA: contrast, names, labels, targets; and nothing wider than the screen.
CHECK = """
const root = document.querySelector(".o_energy_wallet");
const problems = [];
const shown = (el) => el.getClientRects().length && !el.closest(".visually-hidden");
const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => {
    const part = [r, g, b].map((v) => {
        v /= 255;
        return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
};
const ground = (el) => {
    for (; el; el = el.parentElement) {
        const color = rgb(getComputedStyle(el).backgroundColor);
        if (color.length === 3 || color[3] === 1) {
            return color;
        }
    }
    return [255, 255, 255];
};
const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
let texts = 0;
while (walker.nextNode()) {
    const el = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !shown(el)) {
        continue;
    }
    texts++;
    const style = getComputedStyle(el);
    const svg = el.namespaceURI.endsWith("svg");
    const a = light(rgb(svg ? style.fill : style.color));
    const b = light(ground(el));
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5 && !(svg && el.tagName === "title")) {
        problems.push(`contrast ${contrast.toFixed(1)}: ${el.textContent.trim()}`);
    }
}
for (const input of root.querySelectorAll("input:not([type=hidden]), select")) {
    if (!input.labels.length) {
        problems.push(`no label: ${input.name}`);
    }
}
for (const el of root.querySelectorAll("a, button, summary")) {
    const name = el.getAttribute("aria-label") || el.textContent.trim();
    if (!name) {
        problems.push(`no name: ${el.outerHTML.slice(0, 80)}`);
    }
    if (el.tabIndex < 0) {
        problems.push(`not by keyboard: ${name}`);
    }
    const box = el.getBoundingClientRect();
    if (el.classList.contains("btn") && shown(el) && box.height < 44) {
        problems.push(`too small to tap: ${name} ${box.height}`);
    }
}
const ids = [...document.querySelectorAll("[id]")].map((el) => el.id);
const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
if (twice.length) {
    problems.push(`ids twice: ${twice}`);
}
if (document.documentElement.scrollWidth > window.innerWidth) {
    problems.push(`wider than the screen: ${document.documentElement.scrollWidth}`);
}
if (!texts) {
    problems.push("nothing was checked");
}
"""
DONE = """
if (problems.length) {
    console.error(problems.join(" | "));
} else {
    console.log("test successful");
}
"""


@tagged("post_install", "-at_install")
class TestPortalBrowser(HttpCase):
    """The tenant's pages on a phone, in a real browser."""

    browser_size = PHONE
    touch_enabled = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        cls.policy.emergency_credit = 10
        cls.bridge.ingest(
            {
                "uid": "days",
                "readings": [
                    ["M-1", f"2026-03-{day:02}T00:00:00Z", str(10 * day)]
                    for day in range(1, 20)
                ],
            }
        )
        cls.env["energy.interval"]._roll_up(cls.point)
        credit(cls.wallet, "10", "some")
        cls.meter._take_relay("open", cls.point.generation)
        cls.wallet._apply_policy()

    def check(self, url, work=""):
        code = f"(async () => {{ {work} {CHECK} {DONE} }})()"
        self.browser_js(url, code, READY, login="energy_tenant", timeout=60)

    def test_the_wallet_of_one_who_is_cut_off(self):
        self.assertEqual(self.wallet.level, "cut")
        self.check(f"/my/energy/{self.wallet.id}?on=2026-03-03")

    def test_the_wallet_of_one_who_is_supplied(self):
        credit(self.wallet, "500", "more")
        self.wallet._apply_policy()
        self.check(f"/my/energy/{self.wallet.id}?on=2026-03-03&show=cost")

    def test_the_other_pages(self):
        self.env["energy.wallet"].create(
            {"name": "Second", "partner_id": self.tenant.id}
        )
        self.check("/my/energy")
        self.check("/my/energy/people")
        self.check(f"/my/energy/{self.wallet.id}/warnings")
        self.check(f"/my/energy/{self.wallet.id}/statement?month=2026-03")

    def test_a_bar_opens_its_hours_in_place(self):
        self.check(
            f"/my/energy/{self.wallet.id}?on=2026-03-03",
            """
            const wait = async (found) => {
                for (let i = 0; i < 100 && !found(); i++) {
                    await new Promise((resolve) => setTimeout(resolve, 100));
                }
                if (!found()) {
                    throw new Error(`not found: ${found}`);
                }
            };
            window.stayed = true;
            const bar = document.querySelector("#use_bar_2");
            bar.focus();
            if (document.activeElement !== bar) {
                throw new Error("a bar cannot be reached by the keyboard");
            }
            const options = { bubbles: true, cancelable: true };
            bar.dispatchEvent(new MouseEvent("click", options));
            await wait(() => document.querySelector("[aria-current][id=use_hour]"));
            if (!window.stayed || document.querySelectorAll("tbody tr").length !== 24) {
                throw new Error("the hours of the day are not shown in place");
            }
            """,
        )

    def test_old_news_is_not_told_and_new_one_with_its_time(self):
        """The bus brings what a browser missed, maybe a cut that is over."""
        self.check(
            f"/my/energy/{self.wallet.id}",
            """
            const file = "@prepaid_energy/portal/energy_portal";
            const {EnergyNews} = odoo.loader.modules.get(file);
            const said = [];
            const page = {say: (text) => said.push(text)};
            for (const minutes of [24 * 60, 61, 5]) {
                const at = new Date(Date.now() - minutes * 60000).toISOString();
                EnergyNews.prototype.hear.call(page, {text: `told ${minutes}`, at});
            }
            if (said.length !== 1 || !/\\d:\\d\\d.* · told 5$/.test(said[0])) {
                throw new Error(`told: ${said}`);
            }
            """,
        )

    def test_the_open_page_sees_supply_return(self):
        """What the browser fetches while it is open is put in place."""
        credit(self.wallet, "500", "more")
        self.wallet._apply_policy()
        self.meter._take_relay("closed", self.point.generation)
        # the page as it was before: only the fetch can bring the news
        self.check(
            f"/my/energy/{self.wallet.id}",
            """
            const supply = () => document.querySelector(".o_energy_supply");
            const part = supply().closest("[data-part]");
            supply().dataset.state = "off";
            document.querySelector("[role=status]").textContent = "Cut off";
            const amounts = document.querySelector(".o_energy_amounts");
            amounts.innerHTML = "<a class='old'>$ 1.00 restores supply</a>";
            const status = document.querySelector("[role=status]");
            document.dispatchEvent(new Event("visibilitychange"));
            for (let i = 0; i < 100 && supply().dataset.state !== "on"; i++) {
                await new Promise((resolve) => setTimeout(resolve, 100));
            }
            if (supply().dataset.state !== "on" || !part.isConnected) {
                throw new Error("the supply was not refreshed");
            }
            if (!amounts.isConnected || amounts.querySelector(".old")) {
                throw new Error("the amounts to tap at are those of before");
            }
            if (!amounts.querySelector("a[href*='amount=']")) {
                throw new Error("there is nothing to tap at");
            }
            if (!status.isConnected || status.textContent.includes("Cut off")) {
                throw new Error("the status was not told to who listens");
            }
            """,
        )
