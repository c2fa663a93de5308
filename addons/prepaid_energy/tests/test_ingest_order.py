from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import SQL

from ..exchange.to_values import VersionReader
from .common import EnergyCase, add_point
from .test_tariff_exchange import rich_version

DAY = 86400
MODULUS = 100_000
# Of one meter: seconds to the next reading and Wh until then. All of it is less than
# half the modulus, else a fall could not be told from a rollover.
STEPS = st.lists(
    st.tuples(st.integers(1, 4 * DAY), st.integers(0, 4_000_000)),
    min_size=2,
    max_size=12,
)


@tagged("post_install", "-at_install")
class TestIngestOrder(EnergyCase):
    """Invariant 2: the readings decide, not how they came."""

    def setUp(self):
        super().setUp()
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.begin = today - timedelta(days=100)
        self.number = 0
        version = {**rich_version(), "valid_from_local": "2020-01-01T00:00"}
        version["quantity"] = {"commodity": "electricity"}
        values = VersionReader(self.env, self.company).version(version, "v")
        self.rich = self.env["energy.tariff"].create(
            {
                "name": "Rich",
                "tz": "Europe/Berlin",
                "version_ids": [Command.create(values)],
            }
        )

    def test_any_order_duplication_and_batching_ends_in_the_same(self):
        @settings(
            derandomize=True,
            deadline=None,
            database=None,
            max_examples=15,
            suppress_health_check=list(HealthCheck),
        )
        @given(STEPS, STEPS, st.data())
        def check(old_steps, new_steps, data):
            with self.env.cr.savepoint() as savepoint:
                self.compare(old_steps, new_steps, data.draw)
                savepoint.rollback()
            self.env.invalidate_all()

        check()

    def compare(self, old_steps, new_steps, draw):
        """Read a point in order and one in any order; the same must come out."""
        old = series("old", 0, Decimal(98_000), old_steps)
        moment = old[-1][0] + 1800
        closing = old[-1][1] + Decimal("0.5")
        new = series("new", moment + 60, Decimal(7), new_steps)
        exchange = moment, closing % MODULUS
        rows = [*old, *new]
        ordered = self.result_of([old], exchange, [new])
        copies = draw(st.lists(st.sampled_from(rows), max_size=6))
        mixed = draw(st.permutations([*rows, *copies]))
        cuts = sorted(draw(st.sets(st.integers(1, len(mixed)), max_size=5)))
        batches = [
            mixed[low:high]
            for low, high in zip([0, *cuts], [*cuts, len(mixed)], strict=True)
        ]
        self.assertEqual(self.result_of([], exchange, batches), ordered)

    def result_of(self, before, exchange, after):
        """(usage, exact balance) of a new point.

        :param before: batches that come in before the meter is exchanged.
        :param exchange: (second, closing register of the old meter).
        :param after: batches that come in when the exchange is known.
        """
        self.number += 1
        wallet = self.wallet.copy({"name": f"W{self.number}"})
        old, new = f"old-{self.number}", f"new-{self.number}"
        point, meter = add_point(self, old, tariff_id=self.rich.id, wallet_id=wallet.id)
        meter.register_digits = 5
        self.take(before)
        moment = self.begin.replace(tzinfo=None) + timedelta(seconds=exchange[0])
        meter.installation_ids.write(
            {"date_to": moment, "closing_register": float(exchange[1])}
        )
        meter = self.env["energy.meter"].create(
            {"serial": new, "gateway_id": self.gateway.id, "register_digits": 5}
        )
        self.env["energy.meter.installation"].create(
            {
                "meter_id": meter.id,
                "service_point_id": point.id,
                "date_from": moment,
                "opening_register": 5.5,
                "opening_counts": True,
            }
        )
        self.take(after)
        self.run_tasks()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT day, version_id, season, band, tier, quantity::text,
                       amount::text, amount_total::text FROM energy_usage
                 WHERE service_point_id = %s AND (quantity <> 0 OR amount <> 0)
                 ORDER BY 1, 2, 3, 4, 5
                """,
                point.id,
            )
        )
        usage = [(*row[:5], *map(Decimal, row[5:])) for row in rows]
        return usage, self.exact_balance(wallet)

    def take(self, batches):
        """Hand batches over, with tasks between some of them."""
        for number, batch in enumerate(batches):
            answer = self.ingest(
                *(
                    (at, str(register % MODULUS), f"{meter}-{self.number}")
                    for at, register, meter in batch
                )
            )
            self.assertFalse(answer["held"])
            if number % 2:
                self.run_tasks()


def series(meter, at, register, steps):
    """Readings (second, register that does not roll over, meter) by ``STEPS``."""
    rows = [(at, register, meter)]
    for seconds, watt_hours in steps:
        at += seconds
        register += Decimal(watt_hours) / 1000
        rows.append((at, register, meter))
    return rows
