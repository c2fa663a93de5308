from odoo import api, fields, models

from .. import losses
from ..ingest.parse import parse_power

# What profiles call the phases, the first kind that a meter reports in full.
KINDS = (("i1", "i2", "i3", "A"), ("p1", "p2", "p3", "W"))


class EnergyMeter(models.Model):
    """How evenly the phases are loaded, by the newest telemetry."""

    _inherit = "energy.meter"

    phases = fields.Char(compute="_compute_phases")
    imbalance = fields.Float(
        "Phase Imbalance (%)",
        digits=(16, 1),
        compute="_compute_phases",
        help="How far the phase that is farthest off is from the mean of the three. An "
        "uneven load heats transformers and the neutral conductor.",
    )

    @api.depends("telemetry")
    def _compute_phases(self):
        for meter in self:
            values, unit = meter._phase_values()
            meter.phases = values and " / ".join(
                f"{value:f} {unit}" for value in values
            )
            meter.imbalance = float(values and losses.imbalance(values) or 0)

    def _phase_values(self):
        """(three Decimals, their unit), or (None, "") where they are not reported."""
        telemetry = self.telemetry if isinstance(self.telemetry, dict) else {}
        for *names, unit in KINDS:
            values = [parse_power(telemetry.get(name)) for name in names]
            if None not in values:
                return [abs(value) for value in values], unit
        return None, ""
