"""``make demo``, ``make stop``, ``make clean``, ``make status``."""

import os
import shutil
import time
from pathlib import Path

import mosquitto
import odoo_server
import postgres
import python_env
import services
import system
from console import Fail, step
from layout import (
    BRIDGE_HEALTH_PORT,
    DEMO,
    DEMO_DB,
    GEVENT_PORT,
    LOCAL,
    LOGS,
    MQTT_PORT,
    ODOO_PORT,
    PG_PORT,
    PLANT_CONTROL_PORT,
    PLANT_PORT,
    STAMPS,
    load_curve,
    need_disk,
    need_port,
)
from park import Park

PARK = Park(
    "demo", DEMO, DEMO_DB, ODOO_PORT, PLANT_PORT, PLANT_CONTROL_PORT, BRIDGE_HEALTH_PORT
)
# Seconds of plant time per second: a month's consumption in a working day.
TIME_FACTOR = os.environ.get("PREPAID_TIME_FACTOR", "120")
SERVICES = {
    "demo-bridge": "bridge",
    "demo-plant": "simulated plant",
    "demo-odoo": "Odoo",
    "mosquitto": "mosquitto",
}
METERS = len(Park.registers())
FLOWING = """
SELECT count(*) FROM energy_meter
 WHERE last_reading_at > (now() AT TIME ZONE 'UTC') - interval '30 seconds'
"""
WALLETS = """
SELECT rpad(wallet.name, 24) || lpad(round(wallet.balance, 2)::text, 10) || '  '
       || rpad(wallet.level, 8)
       || string_agg(DISTINCT meter.serial || ' ' || meter.relay_state, ', ')
  FROM energy_wallet wallet
  JOIN energy_service_point point ON point.wallet_id = wallet.id
  JOIN energy_meter meter ON meter.service_point_id = point.id AND meter.has_relay
 GROUP BY wallet.id ORDER BY wallet.name
"""


def setup():
    """Fetch and prepare all that demo and tests need; nothing is started."""
    system.check_system()
    need_disk()
    LOCAL.mkdir(exist_ok=True)
    STAMPS.mkdir(exist_ok=True)
    system.unpack_debs()
    system.install_libraries()
    python_env.odoo_venv()
    python_env.bridge_venv()


def demo():
    """Start everything; each part that runs already is left alone."""
    began = time.monotonic()
    setup()
    for port, who, name in (
        (ODOO_PORT, "Odoo", "demo-odoo"),
        (PLANT_PORT, "the simulated plant", "demo-plant"),
        (PLANT_CONTROL_PORT, "the simulated plant", "demo-plant"),
        (BRIDGE_HEALTH_PORT, "the bridge", "demo-bridge"),
    ):
        if not services.running(name):
            need_port(port, who)
    postgres.start()
    mosquitto.start()
    _database()
    with step(f"Starting Odoo on port {ODOO_PORT}"):
        odoo_server.start("demo-odoo", DEMO_DB, ODOO_PORT, GEVENT_PORT)
    with step("Starting the simulated plant and the bridge"):
        PARK.start_plant(TIME_FACTOR)
        PARK.start_bridge()
    with step(f"Waiting until all {METERS} meters are read"):
        _wait_for_readings()
    print(_welcome(time.monotonic() - began))


def _database():
    """Make the demo database on first use; update it when the add-on has changed."""
    stamp = STAMPS / DEMO_DB
    digest = odoo_server.addons_digest()
    if not postgres.exists(DEMO_DB) or not stamp.exists():
        services.stop("demo-odoo")
        stamp.unlink(missing_ok=True)
        odoo_server.demo_template()
        with step("Making the demo database"):
            odoo_server.clone(odoo_server.DEMO_DB, DEMO_DB)
            shutil.rmtree(DEMO, ignore_errors=True)
            PARK.make_key()
        _history()
        stamp.write_text(digest)
    elif stamp.read_text() != digest:
        services.stop("demo-odoo")
        odoo_server.update(DEMO_DB)
        stamp.write_text(digest)
    if not PARK.key_file.exists():
        PARK.make_key()


def _history():
    """Give the demo a past; a year more where the steel works' load is at hand."""
    folder = Path(__file__).parent
    with step("Living through the park's last weeks (a minute)"):
        script = (folder / "demo_past.py").read_text()
        odoo_server.shell(DEMO_DB, script, registers=PARK.registers())
    path = load_curve()
    if path:
        with step("Reading a year of a rolling mill's meter"):
            script = (folder / "demo_history.py").read_text()
            odoo_server.shell(DEMO_DB, script, path=str(path))


def _wait_for_readings(timeout=90):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        count = int(postgres.psql(FLOWING, DEMO_DB))
        if count >= METERS:
            return
        time.sleep(1)
    raise Fail(
        f"only {count} of {METERS} meters were read in {timeout} s; the bridge's log "
        f"({LOGS / 'demo-bridge.log'}) ends with:\n{services.tail('demo-bridge')}"
    )


def stop():
    """Stop all that ``make demo`` started; the data stays."""
    for name, title in SERVICES.items():
        if services.running(name):
            with step(f"Stopping {title}"):
                services.stop(name)
    if LOCAL.exists() and system.PG_BIN.exists():
        postgres.stop()


def clean():
    """Stop, and delete ``.local/``."""
    stop()
    if LOCAL.exists():
        with step("Deleting .local/"):
            shutil.rmtree(LOCAL)


def status():
    """Print what runs, on which port, and the wallets."""
    ports = {"demo-odoo": ODOO_PORT, "mosquitto": MQTT_PORT, "demo-plant": PLANT_PORT}
    for name, title in SERVICES.items():
        state = "runs" if services.running(name) else "is stopped"
        port = f" (port {ports[name]})" if name in ports else ""
        print(f"{title} {state}{port}")
    running = system.PG_BIN.exists() and postgres.is_running()
    print(f"PostgreSQL {'runs' if running else 'is stopped'} (port {PG_PORT})")
    if running and postgres.exists(DEMO_DB):
        print("\n" + postgres.psql(WALLETS, DEMO_DB))


def _welcome(seconds):
    return f"""
Prepaid Energy runs (ready after {seconds:.0f} s).

    http://localhost:{ODOO_PORT}                 log-in / password
      a tenant who soon runs dry            tenant1 / tenant1     -> /my/energy
      other tenants                         tenant2 … tenant8, likewise
      operator (meters, relays)             operator / operator
      accountant (wallets, top-ups)         accountant / accountant
      energy manager                        manager / manager
      head of department (quota requests)   head / head
      administrator                         admin / admin

What to watch: {METERS} simulated meters are read every two seconds; their registers run
{TIME_FACTOR} times faster than life. In two to three minutes tenant1's balance is used
up and the relay of meter PE-T1 opens. Log in as tenant1, top up: it closes again.

    python3 scripts status    balances and relays now
    make stop                 stop everything, keep the data
    make clean                stop and delete everything
"""
