from odoo import api, models


def _owner(model):
    """The names of the field that the model's company follows from."""
    company = model._fields.get("company_id")
    related = company.related if company else None
    return [related.partition(".")[0]] if related else []


class EnergyAffiliated(models.AbstractModel):
    """A record whose company is that of another record, ``company_id.related``."""

    _name = "energy.affiliated"
    _description = "Company Follows From Another Record"

    @api.constrains(_owner)
    def _check_own_company(self):
        """The company follows from it, so it must be one of the user's."""
        # not in sudo mode, in which Odoo runs constraints
        records = self.sudo(False)
        for name in _owner(self):
            records[name].check_access("read")
