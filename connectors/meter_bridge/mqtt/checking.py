"""``meter-bridge check`` for a broker: does it take the bridge, do the meters speak?"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from meter_bridge.mqtt.connection import Connection
from meter_bridge.mqtt.decoder import Decoder
from meter_bridge.mqtt.settings import Broker

CONNECT_S, LISTEN_S = 10.0, 5.0


async def check(broker: Broker) -> AsyncIterator[tuple[str, bool]]:
    """Sentences about the broker and each meter, and whether all is well.

    Connects under a name of its own, beside a bridge that runs; asks the meters that
    can be asked, and listens for ``LISTEN_S`` seconds. A meter that cannot be asked and
    says nothing meanwhile is not at fault.
    """
    client_id = f"{broker.client_id}-check"
    decoder = Decoder(broker.meters, client_id, 0)
    try:
        connection = Connection(
            broker, decoder.topics, client_id=client_id, session=False
        )
    except ValueError as error:
        yield str(error), False
        return
    connection.start()
    try:
        await _until(lambda: connection.settled, CONNECT_S)
        if connection.down:
            yield f"{broker.name}: {connection.down}", False
            return
        yield f"{broker.name}: the broker takes the bridge", True
        heard = await _listen(broker, connection, decoder, client_id)
        for topic in connection.refused:
            yield f"{broker.name}: the broker refuses {topic}", False
        for meter in broker.meters:
            silent = "does not answer" if meter.ask("") else "not heard yet"
            said = heard.get(meter.serial, silent)
            good = said == "speaks" or (said == silent and not meter.ask(""))
            yield f"{broker.name} {meter.serial}: {said}", good
    finally:
        await connection.stop()


async def _until(condition, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)


async def _listen(broker, connection, decoder, client_id) -> dict[str, str]:
    """What was heard, by serial."""
    heard: dict[str, str] = {}

    def all_heard() -> bool:
        for message in connection.take(1000):
            decoded = decoder.decode(message, decoder.states)
            heard.update({poll.serial: "speaks" for poll in decoded.polls})
            for _, _, _, reason in decoded.letters:
                for meter in decoder.meters(message.topic):
                    heard.setdefault(meter.serial, f"not understood: {reason}")
        return len(heard) == len(broker.meters)

    for meter in broker.meters:
        for outgoing in meter.ask(client_id):
            connection.send(outgoing, LISTEN_S)
    await _until(all_heard, LISTEN_S)
    return heard
