"""The demo park: gateway key, simulated plant and bridge for one Odoo database."""

import string
import tomllib
import uuid
from collections import defaultdict

import odoo_server
import services
from layout import BRIDGE, BRIDGE_BIN, MQTT_PORT, load_curve

GATEWAY_KEY = """
gateway = env.ref("prepaid_energy.gateway_riverside")
result = gateway._new_api_key()
env["ir.config_parameter"].set_param("web.base.url", values["url"])
env.ref("base.main_company").name = "Riverside Park Operations"
"""


class Park:
    """Plant and bridge of one database; several can run side by side on own ports.

    :param str name: prefix of the services' names.
    :param pathlib.Path folder: keeps key, configuration and state.
    :param str database: the Odoo database with the demo data.
    :param int odoo_port: Odoo's port on the loopback.
    :param int port_base: the plant's lines are here and on the next two ports.
    :param int control_port: the plant's inspection and fault port.
    :param int health_port: the bridge's ``/health``.
    """

    def __init__(
        self, name, folder, database, odoo_port, port_base, control_port, health_port
    ):
        self.name = name
        self.folder = folder
        self.database = database
        self.url = f"http://127.0.0.1:{odoo_port}"
        self.port_base = port_base
        self.control_port = control_port
        self.health_port = health_port
        self.key_file = folder / "gateway.key"

    @property
    def plant_service(self):
        return f"{self.name}-plant"

    @property
    def bridge_service(self):
        return f"{self.name}-bridge"

    def make_key(self):
        """Give the demo gateway a new API key; only its hash is in the database."""
        self.folder.mkdir(parents=True, exist_ok=True)
        key = odoo_server.shell(self.database, GATEWAY_KEY, url=self.url)
        self.key_file.touch(mode=0o600)
        self.key_file.write_text(key)

    @staticmethod
    def registers():
        """What the plant's meters show when it begins: serial -> kWh as text."""
        template = string.Template((BRIDGE / "demo" / "plant.toml.in").read_text())
        plant = tomllib.loads(template.substitute(defaultdict(int)))
        return {
            meter["serial"]: meter["initial_kwh"]
            for line in (*plant["line"], *plant["mqtt"])
            for meter in line["meter"]
        }

    def _render(self, template, **values):
        text = (BRIDGE / "demo" / f"{template}.in").read_text()
        path = self.folder / template
        # parks at one broker keep apart by name and application
        broker = {
            "MQTT_HOST": "127.0.0.1",
            "MQTT_PORT": MQTT_PORT,
            "PARK": self.name,
            "APPLICATION": uuid.uuid5(uuid.NAMESPACE_URL, self.name),
        }
        path.write_text(string.Template(text).substitute(values | broker))
        return path

    def start_plant(self, time_factor):
        """Start the simulated plant; its registers go on from where they stopped."""
        config = self._render(
            "plant.toml",
            STATE_DIR=self.folder,
            PORT_BASE=self.port_base,
            TIME_FACTOR=time_factor,
            LOAD_CSV=load_curve() or "",
            CONTROL_PORT=self.control_port,
        )
        services.start(self.plant_service, [BRIDGE_BIN / "meter-bridge-sim", config])
        services.wait_http(
            self.plant_service, f"http://127.0.0.1:{self.control_port}/state", 30
        )

    def start_bridge(self):
        """Start the bridge that polls the plant and talks to Odoo."""
        config = self._render(
            "bridge.toml",
            STATE_DIR=self.folder,
            PORT_BASE=self.port_base,
            PLANT_HOST="127.0.0.1",
            ODOO_URL=self.url,
            ODOO_DB=self.database,
            API_KEY_FILE=self.key_file,
            HEALTH_PORT=self.health_port,
        )
        services.start(
            self.bridge_service,
            [BRIDGE_BIN / "meter-bridge", "run", "--config", config],
        )
        services.wait_http(
            self.bridge_service, f"http://127.0.0.1:{self.health_port}/health", 30
        )

    def stop(self):
        """Stop bridge and plant; what was not delivered stays in the outbox."""
        services.stop(self.bridge_service)
        services.stop(self.plant_service)
