from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from . import supply
from .patience import patiently

BATCH = 100  # wallets in a transaction
REMEMBERED = timedelta(days=60)  # older news is not escalated any more
ASKED = timedelta(days=30)  # what has not left by then, nobody waits for any more
# What Odoo tells of a message: mail or SMS; portal views and activities see below
REFRESH = """
UPDATE energy_notice notice
   SET state = told.state, reason = told.reason,
       read_at = CASE WHEN told.state = 'read'
                      THEN COALESCE(told.read_date, now() AT TIME ZONE 'UTC') END
  FROM (SELECT notice.id, note.read_date,
               CASE WHEN note.notification_type = 'inbox' AND note.is_read THEN 'read'
                    WHEN note.notification_status = 'bounce' THEN 'bounced'
                    WHEN note.notification_status IN ('exception', 'canceled')
                    THEN 'failed'
                    WHEN note.notification_status IN ('pending', 'sent') THEN 'sent'
                    ELSE 'queued' END AS state,
               CASE WHEN note.notification_status IN ('bounce', 'exception', 'canceled')
                    THEN COALESCE(NULLIF(note.failure_reason, ''), note.failure_type)
                    END AS reason
          FROM energy_notice notice
          JOIN mail_notification note ON note.mail_message_id = notice.message_id
                                     AND note.res_partner_id = notice.partner_id
         WHERE notice.state IN ('queued', 'sent')
           AND notice.sent_at > %s) told
 WHERE told.id = notice.id
   AND (told.state, told.reason) IS DISTINCT FROM (notice.state, notice.reason)
RETURNING notice.id
"""


class EnergyNotice(models.Model):
    """One piece of news to one person over one channel, and what became of it.

    Written by the product only; users read it. A notice that fell into quiet hours
    waits; when they end, the newest one of each wallet is said as things stand then.
    """

    _name = "energy.notice"
    _description = "Notice"
    _order = "create_date desc, id desc"
    _rec_name = "text"

    wallet_id = fields.Many2one(
        "energy.wallet", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="wallet_id.company_id", store=True)
    partner_id = fields.Many2one(
        "res.partner", "To", readonly=True, index=True, ondelete="restrict"
    )
    address = fields.Char(readonly=True, help="E-mail address or number at that time.")
    channel = fields.Selection(
        [("email", "E-mail"), ("portal", "Portal"), ("activity", "Activity")],
        readonly=True,
        help="Empty while it waits for the end of quiet hours.",
    )
    kind = fields.Selection(
        [
            ("warning", "The balance runs low"),
            ("supply", "Supply is cut off or restored"),
        ],
        required=True,
        readonly=True,
    )
    basis = fields.Selection(
        [("balance", "Balance"), ("days", "Days left")], readonly=True
    )
    level_before = fields.Char(readonly=True)
    text = fields.Text(required=True, readonly=True)
    state = fields.Selection(
        [
            ("waiting", "Quiet hours"),
            ("dropped", "Overtaken"),
            ("queued", "Queued"),
            ("sent", "Sent"),
            ("failed", "Failed"),
            ("bounced", "Bounced"),
            ("read", "Read"),
        ],
        required=True,
        readonly=True,
        default="queued",
        index=True,
    )
    reason = fields.Char("Why It Failed", readonly=True)
    due_at = fields.Datetime("Waits Until", readonly=True)
    sent_at = fields.Datetime("Handed Over", readonly=True)
    read_at = fields.Datetime("Read On", readonly=True)
    message_id = fields.Many2one(
        "mail.message", readonly=True, index="btree_not_null", ondelete="set null"
    )
    escalation_id = fields.Many2one(
        "energy.policy.escalation", readonly=True, ondelete="set null"
    )

    _waiting = models.Index("(due_at) WHERE state = 'waiting'")

    @api.model
    def _cron_notices(self):
        """Send what quiet hours held back, see what was read, escalate."""
        cron = self.env["ir.cron"]
        patiently(self.env, self._refresh)
        cron._commit_progress(1)
        while patiently(self.env, self._send_due) == BATCH:
            if not cron._commit_progress(BATCH):
                return
        cron._commit_progress(1)
        patiently(self.env, self._escalate)
        cron._commit_progress(1)

    @api.model
    def _refresh(self):
        """Take over what Odoo knows of mails, inboxes and SMS by now."""
        self.env.flush_all()
        oldest = fields.Datetime.now() - ASKED
        self.env.cr.execute(SQL(REFRESH, oldest))
        changed = self.browse([row[0] for row in self.env.cr.fetchall()])
        changed.invalidate_recordset(["state", "reason", "read_at"])
        kinds = self.env["mail.notification"]._fields["failure_type"]
        words = dict(kinds._description_selection(self.env))
        for notice in changed.filtered(lambda one: one.reason in words):
            notice.reason = words[notice.reason]  # Odoo keeps a code there
        stuck = self.search([("state", "=", "queued"), ("sent_at", "<=", oldest)])
        reason = self.env._("It has not left within %s days.", ASKED.days)
        stuck.write({"state": "failed", "reason": reason})

    @api.model
    def _hold(self, wallet, values, until):
        """Let a notice wait; it takes the place of what waits already."""
        self.search(
            [("wallet_id", "=", wallet.id), ("state", "=", "waiting")]
        ).state = "dropped"
        return self.create(
            {**values, "wallet_id": wallet.id, "state": "waiting", "due_at": until}
        )

    def _send_due(self):
        """Say what waited, as things stand now.

        :return: how many waited.
        """
        due = self.search(
            [("state", "=", "waiting"), ("due_at", "<=", fields.Datetime.now())],
            limit=BATCH,
        )
        for notice in due:
            wallet = notice.wallet_id._in_words_of_tenant()
            notice.state = "dropped"  # what is sent has rows of its own
            text = wallet._news_now(notice.kind, notice.basis, notice.level_before)
            if text:
                wallet._deliver(text, notice._news())
        return len(due)

    def _news(self):
        return {
            "kind": self.kind,
            "basis": self.basis,
            "level_before": self.level_before,
        }

    @api.model
    def _seen(self, wallet, partner):
        """The person has looked at the wallet in the portal."""
        notices = self.search(
            [
                ("wallet_id", "=", wallet.id),
                ("partner_id", "=", partner.id),
                ("state", "in", ("queued", "sent")),
                ("channel", "!=", "activity"),
            ]
        )
        notices.write({"state": "read", "read_at": fields.Datetime.now()})

    # ------------------------------------------------------------------ escalation

    @api.model
    def _escalate(self):
        """Tell the next ones where a warning was not heard."""
        wallets = self.env["energy.wallet"].search(
            [("policy_id.escalation_ids", "!=", False)]
        )
        troubled = wallets.filtered(
            lambda wallet: (
                wallet.level != supply.NORMAL or (wallet.warned or {}).get("days")
            )
        )
        for wallet, notices in self._open(troubled).items():
            wallet._escalate(notices)

    def _open(self, wallets):
        """The notices since the last news of each wallet, and what they escalated to.

        :return: dict wallet -> notices, oldest first.
        """
        rows = self.search(
            [
                ("wallet_id", "in", wallets.ids),
                ("sent_at", ">", fields.Datetime.now() - REMEMBERED),
            ],
            order="wallet_id, sent_at, id",
        )
        result = {}
        for wallet, notices in rows.grouped("wallet_id").items():
            news = notices.filtered(lambda notice: not notice.escalation_id)
            if news:
                begun = news[-1].sent_at
                result[wallet] = notices.filtered(
                    lambda notice, begun=begun: notice.sent_at >= begun
                )
        return result
