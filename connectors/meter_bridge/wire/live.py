"""A meter's values as a table, for the person on the ladder."""

import time
from datetime import UTC, datetime

from pydantic import ValidationError
from rich.table import Table

from meter_bridge import codec
from meter_bridge.transport import Refused
from meter_bridge.wire.base_profile import BaseProfile, ProfileError, explain
from meter_bridge.wire.line_config import Line

USUAL_PORTS = {"modbus": 502, "dlms": 4059}
# whom to ask when nobody says: the first address, or the protocol's wildcard
USUAL_DEVICES = {"modbus": "1", "mbus": "254", "dlt645": "A" * 12, "dlms": "1"}


def line_to(place: str, profile: BaseProfile, *, rtu=False, **settings) -> Line:
    """The line to a meter at ``place``: a host, or a serial port by its path.

    Raises :class:`ProfileError` when the line cannot be.
    """
    protocol = profile.protocol
    serial = "/" in place
    transport = f"{protocol}_{'serial' if serial else 'tcp'}"
    if protocol == "modbus" and (serial or rtu):
        transport = "rtu_serial" if serial else "rtu_over_tcp"
    given = {key: value for key, value in settings.items() if value is not None}
    if serial:
        given["serial_port"] = place
    else:
        given["host"] = place
        given.setdefault("port", USUAL_PORTS.get(protocol))
    try:
        return Line(name=place, transport=transport, **given)
    except ValidationError as error:
        raise ProfileError(explain(error)) from error


async def table_of(bus, profile: BaseProfile, station, ratios) -> Table:
    """Read all values once; what the meter refuses is said in its row.

    Raises a :class:`BusError` when nothing can be read.
    """
    answers, refused = {}, None
    for request in profile.requests():
        try:
            answers[request] = await bus.read(station, *request)
        except Refused as error:
            refused = error
    if not answers:
        raise refused
    when = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
    title = f"{profile.title}, device {station}, {when}"
    table = Table(title=title, caption=profile.notes or None)
    for column in ("value", "address", "amount", "unit"):
        table.add_column(column, justify="right" if column == "amount" else "left")
    for name, value in profile.values.items():
        try:
            amount = profile.amount(name, answers, *ratios)
            shown = "refused" if amount is None else codec.plain(amount)
        except codec.DecodeError as error:
            shown = str(error)
        unit = "" if value.unit == "1" else value.unit
        table.add_row(name, profile.where(name), shown, unit)
    if profile.relay_request():
        state = profile.relay_of(answers) or "refused"
        table.add_row("relay", profile.where_relay(), state, "")
    return table
