"""Dead letters of a broker once more: after the configuration was put right."""

import base64
from collections.abc import Iterable

from meter_bridge.commands_store import CommandStore
from meter_bridge.mqtt.decoder import KIND, Decoder, Message
from meter_bridge.mqtt.settings import Broker


def retry(store: CommandStore, brokers: Iterable[Broker], ids=None) -> int:
    """Decode dead letters (all when ``ids`` is None) anew; those that are understood
    now become readings and are no longer dead. Returns how many.

    A relay state in them is of the past and does not count. Raises
    :class:`sqlite3.Error`.
    """
    decoders = [Decoder(item.meters, item.client_id, 0) for item in brokers]
    done = 0
    for letter in reversed(store.dead_letters(-1)):
        if letter["kind"] != KIND or (ids is not None and letter["id"] not in ids):
            continue
        polls = _polls(decoders, letter)
        if polls:
            store.revive(letter["id"], polls)
            done += 1
    return done


def _polls(decoders: list[Decoder], letter: dict) -> list:
    body = letter["body"]
    if "base64" in body:
        payload = base64.b64decode(body["base64"])
    else:
        payload = body["payload"].encode()
    message = Message(body["topic"], payload, letter["at"])
    results = [item.decode(message, {}) for item in decoders]
    if any(result.letters for result in results):
        return []
    polls = [poll for result in results for poll in result.polls]
    for poll in polls:
        poll.relay, poll.by_meter = None, True
    return [poll for poll in polls if poll.register or poll.telemetry or poll.events]
