from odoo import fields, models


class EnergyTripConfirm(models.TransientModel):
    """Somebody has looked into an overload trip on site: who, when, what was found."""

    _name = "energy.trip.confirm"
    _description = "Confirm an Overload Trip on Site"

    service_point_id = fields.Many2one("energy.service.point", required=True)
    tripped_at = fields.Datetime(
        related="service_point_id.tripped_at", related_sudo=False
    )
    note = fields.Text("Found on Site", required=True)

    def action_confirm(self):
        """Let the point close again.

        :raise UserError: it has not tripped, or nothing was found out.
        """
        self.ensure_one()
        self.service_point_id._confirm_on_site(self.note)
        return {"type": "ir.actions.act_window_close"}
