"""Head of department, operator, accountant and manager at work, in real Chromium.

They share an Odoo; ``odoo/people.py`` makes a hall with two months behind it.
The tests run in order, as the work of a month goes: the accountant closes it after the
operator has decided about what was held. Each picture is kept.
"""

import re
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from http.cookiejar import CookieJar
from pathlib import Path
from threading import Barrier

import odoo_server
import postgres
import pytest
import services
from conftest import BASE, SHOTS

DATABASE = "prepaid_people"
SERVICE = "test-people"
PORT = BASE + 75
SCRIPT = Path(__file__).parent / "odoo" / "people.py"
AT_ONCE = 8
MONTH = date.today().replace(day=1)


class Hall:
    """The database with the hall, and what ``odoo/people.py`` told of it."""

    def __init__(self, made):
        self.requests = made["requests"]
        self.held = made["held"]

    def sql(self, query):
        return postgres.psql(query, DATABASE)

    def link(self, request_id):
        """The link in the mail to the head, without Odoo's address."""
        body = self.sql(
            "SELECT body_html FROM mail_mail WHERE email_to LIKE '%head@example.com%' "
            f"AND body_html LIKE '%/energy/approve/{request_id}?%'"
        )
        [link] = re.findall(r'href="[^"]+(/energy/approve/[^"]+token=[^"]+)"', body)
        return link

    def granted(self, request_id):
        return Decimal(
            self.sql(
                "SELECT COALESCE(sum(amount), 0) FROM energy_quota_grant "
                f"WHERE source_key = 'request:{request_id}'"
            )
        )

    def balances(self):
        rows = self.sql("SELECT name, balance FROM energy_wallet").splitlines()
        return {row.split("|")[0]: Decimal(row.split("|")[1]) for row in rows}


@pytest.fixture(scope="module")
def hall():
    services.stop(SERVICE)
    odoo_server.clone(odoo_server.DEMO_DB, DATABASE)
    made = odoo_server.shell(DATABASE, SCRIPT.read_text())
    odoo_server.start(SERVICE, DATABASE, PORT, PORT + 1)
    yield Hall(made)
    services.stop(SERVICE)
    postgres.drop(DATABASE)


@pytest.fixture(scope="module")
def odoo_url(hall):
    return f"http://127.0.0.1:{PORT}"


def open_app(page, login):
    """Log in, and choose the app as people do."""
    page.goto("/web/login")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", login)
    page.click("button[type=submit]")
    page.click(".o_navbar_apps_menu button")
    page.click(".o_app:has-text('Prepaid Energy')")
    page.wait_for_selector(".o_menu_sections")


def menu(page, section, entry, title=None):
    """Choose a menu entry; what opens has its name, or ``title``."""
    page.click(f".o_menu_sections >> text='{section}'")
    page.click(f".o-dropdown--menu .o-dropdown-item >> text='{entry}'")
    page.wait_for_selector(f".o_breadcrumb:has-text('{title or entry}')")


def keep(page, name):
    """A picture without what is still moving."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(800)
    page.screenshot(path=SHOTS / f"{name}.png")


def test_the_head_approves_by_the_link_on_a_phone(hall, phone):
    request = hall.requests[0]
    phone.goto(hall.link(request))
    facts = phone.inner_text("#facts").replace("\xa0", " ")
    assert "Requested\n$ 80.00" in facts
    assert hall.granted(request) == 0, "looking decides nothing"
    keep(phone, "head-phone")
    phone.fill("#note", "For this order, yes")
    phone.click("button[value=yes]")
    phone.wait_for_selector(".alert-success:has-text('You have approved it')")
    assert hall.granted(request) == 80


def test_the_head_approves_in_the_office(hall, desk):
    request = hall.requests[1]
    open_app(desk, "head")
    menu(desk, "Production Lines", "Quota Requests")
    desk.click(".o_data_row:has-text('test runs') .o_data_cell >> nth=1")
    desk.wait_for_selector(".o_form_view")
    keep(desk, "head-office")
    desk.click("button[name=action_approve]")
    desk.click(".modal button.btn-primary")
    desk.wait_for_selector(".o_arrow_button_current:has-text('Approved')")
    assert hall.granted(request) == 50


def test_eight_approvals_at_once_grant_once(hall, odoo_url):
    request = hall.requests[2]
    link = hall.link(request)
    token = urllib.parse.parse_qs(link.partition("?")[2])["token"][0]
    barrier = Barrier(AT_ONCE)

    def approve(_number):
        opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar())
        )
        page = opener.open(odoo_url + link, timeout=60).read().decode()
        [csrf] = re.findall(r'name="csrf_token" value="([^"]+)"', page)
        form = {"csrf_token": csrf, "token": token, "decision": "yes"}
        barrier.wait(60)
        answer = opener.open(
            odoo_url + link.partition("?")[0],
            data=urllib.parse.urlencode(form).encode(),
            timeout=60,
        )
        return answer.read().decode()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(approve, range(AT_ONCE)))
    assert sum("You have approved it" in answer for answer in answers) == 1
    assert hall.granted(request) == 30


def decide(page, serial, button, state, reason, register=None):
    """Open the held reading of a meter and decide."""
    while page.locator(".o_group_header:has(.fa-caret-right)").count():
        page.locator(".o_group_header:has(.fa-caret-right)").first.click()
        page.wait_for_timeout(500)
    page.click(f".o_data_row:has-text('{serial}') .o_data_cell >> nth=1")
    page.wait_for_selector(".o_form_view .o_field_widget[name=note]")
    if register:
        page.fill(".o_field_widget[name=register_new] input", register)
    page.fill(".o_field_widget[name=note] input", reason)
    keep(page, f"operator-{state.lower()}")
    page.click(f"button[name={button}]")
    page.wait_for_selector(f".o_arrow_button_current:has-text('{state}')")
    page.click(".o_breadcrumb a, .o_back_button")
    page.wait_for_selector(".o_list_view")


def test_the_operator_decides_about_held_readings(hall, desk):
    held = hall.held
    open_app(desk, "operator")
    menu(desk, "Operations", "Held Readings")
    before = hall.balances()
    decide(desk, "EH-COMP", "action_accept", "Accepted", "Test run, all evening")
    right = held["EH-PAINT"][2]
    reason = "A digit too many"
    decide(desk, "EH-PAINT", "action_correct", "Corrected", reason, right)
    decide(desk, "EH-PRESS", "action_discard", "Discarded", "The meter was rebooting")
    desk.wait_for_selector(".o_view_nocontent")
    after = hall.balances()
    paid = {name: before[name] - after[name] for name in before}
    # 160 kWh and an hour's load for the compressors; the paint shop's hour; no presses
    assert paid["Production line C"] > 160 * Decimal("0.26")
    assert 0 < paid["Quick Coat"] < 10
    assert paid["Eastgate Presses"] == 0
    newest = hall.sql(
        "SELECT serial, last_register FROM energy_meter WHERE serial LIKE 'EH-%'"
    )
    registers = dict(row.split("|") for row in newest.splitlines())
    for serial, (_serial, _time, register) in held.items():
        assert Decimal(registers[serial]) == Decimal(register)


def test_the_accountant_closes_the_month(hall, desk):
    open_app(desk, "accountant")
    menu(desk, "Books", "Accruals")
    desk.click(".o_list_button_add")
    desk.click("button[name=action_post]")
    desk.wait_for_selector(".o_arrow_button_current:has-text('Posted')")
    keep(desk, "accountant-accrual")

    menu(desk, "Books", "Billing Runs")
    desk.click(".o_list_button_add")
    desk.click(".o_field_widget[name=date] button")
    desk.fill(".o_field_widget[name=date] input", MONTH.strftime("%m/%d/%Y"))
    desk.press(".o_field_widget[name=date] input", "Tab")
    desk.click("button[name=action_start] >> visible=true")
    # the form follows the cron's work by itself
    desk.wait_for_selector(".o_arrow_button_current:has-text('Done')", timeout=120_000)
    keep(desk, "accountant-billing")
    bills = hall.sql(
        """
        SELECT wallet.name, bill.amount_billed, move.state, move.date
          FROM energy_bill bill JOIN energy_wallet wallet ON wallet.id = wallet_id
          JOIN account_move move ON move.id = bill.move_id
         WHERE wallet.name IN ('Eastgate Presses', 'Quick Coat') ORDER BY 1
        """
    ).splitlines()
    names = [bill.split("|")[0] for bill in bills]
    assert names == ["Eastgate Presses", "Quick Coat"]
    assert all(bill.endswith(f"|posted|{MONTH}") for bill in bills), bills
    accrual, back = hall.sql(
        """
        SELECT sum(abs(amount_total)) FILTER (WHERE move.id = accrual.move_id),
               sum(abs(amount_total)) FILTER (WHERE move.id = accrual.reversal_id)
          FROM energy_accrual accrual JOIN account_move move
            ON move.id IN (accrual.move_id, accrual.reversal_id)
         WHERE accrual.state = 'posted'
        """
    ).split("|")
    assert Decimal(accrual) == Decimal(back) > 0

    menu(desk, "Books", "Proof of Prepayments", str(date.today()))
    desk.wait_for_selector(".alert-success:has-text('agree to the cent')")
    assert "0.00" in desk.inner_text("td[name=difference]")
    keep(desk, "accountant-proof")


def test_the_accountant_shows_a_statement(hall, desk):
    open_app(desk, "accountant")
    menu(desk, "Reporting", "Statements", "Statement")
    desk.fill(".o_field_widget[name=wallet_ids] input", "Eastgate")
    desk.click(".o-autocomplete--dropdown-item:has-text('Eastgate Presses')")
    desk.click("button[name=action_html]")
    page = desk.frame_locator("iframe")
    page.locator("text=Eastgate Presses").first.wait_for()
    balance = hall.balances()["Eastgate Presses"].quantize(Decimal("0.01"))
    assert f"{balance:,}" in page.locator("body").inner_text()
    keep(desk, "accountant-statement")


def test_the_manager_drills_into_a_black_hole(hall, desk):
    open_app(desk, "manager")
    menu(desk, "Reporting", "Where the Money Leaks")
    desk.wait_for_selector(".o_data_row:has-text('East hall feeder')")
    keep(desk, "manager-leaks")
    desk.click(".o_data_row:has-text('East hall feeder') .o_data_cell >> nth=1")
    desk.wait_for_selector(".o_energy_losses svg rect")
    titles = desk.eval_on_selector_all(
        ".o_energy_losses rect title", "all => all.map(one => one.textContent)"
    )
    keep(desk, "manager-heat-map")
    hours = [re.fullmatch(r"\S+ (\d\d):00: ([\d.-]+) kWh", one) for one in titles]
    lost = [int(one[1]) for one in hours if one and float(one[2]) > 7]
    assert len(lost) > 80, "two weeks of nights, 7 hours each"
    assert all(hour >= 22 or hour < 5 for hour in lost)
    desk.click("button[name=action_view_losses]")
    desk.wait_for_selector(".o_graph_renderer canvas")
    keep(desk, "manager-hours")


def test_the_manager_looks_at_quotas_of_lines(hall, desk):
    open_app(desk, "manager")
    menu(desk, "Production Lines", "Analysis")
    desk.wait_for_selector(".o_pivot th:has-text('Production line C')")
    row = desk.inner_text(".o_pivot tr:has-text('Production line C')")
    total = hall.sql(
        "SELECT sum(total) FROM energy_quota JOIN energy_line line "
        "ON line.id = line_id "
        "WHERE line.name = 'Production line C'"
    )
    assert f"{Decimal(total):,.2f}" in row
    keep(desk, "manager-quotas")
