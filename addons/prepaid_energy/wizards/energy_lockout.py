from odoo import fields, models
from odoo.exceptions import UserError


class EnergyLockout(models.TransientModel):
    """Lock-out/tag-out: who, and why."""

    _name = "energy.lockout"
    _description = "Lock Out a Service Point"

    service_point_id = fields.Many2one("energy.service.point", required=True)
    reason = fields.Char(required=True)

    def action_lock_out(self):
        """Hold the point open (hands off a life-safety one) until it is released."""
        self.ensure_one()
        point = self.service_point_id
        if point.locked_out:
            raise UserError(
                self.env._(
                    "%(point)s is locked out by %(user)s already.",
                    point=point.name,
                    user=point.lockout_user_id.name,
                )
            )
        self.service_point_id._take_fact(
            locked_out=True,
            lockout_user_id=self.env.user.id,
            lockout_reason=self.reason,
            lockout_at=fields.Datetime.now(),
        )
        return {"type": "ir.actions.act_window_close"}
