"""M-Bus (EN 13757-2 and -3): frames of the master, records of the meters, exactly.

pyMeterBus takes the telegram apart; the numbers are read here, from the raw integer
and the exponent of its VIF, because the library multiplies by a float.
"""

import logging
import struct
from decimal import Decimal
from typing import NamedTuple

from meter_bridge import codec
from meter_bridge.codec import DecodeError
from meter_bridge.transport import BadAnswer

_root = logging.getLogger()
_before = _root.handlers[:], _root.level
import meterbus  # noqa: E402 - it configures the root logger, which is not its own

_root.handlers[:] = _before[0]
_root.setLevel(_before[1])

ACK = b"\xe5"
SND_NKE, SND_UD, REQ_UD2, FCB = 0x40, 0x53, 0x5B, 0x20
SELECTED, ANYONE = 0xFD, 0xFE  # addresses: the selected meter, whoever is there
SELECT = 0x52  # control information of a selection
FUNCTIONS = ("instantaneous", "maximum", "minimum", "error")
INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 7: 8}  # data field of the DIF: bytes
BCD = {9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
REAL = 5
JOULES_A_KWH = Decimal(3_600_000)
JOULE_RESOLUTION = Decimal("0.001")


class Meaning(NamedTuple):
    """What a VIF says: raw × 10^exponent × factor is in the quantity's unit.

    Joules are the exception: raw × 10^exponent is in J or J/h.
    """

    quantity: str
    exponent: int
    factor: int = 1
    joules: bool = False


UNITS = {
    "energy": "kWh",
    "volume": "m3",
    "power": "kW",
    "flow": "m3/h",
    "flow_temperature": "°C",
    "return_temperature": "°C",
    "external_temperature": "°C",
    "voltage": "V",
    "current": "A",
}
# first code, number of codes, meaning of the first; each next code is ten times more
PRIMARY = (
    (0x00, 8, Meaning("energy", -6)),
    (0x08, 8, Meaning("energy", 0, joules=True)),
    (0x10, 8, Meaning("volume", -6)),
    (0x28, 8, Meaning("power", -6)),
    (0x30, 8, Meaning("power", 0, joules=True)),
    (0x38, 8, Meaning("flow", -6)),
    (0x40, 8, Meaning("flow", -7, 60)),
    (0x48, 8, Meaning("flow", -9, 3600)),
    (0x58, 4, Meaning("flow_temperature", -3)),
    (0x5C, 4, Meaning("return_temperature", -3)),
    (0x64, 4, Meaning("external_temperature", -3)),
)
EXTENDED = {
    0xFB: (
        (0x00, 2, Meaning("energy", 2)),
        (0x08, 2, Meaning("energy", 8, joules=True)),
        (0x10, 2, Meaning("volume", 2)),
        (0x28, 2, Meaning("power", 2)),
        (0x30, 2, Meaning("power", 8, joules=True)),
    ),
    0xFD: (
        (0x40, 16, Meaning("voltage", -9)),
        (0x50, 16, Meaning("current", -12)),
    ),
}


class Record(NamedTuple):
    """One record of a telegram, still raw.

    ``vif`` is the value information without extension bits' meaning, ``data`` has the
    least significant byte first, ``coding`` is the data field of the DIF.
    """

    storage: int
    tariff: int
    subunit: int
    function: str
    vif: tuple[int, ...]
    coding: int
    data: bytes


class Telegram(NamedTuple):
    """A checked answer; ``identity`` is the secondary address as people write it."""

    address: int
    identity: str
    records: list[Record]
    more: bool


def short(control: int, address: int) -> bytes:
    """A short frame: SND_NKE or REQ_UD2."""
    return bytes((0x10, control, address, control + address & 0xFF, 0x16))


def selection(identity: str) -> bytes:
    """The frame that selects meter ``identity``: sixteen hex digits, F for any.

    Identification number, manufacturer (as it travels), version, medium.
    """
    number, rest = bytes.fromhex(identity[:8])[::-1], bytes.fromhex(identity[8:])
    body = bytes((SND_UD, SELECTED, SELECT)) + number + rest
    return long_frame(body)


def long_frame(body: bytes) -> bytes:
    """Control, address, control information and data as a long frame."""
    size = len(body)
    return bytes((0x68, size, size, 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))


def size_of(data: bytes) -> int:
    """Size of the answer that begins with ``data``; 0 while unknown.

    Raises :class:`BadAnswer` for what is neither E5 nor a long frame.
    """
    if not data:
        return 0
    if data[:1] == ACK:
        return 1
    head = data[:4]
    if head[0] != 0x68 or (len(head) > 3 and head[3] != 0x68):
        raise BadAnswer("the answer is no M-Bus frame")
    if len(head) > 2 and (head[1] != head[2] or head[1] < 3):
        raise BadAnswer("the answer has two different lengths")
    return 0 if len(head) < 4 else head[1] + 6


def telegram_of(answer: bytes) -> Telegram:
    """Check an answer to REQ_UD2 and take it apart; raises :class:`BadAnswer`."""
    if len(answer) < 9 or size_of(answer) != len(answer) or answer[-1] != 0x16:
        raise BadAnswer("the answer is no whole long frame")
    if sum(answer[4:-2]) & 0xFF != answer[-2]:
        raise BadAnswer("an answer with a wrong checksum")
    if answer[4] & 0x4F != 0x08:  # RSP_UD, access demand and data flow bits aside
        raise BadAnswer(f"an answer with control {answer[4]:02X}h")
    try:
        parsed = meterbus.load(answer)
        header = parsed.body.bodyHeader
        encrypted = len(header.sig_field.parts) > 1 and header.sig_field.parts[1] & 0x1F
        records = [_record(item) for item in parsed.records if not item.dib.is_eoud]
        known = len(header.id_nr_field.parts) == 4
        identity = parsed.secondary_address if known else ""
        more = parsed.more_records_follow
    except Exception as error:  # noqa: BLE001 - the library raises whatever happens
        raise BadAnswer(f"the telegram cannot be read: {error!r}") from error
    if encrypted:
        raise BadAnswer("the telegram is encrypted")
    return Telegram(answer[5], identity, records, more)


def _record(item) -> Record:
    storage, tariff, subunit = item.dib.parse_dife()
    first = item.dib.parts[0]
    return Record(
        storage,
        tariff or 0,
        subunit or 0,
        FUNCTIONS[first >> 4 & 3],
        tuple(item.vib.parts),
        first & 0x0F,
        bytes(item.dataField.parts),
    )


def meaning(vif: tuple[int, ...]) -> tuple[Meaning | None, tuple[int, ...]]:
    """What the VIF says, and the extensions that change it (without their top bit)."""
    if not vif:
        return None, ()
    if vif[0] in EXTENDED:
        table, code, rest = EXTENDED[vif[0]], vif[1:2], vif[2:]
    else:
        table, code, rest = PRIMARY, vif[:1], vif[1:]
    extensions = tuple(byte & 0x7F for byte in rest)
    for first, count, base in table:
        step = code[0] & 0x7F if code else -1
        if first <= step < first + count:
            exponent = base.exponent + step - first
            return base._replace(exponent=exponent), extensions
    return None, extensions


def raw_number(record: Record) -> Decimal:
    """The number in a record's data, before its exponent; a float exactly as it is.

    Raises :class:`DecodeError` for no number, and for a meter's "no value".
    """
    data, coding = record.data, record.coding
    if coding in INTEGERS and len(data) == INTEGERS[coding]:
        if data[-1] == 0x80 and not any(data[:-1]):
            raise DecodeError("the meter says: no value")
        return Decimal(int.from_bytes(data, "little", signed=True))
    if coding in BCD and len(data) == BCD[coding]:
        digits = data[::-1].hex()
        negative = digits[0] == "f"
        digits = digits[1:] if negative else digits
        if not digits.isdecimal():
            raise DecodeError(f"not BCD: {digits}")
        return Decimal(-int(digits) if negative else int(digits))
    if coding == REAL and len(data) == 4:
        return codec.decode(struct.unpack("<HH", data), "float32", "little")
    raise DecodeError(f"a record of coding {coding:X}h with {len(data)} bytes")


def amount_of(record: Record, resolution: Decimal | None = None) -> Decimal:
    """The quantity in its unit of ``UNITS``: exact for integers and BCD.

    Floats are rounded to ``resolution``, joules to 0.001 kWh. Raises as
    :func:`raw_number`, and for a float without ``resolution``.
    """
    what, _ = meaning(record.vif)
    if what is None:
        raise DecodeError("a record of unknown unit")
    if record.coding == REAL and resolution is None:
        raise DecodeError("a float: the profile must state its resolution")
    rounded = resolution if record.coding == REAL else None
    scale = Decimal(what.factor).scaleb(what.exponent)
    amount = codec.scaled(raw_number(record), scale)
    if what.joules:
        return codec.divided(amount, JOULES_A_KWH, rounded or JOULE_RESOLUTION)
    return amount if rounded is None else codec.scaled(amount, Decimal(1), rounded)
