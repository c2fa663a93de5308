from odoo import api, fields, models
from odoo.exceptions import UserError


class EnergyStandin(models.TransientModel):
    """A head of department names who decides on quotas while he is away."""

    _name = "energy.standin"
    _description = "Stand-in of a Head of Department"

    department_id = fields.Many2one(
        "hr.department",
        required=True,
        domain=lambda self: [("id", "in", self._departments().ids)],
        default=lambda self: self._departments()[:1],
    )
    user_id = fields.Many2one(
        "res.users",
        "Stand-in",
        domain="[('share', '=', False), ('id', '!=', uid)]",
        help="Empty: nobody stands in any more.",
    )
    date_from = fields.Date("From", default=fields.Date.context_today)
    date_to = fields.Date("Until")

    @api.model
    def _departments(self):
        """Those that the user heads. sudo: employees are not everybody's to read."""
        return (
            self.env["hr.department"]
            .sudo()
            .search([("manager_id.user_id", "=", self.env.uid)])
        )

    def action_apply(self):
        """Write it on the department, whose chatter keeps who did.

        :raise UserError: the user is not the head.
        """
        self.ensure_one()
        if self.department_id not in self._departments():
            raise UserError(
                self.env._("You are not the head of %s.", self.department_id.name)
            )
        # sudo: departments are written by personnel; this is the head's own choice
        self.department_id.sudo().write(
            {
                "energy_standin_id": self.user_id.id,
                "energy_standin_from": self.user_id and self.date_from,
                "energy_standin_to": self.user_id and self.date_to,
            }
        )
        return {"type": "ir.actions.act_window_close"}
