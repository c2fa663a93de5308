from odoo import fields, models
from odoo.exceptions import UserError


class EnergyServicePoint(models.Model):
    """The buttons of a service point: each checks who may, and records who did."""

    _inherit = "energy.service.point"

    def action_switch_off(self):
        """Open the relay from the office; refused for points that are never cut."""
        for point in self:
            if point.never_cut:
                raise UserError(
                    self.env._(
                        "%s is a life-safety load, or feeds one: it is not cut.",
                        point.name,
                    )
                )
            if point.kept_on:
                raise UserError(
                    self.env._(
                        "%s is never cut, or feeds what is: only a lock-out opens it.",
                        point.name,
                    )
                )
            point._take_fact(
                switched_off=True,
                switched_user_id=self.env.uid,
                switched_at=fields.Datetime.now(),
            )

    def action_switch_on(self):
        """Take back :meth:`action_switch_off`; supply returns if the wallet allows."""
        self._take_fact(switched_off=False)

    def action_lock_out(self):
        """Ask for the reason of a lock-out."""
        return self._ask("energy.lockout", self.env._("Lock Out %s", self.name))

    def _ask(self, wizard, title):
        """Open a wizard about this point."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": title,
            "res_model": wizard,
            "view_mode": "form",
            "target": "new",
            "context": {"default_service_point_id": self.id},
        }

    def action_release(self):
        """Remove a lock-out; only who set it, or a manager, may."""
        manager = self.env.user.has_group("prepaid_energy.group_energy_manager")
        for point in self.filtered("locked_out"):
            if point.lockout_user_id != self.env.user and not manager:
                raise UserError(
                    self.env._(
                        "%(point)s was locked out by %(user)s, who must release it.",
                        point=point.name,
                        user=point.lockout_user_id.name,
                    )
                )
            point._take_fact(locked_out=False, lockout_reason=False)

    def action_read_now(self):
        """Have the meter read at once; the answer is on the form in seconds.

        :raise UserError: no meter, or its bridge is silent.
        """
        for point in self:
            point.check_access("write")
            meter = point.meter_id.sudo()  # sudo: any operator may ask
            if not meter.gateway_id:
                raise UserError(
                    self.env._("%s has no meter that a bridge reads.", point.name)
                )
            if not meter.gateway_id.online:
                raise UserError(
                    self.env._(
                        "The bridge %(bridge)s is silent since %(time)s.",
                        bridge=meter.gateway_id.name,
                        time=point._local(meter.gateway_id.last_seen),
                    )
                )
            Command = self.env["energy.command"].sudo()  # sudo: an audit row
            Command._supersede(point, "read_now")
            reason = self.env._("Asked by %s", self.env.user.name)
            Command._issue(point, "read_now", False, 0, reason)

    def action_view_commands(self):
        """Open the commands of these points."""
        return self.env["energy.command"]._open([("service_point_id", "in", self.ids)])
