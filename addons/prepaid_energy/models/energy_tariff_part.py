from odoo import api, fields, models


class EnergyTariffPart(models.AbstractModel):
    """A row of a tariff version: it is checked, and locked, together with it."""

    _name = "energy.tariff.part"
    _description = "Part of a Tariff Version"
    _order = "sequence, id"

    version_id = fields.Many2one(
        "energy.tariff.version", required=True, index=True, ondelete="cascade"
    )
    sequence = fields.Integer(default=10)

    @api.model_create_multi
    def create(self, vals_list):
        """Refuse for a locked version; check the version."""
        parts = super().create(vals_list)
        parts._refuse_locked()
        parts.version_id._part_changed()
        return parts

    def write(self, vals):
        """Refuse for a locked version; check the version."""
        self._refuse_locked()
        result = super().write(vals)
        self._refuse_locked()
        self.version_id._part_changed()
        return result

    def unlink(self):
        """Refuse for a locked version; check the version."""
        self._refuse_locked()
        versions = self.version_id
        result = super().unlink()
        versions._part_changed()
        return result

    def _refuse_locked(self):
        """Raise UserError where the version has rated usage."""
        self.version_id._refuse_locked()
