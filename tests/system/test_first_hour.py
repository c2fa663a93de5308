"""The first hour of a new user: from an empty Odoo to armed relays, by clicks.

The plant, the broker and the bridge are the real ones; the bridge runs with exactly the
file that the browser downloaded. The tests run in order.
"""

import json
import subprocess
import urllib.request

import mosquitto
import odoo_server
import postgres
import pytest
import services
from conftest import BASE, LOCAL, SHOTS, wait_until
from layout import BRIDGE_BIN, MQTT_PORT

DATABASE = "prepaid_first_hour"
ODOO, PLANT, BRIDGE = "test-hour-odoo", "test-hour-plant", "test-hour-bridge"
PORT = BASE + 45
LINE_PORTS = BASE + 47, BASE + 48
CONTROL = BASE + 49
FOLDER = LOCAL / "first-hour"
APPLICATION = "52f14cd4-c6f1-4fbd-8f87-4025e1d49242"
EUI = "00000000000000a7"
PLANT_FILE = f"""
state = "plant.json"
control_port = {CONTROL}
time_factor = 600
begin = 2026-01-08T09:00:00

[[line]]
name = "hall"
port = {LINE_PORTS[0]}

[[line.meter]]
serial = "H-1"
profile = "sdm630"
device = 1
children = ["H-2", "H-3"]

[[line.meter]]
serial = "H-2"
profile = "ddsy1352"
device = 2
nominal_kw = 6
initial_kwh = "1204.5"

[[line.meter]]
serial = "H-3"
profile = "ddsy1352"
device = 3
nominal_kw = 4

[[line]]
name = "annex"
port = {LINE_PORTS[1]}
framing = "rtu"

[[line.meter]]
serial = "A-1"
profile = "dds238"
device = 1
nominal_kw = 3

[[mqtt]]
name = "yard"
port = {MQTT_PORT}
client_id = "first-hour-plant"
interval = 1

[[mqtt.meter]]
serial = "Y-1"
kind = "shelly"
topic = "hour-shelly"
nominal_kw = 2

[[mqtt.meter]]
serial = "R-1"
kind = "chirpstack"
topic = "{EUI}"
node_class = "C"
nominal_kw = 2
"""
LIST = f"""\
Point;Feeder;Tenant;E-mail;Serial;Profile;Line;Address;Relay;Life Safety;Opening
Incomer;;;;H-1;sdm630;hall;1;;;
Workshop;Incomer;Smith Metalwork;office@smith.example;H-2;ddsy1352;hall;2;yes;;1204,5
Fire pump;Incomer;Smith Metalwork;;H-3;ddsy1352;hall;3;yes;yes;0
Annex;;Annex Ltd;;A-1;dds238;annex;1;yes;;0
Kiosk;;Kiosk Ltd;;Y-1;shelly;yard;hour-shelly;yes;;0
Pump house;;Roof Ltd;;R-1;chirpstack;roof;{EUI};yes;;0
Gate;;;;G-1;sdm120;hall;1;perhaps;;
"""
RELAYS = {"H-2": "open", "H-3": "closed", "A-1": "open", "Y-1": "open", "R-1": "open"}


def sql(query):
    return postgres.psql(query, DATABASE)


def state():
    """What the devices themselves say."""
    with urllib.request.urlopen(f"http://127.0.0.1:{CONTROL}/state", timeout=10) as one:
        return json.load(one)


@pytest.fixture(scope="module")
def plant():
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.iterdir():
        path.unlink()
    for name in (BRIDGE, PLANT, ODOO):
        services.stop(name)
    broker_ran = services.running("mosquitto")
    mosquitto.start()
    (FOLDER / "plant.toml").write_text(PLANT_FILE)
    program = BRIDGE_BIN / "meter-bridge-sim"
    services.start(PLANT, [program, FOLDER / "plant.toml"], cwd=FOLDER)
    services.wait_http(PLANT, f"http://127.0.0.1:{CONTROL}/state", 30)
    odoo_server.clone(odoo_server.TEST_DB, DATABASE)
    odoo_server.start(ODOO, DATABASE, PORT, PORT + 1)
    yield
    for name in (BRIDGE, PLANT, ODOO):
        services.stop(name)
    if not broker_ran:
        services.stop("mosquitto")
    postgres.drop(DATABASE)


@pytest.fixture(scope="module")
def odoo_url(plant):
    return f"http://127.0.0.1:{PORT}"


class Walk:
    """A new user who goes where the checklist points; counts the clicks."""

    def __init__(self, page):
        self.page, self.clicks = page, 0
        page.goto("/web/login")
        page.fill("input[name=login]", "admin")
        page.fill("input[name=password]", "admin")
        page.click("button[type=submit]")
        page.wait_for_selector(".o_navbar_apps_menu")

    def click(self, what):
        self.page.click(what)
        self.clicks += 1

    def open(self):
        self.click(".o_navbar_apps_menu button")
        self.click(".o_app:has-text('Prepaid Energy')")

    def next(self, step):
        """The framed step's button."""
        self.click(f"li[data-step={step}].border-primary .btn-primary")

    def done(self, step):
        self.page.wait_for_selector(f"li[data-step={step}][data-done=true]")

    def press(self, button):
        self.click(f".modal footer button[name={button}]:not(.d-none)")

    def fill(self, name, value):
        self.page.fill(f".modal [name={name}] input", value)
        self.clicks += 1

    def choose(self, name, title):
        self.click(f".modal [name={name}] input")
        self.click(f".o_select_menu_item:has-text('{title}')")

    def place(self, line, **values):
        """Open a line of the bridge and say where it is."""
        self.click(f".modal td[data-tooltip='{line}'], .modal td:text-is('{line}')")
        for name, value in values.items():
            if name == "register_unit":
                self.choose(name, value)
            else:
                self.fill(name, value)
        self.click(".modal .o_form_button_save")
        self.page.wait_for_selector(".modal .o_form_button_save", state="detached")

    def keep(self, name):
        self.page.mouse.move(0, 0)
        self.page.wait_for_timeout(500)
        self.page.screenshot(path=SHOTS / f"{name}.png")


def test_from_nothing_to_the_bridges_file(desk):
    walk = Walk(desk)
    desk.goto("/odoo/action-prepaid_energy.energy_service_point_action")
    desk.wait_for_selector(".o_view_nocontent:has-text('Add the first service point')")
    walk.open()
    walk.next("books")
    walk.done("books")
    walk.next("site")
    walk.fill("name", "North Park")
    walk.press("action_apply")
    walk.done("site")
    walk.next("tariff")
    walk.press("action_apply")
    walk.done("tariff")
    walk.next("policy")
    walk.press("action_apply")
    walk.done("policy")
    walk.next("meters")
    desk.set_input_files(
        ".modal input[type=file]",
        {"name": "meters.csv", "mimeType": "text/csv", "buffer": LIST.encode()},
    )
    walk.press("action_preview")
    desk.wait_for_selector(".modal .o_data_row:has-text('neither yes nor no')")
    walk.keep("setup-preview")
    walk.press("action_import")
    desk.wait_for_selector(".modal .alert-success:not(.d-none)")
    walk.click(".modal footer button[special=cancel]")
    walk.done("meters")
    walk.next("gateway")
    walk.place("hall", host="127.0.0.1", port=str(LINE_PORTS[0]))
    walk.click(".modal td:text-is('annex')")
    walk.choose("transport", "Modbus RTU through a converter")
    walk.fill("host", "127.0.0.1")
    walk.fill("port", str(LINE_PORTS[1]))
    walk.click(".modal .o_form_button_save")
    desk.wait_for_selector(".modal .o_form_button_save", state="detached")
    broker = {"host": "localhost", "port": str(MQTT_PORT)}
    walk.place("yard", **broker)
    walk.place("roof", **broker, application=APPLICATION, register_unit="Wh")
    walk.keep("setup-bridge")
    with desk.expect_download() as download:
        walk.press("action_bridge_file")
    download.value.save_as(FOLDER / "bridge.toml")
    walk.done("gateway")
    assert walk.clicks <= 40, f"{walk.clicks} clicks and fields"


def test_the_bridge_reads_with_exactly_that_file(desk):
    """``meter-bridge check`` finds nothing, and readings of every kind arrive."""
    program = BRIDGE_BIN / "meter-bridge"
    file = FOLDER / "bridge.toml"
    own = {"METER_BRIDGE_STATE_DIR": str(FOLDER)}  # the file's is the system's
    told = subprocess.run(
        [program, "check", "--config", file],
        env=own,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    services.start(BRIDGE, [program, "run", "--config", file], env=own)
    read = (
        "SELECT serial FROM energy_meter WHERE last_reading_at IS NOT NULL ORDER BY 1"
    )
    wanted = "A-1 H-1 H-2 H-3 R-1 Y-1".split()
    wait_until(lambda: sql(read).split() == wanted, f"{wanted} are read")
    walk = Walk(desk)
    walk.open()
    desk.goto("/odoo/energy-setup")
    walk.done("readings")
    desk.wait_for_selector("li[data-step=readings] table")
    walk.keep("setup-readings")


def test_the_drill_names_who_would_be_cut_off_and_arming_does_it(desk):
    walk = Walk(desk)
    desk.goto("/odoo/energy-setup")
    walk.next("arm")
    desk.wait_for_selector(".modal:has-text('Smith Metalwork')")
    walk.keep("setup-drill")
    assert {state()[serial]["relay"] for serial in RELAYS} == {"closed"}
    walk.press("action_arm")
    walk.click(".modal:has-text('opens relays by itself') .btn-primary")
    walk.done("arm")
    desk.wait_for_selector(".alert-success:has-text('Everything is set up')")
    walk.keep("setup-done")
    wait_until(
        lambda: {serial: state()[serial]["relay"] for serial in RELAYS} == RELAYS,
        f"relays are {RELAYS}",
    )
    assert state()["H-3"]["write_count"] == 0, "a life-safety load is left alone"
    seen = "SELECT count(*) FROM energy_meter WHERE relay_state = 'open'"
    wait_until(lambda: sql(seen) == "4", "Odoo shows what was read back")
