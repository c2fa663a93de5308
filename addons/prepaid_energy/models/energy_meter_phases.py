from odoo import api, fields, models

from .. import losses
from ..ingest.parse import parse_phases


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
            values, unit = parse_phases(meter.telemetry)
            meter.phases = values and " / ".join(
                f"{value:f} {unit}" for value in values
            )
            meter.imbalance = float(values and losses.imbalance(values) or 0)
