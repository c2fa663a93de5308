from odoo import fields, models
from odoo.exceptions import AccessError


class DigestDigest(models.Model):
    """What a park's manager wants in the digest mail."""

    _inherit = "digest.digest"

    kpi_energy_used = fields.Boolean("Electricity Used (kWh)")
    kpi_energy_used_value = fields.Float(compute="_compute_kpi_energy_used_value")
    kpi_energy_topup = fields.Boolean("Energy Top-ups")
    kpi_energy_topup_value = fields.Monetary(compute="_compute_kpi_energy_topup_value")
    kpi_energy_cut = fields.Boolean(
        "Wallets Cut Off",
        help="Came to it in that time and have not been restored since.",
    )
    kpi_energy_cut_value = fields.Integer(compute="_compute_kpi_energy_cut_value")
    kpi_energy_loss = fields.Boolean("Energy Lost Without Explanation")
    kpi_energy_loss_value = fields.Monetary(compute="_compute_kpi_energy_loss_value")

    def _energy_kpi_access(self, group):
        """Odoo leaves out of a recipient's mail what raises AccessError."""
        if not self.env.user.has_group(f"prepaid_energy.{group}"):
            raise AccessError(
                self.env._("Do not have access, skip this data for user's digest email")
            )

    def _energy_kpi_days(self):
        """Domain: whole local days, of the digest's time and companies."""
        start, end, companies = self._get_kpi_compute_parameters()
        return [
            ("company_id", "in", companies.ids),
            ("day", ">=", fields.Date.to_date(start)),
            ("day", "<", fields.Date.to_date(end)),
        ]

    def _energy_kpi_money(self, name, rows):
        """Write sums of money, in the currency of each digest's company.

        :param list rows: of (company, currency, sum).
        """
        today = fields.Date.today()
        for digest in self:
            company = digest.company_id or self.env.company
            digest[name] = sum(
                currency._convert(total, company.currency_id, company, today)
                for owner, currency, total in rows
                if owner == company
            )

    def _compute_kpi_energy_used_value(self):
        self._energy_kpi_access("group_energy_user")
        rows = self.env["energy.usage"]._read_group(
            [
                *self._energy_kpi_days(),
                ("commodity", "=", "electricity"),
                ("kind", "=", "energy"),
                ("wallet_id", "!=", False),
            ],
            ["company_id"],
            ["quantity:sum"],
        )
        used = {company: total for company, total in rows}
        for digest in self:
            digest.kpi_energy_used_value = used.get(
                digest.company_id or self.env.company, 0
            )

    def _compute_kpi_energy_topup_value(self):
        self._energy_kpi_access("group_energy_accountant")
        start, end, companies = self._get_kpi_compute_parameters()
        rows = self.env["energy.wallet.entry"]._read_group(
            [
                ("company_id", "in", companies.ids),
                ("kind", "=", "topup"),
                ("at", ">=", start),
                ("at", "<", end),
            ],
            ["company_id", "currency_id"],
            ["amount:sum"],
        )
        self._energy_kpi_money("kpi_energy_topup_value", rows)

    def _compute_kpi_energy_cut_value(self):
        self._energy_kpi_access("group_energy_user")
        self._calculate_company_based_kpi(
            "energy.wallet",
            "kpi_energy_cut_value",
            date_field="level_since",
            additional_domain=[("level", "=", "cut")],
        )

    def _compute_kpi_energy_loss_value(self):
        self._energy_kpi_access("group_energy_user")
        rows = self.env["energy.loss"]._read_group(
            self._energy_kpi_days(), ["company_id", "currency_id"], ["amount:sum"]
        )
        self._energy_kpi_money("kpi_energy_loss_value", rows)

    def _compute_kpis_actions(self, company, user):
        result = super()._compute_kpis_actions(company, user)
        menu = self.env.ref("prepaid_energy.energy_menu_root").id
        for name, action in (
            ("used", "energy_usage_action"),
            ("topup", "energy_wallet_entry_action"),
            ("cut", "energy_wallet_action"),
            ("loss", "energy_loss_action"),
        ):
            result[f"kpi_energy_{name}"] = f"prepaid_energy.{action}?menu_id={menu}"
        return result
