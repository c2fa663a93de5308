"""A mosquitto of our own on a loopback port, with its data under ``.local``."""

import os

import services
from console import step
from layout import LOCAL, MQTT_PORT, need_port
from system import MOSQUITTO


def start():
    """Start the broker. It saves on every change: a killed broker forgets nothing."""
    if services.running("mosquitto"):
        return
    need_port(MQTT_PORT, "mosquitto")
    with step(f"Starting mosquitto on port {MQTT_PORT}"):
        data = LOCAL / "mosquitto"
        data.mkdir(parents=True, exist_ok=True)
        lines = [
            f"listener {MQTT_PORT} 127.0.0.1",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {data}/",
            "autosave_on_changes true",
            "autosave_interval 1",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # else it would give up the right to its own data
        (data / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        services.start("mosquitto", [MOSQUITTO, "-c", data / "mosquitto.conf"])
