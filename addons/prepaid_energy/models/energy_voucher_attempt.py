from odoo import api, fields, models
from odoo.tools import SQL

LIMIT = 5  # wrong codes of a user in an hour of the clock


class EnergyVoucherAttempt(models.Model):
    """How many voucher codes that do not exist a user has tried, by the hour.

    By company as well: a code is sought among the vouchers of the wallet's company.
    """

    _name = "energy.voucher.attempt"
    _description = "Wrong Voucher Codes"
    _order = "hour desc"
    _log_access = False

    user_id = fields.Many2one(
        "res.users", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, ondelete="cascade"
    )
    hour = fields.Datetime(required=True, readonly=True)
    failed = fields.Integer(required=True, readonly=True)

    _user_company_hour_uniq = models.UniqueIndex("(user_id, company_id, hour)")

    @api.model
    def _hour(self):
        return fields.Datetime.now().replace(minute=0, second=0)

    @api.model
    def _is_blocked(self, company):
        """Whether the current user has used up this hour's attempts at a company."""
        return bool(
            self.search_count(
                [
                    ("user_id", "=", self.env.uid),
                    ("company_id", "=", company.id),
                    ("hour", "=", self._hour()),
                    ("failed", ">=", LIMIT),
                ]
            )
        )

    @api.model
    def _count(self, company):
        """Count a wrong code of the current user for a wallet of a company.

        Raw SQL: attempts at the same time meet at one row, so that the later one is
        worked again (PostgreSQL reports a serialization failure) and sees the limit.
        """
        self.env.cr.execute(
            SQL(
                "INSERT INTO energy_voucher_attempt AS known "
                "(user_id, company_id, hour, failed) VALUES (%s, %s, %s, 1) "
                "ON CONFLICT (user_id, company_id, hour) "
                "DO UPDATE SET failed = known.failed + 1",
                self.env.uid,
                company.id,
                self._hour(),
            )
        )
        self.invalidate_model()

    @api.autovacuum
    def _gc_old(self):
        day = fields.Datetime.subtract(fields.Datetime.now(), days=90)
        self.search([("hour", "<", day)], limit=10000).unlink()
