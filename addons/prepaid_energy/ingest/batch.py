"""A batch of readings becomes usage, accruals and relay commands: one transaction.

How to use: ``Batch(gateway, batch).run()`` returns the answer of the bridge protocol.

How it works: parse the rows; load the state of all meters in one query, locking them in
a fixed order, and their wallets; sort each row into accepted, duplicate, held or
rejected; rate the accepted ones in memory; COPY them; write usage, meter states and
wallets with one statement each; let the policy act on wallets whose level changed. The
number of SQL statements does not depend on the number of readings.
"""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter

from odoo.exceptions import UserError
from odoo.tools import SQL

from ..rating.exact import EXACT
from .history import unwrapped
from .judge import Judge
from .meters import load_meters
from .parse import (
    epoch,
    parse_phases,
    parse_power,
    parse_register,
    parse_text,
    parse_time,
)
from .store import Store

MAX_READINGS = 10_000
AHEAD = timedelta(minutes=5)
MICRO = Decimal("0.000001")
FEW = 10  # meters with held readings in a batch, each told at its point


class Batch:
    """One batch of one gateway; see the module's docstring."""

    def __init__(self, gateway, batch):
        self.gateway = gateway
        self.env = gateway.env
        self.store = Store(gateway.env)
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
        self.rows = rows = self._parse()
        self.meters = load_meters(self.env, self.gateway.id, self._serials(rows))
        self.store.lock_wallets({meter.wallet_id for meter in self.meters.values()})
        self._sort_out(rows)
        self._rate()
        moved = [
            meter for meter in self.meters.values() if meter.accepted or meter.late
        ]
        self.store.readings(moved)
        self.store.states(self.states)
        self.store.usage(self.usage)
        self.store.tasks(self._late_spans(), self.env._("Late readings"))
        self.store.reviews(self.reviews)
        self._alarm_held()
        telemetry = self._telemetry()
        self.store.telemetry({row[0]: row[1:] for row in telemetry})
        self.env["energy.phase"]._add(list(self._phases(telemetry)))
        self._take_events()
        self.gateway.site_id._tell_board()
        return self._answer(moved)

    def _answer(self, moved):
        """The protocol's answer, stored for whoever asks with the same uid again."""
        accepted = sum(len(meter.accepted) + len(meter.late) for meter in moved)
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
        batch = self.batch
        if not isinstance(batch, dict):
            raise UserError(self.env._("batch: an object is expected."))
        uid = batch.get("uid")
        if not isinstance(uid, str) or not 0 < len(uid) <= 200 or "\0" in uid:
            raise UserError(
                self.env._("batch.uid: a text of 1 to 200 characters is expected.")
            )
        for key in ("readings", "telemetry", "events"):
            rows = [] if batch.get(key) is None else batch[key]
            if not isinstance(rows, list):
                raise UserError(self.env._("batch.%s: a list is expected.", key))
            if len(rows) > MAX_READINGS:
                raise UserError(
                    self.env._(
                        "batch.%(key)s: at most %(n)s rows.", key=key, n=MAX_READINGS
                    )
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
            if not isinstance(serial, str) or not serial or "\0" in serial:
                self._set_aside("rejected", index, "unknown_serial", row)
            elif at is None:
                self._set_aside("rejected", index, "unreadable_time", row)
            elif register is None:
                negative = str(raw_register).strip().startswith("-")
                reason = "negative" if negative else "unreadable_value"
                self._set_aside("rejected", index, reason, row, at=at)
            else:
                rows.append((index, serial, at, register))
        return rows

    def _serials(self, rows):
        """All meter serials that the batch speaks of."""
        serials = {row[1] for row in rows}
        for row in self.batch.get("telemetry") or []:
            if isinstance(row, list) and row:
                serials.add(str(row[0]))
        for row in self.batch.get("events") or []:
            if isinstance(row, dict):
                serials.add(str(row.get("meter_serial")))
        return {serial for serial in serials if "\0" not in serial}

    def _sort_out(self, rows):
        """Sort the rows into accepted, duplicate, held and rejected."""
        judge = Judge(self.env, self.now, self.meters, rows)
        raw = self.batch.get("readings")
        for index, serial, at, register in sorted(rows, key=itemgetter(2, 0)):
            meter = self.meters.get(serial)
            if meter is None:
                self._set_aside("rejected", index, "unknown_serial", raw[index])
                continue
            if judge.known(meter, at) == register:
                self.duplicates += 1
                continue
            reason, detail = judge.judge(meter, at, register)
            if reason:
                self._set_aside("held", index, reason, raw[index], meter, at, detail)

    def _set_aside(self, verdict, index, reason, row, meter=None, at=None, detail=None):
        """Note a row that cannot be used, in the answer and in the review list."""
        (self.held if verdict == "held" else self.rejected).append(
            {"index": index, "reason": reason}
        )
        if meter and verdict == "held":
            meter.worst = reason
        fields = row if isinstance(row, list) else [row]
        fields = [parse_text(field) for field in fields[:3]] + [None] * 3
        self.reviews.append(
            {
                "gateway_id": self.gateway.id,
                "batch_uid": self.batch["uid"],
                "position": index,
                "meter_id": meter.meter_id if meter else None,
                "meter_serial": fields[0],
                "raw_time": fields[1],
                "raw_register": fields[2],
                "at": at,
                "verdict": verdict,
                "reason": reason,
                "detail": detail,
            }
        )

    def _alarm_held(self):
        """Call a person, once, where a meter's readings are held: nobody is billed.

        Where many are held at once, to the bridge: an activity each would take longer
        than the batch, and nobody reads a thousand of them.
        """
        silent = {
            meter.meter_id: meter
            for meter in self.meters.values()
            if meter.worst and not meter.accepted and meter.point_id
        }
        devices = self.env["energy.meter"].browse(silent)
        if len(devices) > FEW:  # one cause, not a fault of each
            serials = ", ".join(devices[:FEW].mapped("serial"))
            devices[:1]._alarm(
                self.gateway,
                self.env._("Readings of many meters are held"),
                self.env._(
                    "%(count)s meters at once, among them %(serials)s. See Operations, "
                    "Held Readings.",
                    count=len(devices),
                    serials=serials,
                ),
            )
            return
        for device in devices:
            device._alarm(
                device.service_point_id,
                self.env._("Readings of %s are held", device.serial),
                self.env._(
                    "See Operations, Held Readings: %s", silent[device.id].worst
                ),
            )

    # ------------------------------------------------------------------------ rate

    def _rate(self):
        """Rate what was accepted, in memory: ``self.usage`` and ``self.states``.

        usage: (point, wallet, company, currency, tariff, local day, version, season,
        band, tier, kind, name of the charge) -> [kWh, net, with levies] as Decimal, the
        last four of the key only where they apply; states: point -> the rating
        engine's state.
        """
        self.usage = {}
        self.states = {}
        tariffs = {}
        for meter in self.meters.values():
            if not meter.accepted or not meter.tariff_id:
                continue
            try:
                tariff = tariffs.get(meter.tariff_id)
                if tariff is None:
                    record = self.env["energy.tariff"].browse(meter.tariff_id)
                    tariff = tariffs[meter.tariff_id] = record._compiled()
                charges, state = self._charges(meter, tariff)
            except ValueError as error:
                self._hold_unrated(meter, str(error))
                continue
            self.states[meter.point_id] = state
            self._collect(meter, charges)

    def _charges(self, meter, tariff):
        """(charges, new state) of a meter's new readings, see ``Tariff.advance``."""
        start = [(meter.last_at, meter.last_register)] if meter.last_at else []
        readings = [
            (epoch(at), register)
            for at, register in unwrapped(start + meter.accepted, meter.modulus)
        ]
        state = self.states.get(meter.point_id, meter.rating_state)
        return tariff.step(state, readings) or tariff.advance(state, readings)

    def _late_spans(self):
        """From when each service point must be rated again: point -> naive UTC."""
        spans = {}
        for meter in self.meters.values():
            for at, _register, point_id, before in meter.late:
                since = before or at
                spans[point_id] = min(since, spans.get(point_id, since))
        return spans

    def _collect(self, meter, charges):
        """Add the charges of one meter to ``self.usage``."""
        owner = (
            meter.point_id,
            meter.wallet_id,
            meter.company_id,
            meter.currency_id,
            meter.tariff_id,
        )
        for key, parts in charges.items():
            key = (*owner, *key, "energy", None)
            sums = self.usage.get(key)
            if sums:  # two meters of one point
                parts = [EXACT.add(a, b) for a, b in zip(sums, parts, strict=True)]
            self.usage[key] = parts

    def _hold_unrated(self, meter, detail):
        """The engine refuses a meter's readings: hold them all, with its reason."""
        raw = self.batch["readings"]
        positions = {
            row[2]: row[0] for row in self.rows[::-1] if row[1] == meter.serial
        }
        for at, _register in meter.accepted:
            index = positions[at]
            self._set_aside(
                "held", index, "not_rateable", raw[index], meter, at, detail
            )
        meter.accepted.clear()

    # ------------------------------------------------------- telemetry and events

    def _telemetry(self):
        """Telemetry as (meter id, time, values, power in kW), in order of time.

        For display only; rows that cannot be read are passed over.
        """
        found = []
        for row in self.batch.get("telemetry") or []:
            if (
                not isinstance(row, list)
                or len(row) < 3
                or not isinstance(row[2], dict)
            ):
                continue
            at, meter = parse_time(row[1]), self.meters.get(str(row[0]))
            if "\\u0000" in json.dumps(row[2]):
                continue  # PostgreSQL stores no NUL character
            if at and meter:
                power = parse_power(row[2].get("p"))
                found.append((meter.meter_id, at, row[2], power))
        return sorted(found, key=lambda row: row[1])

    def _phases(self, telemetry):
        """Of telemetry, what ``energy.phase`` takes; a clock may be a bit ahead."""
        for meter_id, at, data, _power in telemetry:
            values, unit = parse_phases(data)
            if values and at <= self.now + AHEAD:
                yield meter_id, at, unit, [value.quantize(MICRO) for value in values]

    @staticmethod
    def _is_event(row, kinds):
        """Whether an event of a batch can be used; ``kinds`` are those of the model."""
        return (
            isinstance(row.get("uid"), str)
            and isinstance(row.get("kind"), str)
            and row["kind"] in kinds
            and "\\u0000" not in json.dumps(row)
        )

    def _hold_event(self, row):
        """Keep an event that cannot be read; the bridge has no index to be told."""
        row = row if isinstance(row, dict) else {}
        meter = self.meters.get(str(row.get("meter_serial")))
        self.store.reviews(
            [
                {
                    "gateway_id": self.gateway.id,
                    "batch_uid": self.batch["uid"],
                    "meter_id": meter.meter_id if meter else False,
                    "meter_serial": parse_text(row.get("meter_serial")),
                    "raw_time": parse_text(row.get("time")),
                    "verdict": "held",
                    "reason": "unreadable_event",
                    "detail": parse_text(row),
                }
            ]
        )

    def _take_events(self):
        """Store new events, by uid, and let overload trips and relays take effect."""
        Event = self.env["energy.event"]
        kinds = {kind for kind, _label in Event._fields["kind"].selection}
        fresh = {}
        for row in self.batch.get("events") or []:
            at = parse_time(row.get("time")) if isinstance(row, dict) else None
            if at and self._is_event(row, kinds):
                fresh.setdefault(row["uid"], (at, row))
            else:
                self._hold_event(row)
        if not fresh:
            return
        known = Event.search(
            [("gateway_id", "=", self.gateway.id), ("uid", "in", list(fresh))]
        ).mapped("uid")
        for uid, (at, row) in fresh.items():
            if uid not in known:
                meter = self.meters.get(str(row.get("meter_serial")))
                values = {"gateway_id": self.gateway.id, "uid": uid, "at": at}
                Event.create(
                    {
                        **values,
                        "meter_id": meter.meter_id if meter else False,
                        "kind": row["kind"],
                        "data": row.get("data"),
                    }
                )._take_effect()
