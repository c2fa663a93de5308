from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..exchange.numbers import exact, plain
from ..exchange.to_document import PERCENT_DIGITS


class EnergyTariffLevy(models.Model):
    """A tax, levy or (negative) rebate on all charges of a version.

    All of them take the same base: none is charged on another. The rate is the
    version's own, so a tax that changes later does not change what was rated.
    """

    _name = "energy.tariff.levy"
    _description = "Levy or Rebate"
    _inherit = ["energy.tariff.part"]

    name = fields.Char(required=True)
    percent = fields.Float(digits=(12, PERCENT_DIGITS), required=True, aggregator=None)
    tax_id = fields.Many2one(
        "account.tax",
        domain="[('type_tax_use', '=', 'sale'), ('amount_type', '=', 'percent'), "
        "('price_include', '=', False)]",
        ondelete="restrict",
        help="The tax that this is in the books. Without one, it is part of the price.",
    )

    @api.onchange("tax_id")
    def _onchange_tax_id(self):
        """Take over the tax's rate, and its name where there is none yet."""
        if self.tax_id:
            self.name = self.name or self.tax_id.name
            self.percent = self.tax_id.amount

    @api.constrains("tax_id", "percent")
    def _check_tax(self):
        for levy in self.filtered("tax_id"):
            tax = levy.tax_id
            company = levy.version_id.tariff_id.company_id
            if tax.company_id not in company.parent_ids:
                raise ValidationError(
                    levy.env._("%(tax)s is a tax of another company.", tax=tax.name)
                )
            if exact(tax.amount, PERCENT_DIGITS) != exact(levy.percent, PERCENT_DIGITS):
                raise ValidationError(
                    levy.env._(
                        "%(levy)s is %(percent)s %%, its tax %(tax)s is %(amount)s %%.",
                        levy=levy.name,
                        percent=levy.percent,
                        tax=tax.name,
                        amount=tax.amount,
                    )
                )

    def _rate(self):
        """The rate as the document has it: a decimal string, 0.1 for 10 %."""
        return plain(exact(self.percent, PERCENT_DIGITS) / Decimal(100))
