from odoo import fields, models


class EnergyNotice(models.Model):
    _inherit = "energy.notice"

    channel = fields.Selection(selection_add=[("sms", "SMS")])
