from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command

try:
    import holidays
except ImportError:  # the calendars of Odoo do without it
    holidays = None

MAX_YEARS = 30


class EnergyTariffHolidays(models.TransientModel):
    """Copies public holidays into a tariff version."""

    _name = "energy.tariff.holidays"
    _description = "Load Holidays into a Tariff Version"

    version_id = fields.Many2one(
        "energy.tariff.version", required=True, ondelete="cascade"
    )
    source = fields.Selection(
        [("country", "Public holidays of a country"), ("calendar", "A calendar here")],
        required=True,
        default="country",
    )
    country_id = fields.Many2one(
        "res.country", default=lambda self: self.env.company.country_id
    )
    state_id = fields.Many2one(
        "res.country.state", domain="[('country_id', '=', country_id)]"
    )
    calendar_id = fields.Many2one(
        "resource.calendar",
        "Working Schedule",
        help="Its time off that concerns everybody.",
    )
    year_from = fields.Integer(
        required=True, default=lambda self: fields.Date.today().year
    )
    year_to = fields.Integer(
        required=True, default=lambda self: fields.Date.today().year + 1
    )
    preview = fields.Text(compute="_compute_preview")

    @api.constrains("year_from", "year_to")
    def _check_years(self):
        for wizard in self:
            if not 1900 <= wizard.year_from <= wizard.year_to <= 2199:
                raise ValidationError(
                    self.env._("The years must rise, from 1900 to 2199.")
                )
            if wizard.year_to - wizard.year_from >= MAX_YEARS:
                raise ValidationError(self.env._("At most %s years.", MAX_YEARS))

    @api.depends(
        "version_id",
        "source",
        "country_id",
        "state_id",
        "calendar_id",
        "year_from",
        "year_to",
    )
    def _compute_preview(self):
        for wizard in self:
            try:
                wizard._check_years()
                found = wizard._found()
            except (UserError, ValidationError) as error:
                wizard.preview = str(error)
            else:
                lines = (f"{day} {name}" for day, name in sorted(found.items()))
                wizard.preview = "\n".join(lines) or self.env._("None found.")

    def _found(self):
        """The holidays of the chosen source: dict date -> name."""
        self.ensure_one()
        if self.source == "calendar":
            return self._found_in_calendar()
        if holidays is None:
            raise UserError(
                self.env._(
                    "The Python package 'holidays' is not installed on the server: "
                    "install it, or use a working schedule."
                )
            )
        if not self.country_id:
            return {}
        code = self.country_id.code
        state = (self.state_id.code or "").removeprefix(f"{code}-")
        years = range(self.year_from, self.year_to + 1)
        try:
            return dict(holidays.country_holidays(code, state or None, years=years))
        except NotImplementedError as error:
            raise UserError(
                self.env._("The package 'holidays' does not know it: %s", error)
            ) from error

    def _found_in_calendar(self):
        """Days off for everybody, by the tariff's clock."""
        if not self.calendar_id:
            return {}
        tz = ZoneInfo(self.version_id.tariff_id.tz)
        leaves = self.env["resource.calendar.leaves"].search(
            [
                ("resource_id", "=", False),
                ("calendar_id", "in", [False, self.calendar_id.id]),
                ("company_id", "in", [False, self.version_id.company_id.id]),
                ("date_to", ">=", date(self.year_from, 1, 1)),
                ("date_from", "<", date(self.year_to + 1, 1, 2)),
            ]
        )
        found = {}
        for leave in leaves:
            day = leave.date_from.replace(tzinfo=UTC).astimezone(tz).date()
            end = leave.date_to.replace(tzinfo=UTC) - timedelta(seconds=1)
            while day <= end.astimezone(tz).date():
                if self.year_from <= day.year <= self.year_to and self._is_off(
                    leave, day, tz
                ):
                    found[day] = leave.name or self.calendar_id.name
                day += timedelta(days=1)
        return found

    @staticmethod
    def _is_off(leave, day, tz):
        """Whether a leave holds noon of a local day, so that half days do not count."""
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=tz).astimezone(UTC)
        return leave.date_from <= noon.replace(tzinfo=None) < leave.date_to

    def action_load(self):
        """Add the holidays that the version does not have yet.

        :raise UserError: nothing was found, or a date was rated already.
        """
        self.ensure_one()
        known = set(self.version_id.holiday_ids.mapped("date"))
        new = {day: name for day, name in self._found().items() if day not in known}
        if not new:
            raise UserError(self.env._("No holiday that is not there already."))
        self.version_id.holiday_ids = [
            Command.create({"date": day, "name": name})
            for day, name in sorted(new.items())
        ]
        return self.version_id.action_open()
