"""Meters that speak by a broker, as the bridge's ``[[mqtt.meter]]`` has them.

A device's address is its topic: ``shellyplus1pm-a8032a`` (or with the component,
``shellypro3em-34ab/em:0``), ``tasmota_1A2B``, ``zigbee2mqtt/press`` or ``press``; of a
LoRaWAN node its EUI.
"""

import re

KINDS = ("shelly", "tasmota", "zigbee2mqtt")
CODEC = (
    "application",
    "register_path",
    "register_unit",
    "relay_path",
    "downlink_port",
    "downlink_open",
    "downlink_closed",
)
_COMPONENT = re.compile(r"(em|em1|pm1|switch):\d+")
_PATH = re.compile(r"\$(\.[^.\[\]'*]+|\[\d+\]|\['[^']+'\])+")


class BrokerMeterError(ValueError):
    """The meter cannot be heard like this; ``kind`` says why."""

    def __init__(self, kind):
        super().__init__(kind)
        self.kind = kind


def is_path(text):
    """Whether the bridge reads it as a path into a message."""
    return bool(_PATH.fullmatch(text))


def describe(kind, serial, address, has_relay, ratio, codec):
    """The table of a meter.

    :param str kind: one of ``KINDS``, or ``chirpstack``.
    :param Decimal ratio: CT times PT.
    :param dict codec: the line's values of ``CODEC``, for ChirpStack.
    :raise BrokerMeterError: what is missing or cannot be.
    """
    address = (address or "").strip()
    meter = {"serial": serial, "format": kind}
    if kind == "chirpstack":
        return meter | _node(address, has_relay, ratio, codec)
    if kind not in KINDS:
        raise BrokerMeterError("kind")
    if ratio != 1:
        raise BrokerMeterError("ratio")
    if not address or re.search(r"[+#\0]", address):
        raise BrokerMeterError("topic")
    if kind == "shelly":
        return meter | _shelly(address, has_relay)
    if kind == "zigbee2mqtt" and "/" not in address:
        address = f"zigbee2mqtt/{address}"
    return meter | {"topic": address} | ({} if has_relay else {"relay": ""})


def _shelly(address, has_relay):
    """One that switches has a ``switch:0``; one that only measures has an ``em:0``."""
    topic, _slash, component = address.rpartition("/")
    if not topic or not _COMPONENT.fullmatch(component):
        topic, component = address, "switch:0" if has_relay else "em:0"
    found = {"topic": topic, "component": component}
    if has_relay and not component.startswith("switch"):
        found["relay"] = "switch:100"  # of the add-on that goes with a Pro 3EM
    return found | ({} if has_relay else {"relay": ""})


def _node(address, has_relay, ratio, codec):
    eui = re.sub(r"[\s:-]", "", address)
    if not re.fullmatch(r"[0-9a-fA-F]{16}", eui):
        raise BrokerMeterError("eui")
    if not re.fullmatch(r"[0-9a-fA-F-]+", codec["application"] or ""):
        raise BrokerMeterError("application")
    if not codec["register_path"] or not codec["register_unit"]:
        raise BrokerMeterError("register")
    register = {"path": codec["register_path"], "unit": codec["register_unit"]}
    if ratio != 1:
        register["scale"] = format(ratio.normalize(), "f")
    node = {
        "application": codec["application"],
        "device": eui.lower(),
        "register": register,
    }
    if has_relay and codec["relay_path"]:
        node["relay"] = {"path": codec["relay_path"]}
        node["downlink"] = {
            "f_port": codec["downlink_port"],
            "open": codec["downlink_open"],
            "closed": codec["downlink_closed"],
        }
    return node
