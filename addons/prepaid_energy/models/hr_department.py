from odoo import api, fields, models
from odoo.exceptions import ValidationError


class HrDepartment(models.Model):
    _inherit = "hr.department"

    energy_analytic_id = fields.Many2one(
        "account.analytic.account",
        "Energy Cost Account",
        check_company=True,
        help="The energy cost of the department's production lines goes here as well; "
        "it is of another analytic plan than that of the lines.",
    )
    energy_standin_id = fields.Many2one(
        "res.users",
        "Stand-in for Energy Quotas",
        tracking=True,
        domain="[('share', '=', False)]",
        help="Decides on quotas while the head is away; the head may as well.",
    )
    energy_standin_from = fields.Date("Head Is Away From", tracking=True)
    energy_standin_to = fields.Date("Head Is Away Until", tracking=True)

    @api.constrains("energy_standin_id", "energy_standin_from", "energy_standin_to")
    def _check_energy_standin(self):
        for department in self.filtered("energy_standin_id"):
            first, last = department.energy_standin_from, department.energy_standin_to
            if not first or not last or first > last:
                raise ValidationError(
                    department.env._(
                        "%s: a stand-in decides from a day to a day.", department.name
                    )
                )

    def _energy_head_of(self):
        """The head, a user. sudo: who sees a line need not see the employees."""
        return self.sudo().manager_id.user_id

    def _energy_standin(self):
        """Who stands in for the head today, or none."""
        self.ensure_one()
        department = self.sudo()  # sudo: as above
        today = (department.company_id or self.env.company)._energy_today()
        if (
            department.energy_standin_id.active
            and department.energy_standin_from <= today <= department.energy_standin_to
        ):
            return department.energy_standin_id
        return self.env["res.users"]

    def _energy_head(self):
        """Whom to turn to: the head, or the stand-in while the head is away."""
        return self._energy_standin() or self._energy_head_of()

    def _energy_deciders(self):
        """Who may decide today: the stand-in, and the head, who may be back early."""
        return self._energy_standin() | self._energy_head_of()
