from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError


class EnergyTariffName(models.AbstractModel):
    """A name that tariff documents and usage rows use: band or season."""

    _name = "energy.tariff.name"
    _description = "Name in Tariffs"

    name = fields.Char(required=True)
    active = fields.Boolean(default=True)

    _name_uniq = models.Constraint("unique (name)", "This name is already used.")

    @api.constrains("name")
    def _check_name(self):
        for record in self:
            if record.name.strip() in ("", "*"):
                raise ValidationError(
                    record.env._("'%s' means every one: choose a name.", record.name)
                )

    def write(self, vals):
        """Keep names that were rated; forget compiled tariffs."""
        if "name" in vals:
            self._refuse_rated_name()
        result = super().write(vals)
        self.env.registry.clear_cache()
        return result

    def _refuse_rated_name(self):
        """Raise UserError for a name that rated usage carries (invariant 2)."""
        field = self._name.rsplit(".", 1)[1]
        # sudo: usage that this user may not see counts as well
        Usage = self.env["energy.usage"].sudo()
        for record in self:
            if Usage.search_count([(field, "=", record.name)], limit=1):
                raise UserError(
                    record.env._(
                        "%s is in rated usage and keeps its name.", record.name
                    )
                )
