"""A real mosquitto for the tests, clients beside the bridge, and configurations."""

import asyncio
import json
import os
import queue
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5

from meter_bridge import config as bridge_config
from meter_bridge.mqtt import connection


@pytest.fixture
def broker(tmp_path, monkeypatch):
    """A running mosquitto, to which bridges come back quickly."""
    monkeypatch.setattr(connection, "RECONNECT_S", (0.2, 0.2))
    server = Broker(tmp_path / "broker")
    server.start()
    yield server
    server.kill()


def free_port():
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def mosquitto_program():
    """The broker named by ``MOSQUITTO``; a missing one fails the test."""
    path = os.environ.get("MOSQUITTO", "")
    assert path and Path(path).exists(), (
        "the environment variable MOSQUITTO must name the mosquitto program"
    )
    return path


class Broker:
    """mosquitto on a port of its own, which forgets nothing when it is killed."""

    def __init__(self, folder, *more):
        self.folder, self.port = Path(folder), free_port()
        self.folder.mkdir()
        lines = [
            f"listener {self.port} 127.0.0.1",
            *(more or ("allow_anonymous true",)),
            "persistence true",
            f"persistence_location {self.folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_queued_messages 0",
            "max_inflight_messages 0",
        ]
        if os.geteuid() == 0:
            lines.append("user root")
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self._process = None

    def start(self):
        """Start it and wait until it listens."""
        command = [mosquitto_program(), "-c", str(self.folder / "mosquitto.conf")]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self._process.poll() is None, (self.folder / "log").read_text()

    def kill(self, sign=signal.SIGKILL):
        """End it, as a power failure would."""
        self._process.send_signal(sign)
        self._process.wait()


class Publisher:
    """A device's client: publishes with QoS 1, and sees what is sent to it."""

    def __init__(self, port, client_id="device", topics=(), session=False):
        self.seen = queue.Queue()
        self._up = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTv5)
        client.on_message = lambda _c, _u, item: self.seen.put(
            (item.topic, item.payload.decode())
        )
        client.on_subscribe = lambda *_: self._up.set()
        client.on_connect = lambda *_: (
            client.subscribe([(topic, 1) for topic in topics])
            if topics
            else self._up.set()
        )
        client.reconnect_delay_set(0.2, 0.2)
        client.connect("127.0.0.1", port)
        client.loop_start()
        assert self._up.wait(10)
        self._client = client

    def publish(self, topic, payload, qos=1, retain=False):
        """Publish; the returned info can be waited for."""
        if not isinstance(payload, str | bytes):
            payload = json.dumps(payload)
        return self._client.publish(topic, payload, qos, retain)

    def settle(self, infos):
        """Wait until the broker has all of these."""
        deadline = time.monotonic() + 15
        for info in infos:
            while not info._published:  # is_published() raises while disconnected
                assert time.monotonic() < deadline, "the broker does not take it"
                time.sleep(0.005)

    def stop(self):
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


async def published(publisher, messages):
    """Publish ``(topic, payload)`` and wait, without stopping the loop."""
    infos = [publisher.publish(*message) for message in messages]
    await asyncio.to_thread(publisher.settle, infos)


def energy(serial):
    """A generic meter whose messages are ``{"t": epoch seconds, "e": kWh}``."""
    return {"serial": serial, "format": "json", "mapping": "plain", "device": serial}


PLAIN = {
    "name": "plain",
    "topic": "m/{device}",
    "register": {"path": "$.e", "unit": "kWh"},
    "time": {"path": "$.t", "format": "epoch_s"},
}


def settings(port, erp_url, state_dir, meters, broker=None, **more):
    """The configuration of a bridge that hears only MQTT, as a dictionary."""
    erp = {"url": erp_url, "database": "db", "api_key": "good"}
    erp.update({"commands_interval": 0.05, "send_interval": 0.02, "timeout": 2})
    erp.update({"retry_first": 0.05, "retry_max": 0.2})
    table = {"name": "hall", "host": "127.0.0.1", "port": port, "client_id": "bridge"}
    table.update({"mapping": [PLAIN], "meter": meters, **(broker or {})})
    data = {"state_dir": str(state_dir), "erp": erp, "mqtt": [table]}
    return {**data, "verify_for": 1, "telemetry_interval": 0, **more}


def mqtt_config(*args, **more):
    """See :func:`settings`."""
    return bridge_config.from_dict(settings(*args, **more))
