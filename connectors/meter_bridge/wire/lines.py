"""From a configured line to its bus: transport, serial settings, timing."""

from typing import Any, NamedTuple

from meter_bridge import planner
from meter_bridge.wire.base_profile import REQUEST_COST
from meter_bridge.wire.dlt645_bus import Dlt645Bus
from meter_bridge.wire.link import Link, SerialLink, TcpLink, Timing
from meter_bridge.wire.mbap import TcpBus
from meter_bridge.wire.mbus_bus import MBusBus
from meter_bridge.wire.rtu import RtuBus


class Transport(NamedTuple):
    """What a value of ``line.transport`` means.

    ``late_answers``: whether the other end may still deliver what was given up.
    """

    protocol: str
    serial: bool
    late_answers: bool = True


TRANSPORTS = {
    "modbus_tcp": Transport("modbus", serial=False, late_answers=False),
    "rtu_over_tcp": Transport("modbus", serial=False),
    "rtu_serial": Transport("modbus", serial=True),
    "mbus_tcp": Transport("mbus", serial=False),
    "mbus_serial": Transport("mbus", serial=True),
    "dlt645_tcp": Transport("dlt645", serial=False),
    "dlt645_serial": Transport("dlt645", serial=True),
    "dlms_tcp": Transport("dlms", serial=False, late_answers=False),
}
# baud, parity as the protocol's standard or custom has it
USUAL_PORT = {"modbus": (9600, "N"), "mbus": (2400, "E"), "dlt645": (2400, "E")}
SILENCE_CHARACTERS = 3.5
SHORTEST_GAP = 0.00175  # Modbus RTU above 19200 baud


def timing_of(line) -> Timing:
    """The line's timing; the wires of a TCP converter are its own concern."""
    kind = TRANSPORTS[line.transport]
    usual = line.timeout if kind.late_answers else 0.0
    quiet = usual if line.quiet_after_timeout is None else line.quiet_after_timeout
    if not kind.serial:
        return Timing(line.timeout, quiet)
    character = character_of(line)
    gap = gap_of(line.baudrate or USUAL_PORT[kind.protocol][0], character)
    return Timing(line.timeout, quiet, gap, character)


def character_of(line) -> float:
    """Seconds that one byte takes: start bit, 8 data bits, parity and stop bits."""
    baudrate, parity = USUAL_PORT.get(TRANSPORTS[line.transport].protocol, (9600, "N"))
    bits = 9 + ((line.parity or parity) != "N") + line.stopbits
    return bits / (line.baudrate or baudrate)


def gap_of(baudrate: int, character: float) -> float:
    """Silence between two frames (MODBUS over Serial Line V1.02, 2.5.1.1)."""
    return SHORTEST_GAP if baudrate > 19200 else SILENCE_CHARACTERS * character


def request_cost_of(line) -> float:
    """Cost of one more request for the planner; see :func:`planner.request_cost`."""
    if line.baudrate is None and not TRANSPORTS[line.transport].serial:
        return REQUEST_COST
    character = character_of(line)
    gap = gap_of(line.baudrate or 9600, character)
    return planner.request_cost(character, gap)


def link_of(line) -> Link:
    """The bytes of a configured line, not yet open."""
    kind, timing = TRANSPORTS[line.transport], timing_of(line)
    if not kind.serial:
        return TcpLink(line.host, line.port, timing)
    baudrate, parity = USUAL_PORT[kind.protocol]
    return SerialLink(
        line.serial_port,
        timing,
        baudrate=line.baudrate or baudrate,
        parity=line.parity or parity,
        stopbits=line.stopbits,
    )


def bus_of(line) -> Any:
    """The master of a configured line, not yet connected."""
    if line.transport == "modbus_tcp":
        return TcpBus(link_of(line))
    return BUSES[TRANSPORTS[line.transport].protocol](link_of(line))


def _dlms_bus(link: Link):
    from meter_bridge.wire.dlms import DlmsBus  # the extra may not be installed

    return DlmsBus(link)


BUSES = {
    "modbus": RtuBus,
    "mbus": MBusBus,
    "dlt645": Dlt645Bus,
    "dlms": _dlms_bus,
}
