"""Where things are and on which ports: the one place that knows."""

import os
import shutil
import socket
from pathlib import Path

from console import Fail

ROOT = Path(__file__).resolve().parent.parent
# Resolved: servers go on when a checkout that only links to it is deleted.
LOCAL = (ROOT / ".local").resolve()
SHARED = Path(os.environ.get("PREPAID_SHARED", ROOT.parent / "shared"))
ADDONS = ROOT / "addons"
BRIDGE = ROOT / "connectors" / "meter_bridge"

DEBS = LOCAL / "debs"  # what dpkg unpacked: Odoo, PostgreSQL, mosquitto
VENV = LOCAL / "venv"  # Odoo, the tests, the linters
BRIDGE_VENV = LOCAL / "bridge-venv"  # the bridge is a program of its own
LOGS = LOCAL / "logs"
STAMPS = LOCAL / "stamps"
PGDATA = LOCAL / "postgres"
DEMO = LOCAL / "demo"

PYTHON = VENV / "bin" / "python"
BRIDGE_BIN = BRIDGE_VENV / "bin"

PORT_BASE = int(os.environ.get("PREPAID_PORT_BASE", "28000"))
PG_PORT = PORT_BASE + 32
ODOO_PORT = PORT_BASE + 69
GEVENT_PORT = PORT_BASE + 72
MQTT_PORT = PORT_BASE + 83
PLANT_PORT = PORT_BASE + 20  # three lines: +20, +21, +22
PLANT_CONTROL_PORT = PORT_BASE + 30
BRIDGE_HEALTH_PORT = PORT_BASE + 31
ADDON_TEST_PORTS = (PORT_BASE + 40, PORT_BASE + 41, PORT_BASE + 42)

DEMO_DB = "prepaid_demo"
FREE_DISK_MB = 4000


def load_curve():
    """The steel works' year of load, or ``None``: then one is generated."""
    path = SHARED / "data" / "loads" / "steel_seoul_2018.csv.gz"
    return path if path.exists() else None


def need_disk():
    """Raise :class:`Fail` when the disk under ``.local/`` is too full to set up."""
    free = shutil.disk_usage(ROOT).free // 10**6
    if free < FREE_DISK_MB and not PYTHON.exists():
        raise Fail(
            f"{free} MB are free on the disk of {ROOT}, the set-up needs "
            f"{FREE_DISK_MB} MB; free some space and run the command again."
        )


def port_is_free(port):
    """Whether nothing listens on the loopback ``port``."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def need_port(port, who):
    """Raise :class:`Fail` when ``port``, which ``who`` wants, is taken."""
    if not port_is_free(port):
        raise Fail(
            f"port {port}, which {who} needs, is taken by another program; stop it, "
            "or choose other ports with PREPAID_PORT_BASE=<number> in the environment."
        )
