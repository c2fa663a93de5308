from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date

KINDS = [
    ("topup", "Top-up"),
    ("opening", "Opening Balance"),
    ("grant", "Grant"),
    ("consumption", "Consumption"),
    ("fee", "Fee"),
    ("transfer", "Transfer"),
    ("refund", "Refund"),
    ("chargeback", "Chargeback"),
    ("correction", "Correction"),
    ("debt", "Debt Recovery"),
    ("writeoff", "Write-off"),
    ("share", "Share of a Common Meter"),
]


class EnergyWalletEntry(models.Model):
    """One row of the append-only wallet ledger.

    The database itself refuses UPDATE and DELETE and adds each new row to the wallet's
    balance (see :meth:`init`). Amounts are exact and not rounded: rounding every
    deduction would drift.
    """

    _name = "energy.wallet.entry"
    _description = "Energy Wallet Entry"
    _inherit = ["energy.tenant.view"]
    _order = "at desc, id desc"
    _tenant_fields = frozenset(
        {
            "amount",
            "at",
            "company_id",
            "currency_id",
            "day",
            "kind",
            "name",
            "payment_id",
            "service_point_id",
            "wallet_id",
        }
    )
    _log_access = False

    wallet_id = fields.Many2one(
        "energy.wallet", required=True, readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )
    currency_id = fields.Many2one(
        "res.currency", required=True, readonly=True, ondelete="restrict"
    )
    kind = fields.Selection(KINDS, required=True, readonly=True)
    amount = fields.Monetary(required=True, readonly=True)
    at = fields.Datetime(string="Time", required=True, readonly=True)
    name = fields.Char(string="Description", required=True, readonly=True)
    source_key = fields.Char(
        required=True,
        readonly=True,
        help="Names the cause. It is unique, so a cause is booked once.",
    )
    payment_id = fields.Many2one("account.payment", readonly=True, ondelete="restrict")
    statement_line_id = fields.Many2one(
        "account.bank.statement.line", "Transfer", readonly=True, ondelete="restrict"
    )
    voucher_id = fields.Many2one("energy.voucher", readonly=True, ondelete="restrict")
    service_point_id = fields.Many2one(
        "energy.service.point", readonly=True, ondelete="restrict"
    )
    day = fields.Date(readonly=True, help="The local day of the consumption.")
    user_id = fields.Many2one("res.users", readonly=True, ondelete="restrict")

    _source_key_uniq = models.UniqueIndex("(source_key)")
    _wallet_at = models.Index("(wallet_id, at)")
    _point_day = models.Index("(service_point_id, day)")
    _billable = models.Index(
        "(wallet_id, at) WHERE service_point_id IS NULL "
        "AND kind IN ('fee', 'correction', 'share')"
    )

    def init(self):
        """Install the triggers that freeze the ledger and keep the balance true."""
        self.env.cr.execute(
            """
            CREATE OR REPLACE FUNCTION energy_wallet_entry_frozen()
            RETURNS trigger AS $$
            BEGIN
                RAISE EXCEPTION 'energy_wallet_entry is append-only: post a correction';
            END $$ LANGUAGE plpgsql;
            CREATE OR REPLACE FUNCTION energy_wallet_entry_booked()
            RETURNS trigger AS $$
            BEGIN
                UPDATE energy_wallet SET balance = COALESCE(balance, 0) + NEW.amount
                 WHERE id = NEW.wallet_id;
                RETURN NULL;
            END $$ LANGUAGE plpgsql;
            DROP TRIGGER IF EXISTS energy_frozen ON energy_wallet_entry;
            CREATE TRIGGER energy_frozen BEFORE UPDATE OR DELETE ON energy_wallet_entry
                FOR EACH ROW EXECUTE FUNCTION energy_wallet_entry_frozen();
            DROP TRIGGER IF EXISTS energy_booked ON energy_wallet_entry;
            CREATE TRIGGER energy_booked AFTER INSERT ON energy_wallet_entry
                FOR EACH ROW EXECUTE FUNCTION energy_wallet_entry_booked();
            """
        )

    @api.model_create_multi
    def create(self, vals_list):  # pylint: disable=method-required-super
        """Refuse: rows are posted by :meth:`_post`, which keeps amounts exact."""
        raise UserError(
            self.env._("Ledger rows come from top-ups, grants, usage and corrections.")
        )

    def write(self, vals):  # pylint: disable=method-required-super
        """Refuse: a ledger row is never changed."""
        raise UserError(self.env._("A ledger row is never changed: post a correction."))

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("A ledger row is never deleted: post a correction."))

    def _words(self):
        """What the tenant reads, in the language of who looks.

        The description was written in the language of who, or what, booked the row.
        What a person wrote is left as it is.
        """
        self.ensure_one()
        if self.kind == "consumption" and self.service_point_id:
            # sudo: of a point that pays from another wallet by now, the name only
            point = self.sudo().service_point_id.name
            day = format_date(self.env, self.day)
            return self.env._("Consumption: %(point)s, %(day)s", point=point, day=day)
        if self.kind == "topup" and self.payment_id:
            # sudo: as the description, which has the number in it
            return self.env._("Top-up %s", self.sudo().payment_id.name)
        return self.name

    @api.model
    def _now(self):
        """When what is booked is booked."""
        return fields.Datetime.now()

    @api.model
    def _post(self, wallet, kind, amount, *, source_key, name, **extra):
        """Book one row, once, and apply the wallet's policy.

        Raw SQL: the caller has checked access. It takes the row lock of the wallet.

        :param recordset wallet: one ``energy.wallet``.
        :param str kind: one of :data:`KINDS`.
        :param Decimal amount: signed, in the wallet's currency; credits are positive.
        :param str source_key: names the cause; a known key books nothing.
        :param str name: what the tenant reads on the statement.
        :param extra: ``at`` (naive UTC), ``payment_id``, ``service_point_id``, ``day``.
        :return: whether a row was booked.
        """
        wallet.ensure_one()
        wallet.flush_recordset()
        values = {
            "wallet_id": wallet.id,
            "company_id": wallet.company_id.id,
            "currency_id": wallet.currency_id.id,
            "kind": kind,
            "amount": amount,
            "at": self._now(),
            "name": name,
            "source_key": source_key,
            "user_id": self.env.uid,
            **extra,
        }
        booked = self.env.execute_query(
            SQL(
                "INSERT INTO energy_wallet_entry (%s) VALUES %s "
                "ON CONFLICT (source_key) DO NOTHING RETURNING id",
                SQL(", ").join(SQL.identifier(column) for column in values),
                tuple(values.values()),
            )
        )
        wallet.invalidate_recordset(["balance", "entry_ids", "entry_count"])
        if booked:
            wallet._apply_policy()
            wallet._tell_pages()
        return bool(booked)
