"""The DLMS/COSEM client on one TCP link, by gurux-dlms (an optional extra, GPL-2.0).

The only module that imports that library. It makes and reads the APDUs; the bytes go
over our link, and the numbers are taken raw, for the library multiplies by a float.
"""

from dataclasses import dataclass, field
from typing import Any

from gurux_dlms import GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType
from gurux_dlms.objects import GXDLMSDisconnectControl, GXDLMSRegister

from meter_bridge.transport import BadAnswer, BusError, Refused
from meter_bridge.wire.dlms_profile import (
    DISCONNECT_CONTROL,
    REGISTER,
    RegisterValue,
    Station,
)
from meter_bridge.wire.link import Link

VALUE, SCALER_UNIT, CONTROL_STATE = 2, 3, 3  # attributes
HEADER = 8  # wrapper: version, source, destination, length
OBJECTS = {REGISTER: GXDLMSRegister, DISCONNECT_CONTROL: GXDLMSDisconnectControl}


class DlmsRefused(Refused):
    """The meter answered with a DLMS error."""

    def __init__(self, reason: object):
        super().__init__(0)
        self.args = (f"the meter refuses: {reason}",)


def size_of(data: bytes) -> int:
    """Size of the wrapper frame that begins with ``data`` (IEC 62056-47)."""
    if len(data) < HEADER:
        return 0
    if data[:2] != b"\0\1":
        raise BadAnswer("the answer is no DLMS wrapper frame")
    return HEADER + int.from_bytes(data[6:8], "big")


@dataclass
class _Association:
    """What holds as long as one connection to one meter."""

    station: Station
    connection: int
    client: GXDLMSClient
    scalers: dict[str, tuple[int, int]] = field(default_factory=dict)


class DlmsBus:
    """Reads registers and disconnect controls; one association at a time."""

    def __init__(self, link: Link):
        self.link = link
        self.connect, self.close = link.connect, link.close
        self._association: _Association | None = None

    async def read(self, station: Station, class_id: int, obis: str) -> Any:
        """A :class:`RegisterValue`, or the control state of a disconnect control.

        Raises a :class:`BusError`. The scaler is read once a connection.
        """
        association = await self._associate(station)
        item = OBJECTS[class_id](obis)
        if class_id == DISCONNECT_CONTROL:
            return await self._get(association, item, CONTROL_STATE)
        if obis not in association.scalers:
            pair = await self._get(association, item, SCALER_UNIT)
            association.scalers[obis] = self._scaler_unit(pair)
        raw = await self._get(association, item, VALUE)
        return RegisterValue(raw, *association.scalers[obis])

    async def write(self, station: Station, method: int, obis: str) -> None:
        """Invoke ``method`` of a disconnect control once; raises as a read."""
        association = await self._associate(station)
        item = GXDLMSDisconnectControl(obis)
        calls = (item.remoteDisconnect, item.remoteReconnect)
        requests = calls[method - 1](association.client)
        await self._exchange(association.client, requests)

    async def _associate(self, station: Station) -> _Association:
        await self.link.connect()
        now = self._association
        if now and (now.station, now.connection) == (station, self.link.opened):
            return now
        if now and now.connection == self.link.opened:
            self.link.close()  # ends the other meter's association
            await self.link.connect()
        self._association = None
        client = GXDLMSClient(
            True,
            station.access.client,
            station.server,
            Authentication.LOW if station.access.password else Authentication.NONE,
            station.access.password or None,
            InterfaceType.WRAPPER,
        )
        reply = await self._exchange(client, client.aarqRequest())
        self._read(client.parseAareResponse, reply.data)
        self._association = _Association(station, self.link.opened, client)
        return self._association

    async def _get(self, association: _Association, item, attribute: int) -> Any:
        requests = association.client.read(item, attribute)
        return (await self._exchange(association.client, requests)).value

    async def _exchange(self, client: GXDLMSClient, requests) -> GXReplyData:
        reply = GXReplyData()
        for request in requests:
            await self._packet(client, request, reply)
            while reply.isMoreData():
                await self._packet(client, client.receiverReady(reply), reply)
        if reply.error:
            raise DlmsRefused(f"error {reply.error} ({reply.getErrorMessage()})")
        return reply

    async def _packet(self, client: GXDLMSClient, request, reply: GXReplyData) -> None:
        answer = await self.link.ask(bytes(request), size_of)
        if not self._read(client.getData, bytearray(answer), reply):
            self.link.abandon()
            raise BadAnswer("the answer is not for this client")

    def _read(self, method, *arguments) -> Any:
        """Let the library read an answer; whatever it raises is a bad answer."""
        try:
            return method(*arguments)
        except BusError:
            raise
        except Exception as error:  # noqa: BLE001 - the library raises whatever happens
            self.link.abandon()
            raise BadAnswer(f"the answer cannot be read: {error!r}") from error

    def _scaler_unit(self, pair: Any) -> tuple[int, int]:
        try:
            scaler, unit = pair
            return int(scaler), int(unit)
        except (TypeError, ValueError) as error:
            self.link.abandon()
            raise BadAnswer(f"{pair!r} is no scaler and unit") from error
