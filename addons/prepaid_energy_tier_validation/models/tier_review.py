from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.orm.models import NO_ACCESS

REQUEST = "energy.quota.request"


class TierReview(models.Model):
    """A level's yes or no. Of quota requests, only deciding on them writes it.

    The module below lets any internal user write, move and delete reviews; that would
    be to approve.
    """

    _inherit = "tier.review"

    energy_figures = fields.Char(
        readonly=True,
        groups=NO_ACCESS,
        help="What was asked for when this level said yes.",
    )

    @api.model_create_multi
    def create(self, vals_list):
        """Refuse reviews of quota requests, however their model is given."""
        reviews = super().create(vals_list)
        reviews._refuse_forged()
        return reviews

    def write(self, vals):
        """Refuse to change reviews of quota requests, or to make others theirs."""
        self._refuse_forged()
        result = super().write(vals)
        self._refuse_forged()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_not_forged(self):
        self._refuse_forged()

    def _refuse_forged(self):
        if not self.env.su and any(review.model == REQUEST for review in self):
            raise AccessError(
                self.env._("Reviews of quota requests follow from deciding on them.")
            )

    def _update_review_status(self):
        # sudo: it opens what is due, and is called when anybody looks at the own list
        return super(TierReview, self.sudo())._update_review_status()

    def _get_reviewers(self):
        """Never whoever asks, whatever the definition says."""
        reviewers = super()._get_reviewers()
        if self.model == REQUEST and self.res_id:
            # sudo: reviewers follow from the request, whoever looks at the review
            request = self.env[REQUEST].sudo().browse(self.res_id)
            reviewers -= request.requester_id
        return reviewers
