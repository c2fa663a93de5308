from odoo import api, models

ALWAYS = {"id", "display_name", "create_date", "write_date"}


class EnergyTenantView(models.AbstractModel):
    """A record that tenants may read, but not all of it.

    Record rules give a portal user the own rows; here it is told which of their fields.
    What is not named is refused in reading, searching, grouping, sorting and exporting:
    a new field is the office's until somebody says otherwise. The portal's pages are
    made in sudo mode, of a wallet whose rights were checked.
    """

    _name = "energy.tenant.view"
    _description = "What Tenants See of a Record"
    _tenant_fields = frozenset()

    @api.model
    def _has_field_access(self, field, operation):
        if not super()._has_field_access(field, operation):
            return False
        if self.env.su or self.env.user._is_internal():
            return True
        return field.name in ALWAYS or field.name in self._tenant_fields
