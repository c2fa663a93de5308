from odoo import fields, models


class ResUsers(models.Model):
    """People whom a tenant has invited to the portal see and do what they were given.

    A portal user without ``energy_role`` got access from the park's office: a main
    contact, who sees all wallets of the tenant, pays and invites others.
    """

    _inherit = "res.users"

    energy_role = fields.Selection(
        [("pay", "May pay"), ("view", "Only looks")],
        "Energy Portal Role",
        copy=False,
        groups="base.group_erp_manager",
        help="Empty: a main contact, who sees all wallets of the tenant and may invite "
        "others. Otherwise invited: sees the chosen wallets only.",
    )

    def write(self, vals):
        """The portal's record rules depend on the role, and are cached."""
        result = super().write(vals)
        if "energy_role" in vals:
            self.env.registry.clear_cache()
        return result
