from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.energy_tariff_version import ENFORCE


class EnergyTariffEnforce(models.TransientModel):
    """Puts a draft in force, and rates again what it changes in the past."""

    _name = "energy.tariff.enforce"
    _description = "Put a Tariff Version in Force"

    version_id = fields.Many2one(
        "energy.tariff.version", required=True, readonly=True, ondelete="cascade"
    )
    valid_from = fields.Date(related="version_id.valid_from")
    valid_to = fields.Date(related="version_id.valid_to")
    rated_until = fields.Date(
        compute="_compute_rated_until",
        help="The last day in the version's time that has been rated already.",
    )
    point_count = fields.Integer("Service Points", compute="_compute_rated_until")
    rerate = fields.Boolean(
        "Rate again what was rated",
        help="Wallets get a correction entry for each settled day that changes.",
    )
    reason = fields.Char(
        help="Tenants read it on the correction entries of their wallets."
    )

    @api.depends("version_id")
    def _compute_rated_until(self):
        for wizard in self:
            version = wizard.version_id
            wizard.rated_until = version._rated_in_span()
            # sudo: usage that this user may not see counts as well
            wizard.point_count = len(
                self.env["energy.usage"]
                .sudo()
                ._read_group(version._span_domain(), ["service_point_id"])
            )

    def action_enforce(self):
        """Put the draft in force.

        :raise UserError: the draft is incomplete, or changes the past unasked.
        """
        self.ensure_one()
        version = self.version_id
        if version.state != "draft":
            raise UserError(self.env._("%s is not a draft.", version.display_name))
        version.check_access("write")
        if self.rated_until and not (self.rerate and self.reason):
            raise UserError(
                self.env._(
                    "Usage until %(rated)s has been rated already: let the draft "
                    "begin later, or have it rated again and say why.",
                    rated=self.rated_until,
                )
            )
        enforced = version.with_context(energy_enforce=ENFORCE)
        same = version.tariff_id._in_force().filtered(
            lambda other: other._begin() == version._begin()
        )
        same.with_context(energy_enforce=ENFORCE).write({"state": "superseded"})
        self.env.flush_all()
        rated_until = self.rated_until
        enforced.write({"state": "active"})
        self._note(version)
        if rated_until:
            self._order_rerating(version)
        return version.tariff_id._open()

    def _note(self, version):
        body = self.env._(
            "Version from %(day)s put in force. %(reason)s",
            day=version.valid_from,
            reason=self.reason or "",
        )
        version.tariff_id.message_post(body=body)

    def _order_rerating(self, version):
        """Have the cron rate the past again, at once."""
        # sudo: the order is the wizard's to give, see the checks above
        self.env["energy.rerating"].sudo().create(
            {
                "tariff_id": version.tariff_id.id,
                "version_id": version.id,
                "day_from": version.valid_from,
                "reason": self.reason,
            }
        )
