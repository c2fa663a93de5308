from odoo import api, fields, models

ASK = "prepaid_energy.energy_quota_ask_action"


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
            "context": {"default_quota_id": self.id},
        }

    def _ask_url(self):
        """The address of the same form, for a mail."""
        return f"{self.get_base_url()}/odoo/energy.quota/{self.id}/action-{ASK}/new"


class EnergyQuotaRequest(models.Model):
    """What a new request asks for."""

    _inherit = "energy.quota.request"

    @api.model
    def default_get(self, fields_list):
        """Of a quota that is given: what it will lack by the forecast."""
        values = super().default_get(fields_list)
        if (
            "amount" in fields_list
            and values.get("quota_id")
            and "amount" not in values
        ):
            quota = self.env["energy.quota"].browse(values["quota_id"])
            values["amount"] = max(quota.overrun, 0.0)
        return values
