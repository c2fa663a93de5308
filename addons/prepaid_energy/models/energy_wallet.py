from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from .protected import without_defaults

PREPAID = ("tenant", "debt")  # kinds whose balances the company owes, or is owed
FIXED = {"kind", "currency_id", "company_id"}  # once there are ledger rows
DECIDED_BY_LEDGER = {
    "balance",
    "accrued",
    "level",
    "level_since",
    "cut_from",
    "warned",
    "emergency_active",
    "emergency_blocked",
    "debt_wallet_id",
    "closed_on",
}


class EnergyWallet(models.Model):
    """The prepaid account of a tenant or of a production line.

    ``balance`` and ``accrued`` are never written through the ORM: a trigger adds each
    ledger row to the balance, the ingest subtracts usage that is not settled yet. So
    invariant 3 holds: balance = sum of entries - usage not yet settled.
    """

    _name = "energy.wallet"
    _description = "Energy Wallet"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "portal.mixin",
        "energy.tenant.view",
    ]
    _order = "name, id"
    _tenant_fields = frozenset(
        {
            "accrued",
            "active",
            "balance",
            "closed_on",
            "company_id",
            "currency_id",
            "cut_from",
            "days_left",
            "debt",
            "emergency_active",
            "emergency_blocked",
            "emergency_offered",
            "entry_count",
            "entry_ids",
            "kind",
            "level",
            "level_since",
            "name",
            "partner_id",
            "reference",
            "service_point_ids",
            "access_url",
        }
    )
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    reference = fields.Char(
        copy=False,
        readonly=True,
        help="What a payer writes on a bank transfer.",
    )
    kind = fields.Selection(
        [
            ("tenant", "Tenant"),
            ("line", "Production Line"),
            ("debt", "Deferred Debt"),
        ],
        required=True,
        default="tenant",
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    currency_id = fields.Many2one(
        "res.currency",
        required=True,
        default=lambda self: self.env.company.currency_id,
    )
    partner_id = fields.Many2one(
        "res.partner", string="Tenant", tracking=True, index=True, check_company=True
    )
    department_id = fields.Many2one("hr.department", tracking=True, check_company=True)
    analytic_account_id = fields.Many2one(
        "account.analytic.account", tracking=True, check_company=True
    )
    policy_id = fields.Many2one(
        "energy.policy", tracking=True, check_company=True, ondelete="restrict"
    )
    service_point_ids = fields.One2many("energy.service.point", "wallet_id")
    entry_ids = fields.One2many("energy.wallet.entry", "wallet_id")
    entry_count = fields.Integer(compute="_compute_entry_count")
    balance = fields.Monetary(readonly=True, copy=False, default=0.0)
    accrued = fields.Monetary(
        string="Not Settled Yet",
        readonly=True,
        copy=False,
        default=0.0,
        help="Usage that has lowered the balance and has no ledger row yet.",
    )
    level = fields.Selection(
        [("normal", "Normal"), ("low", "Low"), ("cut", "Cut off")],
        readonly=True,
        copy=False,
        default="normal",
        index=True,
    )
    level_since = fields.Datetime(readonly=True, copy=False)
    cut_from = fields.Datetime(
        readonly=True,
        copy=False,
        help="When the cut-off takes effect: after the grace time, in cut-off hours.",
    )
    emergency_active = fields.Boolean(
        "Emergency Credit",
        readonly=True,
        copy=False,
        tracking=True,
        help="The wallet may go below the cut-off threshold by the policy's amount, "
        "until it is restored.",
    )
    active = fields.Boolean(default=True)

    _reference_company_uniq = models.Constraint(
        "unique (reference, company_id)", "This wallet reference is already used."
    )

    def init(self):
        """Leave room in the pages: then a new balance touches no index (a fifth)."""
        self.env.cr.execute("ALTER TABLE energy_wallet SET (fillfactor = 50)")

    @api.constrains("kind", "partner_id", "department_id")
    def _check_owner(self):
        for wallet in self:
            if wallet.kind != "line" and not wallet.partner_id:
                raise ValidationError(
                    wallet.env._("%s: a tenant's wallet needs the tenant.", wallet.name)
                )
            if wallet.kind == "line" and not wallet.department_id:
                raise ValidationError(
                    wallet.env._("%s: a line's wallet needs a department.", wallet.name)
                )

    @api.constrains("currency_id", "company_id", "policy_id")
    def _check_currency(self):
        for wallet in self.filtered("policy_id"):
            if wallet.policy_id.currency_id != wallet.currency_id:
                raise ValidationError(
                    wallet.env._(
                        "%(name)s is kept in %(currency)s, its policy's thresholds "
                        "are in %(other)s: choose a policy in the same currency.",
                        name=wallet.name,
                        currency=wallet.currency_id.name,
                        other=wallet.policy_id.currency_id.name,
                    )
                )

    def _compute_entry_count(self):
        groups = self.env["energy.wallet.entry"]._read_group(
            [("wallet_id", "in", self.ids)], ["wallet_id"], ["__count"]
        )
        counts = {wallet.id: count for wallet, count in groups}
        for wallet in self:
            wallet.entry_count = counts.get(wallet.id, 0)

    def _compute_access_url(self):  # pylint: disable=missing-return
        super()._compute_access_url()
        for wallet in self:
            wallet.access_url = f"/my/energy/{wallet.id}"

    @api.model_create_multi
    def create(self, vals_list):
        """Number the wallets; a balance comes from ledger rows only."""
        for vals in vals_list:
            self._refuse_money(vals)
            if not vals.get("reference"):
                vals["reference"] = self._next_reference()
        clean = without_defaults(self, DECIDED_BY_LEDGER)
        return super(EnergyWallet, clean).create(vals_list)

    def write(self, vals):
        """Apply a changed policy at once; the currency is fixed once money moved."""
        self._refuse_money(vals)
        # sudo: rows that this user may not see count as well
        if FIXED & {*vals} and self.sudo().entry_ids:
            raise UserError(
                self.env._(
                    "A wallet with ledger rows keeps its kind, currency and company."
                )
            )
        if vals.get("partner_id"):
            self._check_new_tenant(vals["partner_id"])
        if vals.get("active") is False:
            self._check_archivable()
        result = super().write(vals)
        if "policy_id" in vals:
            self._apply_policy()
        if "currency_id" in vals:
            self.sudo().service_point_ids._check_tariff()
        return result

    def _check_new_tenant(self, partner_id):
        """Raise UserError where a balance would pass to somebody else.

        The books owe it to the one who paid it in; only a transfer moves it there too.
        """
        tenant = self.env["res.partner"].browse(partner_id).commercial_partner_id
        for wallet in self.sudo():  # sudo: as in write()
            before = wallet.partner_id.commercial_partner_id
            if before and before != tenant and wallet.entry_ids:
                raise UserError(
                    self.env._(
                        "%(wallet)s holds money of %(tenant)s: make a wallet for the "
                        "new tenant, and close this one or transfer its balance.",
                        wallet=wallet.name,
                        tenant=before.name,
                    )
                )

    def _check_archivable(self):
        if self.sudo().service_point_ids:
            raise UserError(self.env._("Take the wallet off its service points first."))
        balances = self._exact_balances()
        for wallet in self:
            if wallet._cents(balances[wallet.id]):
                raise UserError(
                    self.env._(
                        "%(wallet)s has a balance of %(balance)s: close it under "
                        "Operations.",
                        wallet=wallet.name,
                        balance=wallet._format(balances[wallet.id]),
                    )
                )

    def _write_decided(self, values):  # pylint: disable=missing-return
        """Past our own write(): these values are decided by what happens, not typed."""
        super().write(values)
        self._tell_pages()

    def _refuse_money(self, vals):
        wrong = DECIDED_BY_LEDGER & {*vals}
        if wrong:
            raise UserError(
                self.env._(
                    "%s cannot be written: the ledger and the usage decide it.",
                    ", ".join(sorted(wrong)),
                )
            )

    def action_view_entries(self):
        """Open the wallet's ledger."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_wallet_entry_action"
        )
        return {**action, "domain": [("wallet_id", "=", self.id)], "context": {}}

    def action_view_usage(self):
        """Open the wallet's consumption."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_usage_action"
        )
        return {**action, "domain": [("wallet_id", "=", self.id)]}

    def _exact_balances(self):
        """The balances as exact numbers, straight from the database.

        :return: dict wallet id -> Decimal, in the wallet's currency.
        """
        if not self:
            return {}
        self.flush_recordset()
        rows = self.env.execute_query(
            SQL(
                "SELECT id, balance::text FROM energy_wallet WHERE id IN %s",
                tuple(self.ids),
            )
        )
        return {wallet_id: Decimal(balance) for wallet_id, balance in rows}

    def _analytic_distribution(self):
        """Where the cost of a production line goes: its line and its department."""
        accounts = self.analytic_account_id | self.department_id.energy_analytic_id
        return {",".join(map(str, accounts.ids)): 100} if accounts else False

    def _format(self, amount):
        """``amount`` as people read it, in the wallet's currency; never a "-0.00"."""
        return self.currency_id.format(self.currency_id.round(float(amount)) or 0.0)
