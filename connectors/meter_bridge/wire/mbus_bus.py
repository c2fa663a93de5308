"""The M-Bus master on one link."""

from dataclasses import dataclass

from meter_bridge.transport import BadAnswer, NoAnswer
from meter_bridge.wire import mbus
from meter_bridge.wire.link import Link

LONGEST = 261  # bytes of a long frame


@dataclass(frozen=True)
class Station:
    """A meter by primary address, or by ``identity`` (secondary address)."""

    primary: int = mbus.SELECTED
    identity: str = ""

    def __str__(self) -> str:
        return self.identity or str(self.primary)

    def is_meter(self, telegram: mbus.Telegram) -> bool:
        """Whether the telegram is this meter's."""
        if not self.identity:
            return self.primary in (mbus.ANYONE, telegram.address)
        pairs = zip(self.identity, telegram.identity, strict=False)
        same = all(mine in ("F", its) for mine, its in pairs)
        return same and len(telegram.identity) == len(self.identity)


class MBusBus:
    """Reads telegrams of meters; writes nothing."""

    def __init__(self, link: Link):
        self.link = link
        self.connect = link.connect
        self._next: tuple[Station, int] | None = None  # what comes without a new start

    def close(self) -> None:
        """Close the line."""
        self._next = None
        self.link.close()

    async def read(self, station: Station, number: int) -> list[mbus.Record]:
        """The records of telegram ``number`` (from 0) of a meter.

        The meter gives its telegrams in turn: one out of turn is reached from the
        beginning. Raises a :class:`BusError`.
        """
        first = number if self._next == (station, number) else 0
        self._next = None
        if first == 0:
            await self._begin(station)
        for turn in range(first, number + 1):
            telegram = await self._telegram(station, turn)
        self._next = (station, number + 1) if telegram.more else None
        return telegram.records

    async def _begin(self, station: Station) -> None:
        if station.identity:
            request = mbus.selection(station.identity)
        else:
            request = mbus.short(mbus.SND_NKE, station.primary)
        if await self.link.ask(request, mbus.size_of, 1) != mbus.ACK:
            self.link.abandon()
            raise BadAnswer("the meter did not acknowledge")

    async def _telegram(self, station: Station, turn: int) -> mbus.Telegram:
        toggled = mbus.FCB if turn % 2 == 0 else 0
        request = mbus.short(mbus.REQ_UD2 | toggled, station.primary)
        answer = await self.link.ask(request, mbus.size_of, LONGEST)
        try:
            telegram = mbus.telegram_of(answer)
            if not station.is_meter(telegram):
                who = telegram.identity or telegram.address
                raise BadAnswer(f"an answer of meter {who}")
        except NoAnswer:
            self.link.abandon()
            raise
        return telegram
