from odoo import fields, models
from odoo.tools import SQL

from ..billing import Claims, LineEntries, TenantInvoices


class EnergyBill(models.Model):
    """What of a wallet's consumption went into one invoice or cost entry.

    ``amount_exact`` is what the wallet paid for it, ``amount_billed`` what the document
    says in cents; the difference is carried to the next bill.
    """

    _name = "energy.bill"
    _description = "Energy Bill"
    _order = "date_to desc, id desc"
    _rec_name = "move_id"
    _log_access = False

    wallet_id = fields.Many2one(
        "energy.wallet", required=True, readonly=True, index=True, ondelete="restrict"
    )
    partner_id = fields.Many2one(related="wallet_id.partner_id", string="Tenant")
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    currency_id = fields.Many2one("res.currency", required=True, readonly=True)
    billing_id = fields.Many2one(
        "energy.billing", readonly=True, index=True, ondelete="restrict"
    )
    date_from = fields.Date("From", readonly=True)
    date_to = fields.Date("To", readonly=True)
    move_id = fields.Many2one(
        "account.move", "Document", readonly=True, index="btree_not_null"
    )
    payment_state = fields.Selection(related="move_id.payment_state")
    amount_exact = fields.Monetary("Paid From Wallet", readonly=True)
    amount_billed = fields.Monetary("Billed", readonly=True)
    entry_ids = fields.Many2many(
        "energy.wallet.entry",
        "energy_bill_entry_rel",
        "bill_id",
        "entry_id",
        "Fees",
        readonly=True,
    )

    def init(self):
        """A fee is billed once."""
        self.env.cr.execute(
            "CREATE UNIQUE INDEX IF NOT EXISTS energy_bill_entry_once "
            "ON energy_bill_entry_rel (entry_id)"
        )

    def _make(self, wallets, until, end, date, billing=None):
        """Bill what these wallets have consumed until a day; one transaction.

        :param recordset wallets: ``energy.wallet`` of one company, in sudo mode.
        :param date until: the last local day; it must be over, or settled.
        :param datetime end: naive UTC; fees before it.
        :param date date: of the documents; its lock was asked for.
        :param recordset billing: the run, or None.
        :return: the new bills.
        """
        settled = wallets | wallets._sharing()
        self.env["energy.usage"]._settle_wallets(settled, until)
        bills = self.browse()
        lines = wallets.filtered(lambda wallet: wallet.kind == "line")
        for maker, group in ((TenantInvoices, wallets - lines), (LineEntries, lines)):
            if group:
                claims = Claims(group, until, end)
                made = maker(claims, group, date).make()
                bills += self._record(claims, made, until, billing)
        self.env["energy.billing"].invalidate_model(["bill_ids", "bill_count"])
        return bills

    def _record(self, claims, made, until, billing):
        """Write the bills by SQL: the ORM would round the exact amounts.

        :param list made: (wallet, ``account.move`` or an empty one, amount billed as
            Decimal).
        """
        if not made:
            return self.browse()
        rows = [
            (
                wallet.id,
                wallet.company_id.id,
                wallet.currency_id.id,
                billing.id if billing else None,
                claims.days(wallet.id)[0],
                until,
                move.id or None,
                claims.exact(wallet.id),
                billed,
            )
            for wallet, move, billed in made
        ]
        bill_ids = dict(
            self.env.execute_query(
                SQL(
                    "INSERT INTO energy_bill (wallet_id, company_id, currency_id, "
                    "billing_id, date_from, date_to, move_id, amount_exact, "
                    "amount_billed) VALUES %s RETURNING wallet_id, id",
                    SQL(", ").join(rows),
                )
            )
        )
        self._record_entries(claims, bill_ids)
        return self.browse(bill_ids.values())

    def _record_entries(self, claims, bill_ids):
        """Note on which bill each fee is.

        :param dict bill_ids: by wallet id.
        """
        fees = [
            (bill_id, fee.entry_id)
            for wallet_id, bill_id in bill_ids.items()
            for fee in claims.fees[wallet_id]
        ]
        if fees:
            self.env.cr.execute(
                SQL(
                    "INSERT INTO energy_bill_entry_rel (bill_id, entry_id) VALUES %s",
                    SQL(", ").join(fees),
                )
            )
