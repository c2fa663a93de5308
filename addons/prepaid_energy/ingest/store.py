"""What a batch leaves in the database: one statement for each table.

Raw SQL: access was checked by the caller, and every id comes from the calling
gateway's own meters. ORM caches of what was written are invalidated.
"""

import io
import json
import re
from collections import defaultdict
from decimal import Decimal

from odoo.tools import SQL

from ..exchange.numbers import exact
from ..models.supply import NORMAL
from .arrays import plain_array, text_array

NEW_USAGE = """
FROM unnest(%(point)s::int[], %(wallet)s::int[], %(company)s::int[],
            %(currency)s::int[], %(tariff)s::int[], %(day)s::date[], %(version)s::int[],
            %(season)s::text[], %(band)s::text[], %(tier)s::int[], %(kind)s::text[],
            %(charge)s::text[], %(quantity)s::numeric[], %(net)s::numeric[],
            %(total)s::numeric[])
     WITH ORDINALITY
     AS new(point, wallet, company, currency, tariff, day, version, season, band, tier,
            kind, charge, quantity, net, total, number)
"""
TEXTS = {"season", "band", "kind", "charge"}
USAGE_COLUMNS = tuple(re.findall(r"%\((\w+)\)s", NEW_USAGE))
# Nearly all rows of a day are there after its first readings. Found by point and day, a
# row costs 4 µs; INSERT … ON CONFLICT took 12: it makes a row and compares ten columns.
ADD_USAGE = f"""
UPDATE energy_usage usage
   SET quantity = usage.quantity + new.quantity, amount = usage.amount + new.net,
       amount_total = usage.amount_total + new.total, open = true,
       reason = COALESCE(%(reason)s, usage.reason)
  {NEW_USAGE}
 WHERE usage.service_point_id = new.point AND usage.day = new.day
   AND usage.wallet_id IS NOT DISTINCT FROM new.wallet
   AND usage.tariff_id = new.tariff
   AND COALESCE(usage.version_id, -1) = new.version
   AND usage.season IS NOT DISTINCT FROM new.season
   AND usage.band IS NOT DISTINCT FROM new.band
   AND usage.tier IS NOT DISTINCT FROM new.tier
   AND usage.kind = new.kind AND usage.charge IS NOT DISTINCT FROM new.charge
RETURNING new.number
"""
# For the rest. A row that another transaction made after this one began is a
# serialization failure, which is tried again; with a plain INSERT it would be an error.
MAKE_USAGE = f"""
INSERT INTO energy_usage (service_point_id, wallet_id, company_id, currency_id,
       tariff_id, day, version_id, season, band, tier, kind, charge, quantity, amount,
       amount_total, amount_settled, open, commodity, uom_id, reason)
SELECT new.point, new.wallet, new.company, new.currency, new.tariff, new.day,
       NULLIF(new.version, -1), new.season, new.band, new.tier, new.kind, new.charge,
       new.quantity, new.net, new.total, 0, true, tariff.commodity, tariff.uom_id,
       %(reason)s
  {NEW_USAGE}
  JOIN energy_tariff tariff ON tariff.id = new.tariff
    ON CONFLICT (service_point_id, day, wallet_id, tariff_id, version_id, kind, season,
                 band, tier, charge)
    DO UPDATE SET quantity = energy_usage.quantity + EXCLUDED.quantity,
       amount = energy_usage.amount + EXCLUDED.amount,
       amount_total = energy_usage.amount_total + EXCLUDED.amount_total,
       open = true, reason = COALESCE(EXCLUDED.reason, energy_usage.reason)
"""
QUALITY = {False: "measured", True: "estimated"}  # spread evenly over a gap


class Store:
    """Writes the readings, usage, wallets and reviews of one batch.

    :param env: an environment in sudo mode.
    """

    def __init__(self, env):
        self.env = env

    def lock_wallets(self, wallet_ids):
        """Wait for other transactions that move these wallets, in a fixed order.

        A batch that lost such a race fails here, before the costly work, and begins
        anew; without an order, two of them could also lock each other out.
        """
        self.env.cr.execute(
            SQL(
                "SELECT FROM energy_wallet WHERE id = ANY(%s::int[]) ORDER BY id "
                "FOR NO KEY UPDATE",
                plain_array(wallet_ids - {None}),
            )
        )

    def readings(self, meters):
        """COPY the accepted readings; note each meter's newest.

        :param list meters: :class:`MeterState` with ``accepted`` or ``late`` readings.
        """
        taken = [
            (meter.meter_id, at, register, QUALITY[at in meter.gaps])
            for meter in meters
            for at, register in (
                sorted([*meter.accepted, *(row[:2] for row in meter.late)])
                if meter.late
                else meter.accepted
            )
        ]
        if not taken:
            return
        self.env["energy.reading"]._ensure_partitions({row[1] for row in taken})
        lines = [f"{row[0]}\t{row[1]}\t{row[2]}\t{row[3]}\n" for row in taken]
        self.env.cr.copy_expert(
            "COPY energy_reading (meter_id, at, register, quality) FROM STDIN",
            io.StringIO("".join(lines)),
        )
        newest = {row[0]: row[:3] for row in taken}
        self.env.cr.execute(
            SQL(
                """
                UPDATE energy_meter meter
                   SET last_reading_at = new.at, last_register = new.register
                  FROM unnest(%s::int[], %s::timestamp[], %s::numeric[])
                       AS new(meter_id, at, register)
                 WHERE meter.id = new.meter_id
                   AND COALESCE(meter.last_reading_at, '-infinity') < new.at
                """,
                *map(plain_array, zip(*newest.values(), strict=True)),
            )
        )
        self.env["energy.meter"].invalidate_model(["last_reading_at", "last_register"])

    def states(self, states):
        """Write the rating states: dict service point -> JSON value."""
        if states:
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE energy_service_point point
                       SET rating_state = new.state
                      FROM ROWS FROM (unnest(%s::int[]),
                                      jsonb_array_elements(%s::jsonb))
                           AS new(point_id, state)
                     WHERE point.id = new.point_id
                    """,
                    plain_array(states),
                    json.dumps(list(states.values())),
                )
            )
            self.env["energy.service.point"].invalidate_model(["rating_state"])

    def usage(self, usage, reason=None):
        """Add usage to the open rows and draw the wallets.

        :param dict usage: see ``Batch._rate``.
        :param str reason: why rated usage changes; ``None`` for new readings.
        """
        if usage:
            self._usage_rows(usage, reason)
            self._draw_wallets(usage)

    def _usage_rows(self, usage, reason):
        rows = [(*key, *sums) for key, sums in usage.items()]
        self.env.cr.execute(ADD_USAGE, self._usage_arrays(rows, reason))
        found = {number for (number,) in self.env.cr.fetchall()}
        if len(found) < len(rows):
            rest = [row for number, row in enumerate(rows, 1) if number not in found]
            self.env.cr.execute(MAKE_USAGE, self._usage_arrays(rest, reason))
        self.env["energy.usage"].invalidate_model()

    @staticmethod
    def _usage_arrays(rows, reason):
        columns = dict(zip(USAGE_COLUMNS, zip(*rows, strict=True), strict=True))
        arrays = {
            name: text_array(column) if name in TEXTS else plain_array(column)
            for name, column in columns.items()
        }
        return {"reason": reason, **arrays}

    def _draw_wallets(self, usage):
        """Lower the balances by the new usage; act where a level changes."""
        drawn = defaultdict(Decimal)
        for key, sums in usage.items():
            if key[1]:
                drawn[key[1]] += sums[2]
        drawn = {wallet_id: amount for wallet_id, amount in drawn.items() if amount}
        if not drawn:
            return
        order = sorted(drawn)
        found = self.env.execute_query(
            SQL(
                """
                UPDATE energy_wallet wallet
                   SET balance = balance - new.amount, accrued = accrued + new.amount
                  FROM unnest(%s::int[], %s::numeric[]) AS new(wallet_id, amount)
                 WHERE wallet.id = new.wallet_id
                RETURNING wallet.id, wallet.balance::text, wallet.level,
                          wallet.policy_id
                """,
                plain_array(order),
                plain_array(drawn[wallet_id] for wallet_id in order),
            )
        )
        wallets = self.env["energy.wallet"].browse(order)
        wallets.invalidate_recordset(["balance", "accrued"])
        wallets._tell_pages()
        # asking each wallet for its level takes 12 µs, and nearly all are far from any
        calm = self._calm_balances({row[3] for row in found})
        balances = {
            wallet_id: Decimal(balance)
            for wallet_id, balance, level, policy_id in found
            if level != NORMAL or Decimal(balance) <= calm[policy_id]
        }
        wallets.browse(sorted(balances)).filtered(
            lambda wallet: wallet._level_at(balances[wallet.id]) != wallet.level
        )._apply_policy()

    def _calm_balances(self, policy_ids):
        """Policy -> the balance above which a wallet of normal level stays so."""
        policies = self.env["energy.policy"].browse(filter(None, policy_ids))
        return {None: Decimal("-Infinity")} | {
            policy.id: max(
                exact(policy.warning_threshold, 6), exact(policy.cutoff_threshold, 6)
            )
            for policy in policies
        }

    def tasks(self, spans, reason):
        """Order service points to be rated again, by the cron that follows at once.

        :param dict spans: service point -> naive UTC moment from which on.
        :param str reason: what the correction entries will say.
        """
        if spans:
            self.env["energy.rerating.task"]._order_points(spans, reason)

    def reviews(self, reviews):
        """Keep what could not be used: a list of ``energy.reading.review`` values."""
        if reviews:
            self.env["energy.reading.review"].with_context(
                tracking_disable=True, mail_create_nolog=True
            ).create(reviews)

    def telemetry(self, newest):
        """Keep each meter's newest telemetry: dict meter -> (time, values, kW)."""
        if not newest:
            return
        times, values, power = zip(*newest.values(), strict=True)
        self.env.cr.execute(
            SQL(
                """
                UPDATE energy_meter meter
                   SET telemetry_at = new.at, telemetry = new.data::jsonb,
                       power_kw = new.power
                  FROM unnest(%s::int[], %s::timestamp[], %s::text[], %s::numeric[])
                       AS new(meter_id, at, data, power)
                 WHERE meter.id = new.meter_id
                   AND COALESCE(meter.telemetry_at, '-infinity') <= new.at
                """,
                list(newest),
                list(times),
                [json.dumps(value) for value in values],
                list(power),
            )
        )
        self.env["energy.meter"].invalidate_model(
            ["telemetry_at", "telemetry", "power_kw"]
        )
