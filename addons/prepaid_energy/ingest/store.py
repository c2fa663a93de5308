"""What a batch leaves in the database: one statement for each table.

Raw SQL: access was checked by the caller, and every id comes from the calling
gateway's own meters. ORM caches of what was written are invalidated.
"""

import io
import json
from collections import defaultdict
from decimal import Decimal

from odoo.tools import SQL

QUALITY = {False: "measured", True: "estimated"}  # spread evenly over a gap


class Store:
    """Writes the readings, usage, wallets and reviews of one batch.

    :param env: an environment in sudo mode.
    """

    def __init__(self, env):
        self.env = env

    def readings(self, meters):
        """COPY the accepted readings; note each meter's newest.

        :param list meters: :class:`MeterState` with ``accepted`` or ``late`` readings.
        """
        taken = [
            (meter.meter_id, at, register, QUALITY[at in meter.gaps])
            for meter in meters
            for at, register in sorted(
                [*meter.accepted, *(row[:2] for row in meter.late)]
            )
        ]
        lines = [
            f"{meter_id}\t{at.isoformat()}\t{register}\t{quality}\n"
            for meter_id, at, register, quality in taken
        ]
        if not lines:
            return
        self.env["energy.reading"]._ensure_partitions(row[1] for row in taken)
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
                *map(list, zip(*newest.values(), strict=True)),
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
                       SET rating_state = new.state::jsonb
                      FROM unnest(%s::int[], %s::text[]) AS new(point_id, state)
                     WHERE point.id = new.point_id
                    """,
                    list(states),
                    [json.dumps(state) for state in states.values()],
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
        columns = zip(*((*key, *sums) for key, sums in usage.items()), strict=True)
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO energy_usage (service_point_id, wallet_id, company_id,
                       currency_id, tariff_id, day, version_id, season, band, tier,
                       kind, charge, quantity, amount, amount_total, amount_settled,
                       open, commodity, uom_id, reason)
                SELECT new.point, new.wallet, new.company, new.currency, new.tariff,
                       new.day, NULLIF(new.version, -1), new.season, new.band, new.tier,
                       new.kind, new.charge, new.quantity, new.net, new.total, 0, true,
                       tariff.commodity, tariff.uom_id, %s
                  FROM unnest(%s::int[], %s::int[], %s::int[], %s::int[], %s::int[],
                              %s::date[], %s::int[], %s::text[], %s::text[], %s::int[],
                              %s::text[], %s::text[],
                              %s::numeric[], %s::numeric[], %s::numeric[])
                       AS new(point, wallet, company, currency, tariff, day, version,
                              season, band, tier, kind, charge, quantity, net, total)
                  JOIN energy_tariff tariff ON tariff.id = new.tariff
                ON CONFLICT (service_point_id, day, wallet_id, tariff_id, version_id,
                             kind, season, band, tier, charge)
                DO UPDATE SET quantity = energy_usage.quantity + EXCLUDED.quantity,
                       amount = energy_usage.amount + EXCLUDED.amount,
                       amount_total = energy_usage.amount_total + EXCLUDED.amount_total,
                       open = true,
                       reason = COALESCE(EXCLUDED.reason, energy_usage.reason)
                """,
                reason,
                *(list(column) for column in columns),
            )
        )
        self.env["energy.usage"].invalidate_model()

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
        rows = self.env.execute_query(
            SQL(
                """
                UPDATE energy_wallet wallet
                   SET balance = balance - new.amount, accrued = accrued + new.amount
                  FROM unnest(%s::int[], %s::numeric[]) AS new(wallet_id, amount)
                 WHERE wallet.id = new.wallet_id
                RETURNING wallet.id, wallet.balance::text
                """,
                order,
                [drawn[wallet_id] for wallet_id in order],
            )
        )
        wallets = self.env["energy.wallet"].browse(order)
        wallets.invalidate_recordset(["balance", "accrued"])
        balances = {wallet_id: Decimal(balance) for wallet_id, balance in rows}
        wallets.filtered(
            lambda wallet: wallet._level_at(balances[wallet.id]) != wallet.level
        )._apply_policy()

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
