from odoo import fields, models


class EnergyWalletPreference(models.Model):
    _inherit = "energy.wallet.preference"

    channel = fields.Selection(
        selection_add=[("sms", "SMS")], ondelete={"sms": "cascade"}
    )

    def _addresses(self, partner):
        return {**super()._addresses(partner), "sms": partner.phone}
