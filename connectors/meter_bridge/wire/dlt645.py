"""DL/T 645-2007: frames, addresses and numbers, as pure functions.

A frame is 68, address, 68, control, length, data, checksum, 16; up to four FE wake the
receiver before it. Addresses and numbers are BCD, lowest byte first; each byte of the
data travels with 33h added. The checksum is the sum of all bytes from the first 68.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from meter_bridge.codec import DecodeError
from meter_bridge.transport import BadAnswer, Refused

READ, READ_ADDRESS, CONTROL = 0x11, 0x13, 0x1C
ANSWER, MORE_FOLLOWS, ERROR = 0x80, 0x20, 0x40
ANYONE = "AA" * 6
WAKE = b"\xfe" * 4
HEAD = 10  # 68, six of address, 68, control, length
MASK = 0x33
# bits of the error word of an answer D1h, DCh …
ERRORS = (
    "other error",
    "no such data",
    "wrong password, or not authorized",
    "baud rate cannot be changed",
    "too many yearly time zones",
    "too many daily periods",
    "too many tariffs",
)


class Frame(NamedTuple):
    """A checked frame; ``address`` as people write it, ``data`` without the 33h."""

    address: str
    control: int
    data: bytes


class Rejected(Refused):
    """The meter understood and will not."""

    def __init__(self, word: int):
        said = [text for bit, text in enumerate(ERRORS) if word >> bit & 1]
        super().__init__(word)
        self.args = (f"the meter refuses: {', '.join(said) or f'error {word:02X}'}",)


def address_bytes(address: str) -> bytes:
    """Twelve digits (or A, the wildcard) as they travel.

    Raises :class:`ValueError`.
    """
    if len(address) != 12 or set(address) - set("0123456789A"):
        raise ValueError(f"{address!r} is not twelve digits")
    return bytes.fromhex(address)[::-1]


def frame(address: str, control: int, data: bytes = b"") -> bytes:
    """The frame, without wake-up bytes."""
    masked = bytes(byte + MASK & 0xFF for byte in data)
    head = b"\x68" + address_bytes(address) + b"\x68" + bytes((control, len(data)))
    body = head + masked
    return body + bytes((sum(body) & 0xFF, 0x16))


def size_of(data: bytes) -> int:
    """Size of the frame that begins with ``data``, wake-up bytes counted.

    0 while unknown; raises :class:`BadAnswer` for what is no frame.
    """
    rest = data.lstrip(b"\xfe")
    if not rest:
        return 0
    if rest[0] != 0x68 or (len(rest) > 7 and rest[7] != 0x68):
        raise BadAnswer("the answer is no DL/T 645 frame")
    if len(rest) < HEAD:
        return 0
    return len(data) - len(rest) + HEAD + rest[9] + 2


def parse(data: bytes) -> Frame:
    """Check a whole frame; raises :class:`BadAnswer`."""
    rest = data.lstrip(b"\xfe")
    if len(rest) < HEAD + 2 or size_of(data) != len(data) or rest[-1] != 0x16:
        raise BadAnswer("the answer is no whole DL/T 645 frame")
    if sum(rest[:-2]) & 0xFF != rest[-2]:
        raise BadAnswer("an answer with a wrong checksum")
    plain = bytes(byte - MASK & 0xFF for byte in rest[HEAD:-2])
    return Frame(rest[1:7][::-1].hex().upper(), rest[8], plain)


def answer_data(data: bytes, address: str, control: int) -> bytes:
    """The data of the answer to a request ``control`` to ``address``.

    Raises :class:`BadAnswer`, and :class:`Rejected` for an error answer.
    """
    got = parse(data)
    if address not in (ANYONE, got.address):
        raise BadAnswer(f"an answer of meter {got.address}")
    if got.control == control | ANSWER | ERROR:
        raise Rejected(got.data[0] if got.data else 0)
    if got.control != control | ANSWER:
        more = got.control == control | ANSWER | MORE_FOLLOWS
        what = "in several frames" if more else f"with control code {got.control:02X}h"
        raise BadAnswer(f"an answer {what}")
    return got.data


def item_bytes(item: int) -> bytes:
    """A data identifier (DI3 DI2 DI1 DI0 as one number) as it travels."""
    return item.to_bytes(4, "little")


def item_data(data: bytes, item: int) -> bytes:
    """What an answer says about ``item``; raises :class:`BadAnswer`."""
    if data[:4] != item_bytes(item):
        raise BadAnswer(f"an answer about {data[3::-1].hex().upper()}")
    return data[4:]


def number(data: bytes, signed: bool = False) -> int:
    """The BCD number in ``data``, lowest byte first; the top bit may be a sign.

    Raises :class:`DecodeError`, also for all FF: the meter has no such value.
    """
    if not data or set(data) == {0xFF}:
        raise DecodeError("the meter says: no value")
    digits = bytearray(reversed(data))
    negative = signed and digits[0] & 0x80
    if negative:
        digits[0] &= 0x7F
    text = digits.hex()
    if not text.isdecimal():
        raise DecodeError(f"not BCD: {text}")
    return -int(text) if negative else int(text)


def bcd(parts: Iterable[int]) -> bytes:
    """Numbers of two digits, a byte each."""
    return bytes.fromhex("".join(f"{part:02d}" for part in parts))


def control_data(kind: int, password: str, operator: str, until: datetime) -> bytes:
    """Data of a control order 1Ch, ``kind`` 1Ah to trip, 1Bh to allow closing.

    ``password`` is the level (two digits) and six digits, ``operator`` eight digits.
    ``until`` is when the order loses its force, by the meter's own clock: second,
    minute, hour, day, month, year. Raises :class:`ValueError`.
    """
    if len(password) != 8 or not password.isdecimal():
        raise ValueError("the password is not a level of two digits and six digits")
    end = (until.second, until.minute, until.hour, until.day, until.month)
    level, secret = bytes.fromhex(password[:2]), bytes.fromhex(password[2:])[::-1]
    who = bytes.fromhex(operator)[::-1]
    return level + secret + who + bytes((kind, 0)) + bcd((*end, until.year % 100))
