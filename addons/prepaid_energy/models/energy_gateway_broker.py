import re

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..exchange import broker_meters
from .energy_meter_placement import parse_ratio

MQTT = ("mqtt", "chirpstack")


class EnergyGatewayLine(models.Model):
    """A broker through which meters speak by themselves, instead of wires.

    The bridge has to know what to listen to before it hears anything, so the meters of
    a broker are in bridge.toml: one that comes later needs a new file.
    """

    _inherit = "energy.gateway.line"

    username = fields.Char(help="Of the bridge at the broker. Empty: it asks for none.")
    tls = fields.Boolean(
        "TLS", help="The broker's certificate is one that the bridge's computer trusts."
    )
    application = fields.Char(
        "ChirpStack Application", help="Its id, as ChirpStack's page shows it."
    )
    register_path = fields.Char(
        default="$.energy",
        help="Where the codec's decoded object has the register: $.energy, "
        "$.meter[0].total",
    )
    register_unit = fields.Selection(
        [("Wh", "Wh"), ("kWh", "kWh"), ("MWh", "MWh"), ("m3", "m³"), ("l", "l")],
        default="kWh",
    )
    relay_path = fields.Char(
        default="$.relay", help="Where it has the relay's state: 0, off, open; 1, on, …"
    )
    downlink_port = fields.Integer(
        default=2, help="FPort of a downlink that switches the relay, 1 to 223."
    )
    downlink_open = fields.Char(default="00", help="Bytes, hexadecimal.")
    downlink_closed = fields.Char(default="01", help="Bytes, hexadecimal.")

    @api.constrains("transport", *broker_meters.CODEC)
    def _check_codec(self):
        for line in self.filtered(lambda one: one.transport == "chirpstack"):
            text = line.env._("%s: a downlink's bytes are pairs of 0 to 9, a to f.")
            for data in (line.downlink_open, line.downlink_closed):
                if not re.fullmatch(r"([0-9a-fA-F]{2})+", data or ""):
                    raise ValidationError(text % line.name)
            if not 1 <= line.downlink_port <= 223:
                raise ValidationError(
                    line.env._("%s: a downlink's port is 1 to 223.", line.name)
                )
            for path in (line.register_path, line.relay_path):
                if path and not broker_meters.is_path(path):
                    raise ValidationError(
                        line.env._(
                            "%(line)s: %(path)s is no path such as $.energy or "
                            "$.meter[0].total.",
                            line=line.name,
                            path=path,
                        )
                    )

    def _is_broker(self):
        return self.transport in MQTT

    def _broker_table(self):
        """The broker with its meters, as the bridge's file has it under ``[[mqtt]]``.

        :raise UserError: it has no meter yet, or one that cannot be heard like this.
        """
        self.ensure_one()
        meters = self.gateway_id._placed_meters().filtered(
            lambda meter: meter.line == self.name
        )
        if not meters:
            raise UserError(
                self.env._(
                    "%s: no meter names this line yet. The meters of a broker are in "
                    "the file: give them the line and their topic or device EUI first.",
                    self.name,
                )
            )
        table = {
            "name": self.name,
            "host": (self.host or "").strip(),
            "port": self.port,
            # the broker keeps messages for it: its own, and always the same
            "client_id": f"meter-bridge-{self.env.cr.dbname}-{self.id}",
            "username": (self.username or "").strip(),
            "tls": self.tls,
        }
        if self.with_password and not table["username"]:
            raise UserError(
                self.env._("%s: a password goes with a user name.", self.name)
            )
        described = [self._broker_meter(meter) for meter in meters]
        return {**table, **self._password_entry(), "meter": described}

    def _broker_meter(self, meter):
        kind = self.transport if self.transport == "chirpstack" else meter.profile
        codec = {name: self[name] for name in broker_meters.CODEC}
        ratio = parse_ratio(meter.ct_ratio) * parse_ratio(meter.pt_ratio)
        try:
            return broker_meters.describe(
                kind, meter.serial, meter.address, meter.has_relay, ratio, codec
            )
        except broker_meters.BrokerMeterError as error:
            raise UserError(self._explained(meter, error)) from error

    def _explained(self, meter, error):
        texts = {
            "kind": self.env._(
                "at a broker its profile is one of %s. Other formats are added by "
                "hand, see the bridge's manual.",
                ", ".join(broker_meters.KINDS),
            ),
            "eui": self.env._("its address is the device EUI: 16 digits 0-9, a-f."),
            "application": self.env._("the line needs ChirpStack's application id."),
            "register": self.env._("the line does not say where the register stands."),
            "topic": self.env._("its address is a topic, without + and #."),
            "ratio": self.env._("such a device applies CT and PT itself: set 1 here."),
        }
        return self.env._(
            "%(line)s, meter %(meter)s: %(what)s",
            line=self.name,
            meter=meter.serial,
            what=texts[error.kind],
        )
