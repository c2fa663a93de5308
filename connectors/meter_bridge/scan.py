"""Finding Modbus meters on a line and guessing which model each is.

Every device answers a read in some way, be it with an exception: so it is there. The
model is guessed by reading it with each profile: a wrong map shows frequencies and
voltages that no grid has.
"""

from collections.abc import AsyncIterator, Iterable
from decimal import Decimal
from typing import Any

from meter_bridge import codec, meter_profile
from meter_bridge.meter_profile import Profile
from meter_bridge.transport import NoAnswer, Refused
from meter_bridge.wire.line_config import Line

PROBE = (3, 0, 1)  # function, address, count: any device says something to it
# values by the first letter of their name: (least, most, points when inside)
PLAUSIBLE = {
    "f": (Decimal(45), Decimal(65), 3),
    "v": (Decimal(80), Decimal(480), 2),
}
OUTSIDE = -4


async def devices(bus, addresses: Iterable[int]) -> AsyncIterator[int]:
    """The Modbus addresses that answer; raises :class:`transport.LineDown`."""
    for address in addresses:
        try:
            await bus.read(address, *PROBE)
        except Refused:
            pass
        except NoAnswer:
            continue
        yield address


def points(profile: Profile, answers: dict[Any, Any]) -> int:
    """How well the answers look through ``profile``; 0 or less: not this model.

    The register must be readable and not negative.
    """
    register = _amount(profile, profile.register_value, answers)
    if register is None or register < 0:
        return 0
    result = 0
    for name in profile.values:
        if name != "f" and (name[0] != "v" or not name[1:].isdigit()):
            continue
        least, most, worth = PLAUSIBLE[name[0]]
        amount = _amount(profile, name, answers)
        inside = amount is not None and least <= amount <= most
        result += worth if inside else OUTSIDE
    return result


def _amount(profile: Profile, name: str, answers) -> Decimal | None:
    try:
        return profile.amount(name, answers)
    except codec.DecodeError:
        return None


async def guess(bus, device: int, profiles: Iterable[Profile]) -> list[tuple[str, int]]:
    """Names of the profiles that fit ``device`` and their points, the best first."""
    found = []
    for profile in profiles:
        answers = {}
        for request in profile.requests():
            try:
                answers[request] = await bus.read(device, *request)
            except (NoAnswer, Refused):
                pass
        score = points(profile, answers) if answers else 0
        if score > 0:
            found.append((profile.name, score))
    return sorted(found, key=lambda item: -item[1])


def modbus_profiles() -> list[Profile]:
    """The shipped profiles that can be tried."""
    profiles = [meter_profile.load(name) for name in meter_profile.names()]
    return [item for item in profiles if item.protocol == "modbus"]


def snippet(line: Line, found: dict[int, list[tuple[str, int]]]) -> str:
    """The tables for ``bridge.toml``: serial numbers are to be filled in."""
    rows = ["[[line]]", 'name = "line"', f'transport = "{line.transport}"']
    for key in ("host", "port", "serial_port", "baudrate", "parity"):
        value = getattr(line, key)
        if value is not None:
            rows.append(f"{key} = {value!r}".replace("'", '"'))
    for device, names in found.items():
        best, *others = [name for name, _ in names] or ["?"]
        note = f"  # or {', '.join(others)}" if others else ""
        if best == "?":
            note = "  # it answers, and no profile fits"
        rows += ["", "[[line.meter]]", f'serial = "DEVICE-{device}"  # to be filled in']
        rows += [f'profile = "{best}"{note}', f"device = {device}"]
    return "\n".join(rows)
