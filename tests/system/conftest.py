"""The whole product for a test: own database, Odoo, plant and bridge, own ports."""

import json
import shutil
import time
import urllib.request

import mosquitto
import odoo_server
import postgres
import pytest
import services
from layout import LOCAL, PORT_BASE
from park import Park

DATABASE = "prepaid_system"
BASE = PORT_BASE + 100
SHOTS = LOCAL / "results" / "screenshots"


def wait_until(condition, what, timeout=60):
    """Wait until ``condition()`` is true; else fail the test with ``what``."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.2)
    pytest.fail(f"after {timeout} s still not: {what}")


class System:
    """Handles to the running parts, as a tester on the site would have them."""

    def __init__(self, park, url):
        self.park = park
        self.url = url

    def plant(self, serial):
        """What the device itself says: register, relay, power. Not the database."""
        address = f"http://127.0.0.1:{self.park.control_port}/state"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)[serial]

    def disturb(self, serial, **fault):
        """Make something happen at the device, e.g. ``add_kwh=20``."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.park.control_port}/meter/{serial}",
            data=json.dumps(fault).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status < 300

    def call(self, method, key, **arguments):
        """Call the bridge protocol as a bridge does; the answer, or an HTTPError."""
        request = urllib.request.Request(
            f"{self.url}/json/2/energy.gateway/{method}",
            data=json.dumps(arguments).encode(),
            headers={
                "Authorization": f"bearer {key}",
                "Content-Type": "application/json",
                "X-Odoo-Database": DATABASE,
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def sql(self, query):
        """Bare output of a query on the system's database."""
        return postgres.psql(query, DATABASE)

    def restart_bridge(self):
        """Kill the bridge without warning and start it again."""
        services.kill(self.park.bridge_service)
        self.park.start_bridge()


@pytest.fixture(scope="session")
def system():
    services.stop("test-bridge")
    services.stop("test-plant")
    services.stop("test-odoo")
    folder = LOCAL / "system-test"
    shutil.rmtree(folder, ignore_errors=True)
    broker_ran = services.running("mosquitto")
    mosquitto.start()
    odoo_server.clone(odoo_server.DEMO_DB, DATABASE)
    park = Park("test", folder, DATABASE, BASE + 69, BASE + 20, BASE + 30, BASE + 31)
    park.make_key()
    odoo_server.start("test-odoo", DATABASE, BASE + 69, BASE + 72)
    park.start_plant(time_factor=60)
    park.start_bridge()
    handle = System(park, f"http://127.0.0.1:{BASE + 69}")
    yield handle
    park.stop()
    services.stop("test-odoo")
    if not broker_ran:
        services.stop("mosquitto")


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def odoo_url(system):
    """The address of the Odoo that pages open; a module may have another."""
    return system.url


def _page(browser, odoo_url, request, width, height):
    """A page in a window of its own; a screenshot is kept of its end."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, base_url=odoo_url
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    page.screenshot(path=SHOTS / f"{request.node.name}.png", full_page=True)
    context.close()


@pytest.fixture
def phone(browser, odoo_url, request):
    """A page of a phone's size in real Chromium."""
    yield from _page(browser, odoo_url, request, 390, 844)


@pytest.fixture
def desk(browser, odoo_url, request):
    """A page of an office screen's size in real Chromium."""
    yield from _page(browser, odoo_url, request, 1366, 800)


def pytest_terminal_summary(terminalreporter):
    if SHOTS.exists():
        terminalreporter.write_line(f"screenshots of the browser tests: {SHOTS}")
