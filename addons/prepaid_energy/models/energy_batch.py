from odoo import api, fields, models
from odoo.tools import SQL

KEEP_DAYS = 30  # a bridge repeats a batch within minutes, or days after a long outage


class EnergyBatch(models.Model):
    """A batch that a gateway handed over, with the answer it got.

    The same uid again gets the same answer and changes nothing.
    """

    _name = "energy.batch"
    _description = "Reading Batch"
    _order = "id desc"
    _log_access = False
    _rec_name = "uid"

    gateway_id = fields.Many2one(
        "energy.gateway", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="gateway_id.company_id")
    uid = fields.Char(required=True, readonly=True)
    received_at = fields.Datetime(required=True, readonly=True)
    accepted = fields.Integer(readonly=True)
    duplicates = fields.Integer(readonly=True)
    answer = fields.Json(readonly=True)

    _uid_uniq = models.UniqueIndex("(gateway_id, uid)")

    @api.autovacuum
    def _gc_old_batches(self):
        """Forget the answers of old batches; their readings stay."""
        limit = fields.Datetime.subtract(fields.Datetime.now(), days=KEEP_DAYS)
        self.env.cr.execute(
            SQL("DELETE FROM energy_batch WHERE received_at < %s", limit)
        )
