from odoo import fields, models


class EnergyWalletPreference(models.Model):
    """Whether somebody wants to be told of one kind of news over one channel.

    Without a row, the tenant is told of everything by e-mail and nobody else of
    anything. A further channel or kind is one more value of a selection.
    """

    _name = "energy.wallet.preference"
    _description = "Notification Preference"
    _order = "wallet_id, partner_id, channel, kind"

    wallet_id = fields.Many2one(
        "energy.wallet", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="wallet_id.company_id", store=True)
    partner_id = fields.Many2one(
        "res.partner", "Contact", required=True, index=True, ondelete="cascade"
    )
    channel = fields.Selection([("email", "E-mail")], required=True, default="email")
    kind = fields.Selection(
        [
            ("warning", "The balance runs low"),
            ("supply", "Supply is cut off or restored"),
        ],
        required=True,
    )
    wanted = fields.Boolean(default=True)

    _once = models.Constraint(
        "unique (wallet_id, partner_id, channel, kind)",
        "There is a preference for this contact, channel and kind already.",
    )

    def _addresses(self, partner):
        """Where each channel reaches a contact: channel -> address, or nothing."""
        return {"email": partner.email}

    def _choices(self):
        """All (channel, kind) that there are."""
        return [
            (channel, kind)
            for channel in self._fields["channel"].get_values(self.env)
            for kind in self._fields["kind"].get_values(self.env)
        ]
