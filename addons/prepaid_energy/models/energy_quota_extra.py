from odoo import fields, models


class EnergyQuota(models.Model):
    """Requests for more of a quota."""

    _inherit = "energy.quota"

    request_ids = fields.One2many("energy.quota.request", "quota_id")

    def _close(self):  # pylint: disable=missing-return
        """What was granted and not used is taken back before it is carried over."""
        super()._close()
        # sudo: it follows from the month's end
        for request in self.sudo().request_ids:
            if request.state == "approved" and not request.ended_on:
                request._end()

    def action_ask_more(self):
        """Open a request for this quota, for what it will lack by the forecast."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Ask for More"),
            "res_model": "energy.quota.request",
            "view_mode": "form",
            "context": {
                "default_quota_id": self.id,
                "default_amount": max(self.overrun, 0.0),
            },
        }
