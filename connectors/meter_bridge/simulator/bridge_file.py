"""What a bridge needs in its own file to read a plant."""

import json

from meter_bridge.simulator.config import LineConfig, PlantConfig
from meter_bridge.simulator.mqtt_config import BrokerConfig, MqttMeterConfig


def bridge_file(config: PlantConfig) -> str:
    """``[[line]]`` and ``[[mqtt]]`` tables for ``bridge.toml``."""
    parts = [_line(line) for line in config.lines]
    parts += [_broker(broker) for broker in config.brokers]
    return "\n".join(parts)


def _table(heading: str, /, **values) -> str:
    rows = "".join(f"{key} = {_value(value)}\n" for key, value in values.items())
    return f"[[{heading}]]\n{rows}"


def _value(value) -> str:
    if not isinstance(value, dict):
        return json.dumps(value)
    inner = ", ".join(f"{key} = {_value(item)}" for key, item in value.items())
    return f"{{ {inner} }}"


def _line(line: LineConfig) -> str:
    transport = "rtu_over_tcp" if line.framing == "rtu" else "modbus_tcp"
    place = {"transport": transport, "host": line.host, "port": line.port}
    parts = [_table("line", name=line.name, **place)]
    for meter in line.meters:
        values = {"serial": meter.serial, "profile": meter.profile}
        ratios = {"ct": meter.ct, "pt": meter.pt}
        values.update({key: str(value) for key, value in ratios.items() if value != 1})
        parts.append(_table("line.meter", **values, device=meter.device))
    return "\n".join(parts)


def _broker(broker: BrokerConfig) -> str:
    host, port = broker.host, broker.port
    if broker.proxy_port is not None:
        host, port = broker.proxy_host, broker.proxy_port
    client = f"meter-bridge-{broker.name}"
    parts = [_table("mqtt", name=broker.name, host=host, port=port, client_id=client)]
    for meter in broker.meters:
        values = {"serial": meter.serial, "format": meter.kind}
        parts.append(_table("mqtt.meter", **values, **_format(broker, meter)))
    return "\n".join(parts)


def _format(broker: BrokerConfig, meter: MqttMeterConfig) -> dict:
    if meter.kind == "shelly":
        return {"topic": meter.topic, "component": "switch:0"}
    if meter.kind == "tasmota":
        return {"topic": meter.topic}
    return {
        "application": broker.application,
        "device": meter.topic,
        "register": {"path": "$.energy", "unit": "Wh"},
        "telemetry": {"p": {"path": "$.power", "unit": "kW"}},
        "relay": {"path": "$.relay"},
        "downlink": {"f_port": meter.f_port, "open": "00", "closed": "01"},
    }
