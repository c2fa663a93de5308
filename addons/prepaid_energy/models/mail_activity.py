from odoo import models
from odoo.exceptions import AccessError

from .energy_quota_decision_call import ACTIVITY
from .energy_quota_wait import MODELS


class MailActivity(models.Model):
    """Who waits for a decision does not take it off the decider's list."""

    _inherit = "mail.activity"

    def _check_access(self, operation):
        """Only whose decision it is, or the flow in sudo mode, ends or changes it."""
        result = super()._check_access(operation)
        kind = self.env.ref(ACTIVITY, raise_if_not_found=False)
        if operation not in ("write", "unlink") or not self or not kind:
            return result
        # sudo: whose it is, whether or not the user may read it
        foreign = self.sudo().filtered(
            lambda activity: (
                activity.activity_type_id == kind
                and activity.res_model in MODELS
                and activity.user_id != self.env.user
            )
        )
        if not foreign:
            return result
        forbidden = foreign.sudo(False) | (result[0] if result else self.browse())
        return forbidden, lambda: AccessError(
            self.env._(
                "%s: only who decides, or the decision itself, ends this activity.",
                ", ".join(foreign.mapped("res_name")),
            )
        )
