from odoo import api, fields, models
from odoo.exceptions import ValidationError

SERIAL = ("rtu_serial", "mbus_serial", "dlt645_serial")
PLACE = ("transport", "host", "port", "serial_port")
PORTS = {"modbus_tcp": 502, "dlms_tcp": 4059, "mqtt": 1883, "chirpstack": 1883}
# how most meters of a protocol speak on wires, as they come
USUAL = {
    "rtu_serial": ("9600", "N", "1"),
    "mbus_serial": ("2400", "E", "1"),
    "dlt645_serial": ("2400", "E", "1"),
}
BAUD_RATES = "300 600 1200 2400 4800 9600 19200 38400 57600 115200".split()


class EnergyGatewayLine(models.Model):
    """Wires with meters on them, and how a bridge reaches them: for bridge.toml."""

    _name = "energy.gateway.line"
    _description = "Gateway Line"
    _inherit = ["energy.affiliated"]
    _order = "gateway_id, name, id"
    _check_company_auto = True

    gateway_id = fields.Many2one(
        "energy.gateway", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="gateway_id.company_id", store=True, precompute=True
    )
    name = fields.Char(
        "Line Name", required=True, help="Meters name it as the line they hang on."
    )
    transport = fields.Selection(
        [
            ("modbus_tcp", "Modbus TCP (network)"),
            ("rtu_over_tcp", "Modbus RTU through a converter (network)"),
            ("rtu_serial", "Modbus RTU at a serial port"),
            ("mbus_tcp", "M-Bus through a converter (network)"),
            ("mbus_serial", "M-Bus at a serial port"),
            ("dlt645_tcp", "DL/T 645 through a converter (network)"),
            ("dlt645_serial", "DL/T 645 at a serial port"),
            ("dlms_tcp", "DLMS/COSEM (network)"),
            ("mqtt", "MQTT broker (Shelly, Tasmota, Zigbee2MQTT)"),
            ("chirpstack", "LoRaWAN by ChirpStack (MQTT broker)"),
        ],
        "Protocol",
        required=True,
        default="modbus_tcp",
    )
    host = fields.Char(
        "IP Address",
        help="Of the meter, converter or broker, e.g. 192.168.1.20, or its name.",
    )
    port = fields.Integer(
        compute="_compute_port",
        store=True,
        readonly=False,
        precompute=True,
        help="Modbus TCP: 502. DLMS: 4059. MQTT: 1883, with TLS 8883. Converters: see "
        "their manual.",
    )
    serial_port = fields.Char(
        help="On the bridge's computer, best by its fixed name: /dev/serial/by-id/…"
    )
    baudrate = fields.Selection(
        [(rate, rate) for rate in BAUD_RATES],
        "Baud Rate",
        compute="_compute_wires",
        store=True,
        readonly=False,
        precompute=True,
        help="As it is set in the meters; all meters of a line have the same.",
    )
    parity = fields.Selection(
        [("N", "None"), ("E", "Even"), ("O", "Odd")],
        compute="_compute_wires",
        store=True,
        readonly=False,
        precompute=True,
    )
    stopbits = fields.Selection(
        [("1", "1"), ("2", "2")],
        "Stop Bits",
        compute="_compute_wires",
        store=True,
        readonly=False,
        precompute=True,
    )
    with_password = fields.Boolean(
        "Needs a Password",
        help="Of the broker, or of DL/T 645 and DLMS meters. It is not kept here: "
        "bridge.toml names a file beside it, and the password is put in there.",
    )
    placed = fields.Boolean(compute="_compute_place")
    place = fields.Char("Where", compute="_compute_place")

    _name_uniq = models.Constraint(
        "unique (gateway_id, name)", "A gateway has one line of this name."
    )

    @api.depends("transport")
    def _compute_port(self):
        for line in self:
            line.port = PORTS.get(line.transport, line.port or 502)

    @api.depends("transport")
    def _compute_wires(self):
        for line in self:
            usual = USUAL.get(line.transport, (False, False, False))
            line.baudrate, line.parity, line.stopbits = usual

    @api.depends(*PLACE, "baudrate", "parity", "stopbits")
    def _compute_place(self):
        for line in self:
            line.placed = line._is_placed()
            if not line.placed:
                line.place = line.env._("not said yet: open it")
            elif line._is_serial():
                wires = f"8{line.parity or '–'}{line.stopbits or 1}"
                line.place = f"{line.serial_port}, {line.baudrate or '–'} {wires}"
            else:
                line.place = f"{line.host}:{line.port}"

    @api.constrains(*PLACE)
    def _check_place(self):
        for line in self:
            if not line._is_serial() and not 1 <= line.port <= 65535:
                raise ValidationError(
                    line.env._("%s: a port is 1 to 65535.", line.name)
                )

    def _is_serial(self):
        return self.transport in SERIAL

    def _is_placed(self):
        """Whether it is known how the bridge reaches it."""
        return bool(self.serial_port if self._is_serial() else self.host)

    def _address(self):
        """What two lines must not share: a line has one master."""
        self.ensure_one()
        if self._is_serial():
            return (self.serial_port or "").strip()
        return (self.host or "").strip(), self.port

    def _file_table(self):
        """The line as the bridge's file has it, under ``[[line]]``."""
        self.ensure_one()
        table = {"name": self.name, "transport": self.transport}
        if self._is_serial():
            table["serial_port"] = self._address()
        else:
            table["host"], table["port"] = self._address()
        table["baudrate"] = int(self.baudrate or 0)
        if self._is_serial():
            table |= {"parity": self.parity, "stopbits": int(self.stopbits or 0)}
        return table | self._password_entry()

    def _password_entry(self):
        """The file that a person puts the line's password into, where it needs one."""
        if not self.with_password:
            return {}
        name = self.env["ir.http"]._slugify(self.name) or "line"
        return {"password_file": f"{name}-{self.id}.password"}
