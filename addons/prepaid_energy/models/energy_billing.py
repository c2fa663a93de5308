import logging
from datetime import timedelta

from psycopg2 import OperationalError

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..billing import due_wallets
from .clock import day_begin
from .patience import patiently

_logger = logging.getLogger(__name__)
BATCH = 100  # wallets a transaction
WAITING_MINUTES = 5  # without a batch: the form says that the run waits


class EnergyBilling(models.Model):
    """A billing run: all wallets of a company until a day, batch by batch.

    A batch is one transaction, and what was billed is marked in it. So a run that was
    killed goes on where it was, and nothing is billed twice.
    """

    _name = "energy.billing"
    _description = "Billing Run"
    _inherit = ["mail.thread"]
    _order = "date_to desc, id desc"

    name = fields.Char(compute="_compute_name")
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    date_to = fields.Date(
        "Consumption Until",
        required=True,
        default=lambda self: self._last_month_end(),
        help="The last local day that is billed. It must be over.",
    )
    date = fields.Date(
        "Invoice Date",
        compute="_compute_date",
        store=True,
        readonly=False,
        required=True,
        precompute=True,
    )
    send_mail = fields.Boolean(
        "Send by Mail", default=True, help="Queue the invoices to be sent to tenants."
    )
    state = fields.Selection(
        [("draft", "Draft"), ("running", "Running"), ("done", "Done")],
        default="draft",
        readonly=True,
        copy=False,
        tracking=True,
    )
    wallet_total = fields.Integer("Wallets", readonly=True, copy=False)
    wallet_done = fields.Integer("Billed", readonly=True, copy=False)
    last_wallet = fields.Integer(readonly=True, copy=False, aggregator=None)
    progress = fields.Float(compute="_compute_progress")
    worked_at = fields.Datetime("Last Batch", readonly=True, copy=False)
    waiting = fields.Boolean(compute="_compute_waiting")
    bill_ids = fields.One2many("energy.bill", "billing_id")
    bill_count = fields.Integer(compute="_compute_bill_count")
    problem = fields.Text(
        readonly=True, copy=False, help="Wallets that could not be billed, and why."
    )

    @api.model
    def _last_month_end(self):
        return self.env.company._energy_today().replace(day=1) - timedelta(days=1)

    @api.depends("date_to")
    def _compute_name(self):
        for run in self:
            run.name = self.env._("Until %s", run.date_to)

    @api.depends("date_to", "company_id")
    def _compute_date(self):
        """The last day, or the day after the newest accrual, which has it already."""
        for run in self:
            accrued = run._accrued_until()
            later = accrued and accrued + timedelta(days=1)
            run.date = max(run.date_to, later) if later and run.date_to else run.date_to

    def _accrued_until(self):
        """The day of the company's newest posted accrual, or False."""
        domain = [("company_id", "=", self.company_id.id), ("state", "=", "posted")]
        return self.env["energy.accrual"].search(domain, limit=1).date

    @api.depends("wallet_total", "wallet_done", "state")
    def _compute_progress(self):
        for run in self:
            done = run.state == "done"
            run.progress = (
                100 if done else 100 * run.wallet_done / max(run.wallet_total, 1)
            )

    @api.depends("state", "worked_at")
    def _compute_waiting(self):
        """Whether a run that was started has done nothing for a while."""
        limit = fields.Datetime.now() - timedelta(minutes=WAITING_MINUTES)
        for run in self:
            run.waiting = bool(
                run.state == "running" and (not run.worked_at or run.worked_at < limit)
            )

    def _compute_bill_count(self):
        groups = self.env["energy.bill"]._read_group(
            [("billing_id", "in", self.ids)], ["billing_id"], ["__count"]
        )
        counts = {run.id: count for run, count in groups}
        for run in self:
            run.bill_count = counts.get(run.id, 0)

    # ------------------------------------------------------------------ buttons

    def action_start(self):
        """Start the run; a cron works it off.

        :raise UserError: the day is not over, it was accrued, or the invoice date is
            locked.
        """
        for run in self:
            run.check_access("write")
            run._check()
            run.write(
                {
                    "state": "running",
                    "wallet_total": len(run._due()),
                    "wallet_done": 0,
                    "last_wallet": 0,
                    "worked_at": fields.Datetime.now(),
                    "problem": False,
                }
            )
        self.env.ref("prepaid_energy.cron_billing")._trigger()

    def action_continue(self):
        """Wake the cron up for a run that was interrupted; it goes on where it was."""
        self.check_access("write")
        self.env.ref("prepaid_energy.cron_billing")._trigger()

    def action_view_bills(self):
        """Open the run's bills."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_bill_action"
        )
        return {**action, "domain": [("billing_id", "=", self.id)]}

    def _check(self):
        self.ensure_one()
        if self.date_to >= self.company_id._energy_today():
            raise UserError(
                self.env._("%s is not over yet: bill until a day before.", self.date_to)
            )
        company = self.company_id
        accrued = self._accrued_until()
        if accrued and self.date <= accrued:
            raise UserError(
                self.env._(
                    "The accrual of %(accrued)s counts this consumption already: an "
                    "invoice of %(date)s would count it twice on that day. Date the "
                    "invoices later.",
                    accrued=accrued,
                    date=self.date,
                )
            )
        books = self.env["energy.books"].with_company(company)
        sales = books._sale_journal(company)
        for journal in (sales, company._energy_journal()):
            books._check_lock_date(company, journal, self.date, has_tax=True)

    # ------------------------------------------------------------------ the work

    def _end(self):
        """The end of the last day as naive UTC, by the company's clock."""
        tz = self.company_id.partner_id.tz or "UTC"
        return day_begin(self.date_to + timedelta(days=1), tz)

    def _due(self, limit=None):
        """The ids of the next wallets that are still to be billed, in order."""
        return due_wallets(
            self.env,
            self.company_id,
            self.date_to,
            self._end(),
            after=self.last_wallet,
            limit=limit,
        )

    @api.model
    def _cron_run(self):
        """Work off the runs that were started."""
        for run in self.search([("state", "=", "running")], order="id"):
            if not run._work():
                return

    def _work(self):
        """Bill batch after batch; whether the run is done.

        Each batch is committed, so that the run's form shows how far it is.
        """
        while True:
            seen = patiently(self.env, self._work_batch)
            # at least one is left until the last batch has found nothing
            remaining = max(self.wallet_total - self.wallet_done, self.state != "done")
            left = self.env["ir.cron"]._commit_progress(seen, remaining=int(remaining))
            if self.state == "done" or not left:
                return self.state == "done"

    def _work_batch(self, size=BATCH):
        """Bill the next wallets in this transaction.

        A wallet that cannot be billed is left out with its reason, the others go on.

        :return: how many wallets were looked at.
        :raise psycopg2.errors.SerializationFailure: another process did this batch.
        """
        self._lock()
        if self.state != "running":  # another process has finished it
            return 0
        ids = self._due(size)
        if not ids:
            self.state = "done"
            return 0
        wallets = self.env["energy.wallet"].browse(ids)
        problems = []
        try:
            with self.env.cr.savepoint():
                bills = self._bill(wallets)
        except OperationalError:  # lost a race: the whole batch begins anew
            raise
        except Exception:
            bills, problems = self._bill_each(wallets)
        if self.send_mail:
            self._queue_mail(bills.move_id.filtered("energy_wallet_id"))
        self.write(
            {
                "wallet_done": self.wallet_done + len(wallets),
                "last_wallet": ids[-1],
                "worked_at": fields.Datetime.now(),
                "problem": "\n".join([self.problem or "", *problems]).strip() or False,
            }
        )
        return len(wallets)

    def _lock(self):
        """Wait for another process that works on this run, and give way to it.

        Who waited sees an old snapshot; PostgreSQL says so by an error.
        """
        self.flush_recordset()
        self.env.cr.execute(
            SQL("SELECT FROM energy_billing WHERE id = %s FOR UPDATE", self.id)
        )

    def _bill(self, wallets):
        # sudo: who may start a run may bill all wallets of its company
        Bill = self.env["energy.bill"].sudo().with_company(self.company_id)
        wallets = wallets.sudo().with_company(self.company_id)
        return Bill._make(wallets, self.date_to, self._end(), self.date, self)

    def _bill_each(self, wallets):
        """Bill one by one; (the bills, why each of the others has none)."""
        bills, problems = self.env["energy.bill"], []
        for wallet in wallets:
            try:
                with self.env.cr.savepoint():
                    bills |= self._bill(wallet)
            except OperationalError:
                raise
            except Exception as error:
                _logger.warning("%s is not billed", wallet, exc_info=True)
                problems.append(f"{wallet.reference} {wallet.name}: {error}")
        return bills, problems

    def _queue_mail(self, invoices):
        """Let Odoo's own cron send the invoices to those who have an address."""
        reachable = invoices.filtered(lambda move: move.partner_id.email)
        if reachable:
            reachable.sending_data = {
                "author_user_id": self.env.user.id,
                "author_partner_id": self.env.user.partner_id.id,
                "sending_methods": ["email"],
            }
            self.env.ref("account.ir_cron_account_move_send")._trigger()
