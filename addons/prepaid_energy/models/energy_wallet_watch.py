from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

LEASE = timedelta(minutes=15)  # an open page looks again before it is over
RENEW = LEASE / 3  # an older note is written anew, a newer one is left alone


class EnergyWalletWatch(models.Model):
    """A wallet whose page is open somewhere: who changes it tells the page.

    Thousands of wallets change with a batch of readings, and a handful are looked at.
    It is a table of its own, as a column of the wallet would make each page that is
    opened wait for the batches that lock wallets.
    """

    _name = "energy.wallet.watch"
    _description = "Wallet on an Open Page"
    _log_access = False

    wallet_id = fields.Many2one("energy.wallet", required=True, ondelete="cascade")
    until = fields.Datetime(required=True)

    _wallet_uniq = models.UniqueIndex("(wallet_id)", "This wallet is watched already.")

    def _note(self, wallets):
        """Note that pages of these wallets are open; the caller has checked access.

        Raw SQL: two pages of a wallet may note it at once. In sudo mode: who looks at
        a wallet writes nothing else.
        """
        now = fields.Datetime.now()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO energy_wallet_watch AS watch (wallet_id, until)
                SELECT unnest(%(ids)s::int[]), %(until)s
                ON CONFLICT (wallet_id) DO UPDATE SET until = EXCLUDED.until
                 WHERE watch.until < %(old)s
                """,
                ids=sorted(wallets.ids),
                until=now + LEASE,
                old=now + LEASE - RENEW,
            )
        )

    @api.autovacuum
    def _gc_over(self):
        """Forget pages that have not been heard of."""
        self.search([("until", "<", fields.Datetime.now())]).unlink()
