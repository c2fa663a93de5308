from odoo import fields, models


class EnergySetupRow(models.TransientModel):
    """One row of a list of meters and tenants, with what it would do."""

    _name = "energy.setup.row"
    _description = "Import of Meters: Row"
    _order = "bad desc, number, id"

    import_id = fields.Many2one(
        "energy.setup.import", required=True, index=True, ondelete="cascade"
    )
    number = fields.Integer("Row", readonly=True)
    state = fields.Selection(
        [
            ("new", "New"),
            ("update", "Update"),
            ("same", "No Change"),
            ("error", "Error"),
        ],
        "Result",
        readonly=True,
    )
    bad = fields.Boolean(readonly=True)
    point = fields.Char(readonly=True)
    tenant = fields.Char(readonly=True)
    serial = fields.Char("Meter", readonly=True)
    note = fields.Text("What", readonly=True)
