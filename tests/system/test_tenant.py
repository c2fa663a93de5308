"""A tenant at the phone, in real Chromium, with an Odoo that really commits.

What the bus brings to the open page, a top-up in two taps, the keyboard, and the rules
of accessibility of axe-core on each page, at a phone's size and at a desk's.
"""

import json
import re
from decimal import Decimal
from pathlib import Path

import node_env
import odoo_server
import postgres
import pytest
import services
from conftest import BASE

DATABASE = "prepaid_tenant"
SERVICE = "test-tenant"
PORT = BASE + 77
SCRIPT = Path(__file__).parent / "odoo" / "tenant.py"
POST = """
from decimal import Decimal
wallet = env["energy.wallet"].browse(values["wallet"])
result = env["energy.wallet.entry"].sudo()._post(
    wallet, "topup", Decimal(values["amount"]), source_key=values["key"], name="Paid")
"""
# Listens on a socket of the page's own session, past what the page itself asks for.
LISTEN = """
channels => new Promise(resolve => {
    window.heard = [];
    const socket = new WebSocket(`ws://${location.host}/websocket?version=${
        odoo.loader.modules.get("@web/session").session.websocket_worker_version}`);
    socket.onmessage = ({data}) => window.heard.push(...JSON.parse(data));
    socket.onopen = () => {
        const data = {channels, last: 0};
        socket.send(JSON.stringify({event_name: "subscribe", data}));
        setTimeout(resolve, 1500);
    };
})
"""
# The rules of WCAG 2.2, levels A and AA, and axe's own best practices; without the mark
# that Odoo puts at a way of paying which is only for tests.
CHECK = """
async () => (await axe.run({
    exclude: ["[title='Test mode']", "[aria-label='Test mode']"],
}, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
})).violations.filter(one => ["serious", "critical"].includes(one.impact))
    .map(one => [one.id, one.nodes.map(node => node.html.slice(0, 200))])
"""


OPEN = "document.querySelectorAll('details').forEach(one => one.open = true)"


class Tenant:
    """The database with the tenant's wallets."""

    def __init__(self, made):
        self.first, self.second, self.other = (
            made[name] for name in ("first", "second", "other")
        )
        self.posted = 0

    def post(self, wallet, amount):
        """Book a top-up from another process, as the office does."""
        self.posted += 1
        key = f"live:{self.posted}"
        values = {"wallet": wallet, "amount": amount, "key": key}
        assert odoo_server.shell(DATABASE, POST, **values)

    def balance(self, wallet):
        query = f"SELECT balance FROM energy_wallet WHERE id = {wallet}"
        return Decimal(postgres.psql(query, DATABASE))

    def page(self, page, login, path):
        """Log in and open a page, until its script has begun."""
        page.goto("/web/login")
        page.fill("input[name=login]", login)
        page.fill("input[name=password]", login)
        page.click("button[type=submit]")
        page.wait_for_url("**/my**")
        page.goto(path)
        page.wait_for_selector(".o_energy_wallet")


@pytest.fixture(scope="module")
def tenant():
    services.stop(SERVICE)
    odoo_server.clone(odoo_server.DEMO_DB, DATABASE)
    made = odoo_server.shell(DATABASE, SCRIPT.read_text())
    odoo_server.start(SERVICE, DATABASE, PORT, PORT + 1)
    yield Tenant(made)
    services.stop(SERVICE)
    postgres.drop(DATABASE)


@pytest.fixture(scope="module")
def odoo_url(tenant):
    return f"http://127.0.0.1:{PORT}"


def shown(page):
    """The balance that the page shows."""
    return Decimal(re.sub(r"[^\d.-]", "", page.inner_text("#o_energy_balance")))


def spanish(page):
    """The balance that a Spanish page shows."""
    text = re.sub(r"[^\d,-]", "", page.inner_text("#o_energy_balance"))
    return Decimal(text.replace(",", "."))


def wait_for_balance(page, wanted, seconds):
    """Wait until the page shows this balance, in so many seconds."""
    for _ in range(seconds * 5):
        if abs(shown(page) - wanted) < Decimal("0.01"):
            return
        page.wait_for_timeout(200)
    pytest.fail(f"the page shows {shown(page)}, not {wanted}")


def settle(page):
    """Wait until the page is connected and has made its looks after opening."""
    page.wait_for_selector("#o_energy_now[data-told='1']")
    page.wait_for_timeout(6000)


# ------------------------------------------------------------------------- the bus


def test_the_open_page_is_told_of_a_payment(tenant, phone):
    looks = []
    phone.on("request", lambda one: looks.append(one.url) if "/now" in one.url else 0)
    tenant.page(phone, "tenant1", f"/my/energy/{tenant.first}")
    settle(phone)
    phone.evaluate("window.stayed = true")
    before, count = shown(phone), len(looks)
    tenant.post(tenant.first, "7.00")
    wait_for_balance(phone, before + 7, seconds=10)
    assert phone.evaluate("window.stayed"), "the page was loaded again"
    assert len(looks) == count + 1, "one look, because it was told, and no other"


def test_the_list_of_wallets_is_told_as_well(tenant, phone):
    tenant.page(phone, "tenant1", "/my/energy")
    settle(phone)
    tenant.post(tenant.first, "1.00")
    text = f"{tenant.balance(tenant.first):.2f}"
    phone.wait_for_selector(f".card:has-text('{text}')", timeout=10_000)


def test_a_page_in_another_language_is_told_as_well(tenant, phone):
    tenant.page(phone, "tenant1", f"/es/my/energy/{tenant.first}")
    settle(phone)
    assert phone.get_attribute("html", "lang") == "es-ES"
    assert "Recargar" in phone.inner_text("#topup")
    before = spanish(phone)
    tenant.post(tenant.first, "3.00")
    for _ in range(50):
        if spanish(phone) != before:
            break
        phone.wait_for_timeout(200)
    assert spanish(phone) == before + 3
    phone.evaluate("window.stayed = true")
    phone.click("#use_month")
    phone.wait_for_selector("#use_month[aria-current]")
    assert phone.evaluate("window.stayed"), "the page was loaded again"


def test_supply_that_comes_back_is_told_in_words(tenant, phone):
    """The news of the policy is shown on whichever page of the tenant is open."""
    tenant.page(phone, "tenant1", f"/my/energy/{tenant.first}/statement")
    phone.wait_for_timeout(3000)
    tenant.post(tenant.second, "20.00")
    phone.wait_for_selector(".o_notification:has-text('restored')", timeout=10_000)
    tenant.post(tenant.second, "-20.00")  # as before


def test_a_stranger_hears_nothing(tenant, phone):
    tenant.page(phone, "tenant2", "/my/energy")
    channels = [f"energy_wallet_{tenant.first}", f"energy_wallet_{tenant.other}"]
    record = json.dumps([DATABASE, "energy.wallet", tenant.first])
    phone.evaluate(LISTEN, [*channels, record])
    tenant.post(tenant.first, "1.00")
    tenant.post(tenant.other, "1.00")
    phone.wait_for_function("window.heard.length", timeout=10_000)
    phone.wait_for_timeout(2000)
    heard = [one["message"] for one in phone.evaluate("window.heard")]
    told = [one for one in heard if one["type"] == "energy_wallet/changed"]
    assert {one["payload"]["wallet"] for one in told} == {tenant.other}


def test_without_the_bus_the_page_asks(tenant, phone):
    """A phone whose network lets no socket through still sees its supply return."""
    phone.add_init_script(
        "delete window.SharedWorker;"
        "window.Worker = class { postMessage() {} addEventListener() {} };"
    )
    tenant.page(phone, "tenant1", f"/my/energy/{tenant.second}")
    before = shown(phone)
    tenant.post(tenant.second, "0.25")  # still cut off: the page asks often
    wait_for_balance(phone, before + Decimal("0.25"), seconds=10)
    assert not phone.get_attribute("#o_energy_now", "data-told")


# ------------------------------------------------------------------------ two taps


def test_two_taps_pay_with_what_was_saved(tenant, phone):
    tenant.page(phone, "tenant1", f"/my/energy/{tenant.first}")
    phone.click(".o_energy_amounts a >> nth=1")
    pay = "[name=o_payment_submit_button]:enabled"
    phone.wait_for_selector(pay)
    phone.fill("#customer_input", "1111")
    phone.check("[name=o_payment_tokenize_checkbox]")
    phone.click(pay)
    phone.wait_for_selector(".alert-success:has-text('Paid')")

    paid_before = phone.locator(".o_energy_amounts a:has-text('paid before')").last
    amount = Decimal(re.search(r"\d+\.\d\d", paid_before.inner_text())[0])
    balance = tenant.balance(tenant.first)
    phone.evaluate(
        "addEventListener('click', () => sessionStorage.taps = "
        "1 + Number(sessionStorage.taps || 0), true)"
    )
    paid_before.click()
    phone.wait_for_selector(pay)
    phone.evaluate(
        "addEventListener('click', () => sessionStorage.taps = "
        "1 + Number(sessionStorage.taps || 0), true)"
    )
    label = phone.inner_text(pay)
    assert str(amount) in label and "1111" in label
    box = phone.locator(pay).bounding_box()
    assert box["y"] + box["height"] <= 844, "the button is below the screen"
    phone.click(pay)
    phone.wait_for_selector(".alert-success:has-text('Paid')")
    assert phone.evaluate("sessionStorage.taps") == "2"
    assert tenant.balance(tenant.first) == balance + amount
    assert shown(phone) == tenant.balance(tenant.first).quantize(Decimal("0.01"))


def test_another_way_changes_what_the_button_says(tenant, phone):
    tenant.page(phone, "tenant1", f"/my/energy/{tenant.first}?amount=30#topup")
    pay = "[name=o_payment_submit_button]:enabled"
    phone.wait_for_selector(f"{pay}:has-text('1111')")
    phone.click("[name=o_payment_expand_button]")
    phone.click("#o_payment_methods label.o_payment_option_label")
    phone.wait_for_selector(f"{pay}:not(:has-text('1111')):has-text('30.00')")


def test_the_keyboard_alone_reaches_the_payment(tenant, desk):
    """Tab and Enter: an amount, then the button; what has the focus is seen."""
    tenant.page(desk, "tenant1", f"/my/energy/{tenant.first}")

    def tab_to(wanted):
        for _ in range(60):
            desk.keyboard.press("Tab")
            if desk.evaluate(f"Boolean(document.activeElement.closest({wanted!r}))"):
                style = "getComputedStyle(document.activeElement)"
                seen = f"{style}.outlineStyle + {style}.boxShadow"
                assert desk.evaluate(seen) != "nonenone", wanted
                return
        pytest.fail(f"not reached by the keyboard: {wanted}")

    tab_to(".o_energy_amounts a")
    desk.keyboard.press("Enter")
    desk.wait_for_selector("[name=o_payment_submit_button]:enabled")
    tab_to("[name=o_payment_submit_button]")
    desk.keyboard.press("Enter")
    desk.wait_for_selector(".alert-success:has-text('Paid')")


# ------------------------------------------------------------------- accessibility


def paths(tenant):
    """The pages of the portal: name -> (login, path)."""
    first = f"/my/energy/{tenant.first}"
    receipt = postgres.psql(
        f"SELECT max(id) FROM account_payment WHERE energy_wallet_id = {tenant.first}",
        DATABASE,
    )
    return {
        "wallets": ("tenant1", "/my/energy"),
        "wallet": ("tenant1", first),
        "hours": ("tenant1", f"{first}?by=hour&show=cost"),
        "cut off": ("tenant1", f"/my/energy/{tenant.second}"),
        "top-up": ("tenant1", f"{first}?amount=30"),
        "warnings": ("tenant1", f"{first}/warnings"),
        "people": ("tenant1", "/my/energy/people"),
        "statement": ("tenant1", f"{first}/statement"),
        "receipt": ("tenant1", f"{first}/receipt/{receipt}"),
        "looker": ("looker@example.com", first),
    }


MAIN = ("wallets", "wallet", "cut off", "top-up", "warnings", "statement")


@pytest.mark.parametrize(
    ("size", "lang"),
    [("phone", ""), ("desk", ""), ("phone", "es"), ("phone", "zh_CN")],
)
def test_no_serious_fault_by_the_rules_of_axe(tenant, request, size, lang):
    """Of each page; in other languages, whose words are longer, of the main ones."""
    page = request.getfixturevalue(size)
    axe = (node_env.modules() / "axe-core/axe.min.js").read_text()
    problems, login = {}, None
    prefix = f"/{lang}" if lang else ""
    for name, (user, path) in paths(tenant).items():
        if lang and name not in MAIN:
            continue
        if user != login:
            page.context.clear_cookies()
            tenant.page(page, user, "/my/energy")
            login = user
        page.goto(prefix + path)
        page.wait_for_timeout(500 if lang else 1500)
        if lang:
            said = page.evaluate("document.documentElement.lang")
            assert said.startswith(lang[:2]), "the page is in another language"
        page.evaluate(OPEN)
        page.evaluate(axe)
        found = page.evaluate(CHECK)
        if found:
            problems[name] = found
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            problems.setdefault(name, []).append(f"wider than the screen: {wide}")
    assert not problems, json.dumps(problems, indent=1)
