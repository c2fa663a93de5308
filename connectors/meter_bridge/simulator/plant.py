"""The plant's physics: loads, feeders, relays and what the meters count.

Power in kW, energy in kWh, times in seconds. Plant time runs ``time_factor`` times
as fast as real time.
"""

import json
import math
import os
import zlib
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from meter_bridge import codec
from meter_bridge.meter_profile import POWER_UNITS, Profile, named
from meter_bridge.simulator.config import (
    MeterConfig,
    PlantConfig,
    PlantError,
    subject_of,
)
from meter_bridge.simulator.curve import LoadCurve, RowCurve
from meter_bridge.simulator.faults import Faults
from meter_bridge.simulator.mqtt_config import MqttMeterConfig

VOLTAGE = 230.0


@dataclass
class SimMeter:
    """One simulated meter."""

    config: MeterConfig | MqttMeterConfig
    profile: Profile | None  # None: it does not speak by registers
    energy: float
    subject: str = "modbus_tcp"  # what it is to a fault
    relay: str = "closed"
    power: float = 0.0
    faults: Faults = field(default_factory=Faults)
    writes: list[dict] = field(default_factory=list)
    limit: list[int] | None = None  # registers of the load limit, once written
    exchanges: int = 0

    def register(self) -> str:
        """What the bridge should read: after CT × PT and the meter's resolution."""
        if self.profile is None:
            shown = self.energy % self.config.rollover_kwh
            return f"{math.floor(shown * 1000) / 1000:.3f}"
        name = self.profile.register_value
        words = self.profile.encode(name, self._shown(name))
        amount = self.profile.decode(name, words, self.config.ct, self.config.pt)
        return codec.plain(self.profile.to_standard(name, amount))

    @property
    def end_kwh(self) -> float | None:
        """Where the register begins anew."""
        if self.profile is None:
            return self.config.rollover_kwh
        name = self.profile.register_value
        value = self.profile.values[name]
        if value.rollover is None:
            return None
        end = self.profile.to_standard(name, value.rollover)
        return float(value.with_ratios(end, self.config.ct, self.config.pt))

    def happen(self, kind: str, value) -> None:
        """Let something happen to it: ``rollover``, ``exchange`` or ``relay``."""
        if kind == "rollover":
            self.energy = math.ceil((self.energy + 1) / self.end_kwh) * self.end_kwh
            self.energy -= value
        elif kind == "exchange":
            self.energy, self.relay, self.limit = value, "closed", None
            self.exchanges += 1
        elif kind == "relay":
            self.relay = value

    def _shown(self, name: str) -> Decimal:
        """The quantity ``name`` in the profile's unit, before CT × PT."""
        value = self.profile.values[name]
        amount = Decimal(repr(self._quantity(name)))
        if name in ("total", "import"):
            amount /= self.profile.to_standard(name, Decimal(1))
        elif value.unit in POWER_UNITS:
            amount /= POWER_UNITS[value.unit]
        for ratio in value.apply:
            amount /= self.config.ct if ratio == "ct" else self.config.pt
        return amount

    def _quantity(self, name: str) -> float:
        phases = 3 if "v3" in self.profile.values else 1
        current = self.power * 1000 / (phases * VOLTAGE * 0.95)
        if name in ("total", "import"):
            return self.energy
        if name == "p":
            return self.power
        fixed = {"pf": 0.95 if self.power else 1.0, "f": 50.0, "export": 0.0}
        if name in fixed:
            return fixed[name]
        share = self._share(name) if phases == 3 else 1
        current *= share
        kinds = {
            "v": VOLTAGE - current * 0.05,
            "i": current,
            "p": self.power / phases * share,
        }
        return kinds.get(name[0], 0.0)

    def _share(self, name: str) -> float:
        """The load of the phase that ``name`` ends with, 1 where all are even."""
        shares = self.config.phases
        number = name[-1]
        return 3 * shares[int(number) - 1] / sum(shares) if number in "123" else 1

    def words(self, function: int) -> dict[int, int]:
        """All registers that ``function`` (3 or 4) reads, by address."""
        image = {}
        for name, value in self.profile.values.items():
            if self.profile.function_of(value) == function:
                words = self.profile.encode(name, self._shown(name))
                image.update(enumerate(words, value.address))
        relay = self.profile.relay
        if relay and relay.read and relay.read.function == function:
            read = relay.read
            image.update(dict.fromkeys(range(read.address, read.address + read.count)))
            image[read.address + read.word] = getattr(read, self.relay)
            image = {address: word or 0 for address, word in image.items()}
        limit = self.profile.load_limit
        if limit and function == 3:
            held = self.limit or codec.encode(Decimal(limit.none), limit.type)
            image.update(enumerate(held, limit.address))
        return image

    def write(self, function: int, address: int, words: list[int]) -> bool:
        """Take a write; False when the meter has nothing to write there."""
        profile = self.profile
        if function != profile.write_function:
            return False
        if not profile.may_write(address, len(words)):
            return False
        limit = profile.load_limit
        if limit and (address, len(words)) == (limit.address, limit.count):
            self.writes.append({"limit": words, "stuck": self.faults.stuck_relay})
            if not self.faults.stuck_relay:
                self.limit = words
            return True
        if profile.relay is None:
            return False
        for state in ("open", "closed"):
            if address == profile.relay.address and words == profile.relay.words(state):
                self.switch(state)
                return True
        return False

    def switch(self, state: str) -> None:
        """Obey a command for the relay, unless it is stuck."""
        self.writes.append({"value": state, "stuck": self.faults.stuck_relay})
        if not self.faults.stuck_relay:
            self.relay = state


class Plant:
    """All meters, and the time in the plant."""

    def __init__(
        self,
        config: PlantConfig,
        curve: LoadCurve | RowCurve,
        curves: dict[str, LoadCurve | RowCurve] | None = None,
    ):
        self.config, self.curve, self._curves = config, curve, curves or {}
        self.time_factor = config.time_factor
        if config.begin:
            self.clock = config.begin.replace(tzinfo=UTC).timestamp()
        else:
            self.clock = datetime.now(UTC).timestamp() + config.utc_offset_h * 3600
        self.meters: dict[str, SimMeter] = {}
        for place, item in config.places():
            profile = named(item.profile) if isinstance(item, MeterConfig) else None
            meter = SimMeter(item, profile, float(item.initial_kwh))
            meter.subject = subject_of(place, item)
            self.meters[item.serial] = meter
        self._parents = {
            child: meter
            for meter in self.meters.values()
            for child in meter.config.children
        }
        if config.state and config.state.exists():
            self._restore(config.state)
        self.advance(0)

    def _restore(self, path: Path) -> None:
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            self.clock = max(float(saved["clock"]), self.clock)
            for serial, item in saved["meters"].items():
                if serial in self.meters:
                    self.meters[serial].energy = float(item["energy"])
                    self.meters[serial].relay = item["relay"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PlantError(f"{path}: not a state of the plant: {error}") from error

    def save(self) -> None:
        """Write the registers and relays to the state file, all or nothing."""
        path = self.config.state
        if path is None:
            return
        meters = {
            serial: {"energy": repr(meter.energy), "relay": meter.relay}
            for serial, meter in self.meters.items()
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".new")
        with open(draft, "w", encoding="utf-8") as file:
            json.dump({"clock": repr(self.clock), "meters": meters}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)

    def energized(self, meter: SimMeter) -> bool:
        """Whether the meter's relay and all relays above it are closed."""
        while meter is not None:
            if meter.relay == "open":
                return False
            meter = self._parents.get(meter.config.serial)
        return True

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` of real time pass."""
        self.clock += seconds * self.time_factor
        flows: dict[str, tuple[float, float]] = {}
        for serial in self.meters:
            self._flow(serial, seconds, flows)
        for serial, (power, energy) in flows.items():
            meter = self.meters[serial]
            meter.power = power
            if not meter.faults.frozen:
                meter.energy += energy

    def _flow(self, serial: str, seconds: float, flows: dict) -> tuple[float, float]:
        """Power in kW now, and energy in kWh over ``seconds`` of real time."""
        if serial in flows:
            return flows[serial]
        meter = self.meters[serial]
        factor = meter.faults.time_factor
        hours = seconds * (self.time_factor if factor is None else factor) / 3600
        own = self._own_power(meter) if self.energized(meter) else 0.0
        power, energy = own, own * hours
        for child in meter.config.children:
            child_power, child_energy = self._flow(child, seconds, flows)
            power += child_power * (1 + meter.config.loss)
            energy += child_energy * (1 + meter.config.loss)
        flows[serial] = power, energy
        return flows[serial]

    def _own_power(self, meter: SimMeter) -> float:
        config = meter.config
        if meter.faults.load_kw is not None:
            return meter.faults.load_kw
        if config.children:
            return config.leak_kw
        days = config.shift_days
        if days is None:  # another day for each meter, weekdays stay weekdays
            days = zlib.crc32(config.serial.encode()) % 50 * 7
        curve = self._curves.get(config.serial, self.curve)
        load = curve.kilowatts(config.nominal_kw, self.clock, days)
        return load + config.leak_kw

    def add_energy(self, serial: str, kwh: float) -> None:
        """Let ``kwh`` flow through the meter at once, and through what feeds it."""
        meter = self.meters[serial]
        while meter is not None:
            meter.energy += kwh
            parent = self._parents.get(meter.config.serial)
            kwh *= 1 + (parent.config.loss if parent else 0)
            meter = parent

    def happen(self, serial: str, kind: str, value) -> None:
        """Let something happen to a meter; see :data:`faults.KINDS`."""
        if kind == "add_kwh":
            self.add_energy(serial, value)
        else:
            self.meters[serial].happen(kind, value)
        self.advance(0)

    def state(self) -> dict[str, dict]:
        """What each meter shows, by serial; exact energy in ``energy_kwh``."""
        return {
            serial: {
                "register_kwh": meter.register(),
                "energy_kwh": repr(meter.energy),
                "relay": meter.relay,
                "energized": self.energized(meter),
                "power_kw": round(meter.power, 4),
                "faults": asdict(meter.faults),
                "writes": meter.writes[-20:],
                "write_count": len(meter.writes),
            }
            for serial, meter in self.meters.items()
        }
