"""Decoding single messages for single meters."""

import json

from pydantic import TypeAdapter

from meter_bridge.mqtt.decoder import Decoder, Message
from meter_bridge.mqtt.generic import Mapping
from meter_bridge.mqtt.settings import Meter

NOW = 1_780_000_000.6  # when everything is received


def meter(format, **keys):
    if format == "json":
        rule = Mapping.model_validate({"name": "m", **keys.pop("rules")})
        keys = {"mapping": "m", "rules": rule, **keys}
    given = {"serial": "M", "format": format, **keys}
    return TypeAdapter(Meter).validate_python(given)


def polls(item, *messages, meters=(), telemetry_s=0):
    """The polls and dead letters of messages ``(topic, document or bytes)``."""
    decoder = Decoder([item, *meters], "me", telemetry_s)
    found, letters = [], []
    for topic, body in messages:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        decoded = decoder.decode(Message(topic, payload, NOW), decoder.states)
        found += decoded.polls
        letters += decoded.letters
    return found, letters


def one(item, *messages):
    """The last poll; nothing may be undecodable."""
    found, letters = polls(item, *messages)
    assert letters == []
    return found[-1]
