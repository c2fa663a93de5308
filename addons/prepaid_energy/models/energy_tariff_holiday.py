from odoo import fields, models
from odoo.exceptions import UserError


class EnergyTariffHoliday(models.Model):
    """A local date that the bands treat as a holiday.

    Holidays are copied into the version, so that a calendar which changes later does
    not change what was rated. A version in use takes holidays to come.
    """

    _name = "energy.tariff.holiday"
    _description = "Holiday of a Tariff Version"
    _inherit = ["energy.tariff.part"]
    _order = "date, id"

    date = fields.Date(required=True)
    name = fields.Char()

    _date_uniq = models.Constraint(
        "unique (version_id, date)", "This holiday is already there."
    )

    def _refuse_locked(self):
        """Raise UserError for a date that has been rated already."""
        for version in self.version_id:
            rated = version._last_rated_day()
            late = [
                day.date
                for day in self
                if day.version_id == version and rated and day.date <= rated
            ]
            if late:
                raise UserError(
                    self.env._(
                        "%(day)s has been rated already (until %(rated)s): correct the "
                        "version instead.",
                        day=min(late),
                        rated=rated,
                    )
                )
