from odoo import fields, models


class HrDepartment(models.Model):
    _inherit = "hr.department"

    energy_analytic_id = fields.Many2one(
        "account.analytic.account",
        "Energy Cost Account",
        check_company=True,
        help="The energy cost of the department's production lines goes here as well; "
        "it is of another analytic plan than that of the lines.",
    )
