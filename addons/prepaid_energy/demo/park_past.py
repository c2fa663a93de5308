"""Two weeks behind the demo park, for whoever installs with demo data.

What came in is handed over as a gateway does it, hour by hour, by the same code;
tenants paid at the counter, finished days are settled. It ends now, whenever that is.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import patch

from odoo import fields

from ..ingest.batch import Batch
from .park_load import TENANTS, ParkLoad, day_of, local

DAYS = 14  # whole ones before today: the least that a usual week is learnt from
REGISTER = Decimal(30000)  # that meters show at the end, about


class ParkPast:
    """How to use: ``ParkPast(site).live()``, once, in the transaction that installs.

    :param recordset site: the demo park's.
    """

    def __init__(self, site):
        self.env, self.site = site.env, site
        now = fields.Datetime.now()
        first = day_of(now) - timedelta(days=DAYS)
        self.load, self.now = ParkLoad(first, now), now
        self.moment = now

    def live(self):
        """Live through the days, and make what the crons would have made."""
        began = local(self.load.days[0], 0)
        gateway = self._ref("gateway_riverside")
        gateway.meter_ids.installation_ids.write({"date_from": began})
        self.opening = {one: self._wallet(one)._exact_balance() for one in TENANTS}
        last = {serial: REGISTER + 137 * n for n, serial in enumerate(self.load.used)}
        rows, telemetry = self.load.readings(last), self.load.currents()
        entries = self.env.registry["energy.wallet.entry"]
        # the ledger is dated by the day that is lived through; no clock is moved, and
        # nobody else books while the registry of this database is being loaded
        with patch.object(entries, "_now", lambda _entries: self.moment):
            for day in self.load.days:
                batch = {"readings": rows[day], "telemetry": telemetry[day]}
                self._live_through(day, gateway, batch)
        self._afterwards(gateway)

    def _live_through(self, day, gateway, batch):
        self.moment = min(local(day, 7, 30), self.now)
        for tenant in TENANTS:
            self._top_up(tenant, day)
        self.env["energy.line.output"].create(
            {
                "line_id": self._ref("line_a").id,
                "day": day,
                "quantity": self.load.pieces[day],
            }
        )
        self.env["energy.degree.day"].create(
            {
                "site_id": self.site.id,
                "day": day,
                "mean": self.load.temperature[day],
            }
        )
        self.moment = min(local(day + timedelta(days=1), 0, 1), self.now)
        Batch(gateway, {"uid": f"demo-past-{day}", **batch}).run()
        while self.env["energy.usage"]._settle_batch(1000):
            pass

    def _top_up(self, tenant, day):
        """Pay at the counter when little is left; the demo data's own is of today."""
        left = self._wallet(tenant)._exact_balance() - self.opening[tenant]
        amount = self.load.top_up(tenant, day, left)
        if amount:
            self._pay(tenant, amount, day)

    def _pay(self, tenant, amount, day):
        wallet = self._wallet(tenant)
        payment = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": wallet.partner_id.id,
                "amount": float(amount),
                "date": day,
                "journal_id": self._ref("journal_cash").id,
                "memo": "Top-up at the counter",
                "energy_wallet_id": wallet.id,
            }
        )
        payment.action_post()

    def _afterwards(self, gateway):
        """Hours, forecasts, the feeders' alarms; and two readings for a person."""
        yesterday = self.load.today - timedelta(days=1)
        at = f"{local(yesterday, 11, 30)}Z"
        odd = [["PE-T4", at, "112.5"], ["PE-T9", at, "8841.0"]]
        Batch(gateway, {"uid": "demo-past-odd", "readings": odd}).run()
        self.env["energy.interval"]._roll_up()
        self.env["energy.forecast"]._learn_batch(datetime.now(UTC).replace(tzinfo=None))
        self.env["energy.service.point"]._watch_losses()
        self.env["energy.service.point"]._watch_phases()

    def _wallet(self, tenant):
        return self._ref(f"wallet_{tenant}")

    def _ref(self, name):
        return self.env.ref(f"prepaid_energy.{name}")
