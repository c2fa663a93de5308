from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.fields import Command

from ..models import supply

NAMED = 20


class EnergyDrill(models.TransientModel):
    """Who would be cut off in the next hours and why, as if the policy were armed."""

    _name = "energy.drill"
    _description = "Cut-off Drill"

    policy_id = fields.Many2one("energy.policy", required=True, ondelete="cascade")
    hours = fields.Integer(default=24, required=True)
    armed = fields.Boolean(related="policy_id.armed", related_sudo=False)
    stopped_site_ids = fields.Many2many(
        related="policy_id.stopped_site_ids", related_sudo=False
    )
    line_ids = fields.One2many(
        "energy.drill.line", "drill_id", compute="_compute_line_ids", store=True
    )

    wallet_count = fields.Integer("Wallets Cut", compute="_compute_counts")
    point_count = fields.Integer("Points Cut", compute="_compute_counts")

    @api.depends("line_ids.point_ids")
    def _compute_counts(self):
        for drill in self:
            drill.wallet_count = len(drill.line_ids)
            drill.point_count = len(drill.line_ids.point_ids)

    @api.depends("policy_id", "hours")
    def _compute_line_ids(self):
        for drill in self:
            drill.line_ids = [
                Command.clear(),
                *(Command.create(values) for values in drill._lines()),
            ]

    def _lines(self):
        """What would happen to each wallet of the policy that would be cut."""
        wallets = self.policy_id.wallet_ids
        uses, balances = wallets._daily_use(), wallets._exact_balances()
        lasting = wallets._days()
        now = fields.Datetime.now()
        for wallet in wallets:
            use, balance = uses.get(wallet.id, Decimal(0)), balances[wallet.id]
            left = balance - wallet._cutoff()
            if wallet.level == supply.CUT:
                left = Decimal(0)
            days = lasting.get(wallet.id) if left > 0 else 0
            if days is None or days * 24 > self.hours:
                continue
            moment = self.policy_id._cut_moment(now + timedelta(days=days))
            if self.policy_id.armed and wallet.cut_from:
                moment = wallet.cut_from  # grace and hours begin when it is armed
            yield {
                "wallet_id": wallet.id,
                "daily_use": use,
                "cut_from": moment,
                "reason": self._reason(wallet, balance, left, moment),
                "point_ids": [
                    Command.set(
                        wallet.service_point_ids.filtered(
                            lambda point: point.meter_id.has_relay and not point.kept_on
                        ).ids
                    )
                ],
                "spared_ids": [
                    Command.set(
                        wallet.service_point_ids.filtered(
                            lambda point: point.kept_on or not point.meter_id.has_relay
                        ).ids
                    )
                ],
            }

    def action_arm(self):
        """Arm the policy; the chatter keeps what the drill said.

        :raise AccessError: only managers arm.
        :raise UserError: it is armed already.
        """
        self.ensure_one()
        lines = list(self._lines())  # as it is now, not as it was when it was opened
        wallets = self.env["energy.wallet"].browse(line["wallet_id"] for line in lines)
        points = {number for line in lines for number in line["point_ids"][0][2]}
        note = self.env._(
            "Armed after a drill. Cut off within %(hours)s hours: wallets %(wallets)s, "
            "service points %(points)s. %(names)s",
            hours=self.hours,
            wallets=len(wallets),
            points=len(points),
            names=", ".join(wallets[:NAMED].mapped("name")),
        )
        self.policy_id._arm(note)
        if self.env.context.get("from_setup"):
            return {"type": "ir.actions.act_window_close"}
        return {
            "type": "ir.actions.act_window",
            "res_model": "energy.policy",
            "res_id": self.policy_id.id,
            "views": [(False, "form")],
            "target": "main",
        }

    def _reason(self, wallet, balance, left, moment):
        if left <= 0:
            return self.env._(
                "The balance %s is at or below the threshold now.",
                wallet._format(balance),
            )
        return self.env._(
            "The balance %(balance)s lasts until about %(moment)s by the use so far.",
            balance=wallet._format(balance),
            moment=wallet._local_text(moment),
        )


class EnergyDrillLine(models.TransientModel):
    """One wallet that would be cut off."""

    _name = "energy.drill.line"
    _description = "Cut-off Drill: Wallet"
    _order = "cut_from, id"

    drill_id = fields.Many2one("energy.drill", required=True, ondelete="cascade")
    wallet_id = fields.Many2one("energy.wallet", readonly=True)
    currency_id = fields.Many2one(related="wallet_id.currency_id")
    balance = fields.Monetary(related="wallet_id.balance")
    daily_use = fields.Monetary(readonly=True)
    cut_from = fields.Datetime(readonly=True)
    reason = fields.Char(readonly=True)
    point_ids = fields.Many2many(
        "energy.service.point",
        relation="energy_drill_line_point_rel",
        string="Points Cut",
        readonly=True,
    )
    spared_ids = fields.Many2many(
        "energy.service.point",
        relation="energy_drill_line_spared_rel",
        string="Not Cut",
        readonly=True,
        help="What is never cut, feeders of such, and points without a relay.",
    )
