from decimal import Decimal, InvalidOperation

from odoo import api, fields, models
from odoo.exceptions import ValidationError

RATIOS = ("ct_ratio", "pt_ratio")
RATIO_MAX = 10**6
RATIO_DECIMALS = 6


def parse_ratio(text):
    """A transformer ratio, exact; ``None`` if it is no positive decimal number."""
    try:
        ratio = Decimal(text or "")
    except InvalidOperation:
        return None
    if not ratio.is_finite() or not 0 < ratio <= RATIO_MAX:
        return None
    return ratio if ratio.as_tuple().exponent >= -RATIO_DECIMALS else None


class EnergyMeter(models.Model):
    """Where the meter hangs: what the bridge asks for."""

    _inherit = "energy.meter"

    line = fields.Char(
        "Line Name",
        tracking=True,
        help="The bridge's name for the wires, as in its bridge.toml.",
    )
    address = fields.Char(
        tracking=True, help="On the line: the Modbus device number, the M-Bus address."
    )
    ct_ratio = fields.Char(
        "CT Ratio",
        default="1",
        required=True,
        tracking=True,
        help="Current transformer, primary by secondary: 200/5 A is 40.",
    )
    pt_ratio = fields.Char(
        "PT Ratio",
        default="1",
        required=True,
        tracking=True,
        help="Voltage transformer, primary by secondary: 10000/100 V is 100.",
    )
    poll_interval = fields.Integer(
        "Read Every (s)", help="0: as the bridge reads all its meters."
    )

    _place_uniq = models.UniqueIndex(
        "(gateway_id, line, address) WHERE active AND line <> '' AND address <> ''",
        "Another meter has this address on this line.",
    )

    @api.constrains(*RATIOS, "poll_interval")
    def _check_placement(self):
        for meter in self:
            for name in RATIOS:
                if parse_ratio(meter[name]) is None:
                    raise ValidationError(
                        meter.env._(
                            "%(meter)s: %(ratio)s is no transformer ratio.",
                            meter=meter.serial,
                            ratio=meter[name],
                        )
                    )
            if meter.poll_interval < 0:
                raise ValidationError(
                    meter.env._("%s: it is read every 0 or more seconds.", meter.serial)
                )

    def _placement(self):
        """The meter in the terms of the bridge protocol's ``configuration``."""
        self.ensure_one()
        placement = {
            "serial": self.serial,
            "profile": self.profile or "",
            "line": self.line,
            "address": self.address,
            "ct": format(parse_ratio(self.ct_ratio), "f"),
            "pt": format(parse_ratio(self.pt_ratio), "f"),
        }
        if self.poll_interval:
            placement["poll_interval"] = self.poll_interval
        return placement
