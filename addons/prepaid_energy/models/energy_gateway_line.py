from odoo import api, fields, models
from odoo.exceptions import ValidationError

SERIAL = ("rtu_serial", "mbus_serial", "dlt645_serial")
PLACE = ("transport", "host", "port", "serial_port")


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
        "Line", required=True, help="Meters name it as the line they hang on."
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
        ],
        "Protocol",
        required=True,
        default="modbus_tcp",
    )
    host = fields.Char(
        "IP Address", help="Of the meter or converter, e.g. 192.168.1.20"
    )
    port = fields.Integer(default=502, help="Modbus TCP: 502. DLMS: 4059.")
    serial_port = fields.Char(
        help="On the bridge's computer, best by its fixed name: /dev/serial/by-id/…"
    )

    _name_uniq = models.Constraint(
        "unique (gateway_id, name)", "A gateway has one line of this name."
    )

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

    def _file_table(self):
        """The line as the bridge's file has it."""
        self.ensure_one()
        if self._is_serial():
            place = {"serial_port": (self.serial_port or "").strip()}
        else:
            place = {"host": (self.host or "").strip(), "port": self.port}
        return {"name": self.name, "transport": self.transport, **place}
