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
        self.env["energy.usage"]._settle_wallets(wallets, until)
        bills = self.browse()
        lines = wallets.filtered(lambda wallet: wallet.kind == "line")
        for maker, group in ((TenantInvoices, wallets - lines), (LineEntries, lines)):
            if group:
                claims = Claims(group, until, end)
                for wallet, move, billed in maker(claims, group, date).make():
                    bills |= self._record(claims, wallet, move, billed, until, billing)
        self.env["energy.billing"].invalidate_model(["bill_ids", "bill_count"])
        return bills

    def _record(self, claims, wallet, move, billed, until, billing):
        """Write a bill by SQL: the ORM would round the exact amount."""
        first, _last = claims.days(wallet.id)
        values = {
            "wallet_id": wallet.id,
            "company_id": wallet.company_id.id,
            "currency_id": wallet.currency_id.id,
            "billing_id": billing.id if billing else None,
            "date_from": first,
            "date_to": until,
            "move_id": move.id or None,
            "amount_exact": claims.exact(wallet.id),
            "amount_billed": billed,
        }
        bill_id = self.env.execute_query(
            SQL(
                "INSERT INTO energy_bill (%s) VALUES %s RETURNING id",
                SQL(", ").join(map(SQL.identifier, values)),
                tuple(values.values()),
            )
        )[0][0]
        entries = [fee.entry_id for fee in claims.fees[wallet.id]]
        self.env.cr.execute(
            SQL(
                "INSERT INTO energy_bill_entry_rel (bill_id, entry_id) "
                "SELECT %s, unnest(%s::int[])",
                bill_id,
                entries,
            )
        )
        return self.browse(bill_id)
