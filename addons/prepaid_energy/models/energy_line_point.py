from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..exchange.numbers import exact, plain
from .protected import refuse, without_defaults

DECIDED = {"shed", "shed_at"}


class EnergyLinePoint(models.Model):
    """A service point of a production line, or the line's share of a common one.

    The line with the point's wallet keeps what the others do not take, so that the
    shares are always 100 %.
    """

    _name = "energy.line.point"
    _description = "Service Point of a Production Line"
    _order = "line_id, sequence, id"
    _rec_name = "service_point_id"
    _check_company_auto = True

    line_id = fields.Many2one(
        "energy.line",
        "Production Line",
        required=True,
        index=True,
        ondelete="cascade",
    )
    service_point_id = fields.Many2one(
        "energy.service.point",
        required=True,
        index=True,
        check_company=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(
        related="line_id.company_id", store=True, precompute=True, index=True
    )
    share = fields.Float(
        "Share (%)",
        digits=(7, 4),
        aggregator=None,
        help="Of the point's consumption and cost. The line with the point's wallet "
        "has what the others leave.",
    )
    sequence = fields.Integer(
        "Order of Shedding", default=10, help="The least important comes first."
    )
    may_shed = fields.Boolean(
        "May Be Cut",
        help="A hard quota that is used up cuts it. A point that several lines share "
        "is cut only when the quotas of all of them want it.",
    )
    shed_percent = fields.Float(
        "Cut At (%)",
        digits=(9, 2),
        default=100.0,
        required=True,
        aggregator=None,
        help="So much of the quota must be used before it is cut.",
    )
    shed = fields.Boolean("Cut by Quota", readonly=True, copy=False)
    shed_at = fields.Datetime("Cut Since", readonly=True, copy=False)
    kept_on = fields.Boolean(related="service_point_id.kept_on")
    supply_state = fields.Selection(related="service_point_id.supply_state")

    _line_point_uniq = models.Constraint(
        "unique (line_id, service_point_id)", "The line has this service point already."
    )
    _share_range = models.Constraint(
        "CHECK (share >= 0 AND share <= 100)", "A share is between 0 and 100 %."
    )
    _shed_percent_positive = models.Constraint(
        "CHECK (shed_percent > 0)", "The per cent at which a point is cut is above 0."
    )
    _shed_allowed = models.Constraint(
        "CHECK (may_shed OR shed IS NOT TRUE)", "Only a point that may be cut is cut."
    )

    @api.constrains("may_shed", "service_point_id")
    def _check_may_shed(self):
        for row in self.filtered("may_shed"):
            if row.service_point_id.kept_on:
                raise ValidationError(
                    row.env._(
                        "%s is never cut, or feeds what is: no quota cuts it.",
                        row.service_point_id.name,
                    )
                )

    @api.constrains("line_id", "service_point_id")
    def _check_currency(self):
        for row in self:
            wallet = row.service_point_id.wallet_id
            if wallet and wallet.currency_id != row.line_id.currency_id:
                raise ValidationError(
                    row.env._(
                        "%(point)s is paid in %(currency)s, %(line)s has a budget in "
                        "%(other)s: they do not share.",
                        point=row.service_point_id.name,
                        currency=wallet.currency_id.name,
                        line=row.line_id.name,
                        other=row.line_id.currency_id.name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        """Let the point draw from a line's wallet, and its shares be 100 %."""
        for vals in vals_list:
            self._refuse_decided(vals)
        clean = without_defaults(self, DECIDED)
        rows = super(EnergyLinePoint, clean).create(vals_list)
        for row in rows:
            row._take_point()
        self._level(rows.service_point_id, rows)
        return rows

    def write(self, vals):
        """The shares stay 100 %; what is cut is the quota's to decide."""
        self._refuse_decided(vals)
        if {"line_id", "service_point_id"} & {*vals}:
            raise UserError(
                self.env._("Take the service point off the line and add it anew.")
            )
        if vals.get("may_shed") is False:
            self.filtered("shed")._set_shed(False)
        result = super().write(vals)
        if "share" in vals:
            self._level(self.service_point_id, self)
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_not_shared(self):
        for row in self:
            point = row.service_point_id
            if row._keeps() and point.line_point_ids - self:
                raise UserError(
                    self.env._(
                        "%(point)s draws from the wallet of %(line)s, and other lines "
                        "share it: take them off first, or give the point another "
                        "wallet.",
                        point=point.name,
                        line=row.line_id.name,
                    )
                )

    def unlink(self):
        """What the line had goes back to the line with the wallet."""
        self.filtered("shed")._set_shed(False)
        points = self.service_point_id
        alone = points.filtered(lambda point: not point.line_point_ids - self)
        own = alone.filtered(lambda point: point.wallet_id in self.line_id.wallet_id)
        result = super().unlink()
        own.write({"wallet_id": False})
        self._level(points)
        return result

    def _refuse_decided(self, vals):
        refuse(self, vals, DECIDED, self.env._("%s: the quota decides it."))

    # ------------------------------------------------------------------ shares

    def _keeps(self):
        """Whether the point draws from the wallet of this row's line."""
        return self.line_id.wallet_id == self.service_point_id.wallet_id

    def _take_point(self):
        """Give the point the line's wallet where it has none.

        :raise UserError: it draws from a tenant's wallet, or from no line's.
        """
        point, wallet = self.service_point_id, self.service_point_id.wallet_id
        if not wallet:
            point.wallet_id = self.line_id.wallet_id
        elif not wallet.line_ids:
            raise UserError(
                self.env._(
                    "%(point)s draws from the wallet %(wallet)s, which is not that of "
                    "a production line: take it off first.",
                    point=point.name,
                    wallet=wallet.name,
                )
            )

    @api.model
    def _level(self, points, typed=None):  # pylint: disable=missing-return
        """Give the line with the wallet what the others leave, and note the shares.

        :param recordset typed: rows whose share a person has just written.
        :raise ValidationError: the shares are not 100 %.
        """
        for point in points:
            rows = point.sudo().line_point_ids  # sudo: those of all lines count
            keeper = rows.filtered(lambda row: row._keeps())
            taken = sum(exact(row.share, 4) for row in rows - keeper)
            rest = 100 - taken
            wanted = typed and keeper & typed.sudo() and exact(keeper.share, 4)
            if rest < 0 or (wanted and wanted != rest):
                raise ValidationError(
                    self.env._(
                        "%(point)s: the shares add up to %(sum)s %%, not 100 %%. "
                        "%(line)s, whose wallet it draws from, has what the others "
                        "leave: enter their shares.",
                        point=point.name,
                        sum=plain(taken + (wanted or 0)),
                        line=keeper.line_id.name,
                    )
                )
            if keeper and exact(keeper.share, 4) != rest:
                super(EnergyLinePoint, keeper).write({"share": float(rest)})
        self.env["energy.line.share"]._record(points)

    # ------------------------------------------------------------------ shedding

    def _waits_until(self, now):
        """From when on it may be cut: by the hours of all lines that share the point.

        :param datetime now: naive UTC.
        :return: naive UTC, ``now`` or later.
        """
        # sudo: those of all lines count
        lines = self.sudo().service_point_id.line_point_ids.filtered("share").line_id
        policies = (line._hours_policy() for line in lines | self.line_id)
        return max(policy._cut_moment(now, grace=False) for policy in policies)

    def _wait_for_hours(self):
        """Cut-offs that are made anew outside of the hours begin again later."""
        now = fields.Datetime.now()
        waiting = self.filtered(
            lambda row: (
                row.shed
                and row.service_point_id.desired_state != "open"
                and row._waits_until(now) > now
            )
        )
        waiting._set_shed(False)

    def _set_shed(self, shed):
        """The quota wants the point cut, or no longer; see ``energy_quota_shed.py``."""
        # sudo: see DECIDED
        self.sudo().write(
            {"shed": shed, "shed_at": fields.Datetime.now() if shed else False}
        )
        self.service_point_id._follow_quotas()
