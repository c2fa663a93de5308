"""A batch of readings becomes usage, accruals and relay commands: one transaction.

How to use: ``Ingest(gateway, batch).run()`` returns the answer of the bridge protocol.

How it works: parse the rows; load the state of all meters in one query, locking them in
a fixed order; sort each row into accepted, duplicate, held or rejected; COPY the
accepted ones; rate them in memory; write usage, meter states and wallets with one
statement each; let the policy act on wallets whose level changed. The number of SQL
statements does not depend on the number of readings.

Raw SQL throughout: the caller (``energy.gateway.ingest``) has checked who is asking and
every query is limited to that gateway's meters.
"""

import io
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from odoo.exceptions import UserError
from odoo.tools import SQL

from .rating_adapter import rate_meter

MAX_READINGS = 10_000
FUTURE_SECONDS = 300
EPOCH = datetime(1970, 1, 1)
DIGITS = 15

LOAD_METERS = """
SELECT meter.serial, meter.id, meter.last_reading_at,
       meter.last_register::text, installation.id, installation.date_from,
       installation.opening_register::text, point.id, point.rating_state,
       point.tariff_id, point.wallet_id, point.company_id, tariff.currency_id
  FROM energy_meter meter
  LEFT JOIN energy_meter_installation installation
         ON installation.meter_id = meter.id AND installation.date_to IS NULL
  LEFT JOIN energy_service_point point ON point.id = installation.service_point_id
  LEFT JOIN energy_tariff tariff ON tariff.id = point.tariff_id
 WHERE meter.gateway_id = %s AND meter.serial = ANY(%s)
 ORDER BY meter.id
   FOR NO KEY UPDATE OF meter
"""


class MeterState:
    """A meter as one row of :data:`LOAD_METERS` has it; registers are Decimal."""

    __slots__ = (
        "serial",
        "meter_id",
        "last_at",
        "last_register",
        "installation_id",
        "installed",
        "opening",
        "point_id",
        "rating_state",
        "tariff_id",
        "wallet_id",
        "company_id",
        "currency_id",
        "accepted",
    )

    def __init__(self, row):
        values = dict(zip(self.__slots__, row, strict=False))
        values["last_register"] = _decimal_or_none(values["last_register"])
        values["opening"] = _decimal_or_none(values["opening"])
        for name, value in values.items():
            setattr(self, name, value)
        if self.last_at and self.installed and self.last_at < self.installed:
            self.last_at = self.last_register = None  # read at another point before
        if not self.last_at:
            self.last_register = None
            if self.opening:
                self.last_at, self.last_register = self.installed, self.opening
        self.accepted = []


class Ingest:
    """One batch of one gateway; see the module's docstring."""

    def __init__(self, gateway, batch):
        self.gateway = gateway
        self.env = gateway.env
        self.batch = batch
        self.now = datetime.now(UTC).replace(tzinfo=None)
        self.held = []
        self.rejected = []
        self.duplicates = 0
        self.reviews = []

    # ------------------------------------------------------------------------- the run

    def run(self):
        """Process the batch.

        :return: the protocol's answer, a dict of plain JSON values.
        :raise UserError: the batch is no batch; nothing was stored.
        """
        self._check_shape()
        known = self._claim_uid()
        if known is not None:
            return known
        rows = self._parse()
        self.meters = self._load_meters(rows)
        self._sort_out(rows)
        self._store_readings()
        self._rate()
        self._store_reviews()
        self._store_telemetry()
        self._store_events()
        accepted = sum(len(meter.accepted) for meter in self.meters.values())
        answer = {
            "accepted": accepted,
            "duplicates": self.duplicates,
            "held": self.held,
            "rejected": self.rejected,
            "commands": self.gateway._due_commands()._protocol(),
            "server_time": f"{self.now.isoformat(timespec='seconds')}Z",
        }
        self.env.cr.execute(
            SQL(
                "UPDATE energy_batch SET accepted = %s, duplicates = %s, answer = %s "
                "WHERE gateway_id = %s AND uid = %s",
                accepted,
                self.duplicates,
                json.dumps(answer),
                self.gateway.id,
                self.batch["uid"],
            )
        )
        return answer

    def _check_shape(self):
        _ = self.env._
        batch = self.batch
        if not isinstance(batch, dict):
            raise UserError(_("batch: an object is expected."))
        uid = batch.get("uid")
        if not isinstance(uid, str) or not 0 < len(uid) <= 200:
            raise UserError(_("batch.uid: a text of 1 to 200 characters is expected."))
        for key in ("readings", "telemetry", "events"):
            rows = [] if batch.get(key) is None else batch[key]
            if not isinstance(rows, list):
                raise UserError(_("batch.%s: a list is expected.", key))
            if len(rows) > MAX_READINGS:
                raise UserError(
                    _("batch.%(key)s: at most %(n)s rows.", key=key, n=MAX_READINGS)
                )

    def _claim_uid(self):
        """Claim the batch's uid; return the answer it got before, or ``None``."""
        claimed = self.env.execute_query(
            SQL(
                "INSERT INTO energy_batch (gateway_id, uid, received_at) "
                "VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING id",
                self.gateway.id,
                self.batch["uid"],
                self.now,
            )
        )
        if claimed:
            return None
        return self.env.execute_query(
            SQL(
                "SELECT answer FROM energy_batch WHERE gateway_id = %s AND uid = %s",
                self.gateway.id,
                self.batch["uid"],
            )
        )[0][0]

    # ------------------------------------------------------------------ parse and judge

    def _parse(self):
        """Readable rows as (index, serial, naive UTC second, register)."""
        rows = []
        for index, row in enumerate(self.batch.get("readings") or []):
            if not isinstance(row, list) or len(row) < 3:
                self._set_aside("rejected", index, "malformed", row)
                continue
            serial, raw_time, raw_register = row[:3]
            at = parse_time(raw_time)
            register = parse_register(raw_register)
            if not isinstance(serial, str) or not serial:
                self._set_aside("rejected", index, "unknown_serial", row)
            elif at is None:
                self._set_aside("rejected", index, "unreadable_time", row)
            elif register is None:
                self._set_aside("rejected", index, "unreadable_value", row, at=at)
            else:
                rows.append((index, serial, at, register))
        return rows

    def _load_meters(self, rows):
        serials = {row[1] for row in rows}
        for kind in ("telemetry", "events"):
            for row in self.batch.get(kind) or []:
                serial = row.get("meter_serial") if isinstance(row, dict) else row[:1]
                serials.add(str(serial[0] if isinstance(serial, list) and serial else serial))
        self.env.flush_all()
        found = self.env.execute_query(
            SQL(LOAD_METERS, self.gateway.id, sorted(serials))
        )
        return {row[0]: MeterState(row) for row in found}

    def _sort_out(self, rows):
        """Sort the rows into accepted, duplicate, held and rejected."""
        stored = self._stored_values(rows)
        raw = self.batch.get("readings")
        for index, serial, at, register in sorted(rows, key=lambda row: (row[2], row[0])):
            meter = self.meters.get(serial)
            before = stored.get((meter.meter_id, at)) if meter else None
            if before is not None and before == register:
                self.duplicates += 1
                continue
            verdict, reason, detail = self._judge(meter, at, register, before)
            if reason:
                self._set_aside(verdict, index, reason, raw[index], meter, at, detail)
                continue
            meter.accepted.append((at, register))
            stored[(meter.meter_id, at)] = register

    def _judge(self, meter, at, register, before):
        """(verdict, reason, detail) for a row that is no duplicate; reason None: use it."""
        if meter is None:
            return "rejected", "unknown_serial", None
        if meter.point_id is None:
            return "held", "not_installed", None
        if at > self.now + timedelta(seconds=FUTURE_SECONDS):
            return "held", "future", f"server time {self.now}"
        if before is not None:
            return "held", "conflict", f"stored: {before}"
        last_at, last_register = meter.last_at, meter.last_register
        if meter.accepted:
            last_at, last_register = meter.accepted[-1]
        if last_at and at <= last_at:
            return "held", "late", f"newest: {last_at}"
        if last_register is not None and register < last_register:
            return "held", "backwards", f"register before: {last_register}"
        return None, None, None

    def _stored_values(self, rows):
        """Stored registers of the moments that are not newer than the newest reading."""
        moments = [
            (meter.meter_id, at)
            for _index, serial, at, _register in rows
            if (meter := self.meters.get(serial)) and meter.last_at and at <= meter.last_at
        ]
        if not moments:
            return {}
        meter_ids, times = zip(*moments, strict=True)
        found = self.env.execute_query(
            SQL(
                """
                SELECT reading.meter_id, reading.at, reading.register::text
                  FROM unnest(%s::int[], %s::timestamp[]) AS asked(meter_id, at)
                  JOIN energy_reading reading USING (meter_id, at)
                """,
                list(meter_ids),
                list(times),
            )
        )
        return {(meter_id, at): Decimal(value) for meter_id, at, value in found}

    def _set_aside(self, verdict, index, reason, row, meter=None, at=None, detail=None):
        """Note a row that cannot be used, in the answer and in the review list."""
        (self.held if verdict == "held" else self.rejected).append(
            {"index": index, "reason": reason}
        )
        fields = row if isinstance(row, list) else [row]
        fields = [str(field)[:200] for field in fields[:3]] + [None] * 3
        self.reviews.append(
            {
                "gateway_id": self.gateway.id,
                "batch_uid": self.batch["uid"],
                "position": index,
                "meter_id": meter.meter_id if meter else None,
                "meter_serial": fields[0],
                "raw_time": fields[1],
                "raw_register": fields[2],
                "at": at if at and 1900 < at.year < 2200 else None,
                "verdict": verdict,
                "reason": reason,
                "detail": detail,
            }
        )

    # ------------------------------------------------------------------ write, set-based

    def _store_readings(self):
        lines = [
            f"{meter.meter_id}\t{at.isoformat()}\t{register}\n"
            for meter in self.meters.values()
            for at, register in meter.accepted
        ]
        if not lines:
            return
        self.env["energy.reading"]._ensure_partitions(
            at for meter in self.meters.values() for at, _register in meter.accepted
        )
        self.env.cr.copy_expert(
            "COPY energy_reading (meter_id, at, register) FROM STDIN",
            io.StringIO("".join(lines)),
        )
        moved = [meter for meter in self.meters.values() if meter.accepted]
        self.env.cr.execute(
            SQL(
                """
                UPDATE energy_meter meter
                   SET last_reading_at = new.at, last_register = new.register
                  FROM unnest(%s::int[], %s::timestamp[], %s::numeric[])
                       AS new(meter_id, at, register)
                 WHERE meter.id = new.meter_id
                """,
                [meter.meter_id for meter in moved],
                [meter.accepted[-1][0] for meter in moved],
                [meter.accepted[-1][1] for meter in moved],
            )
        )
        self.env["energy.meter"].invalidate_model(["last_reading_at", "last_register"])

    def _rate(self):
        """Rate what was accepted; write usage, rating states and wallets."""
        usage = defaultdict(lambda: [Decimal(0)] * 3)
        states = {}
        for meter in self.meters.values():
            if not meter.accepted or not meter.tariff_id:
                continue
            tariff = self.env["energy.tariff"].browse(meter.tariff_id)._compiled()
            charges, state = rate_meter(tariff, meter)
            states[meter.point_id] = state
            for key, parts in charges:
                sums = usage[(meter.point_id, meter.wallet_id, meter.company_id,
                              meter.currency_id, meter.tariff_id, *key)]
                sums[:] = map(sum, zip(sums, parts, strict=True))
        self._write_states(states)
        if usage:
            self._write_usage(usage)
            self._draw_wallets(usage)

    def _write_states(self, states):
        if states:
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE energy_service_point point SET rating_state = new.state::jsonb
                      FROM unnest(%s::int[], %s::text[]) AS new(point_id, state)
                     WHERE point.id = new.point_id
                    """,
                    list(states),
                    [json.dumps(state) for state in states.values()],
                )
            )
            self.env["energy.service.point"].invalidate_model(["rating_state"])

    def _write_usage(self, usage):
        columns = zip(*((*key, *sums) for key, sums in usage.items()), strict=True)
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO energy_usage (service_point_id, wallet_id, company_id,
                       currency_id, tariff_id, day, version, season, band, tier,
                       kwh, amount, amount_total, amount_settled)
                SELECT *, 0 FROM unnest(%s::int[], %s::int[], %s::int[], %s::int[],
                       %s::int[], %s::date[], %s::int[], %s::text[], %s::text[],
                       %s::int[], %s::numeric[], %s::numeric[], %s::numeric[])
                ON CONFLICT (service_point_id, day, wallet_id, tariff_id, version,
                             season, band, tier)
                DO UPDATE SET kwh = energy_usage.kwh + EXCLUDED.kwh,
                       amount = energy_usage.amount + EXCLUDED.amount,
                       amount_total = energy_usage.amount_total + EXCLUDED.amount_total
                """,
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

    def _store_reviews(self):
        if self.reviews:
            self.env["energy.reading.review"].with_context(
                tracking_disable=True, mail_create_nolog=True
            ).create(self.reviews)

    def _store_telemetry(self):
        """Keep the newest telemetry of each meter; rows that cannot be read are passed."""
        newest = {}
        for row in self.batch.get("telemetry") or []:
            if not isinstance(row, list) or len(row) < 3 or not isinstance(row[2], dict):
                continue
            at, meter = parse_time(row[1]), self.meters.get(str(row[0]))
            if at and meter and at >= newest.get(meter.meter_id, (EPOCH,))[0]:
                newest[meter.meter_id] = (at, row[2])
        if not newest:
            return
        power = [_power(values.get("p")) for _at, values in newest.values()]
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
                [at for at, _values in newest.values()],
                [json.dumps(values) for _at, values in newest.values()],
                power,
            )
        )
        self.env["energy.meter"].invalidate_model(
            ["telemetry_at", "telemetry", "power_kw"]
        )

    def _store_events(self):
        """Store new events, by uid, and let overload trips and relays take effect."""
        Event = self.env["energy.event"]
        kinds = {kind for kind, _label in Event._fields["kind"].selection}
        fresh = {}
        for row in self.batch.get("events") or []:
            at = parse_time(row.get("time")) if isinstance(row, dict) else None
            if at and isinstance(row.get("uid"), str) and row.get("kind") in kinds:
                fresh.setdefault(row["uid"], (at, row))
        if not fresh:
            return
        known = Event.search(
            [("gateway_id", "=", self.gateway.id), ("uid", "in", list(fresh))]
        ).mapped("uid")
        for uid in fresh.keys() - {*known}:
            self._take_event(uid, *fresh[uid])

    def _take_event(self, uid, at, row):
        meter = self.meters.get(str(row.get("meter_serial")))
        self.env["energy.event"].create(
            {
                "gateway_id": self.gateway.id,
                "meter_id": meter.meter_id if meter else False,
                "uid": uid,
                "at": at,
                "kind": row["kind"],
                "data": row.get("data"),
            }
        )
        if not meter:
            return
        device = self.env["energy.meter"].browse(meter.meter_id)
        if row["kind"] in ("relay_opened", "relay_closed"):
            device._take_relay(row["kind"].removeprefix("relay_").replace("opened", "open"),
                               device.relay_generation)
        elif row["kind"] == "overload_trip":
            device.service_point_id._trip(at)


def parse_time(value):
    """A moment of the protocol: RFC 3339 with zone, or integer epoch seconds.

    :return: naive UTC datetime of a whole second, or ``None`` if it is not readable.
    """
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, int):
            return EPOCH + timedelta(seconds=value)
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            if moment.tzinfo:
                return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    except (ValueError, OverflowError):
        pass
    return None


def parse_register(value):
    """A register of the protocol: a decimal string (or integer), not negative.

    :return: Decimal in the meter's unit, or ``None`` if it cannot be one.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    try:
        number = Decimal(text) if len(text) <= 40 else Decimal("NaN")
    except InvalidOperation:
        return None
    if not number.is_finite() or number < 0 or number.adjusted() > DIGITS:
        return None
    return number


def _power(value):
    """Power in kW out of telemetry, for display only; ``None`` if it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < 10**9 else None


def _decimal_or_none(text):
    return None if text is None else Decimal(text)
