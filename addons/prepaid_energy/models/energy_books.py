from odoo import api, models
from odoo.exceptions import UserError
from odoo.fields import Command


class EnergyBooks(models.AbstractModel):
    """Posts the journal entries that keep wallets and general ledger equal.

    One place for the rules of the books: the journal, the accounts, the lock dates.
    """

    _name = "energy.books"
    _description = "Energy Books"

    @api.model
    def _post_transfer(self, source, target, amount, name):
        """Move a prepayment from one partner to another within the liability.

        :param recordset source, target: ``energy.wallet``.
        :param Decimal amount: in the wallets' currency.
        :return: the posted ``account.move``; empty where no money is owed to others
            than before (two wallets of a partner, two production lines).
        """
        partners = [w.partner_id.commercial_partner_id for w in (source, target)]
        if source.kind == "line" or partners[0] == partners[1]:
            return self.env["account.move"]
        account = self._prepayment_account(source)
        return self._post(
            source,
            name,
            [
                self._line(source, account, amount, name),
                self._line(target, account, -amount, name),
            ],
        )

    @api.model
    def _post_write_off(self, wallet, amount, account, name):
        """Give up what a wallet owes: a loss against the prepayments account.

        :param Decimal amount: above zero, in the wallet's currency.
        :param recordset account: of the loss.
        """
        prepayment = self._prepayment_account(wallet)
        return self._post(
            wallet,
            name,
            [
                self._line(wallet, account, amount, name),
                self._line(wallet, prepayment, -amount, name),
            ],
        )

    @api.model
    def _prepayment_account(self, wallet):
        """The company's liability towards those who have paid and not yet consumed.

        :raise UserError: there is none.
        """
        account = wallet.company_id.energy_prepayment_account_id
        if not account:
            raise UserError(
                self.env._(
                    "%s has no energy prepayments account: choose one in Settings, "
                    "Prepaid Energy.",
                    wallet.company_id.name,
                )
            )
        return account

    @api.model
    def _line(self, wallet, account, amount, name, date=None):
        """The values of one journal item.

        :param Decimal amount: a debit above zero, a credit below, in the wallet's
            currency.
        :param date date: of the exchange rate; None: today.
        """
        company = wallet.company_id
        date = date or self._today(company)
        rate = self._rate(wallet.currency_id, company, date)
        return {
            "name": name,
            "account_id": account.id,
            "partner_id": wallet.partner_id.commercial_partner_id.id,
            "currency_id": wallet.currency_id.id,
            "amount_currency": float(amount),
            "balance": company.currency_id.round(float(amount) * rate),
            "energy_wallet_id": wallet.id,
        }

    @api.model
    def _rate(self, currency, company, date):
        """How much of the company's currency one unit of ``currency`` is."""
        return self.env["res.currency"]._get_conversion_rate(
            currency, company.currency_id, company, date
        )

    @api.model
    def _today(self, company):
        """The accounting date of what happens now."""
        return company._energy_today()

    @api.model
    def _sale_journal(self, company):
        """The journal of the tenants' invoices: a branch's own one, or its company's.

        :raise UserError: there is none.
        """
        Journal = self.env["account.journal"]
        found = Journal.search(
            [("type", "=", "sale"), *Journal._check_company_domain(company)]
        )
        journals = found.filtered(lambda one: one.company_id == company) or found
        if not journals:
            raise UserError(self.env._("%s has no sales journal.", company.name))
        return journals[0]

    @api.model
    def _post(self, wallet, name, lines, date=None, **values):
        """Post one entry in the company's energy journal.

        :param list lines: values of journal items that add up to zero.
        :raise UserError: the date is locked; nothing is moved to another date.
        :return: the posted ``account.move``.
        """
        company = wallet.company_id
        date = date or self._today(company)
        journal = company._energy_journal()
        self._check_lock_date(company, journal, date, has_tax=False)
        # sudo: the entry follows from the operation, whose rights were checked
        move = (
            self.env["account.move"]
            .sudo()
            .with_company(company)
            .create(
                {
                    "move_type": "entry",
                    "company_id": company.id,  # the journal may be that of its parent
                    "journal_id": journal.id,
                    "date": date,
                    "ref": name,
                    "line_ids": [Command.create(line) for line in lines],
                    **values,
                }
            )
        )
        move._post()
        return move

    @api.model
    def _check_lock_date(self, company, journal, date, has_tax):
        """Ask for lock dates before posting, so that Odoo moves no date silently.

        :raise UserError: names the lock that forbids the date.
        """
        locks = company._get_violated_lock_dates(date, has_tax, journal)
        if locks:
            raise UserError(
                self.env._(
                    "%(date)s is locked for %(company)s: %(locks)s.",
                    date=date,
                    company=company.name,
                    locks=self.env["res.company"]._format_lock_dates(locks),
                )
            )
