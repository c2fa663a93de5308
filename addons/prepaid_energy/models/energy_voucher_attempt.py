from odoo import api, fields, models
from odoo.tools import SQL

LIMIT = 5  # wrong codes of a user in an hour of the clock


class EnergyVoucherAttempt(models.Model):
    """How many voucher codes that do not exist a user has tried, by the hour."""

    _name = "energy.voucher.attempt"
    _description = "Wrong Voucher Codes"
    _order = "hour desc"
    _log_access = False

    user_id = fields.Many2one(
        "res.users", required=True, readonly=True, ondelete="cascade"
    )
    hour = fields.Datetime(required=True, readonly=True)
    failed = fields.Integer(required=True, readonly=True)

    _user_hour_uniq = models.UniqueIndex("(user_id, hour)")

    @api.model
    def _hour(self):
        return fields.Datetime.now().replace(minute=0, second=0)

    @api.model
    def _is_blocked(self):
        """Whether the current user has used up this hour's attempts."""
        return bool(
            self.search_count(
                [
                    ("user_id", "=", self.env.uid),
                    ("hour", "=", self._hour()),
                    ("failed", ">=", LIMIT),
                ]
            )
        )

    @api.model
    def _count(self):
        """Count a wrong code of the current user.

        Raw SQL: attempts at the same time meet at one row, so that the later one is
        worked again (PostgreSQL reports a serialization failure) and sees the limit.
        """
        self.env.cr.execute(
            SQL(
                "INSERT INTO energy_voucher_attempt AS known (user_id, hour, failed) "
                "VALUES (%s, %s, 1) ON CONFLICT (user_id, hour) "
                "DO UPDATE SET failed = known.failed + 1",
                self.env.uid,
                self._hour(),
            )
        )
        self.invalidate_model()

    @api.autovacuum
    def _gc_old(self):
        day = fields.Datetime.subtract(fields.Datetime.now(), days=90)
        self.search([("hour", "<", day)], limit=10000).unlink()
