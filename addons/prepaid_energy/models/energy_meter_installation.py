from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..exchange.numbers import exact
from ..ingest.decide import Decision


class EnergyMeterInstallation(models.Model):
    """A meter at a service point, from and to, with opening and closing register."""

    _name = "energy.meter.installation"
    _description = "Meter Installation"
    _order = "date_from desc, id desc"
    _check_company_auto = True

    meter_id = fields.Many2one(
        "energy.meter", required=True, ondelete="restrict", check_company=True
    )
    service_point_id = fields.Many2one(
        "energy.service.point",
        required=True,
        ondelete="restrict",
    )
    company_id = fields.Many2one(
        related="service_point_id.company_id", store=True, precompute=True
    )
    date_from = fields.Datetime("Installed", required=True, default=fields.Datetime.now)
    date_to = fields.Datetime("Removed")
    opening_register = fields.Float(
        digits=(18, 3),
        help="kWh on the display when it was installed.",
    )
    opening_counts = fields.Boolean(
        "Bill From Opening",
        help="Ticked, energy counts from the opening register at the time of "
        "installation on, also where it was zero. Else the first reading is the "
        "opening.",
    )
    closing_register = fields.Float(
        digits=(18, 3),
        help="What it showed when it was removed: billed up to there. 0: not read.",
    )

    _one_point_per_meter = models.UniqueIndex(
        "(meter_id) WHERE date_to IS NULL", "This meter is still installed elsewhere."
    )
    _one_meter_per_point = models.UniqueIndex(
        "(service_point_id) WHERE date_to IS NULL",
        "This service point still has a meter: remove that one first.",
    )
    _dates_in_order = models.Constraint(
        "CHECK (date_to IS NULL OR date_to >= date_from)",
        "A meter cannot be removed before it was installed.",
    )

    @api.model_create_multi
    def create(self, vals_list):
        """Take over the point's wish: old commands of the meter end."""
        installations = super().create(vals_list)
        installations._check_safe()
        installations._take_over()
        installations._order_hours()
        return installations

    def write(self, vals):
        """Take over the point's wish: old commands of the meter end."""
        self._take_over()
        self._order_hours()
        result = super().write(vals)
        self._check_safe()
        self._take_over()
        self._order_hours()
        if {"date_to", "closing_register"} & {*vals}:
            self._bill_closing()
        return result

    def _order_hours(self):
        """Have the hours of these points made again, since the installation."""
        spans = {}
        for installation in self:
            point_id, since = installation.service_point_id.id, installation.date_from
            spans[point_id] = min(since, spans.get(point_id, since))
        self.env["energy.interval"]._again(spans)

    def _bill_closing(self):
        """Rate up to the closing register, as a reading at the removal.

        :raise UserError: it is lower than the last reading, or from the future.
        """
        for installation in self.filtered(lambda i: i.date_to and i.closing_register):
            if installation.date_to > fields.Datetime.now():
                raise UserError(
                    self.env._("A closing register is read when the meter is removed.")
                )
            register = exact(installation.closing_register, 3)
            reason = self.env._("Closing register of %s", installation.meter_id.serial)
            # sudo: who removes a meter may not write wallets otherwise
            meter = installation.meter_id.sudo()
            Decision(meter, installation.date_to, register, reason).use("corrected")

    @api.ondelete(at_uninstall=False)
    def _unlink_unread(self):
        for installation in self:
            if installation.meter_id.last_reading_at:
                raise UserError(
                    self.env._(
                        "%s has readings: end its installation instead of deleting it.",
                        installation.meter_id.serial,
                    )
                )

    def unlink(self):
        """End the meters' unfinished commands."""
        self._take_over()
        return super().unlink()

    def _check_safe(self):
        """A relay does not leave a lock or a trip behind by moving to another point."""
        for installation in self:
            before = installation.meter_id.installation_ids.service_point_id
            for point in before - installation.service_point_id:
                if point.locked_out or point.tripped:
                    raise UserError(
                        self.env._(
                            "%(meter)s was at %(point)s, which is locked out or "
                            "tripped: release or confirm that first.",
                            meter=installation.meter_id.serial,
                            point=point.name,
                        )
                    )

    def _take_over(self):
        """End the unfinished commands of these meters; the next poll starts anew."""
        # sudo: an audit row, not a wish
        Command = self.env["energy.command"].sudo()
        Command.search(
            [
                ("meter_id", "in", self.meter_id.ids),
                ("state", "in", ("pending", "sent")),
            ]
        )._finish("superseded", detail=self.env._("The meter was moved"))

    @api.constrains("meter_id", "service_point_id", "date_from", "date_to")
    def _check_overlap(self):
        for installation in self:
            after = [("id", "!=", installation.id)]
            if installation.date_to:
                after.append(("date_from", "<", installation.date_to))
            for field, subject in (
                ("meter_id", installation.meter_id.serial),
                ("service_point_id", installation.service_point_id.name),
            ):
                clash = self.search(
                    [
                        *after,
                        (field, "=", installation[field].id),
                        "|",
                        ("date_to", "=", False),
                        ("date_to", ">", installation.date_from),
                    ],
                    limit=1,
                )
                if clash:
                    raise ValidationError(
                        self.env._(
                            "%(subject)s: the installation overlaps another one, of "
                            "%(meter)s at %(point)s.",
                            subject=subject,
                            meter=clash.meter_id.serial,
                            point=clash.service_point_id.name,
                        )
                    )
