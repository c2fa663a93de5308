from odoo import models


class EnergyWallet(models.Model):
    """News by SMS, for those who chose it in the portal, and as an escalation."""

    _inherit = "energy.wallet"

    def _deliver(self, text, news, escalation=None, partners=None):
        """Beside the mail, an SMS to who wants one; steps say themselves whom."""
        result = super()._deliver(text, news, escalation, partners)
        if not escalation:
            self._send_sms(text, self._listeners(news["kind"], "sms"), news)
        return result

    def _take_step(self, step, text, last):
        if step.step != "sms":
            return super()._take_step(step, text, last)
        partners = (self.partner_id | self._listeners(last.kind)).filtered("phone")
        values = {**last._news(), "escalation_id": step.id}
        return self._send_sms(text, partners, values)

    def _send_sms(self, text, partners, values):
        """Queue an SMS to each partner, for Odoo's own cron, and note it.

        The queue, because the caller may be a gateway that waits for its answer.
        """
        if not partners:
            return
        link = f"{self.get_base_url()}{self.access_url}"
        body = f"{self.name}: {text}"
        message = self._message_sms(
            f"{body} {link}" if self.kind == "tenant" else body,
            partner_ids=partners.ids,
            author_id=self.env.ref("base.partner_root").id,
            put_in_queue=True,
        )
        for partner in partners:
            self._note_notice(
                "sms",
                partner,
                {**values, "text": text},
                message,
                address=partner.phone,
                state="queued",
            )
