from odoo import api, fields, models
from odoo.exceptions import AccessError


class EnergyVoucherCounter(models.AbstractModel):
    """What the wizards at the counter share: the vouchers, their total, who may."""

    _name = "energy.voucher.counter"
    _description = "Vouchers at the Counter"

    voucher_ids = fields.Many2many("energy.voucher", string="Vouchers", required=True)
    company_id = fields.Many2one("res.company", compute="_compute_total")
    currency_id = fields.Many2one("res.currency", compute="_compute_total")
    total = fields.Monetary(compute="_compute_total")
    journal_id = fields.Many2one(
        "account.journal",
        compute="_compute_journal_id",
        store=True,
        readonly=False,
        domain="[('type', 'in', ('cash', 'bank')), ('company_id', '=', company_id)]",
    )

    @api.depends("voucher_ids")
    def _compute_total(self):
        for wizard in self:
            vouchers = wizard.voucher_ids
            wizard.company_id = vouchers.company_id[:1] or self.env.company
            wizard.currency_id = vouchers.currency_id[:1]
            wizard.total = float(vouchers._total())

    @api.depends("voucher_ids")
    def _compute_journal_id(self):
        """The counter's cash, until another is chosen."""
        for wizard in self:
            company = wizard.voucher_ids.company_id[:1] or self.env.company
            if wizard.journal_id.company_id != company:
                wizard.journal_id = company._energy_counter_journal()

    def _vouchers(self):
        """The vouchers in sudo mode, for who may read them and is an accountant."""
        self.ensure_one()
        if not self.env.user.has_group("prepaid_energy.group_energy_accountant"):
            raise AccessError(self.env._("Only energy accountants handle vouchers."))
        self.voucher_ids.check_access("read")
        return self.voucher_ids.sudo()  # sudo: nobody writes vouchers by hand


class EnergyVoucherSale(models.TransientModel):
    """Sell vouchers at the counter: one payment, and their codes are valid."""

    _name = "energy.voucher.sale"
    _description = "Sell Vouchers"
    _inherit = ["energy.voucher.counter"]

    voucher_ids = fields.Many2many(domain="[('state', '=', 'issued')]")
    partner_id = fields.Many2one(
        "res.partner", "Buyer", help="Empty: over the counter."
    )

    def action_sell(self):
        """Take the money; show the payment.

        :raise UserError: a voucher is not for sale.
        """
        payment = self._vouchers()._sell(self.journal_id, self.partner_id)
        return payment._get_records_action(name=self.env._("Sale of Vouchers"))
