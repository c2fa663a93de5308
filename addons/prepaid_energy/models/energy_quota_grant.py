from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL


class EnergyQuotaGrant(models.Model):
    """What was added to a quota, or taken from it, beside its plan: append-only."""

    _name = "energy.quota.grant"
    _description = "Quota Grant"
    _order = "at desc, id desc"
    _log_access = False

    quota_id = fields.Many2one(
        "energy.quota", required=True, readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    name = fields.Char("Reason", required=True, readonly=True)
    amount = fields.Float(
        digits=(18, 6), readonly=True, help="In the unit of the quota."
    )
    at = fields.Datetime("Time", required=True, readonly=True)
    user_id = fields.Many2one("res.users", readonly=True, ondelete="restrict")
    source_key = fields.Char(
        required=True, readonly=True, help="Names the cause. It is unique."
    )

    _source_key_uniq = models.UniqueIndex("(source_key)")

    @api.model_create_multi
    def create(self, vals_list):  # pylint: disable=method-required-super
        """Refuse: rows come from :meth:`_record`, which keeps amounts exact."""
        raise UserError(self.env._("A grant comes from an approved request."))

    def write(self, vals):  # pylint: disable=method-required-super
        """Refuse: another grant corrects it."""
        raise UserError(self.env._("A grant is never changed: make another one."))

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("A grant is never deleted: make another one."))

    @api.model
    def _record(self, quota, amount, source_key, name):
        """One row, once. Raw SQL: the caller has checked access.

        :param Decimal amount: in the unit of the quota; below zero: taken away.
        :return: whether it is new.
        """
        quota.flush_recordset()
        values = {
            "quota_id": quota.id,
            "company_id": quota.company_id.id,
            "name": name,
            "amount": amount,
            "at": fields.Datetime.now(),
            "user_id": self.env.uid,
            "source_key": source_key,
        }
        return bool(
            self.env.execute_query(
                SQL(
                    "INSERT INTO energy_quota_grant (%s) VALUES %s "
                    "ON CONFLICT (source_key) DO NOTHING RETURNING id",
                    SQL(", ").join(map(SQL.identifier, values)),
                    tuple(values.values()),
                )
            )
        )
