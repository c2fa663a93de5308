from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from ..exchange.numbers import exact
from .protected import refuse


class EnergyAllocationLine(models.Model):
    """Who gets a part of an allocation: a production line, or a tenant's account."""

    _name = "energy.allocation.line"
    _description = "Part of a Cost Allocation"
    _order = "allocation_id, id"
    _check_company_auto = True

    allocation_id = fields.Many2one(
        "energy.allocation", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="allocation_id.company_id", store=True)
    currency_id = fields.Many2one(related="allocation_id.currency_id")
    line_id = fields.Many2one("energy.line", "Production Line", check_company=True)
    wallet_id = fields.Many2one(
        "energy.wallet",
        "Tenant's Wallet",
        check_company=True,
        domain="[('kind', '=', 'tenant')]",
    )
    analytic_account_id = fields.Many2one(
        "account.analytic.account",
        check_company=True,
        help="Empty: that of the line and its department.",
    )
    area_m2 = fields.Float(
        "Area (m²)", digits=(16, 2), compute="_compute_keys", store=True, readonly=False
    )
    head_count = fields.Float(
        digits=(16, 2), compute="_compute_keys", store=True, readonly=False
    )
    fixed_percent = fields.Float("Fixed (%)", digits=(9, 4))
    weight = fields.Float(digits=(18, 6), readonly=True, copy=False)
    percent = fields.Float("Share (%)", digits=(9, 4), readonly=True, copy=False)
    amount = fields.Monetary(readonly=True, copy=False)

    _positive = models.Constraint(
        "CHECK (area_m2 >= 0 AND head_count >= 0 AND fixed_percent >= 0)",
        "Area, heads and per cent are not negative.",
    )

    @api.depends("line_id")
    def _compute_keys(self):
        for part in self:
            part.area_m2 = part.line_id.area_m2 or part.area_m2
            part.head_count = part.line_id.head_count or part.head_count

    @api.constrains("line_id", "wallet_id", "analytic_account_id")
    def _check_target(self):
        for part in self:
            if bool(part.line_id) == bool(part.wallet_id):
                raise ValidationError(
                    part.env._("Each part is of one production line or one tenant.")
                )
            if part.wallet_id and not part.analytic_account_id:
                raise ValidationError(
                    part.env._(
                        "%s: enter the analytic account that has the tenant's cost.",
                        part.wallet_id.name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        """A new part makes the allocation a draft again."""
        for vals in vals_list:
            self._refuse(vals)
        parts = super().create(vals_list)
        parts._reopen()
        return parts

    def write(self, vals):
        """A change makes the allocation a draft again."""
        self._refuse(vals)
        if not self.env.su:
            self._reopen()
        result = super().write(vals)
        if "allocation_id" in vals and not self.env.su:
            self._reopen()  # it must not come into one that is posted
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_open(self):
        self._reopen()

    def _refuse(self, vals):
        wrong = {"weight", "percent", "amount"}
        refuse(self, vals, wrong, self.env._("%s: use the buttons."))

    def _reopen(self):
        self.allocation_id._check_open()
        self.allocation_id.sudo().write({"state": "draft"})  # sudo: see DECIDED

    def _weights(self, days):
        """The key of each part, as Decimals.

        :param list days: whose consumption counts.
        :raise UserError: the fixed per cent are not 100.
        """
        allocation = self.allocation_id
        if allocation.key == "energy":
            lines = allocation._energies(days)
            return [part._energy(lines, days) for part in self]
        field, digits = {
            "area": ("area_m2", 2),
            "heads": ("head_count", 2),
            "fixed": ("fixed_percent", 4),
        }[allocation.key]
        weights = [exact(part[field], digits) for part in self]
        if allocation.key == "fixed" and sum(weights) != 100:
            raise UserError(
                self.env._("The fixed per cent add up to %s, not 100.", sum(weights))
            )
        return weights

    def _energy(self, lines, days):
        if self.line_id:
            return lines.get(self.line_id.id, Decimal(0))
        allocation = self.allocation_id
        used = self.env.execute_query(
            SQL(
                "SELECT COALESCE(sum(quantity), 0)::text FROM energy_usage "
                "WHERE wallet_id = %s AND kind = 'energy' AND commodity = %s "
                "AND day = ANY(%s)",
                self.wallet_id.id,
                allocation.service_point_id.commodity,
                days,
            )
        )
        return Decimal(used[0][0])

    def _distribution(self):
        """Where the cost of the part goes."""
        if self.analytic_account_id:
            return {str(self.analytic_account_id.id): 100}
        return self.line_id.wallet_id._analytic_distribution()
