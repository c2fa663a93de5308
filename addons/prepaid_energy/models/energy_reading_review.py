from odoo import api, fields, models
from odoo.exceptions import UserError

REASONS = [
    ("unknown_serial", "Unknown meter serial"),
    ("unreadable_value", "Register is not a number"),
    ("unreadable_time", "Time is not readable"),
    ("malformed", "Row is not a reading"),
    ("not_installed", "Meter is installed nowhere"),
    ("not_rateable", "The rating engine refuses it"),
    ("before_installation", "From before the meter was installed here"),
    ("unreadable_event", "Event that cannot be read"),
    ("future", "From the future"),
    ("late", "Older than the newest reading"),
    ("spike", "More than physically possible"),
    ("digits", "More digits than the register has"),
    ("conflict", "Another value for the same moment"),
    ("backwards", "Register went backwards"),
]


class EnergyReadingReview(models.Model):
    """A reading that could not be used: kept with its reason, never dropped."""

    _name = "energy.reading.review"
    _description = "Held Reading"
    _inherit = ["mail.thread"]
    _order = "id desc"
    _rec_name = "meter_serial"

    gateway_id = fields.Many2one("energy.gateway", readonly=True, ondelete="restrict")
    company_id = fields.Many2one(
        related="gateway_id.company_id", store=True, precompute=True
    )
    batch_uid = fields.Char(readonly=True)
    position = fields.Integer("Row in Batch", readonly=True, aggregator=None)
    meter_id = fields.Many2one("energy.meter", readonly=True, ondelete="restrict")
    meter_serial = fields.Char(readonly=True)
    at = fields.Datetime("Time", readonly=True)
    raw_time = fields.Char("Time as Received", readonly=True)
    raw_register = fields.Char("Register as Received", readonly=True)
    verdict = fields.Selection(
        [("held", "Held"), ("rejected", "Rejected")], readonly=True
    )
    reason = fields.Selection(REASONS, readonly=True, required=True)
    detail = fields.Char(readonly=True)
    received_at = fields.Datetime(readonly=True, default=fields.Datetime.now)
    state = fields.Selection(
        [("pending", "To Review"), ("discarded", "Discarded")],
        default="pending",
        readonly=True,
        tracking=True,
    )
    note = fields.Char("Decision", tracking=True, help="Why it was discarded.")

    def action_discard(self):
        """Close the case without using the reading; the reason must be there."""
        for review in self:
            if not review.note:
                raise UserError(
                    self.env._("Write the reason into Decision before discarding.")
                )
        self.write({"state": "discarded"})

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("A held reading is never deleted: discard it."))
