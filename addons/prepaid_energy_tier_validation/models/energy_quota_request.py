from odoo import models
from odoo.exceptions import UserError

# What a caller over RPC may put in the context, and must not:
LOOSE = {
    "skip_check_state_condition": False,
    "skip_validation_check": False,
    "tier_validation_defer_compute_can_review": False,
}


class EnergyQuotaRequest(models.Model):
    """Where definitions of levels match a request, all of them must say yes.

    The decision itself stays that of the core: by button or link, never by whoever
    asks, and only on what was submitted. Without a matching definition the core's
    single approval decides.
    """

    _name = "energy.quota.request"
    _inherit = ["energy.quota.request", "tier.validation"]
    _state_from = ["submitted"]
    _state_to = ["approved"]
    _cancel_state = "withdrawn"

    # ------------------------------------------------------------------ buttons

    def request_validation(self):
        """Part of submitting; by itself it asks nobody."""
        if not self.env.su:
            raise UserError(self.env._("Submitting a request asks for its approval."))
        return super(
            EnergyQuotaRequest, self.with_context(**LOOSE)
        ).request_validation()

    def validate_tier(self):
        """What the button of the module below does: the same as ours."""
        return self.action_approve()

    def reject_tier(self):
        """As :meth:`validate_tier`."""
        return self.action_refuse()

    def restart_validation(self):  # pylint: disable=method-required-super
        """Refuse: it would delete what was decided."""
        raise UserError(self.env._("Withdraw the request and ask anew."))

    # ------------------------------------------------------------------ levels

    def _ask_levels(self):
        """Make the reviews of all definitions that match; in sudo mode."""
        self.invalidate_recordset(["need_validation"])  # it depends on nothing
        self.request_validation()
        self.invalidate_recordset(["review_ids"])

    def _open_reviews(self):
        """The reviews that may be decided now, of those that are not yet."""
        waiting = self.review_ids.filtered(
            lambda review: review.status in ("waiting", "pending")
        ).sorted("sequence")
        return waiting.filtered(
            lambda review: (
                not review.approve_sequence or review.sequence == waiting[0].sequence
            )
        )

    def _own_reviews(self):
        """Those that the current user decides; worked out anew, not as stored."""
        return self._open_reviews().filtered(
            lambda review: self.env.user in review._get_reviewers()
        )

    def _call_deciders(self):  # pylint: disable=missing-return
        if not self.review_ids:
            self._ask_levels()
        super()._call_deciders()

    def _deciders(self):
        if not self.review_ids:
            return super()._deciders()
        users = self.env["res.users"]
        for review in self._open_reviews():
            users |= review._get_reviewers()
        return users.filtered("active")

    def _approve(self, note):
        """One level says yes; after the last one it is granted."""
        if not self.review_ids:
            self._ask_levels()  # a definition may have come since it was submitted
        if not self.review_ids:
            return super()._approve(note)
        own = self._own_reviews()
        if not own:
            raise UserError(
                self.env._(
                    "%s: other levels decide now. Withdraw it and ask anew.", self.name
                )
            )
        own.write({"energy_figures": self._figures(), "comment": note})
        self._validate_tier(own)
        self._end_activities(True, self.env.user)
        if self.validation_status != "validated":
            return self._next_level(note)
        self._check_levels()
        return super()._approve(note)

    def _next_level(self, note):
        """Tell the requester, call who decides next."""
        behalf = self._behalf(self.env.user)
        text = self.env._("%s agrees.", self.env.user.name)
        if behalf:
            text = self.env._(
                "%(user)s agrees on behalf of %(head)s.",
                user=self.env.user.name,
                head=behalf.name,
            )
        self._tell_requester(f"{text} {note or ''}".strip())
        self._end_activities(False)
        self._update_counter({"review_deleted": True})
        self._call_deciders()

    def _check_levels(self):
        """Raise UserError unless each level said yes to what is granted now."""
        figures = self._figures()
        for review in self.review_ids:
            if (
                review.status != "approved"
                or review.energy_figures != figures
                or not review.done_by
                or review.done_by == self.requester_id
            ):
                raise UserError(
                    self.env._(
                        "%(name)s: “%(level)s” has not approved this.",
                        name=self.name,
                        level=review.name,
                    )
                )

    def _close(self, state, note, **values):
        """What other levels have not decided is not due any more."""
        if state == "refused":
            self._rejected_tier(self._own_reviews())
        result = super()._close(state, note, **values)
        self.review_ids.filtered(
            lambda review: review.status in ("waiting", "pending")
        ).write({"status": "cancel"})
        return result

    # ------------------------------------------------------------------ the mixin

    def _write_decided(self, values):
        # The mixin would refuse what the flow itself writes under validation.
        request = self.with_context(skip_validation_check=True)
        return super(EnergyQuotaRequest, request)._write_decided(values)

    def _allow_to_remove_reviews(self, values):
        """Who decided what is kept."""
        return False
