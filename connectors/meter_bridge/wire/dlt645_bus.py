"""The DL/T 645-2007 master on one link."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meter_bridge.transport import BadAnswer, NoAnswer
from meter_bridge.wire import dlt645
from meter_bridge.wire.base_profile import Access, ProfileError
from meter_bridge.wire.link import Link

LONGEST_USUAL = 32  # bytes of an answer, for the time on the wire


@dataclass(frozen=True)
class Station:
    """A meter: its twelve digits, and what it wants to know before it switches."""

    address: str
    access: Access = field(default_factory=Access)

    def __str__(self) -> str:
        return self.address


class Dlt645Bus:
    """Reads data items, and switches relays.

    ``clock`` gives the local time by which the meters' clocks are set.
    """

    def __init__(self, link: Link, clock: Callable[[], datetime] = datetime.now):
        self.link, self._clock = link, clock
        self.connect, self.close = link.connect, link.close

    async def read(self, station: Station, item: int) -> bytes:
        """The bytes of data item ``item``; raises a :class:`BusError`."""
        asked = dlt645.item_bytes(item)
        data = await self._ask(station.address, dlt645.READ, asked)
        try:
            return dlt645.item_data(data, item)
        except NoAnswer:
            self.link.abandon()
            raise

    async def write(self, station: Station, kind: int, valid: timedelta) -> None:
        """Send the control order ``kind`` once, in force for ``valid``.

        Raises as :meth:`RtuBus.write`, and :class:`ProfileError` before anything is
        sent without a password or to the wildcard address.
        """
        access, until = station.access, self._clock() + valid
        if station.address == dlt645.ANYONE:
            raise ProfileError("a relay is switched by the meter's own address only")
        try:
            order = dlt645.control_data(kind, access.password, access.operator, until)
        except ValueError as error:
            raise ProfileError(str(error)) from error
        await self._ask(station.address, dlt645.CONTROL, order)

    async def discover(self) -> str:
        """The address of the only meter on the line; two would answer at once."""
        data = await self._ask(dlt645.ANYONE, dlt645.READ_ADDRESS, b"")
        address = data[::-1].hex()
        if len(data) != 6 or not address.isdecimal():
            self.link.abandon()
            raise BadAnswer(f"{address!r} is no address")
        return address

    async def _ask(self, address: str, control: int, data: bytes) -> bytes:
        request = dlt645.WAKE + dlt645.frame(address, control, data)
        answer = await self.link.ask(request, dlt645.size_of, LONGEST_USUAL)
        try:
            return dlt645.answer_data(answer, address, control)
        except NoAnswer:
            self.link.abandon()
            raise
