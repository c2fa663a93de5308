from odoo import fields, models
from odoo.exceptions import UserError

from ..exchange.bridge_file import bridge_file
from ..exchange.profiles import TRANSPORTS


class EnergyGateway(models.Model):
    """The file that a bridge needs, ready to use."""

    _inherit = "energy.gateway"

    line_ids = fields.One2many("energy.gateway.line", "gateway_id", "Meter Lines")

    def _add_lines(self):
        """Add the lines that the gateway's meters name and it does not have yet.

        Their protocol is that of a meter on it whose type is known.
        """
        for gateway in self:
            named = {meter.line: None for meter in gateway.meter_ids if meter.line}
            for meter in gateway.meter_ids:
                if meter.line and meter.profile in TRANSPORTS:
                    named[meter.line] = TRANSPORTS[meter.profile]
            missing = sorted({*named} - {*gateway.line_ids.mapped("name")})
            self.env["energy.gateway.line"].create(
                [
                    {
                        "gateway_id": gateway.id,
                        "name": name,
                        "transport": named[name] or "modbus_tcp",
                    }
                    for name in missing
                ]
            )

    def _bridge_file(self):
        """A new API key in a ``bridge.toml`` that has everything; the old key ends.

        :raise UserError: the gateway has no line, or one that cannot be reached yet.
        """
        self.ensure_one()
        if not self.line_ids:
            raise UserError(
                self.env._(
                    "%s: add a line first, with the address at which the bridge "
                    "reaches it.",
                    self.name,
                )
            )
        if lost := self.line_ids.filtered(lambda line: not line._is_placed()):
            raise UserError(
                self.env._(
                    "%(gateway)s: where is the line %(line)s? Give its IP address, or "
                    "its serial port.",
                    gateway=self.name,
                    line=lost[0].name,
                )
            )
        brokers = self.line_ids.filtered(lambda line: line._is_broker())
        wires = self.line_ids - brokers
        places = [line._address() for line in wires]
        if len({*places}) < len(places):
            raise UserError(
                self.env._("%s: two lines have the same address.", self.name)
            )
        tables = [line._file_table() for line in wires]
        tables_of_brokers = [line._broker_table() for line in brokers]
        return bridge_file(
            self.name,
            self.get_base_url(),
            self.env.cr.dbname,
            self._new_api_key(),
            tables,
            tables_of_brokers,
        )

    def action_bridge_file(self):
        """Make a new API key and hand out ``bridge.toml`` with it, once.

        The key is in the answer only: it is stored as a hash.

        :raise AccessError: only managers hand out keys.
        """
        self.ensure_one()
        self._check_may_make_keys()
        return {
            "type": "ir.actions.client",
            "tag": "energy_download",
            "params": {
                "name": "bridge.toml",
                "content": self._bridge_file(),
                "message": self.env._(
                    "bridge.toml has this gateway's API key in it. The key is shown "
                    "nowhere again; a new file makes a new key."
                ),
            },
        }
