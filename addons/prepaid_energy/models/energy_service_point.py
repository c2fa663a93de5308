from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .energy_tariff import COMMODITIES
from .protected import refuse, without_defaults

# Written by the ingest and the charging cron, never by a form or an import.
RATED = {"rating_state", "charged_from", "charged_until", "closed_until"}
TERMS = {"tariff_id", "wallet_id"}


class EnergyServicePoint(models.Model):
    """A place where energy is delivered. It outlives its meters.

    What its relay should do is in ``energy_service_point_relay.py``, overload trips in
    ``energy_service_point_trip.py``, charges in ``energy_service_point_charging.py``.
    """

    _name = "energy.service.point"
    _description = "Service Point"
    _inherit = [
        "energy.affiliated",
        "mail.thread",
        "mail.activity.mixin",
        "energy.alarm",
        "energy.tenant.view",
    ]
    _order = "site_id, name, id"
    _tenant_fields = frozenset(
        {
            "active",
            "balance",
            "commodity",
            "company_id",
            "currency_id",
            "name",
            "partner_id",
            "power_kw",
            "site_id",
            "tariff_id",
            "wallet_id",
        }
    )
    _parent_store = True
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    site_id = fields.Many2one("energy.site", required=True, ondelete="restrict")
    company_id = fields.Many2one(
        related="site_id.company_id", store=True, precompute=True, index=True
    )
    parent_id = fields.Many2one(
        "energy.service.point",
        string="Feeder",
        check_company=True,
        index=True,
        ondelete="restrict",
    )
    parent_path = fields.Char(index=True)
    child_ids = fields.One2many("energy.service.point", "parent_id", "Sub-points")
    commodity = fields.Selection(COMMODITIES, required=True, default="electricity")
    wallet_id = fields.Many2one(
        "energy.wallet",
        tracking=True,
        index=True,
        check_company=True,
        ondelete="restrict",
    )
    partner_id = fields.Many2one(related="wallet_id.partner_id", string="Tenant")
    currency_id = fields.Many2one(related="wallet_id.currency_id")
    balance = fields.Monetary(related="wallet_id.balance")
    tariff_id = fields.Many2one(
        "energy.tariff",
        required=True,
        tracking=True,
        check_company=True,
        ondelete="restrict",
        help="For a feeder, the purchase price: its energy is rated but drawn from no "
        "wallet.",
    )
    max_power_kw = fields.Float(
        "Physical Maximum (kW)",
        digits=(16, 3),
        help="Rated current × voltage of the connection. A reading that would need "
        "more power, with the margin of the validation rules, is held. 0: no limit.",
    )
    validation_id = fields.Many2one(
        "energy.validation",
        "Validation Rules",
        check_company=True,
        ondelete="restrict",
    )
    rating_state = fields.Json(readonly=True, copy=False, groups="base.group_system")
    charged_from = fields.Date(
        readonly=True, copy=False, help="The first day with fixed charges."
    )
    charged_until = fields.Date(
        readonly=True, copy=False, help="The last day with fixed charges."
    )
    closed_until = fields.Date(
        readonly=True,
        copy=False,
        help="Until when demand and minimum were charged: the end of a month.",
    )
    term_ids = fields.One2many("energy.supply.term", "service_point_id")
    installation_ids = fields.One2many("energy.meter.installation", "service_point_id")
    meter_id = fields.Many2one(
        "energy.meter", compute="_compute_meter_id", store=True, index=True
    )
    power_kw = fields.Float(related="meter_id.power_kw")
    active = fields.Boolean(default=True)

    @api.constrains("parent_id")
    def _check_tree(self):
        if self._has_cycle():
            raise ValidationError(self.env._("A feeder cannot feed itself."))

    @api.constrains("wallet_id", "tariff_id", "commodity")
    def _check_tariff(self):
        kinds = dict(self._fields["commodity"]._description_selection(self.env))
        for point in self:
            tariff, wallet = point.tariff_id, point.wallet_id
            if tariff and tariff.commodity != point.commodity:
                raise ValidationError(
                    point.env._(
                        "%(point)s: %(tariff)s is for %(kind)s, the point delivers "
                        "%(own)s.",
                        point=point.name,
                        tariff=tariff.name,
                        kind=kinds[tariff.commodity],
                        own=kinds[point.commodity],
                    )
                )
            if tariff and wallet and tariff.currency_id != wallet.currency_id:
                raise ValidationError(
                    point.env._(
                        "%(point)s: the tariff is in %(tariff)s, the wallet in "
                        "%(wallet)s; they must be in one currency.",
                        point=point.name,
                        tariff=tariff.currency_id.name,
                        wallet=wallet.currency_id.name,
                    )
                )

    @api.depends("installation_ids.date_to", "installation_ids.meter_id")
    def _compute_meter_id(self):
        for point in self:
            current = point.installation_ids.filtered(lambda i: not i.date_to)
            point.meter_id = current[:1].meter_id

    @api.model_create_multi
    def create(self, vals_list):
        """Note the first term; refuse what only the rating tells."""
        for vals in vals_list:
            self._refuse_rated(vals)
        clean = without_defaults(self, RATED)
        points = super(EnergyServicePoint, clean).create(vals_list)
        self._term_model()._record(points)
        return points

    def write(self, vals):
        """Note a new term; refuse what only the rating tells."""
        self._refuse_rated(vals)
        if vals.get("active") is False and (self.meter_id or self.wallet_id):
            raise UserError(
                self.env._("Remove the meter and the wallet before archiving a point.")
            )
        result = super().write(vals)
        if TERMS & {*vals}:
            self._term_model()._record(self)
        return result

    def _refuse_rated(self, vals):
        message = self.env._("%s cannot be written: the rating tells it.")
        refuse(self, vals, RATED, message)

    def _term_model(self):
        """The model of the terms; sudo: they follow from what the user may write."""
        return self.env["energy.supply.term"].sudo()

    def _feeders(self):
        """All points that feed these, up to the main incomer."""
        feeders = self.browse()
        above = self.parent_id
        while above:
            feeders |= above
            above = above.parent_id - feeders
        return feeders
