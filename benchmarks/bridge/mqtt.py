"""One side of ``bridge_mqtt``: fill a broker, then drain it by paho or by the bridge.

``mqtt.py floor|bridge METERS MESSAGES``; the last line is JSON with the rate.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import structlog
from meter_bridge.commands_store import CommandStore
from meter_bridge.lease import Lease
from meter_bridge.mqtt.settings import Broker
from meter_bridge.mqtt.source import Source
from meter_bridge.outbox import Outbox
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

CLIENT_ID = "bench"
BEGIN = 1_780_000_000


def free_port():
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_broker(folder):
    """A mosquitto that keeps everything in memory; its process and port."""
    port = free_port()
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "max_queued_messages 0",
        "max_inflight_messages 0",
    ]
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
    words = [os.environ["MOSQUITTO"], "-c", str(folder / "mosquitto.conf")]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        time.sleep(0.02)


def broker_table(port, meters):
    """The bridge's configuration."""
    items = [
        {
            "serial": f"M{number}",
            "format": "shelly",
            "topic": f"shelly-{number}",
            "component": "switch:0",
        }
        for number in range(meters)
    ]
    table = {"name": "bench", "host": "127.0.0.1", "port": port}
    return Broker.model_validate({**table, "client_id": CLIENT_ID, "meter": items})


def connect(port, on_message=None):
    """paho with the bridge's session, subscribed to everything."""
    client = Client(CallbackAPIVersion.VERSION2, CLIENT_ID, protocol=MQTTv5)
    client.on_message = on_message
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_connect = lambda *_: client.subscribe("+/events/rpc", 1)
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = 500
    client.connect("127.0.0.1", port, clean_start=False, properties=properties)
    client.loop_start()
    subscribed.wait()
    return client


def fill(port, meters, messages):
    """Have the broker hold all messages for the session."""
    client = connect(port)
    client.disconnect()
    client.loop_stop()
    sender = Client(CallbackAPIVersion.VERSION2, "sender", protocol=MQTTv5)
    sender.max_inflight_messages_set(1000)
    sender.connect("127.0.0.1", port)
    sender.loop_start()
    for number in range(messages):
        for meter in range(meters):
            status = {
                "id": 0,
                "output": True,
                "apower": 812.4,
                "voltage": 229.8,
                "current": 3.61,
                "aenergy": {"total": 1234567.891 + number, "minute_ts": BEGIN},
            }
            params = {"ts": BEGIN + 60 * number, "switch:0": status}
            frame = {"src": f"shelly-{meter}", "method": "NotifyStatus"}
            text = json.dumps({**frame, "params": params})
            last = sender.publish(f"shelly-{meter}/events/rpc", text, 1)
    last.wait_for_publish()
    sender.disconnect()
    sender.loop_stop()


def floor(port, total):
    """Seconds that paho alone takes."""
    done, seen = threading.Event(), [0]

    def count(*_):
        seen[0] += 1
        if seen[0] == total:
            done.set()

    began = time.perf_counter()
    client = connect(port, count)
    done.wait()
    took = time.perf_counter() - began
    client.disconnect()
    client.loop_stop()
    return took


async def bridge(port, meters, total, folder):
    """Seconds that the bridge takes until all is committed and acknowledged."""
    outbox = Outbox(folder / "outbox.sqlite3")
    await outbox.open()
    table = broker_table(port, meters)
    source = Source(table, outbox, verify_for=15, telemetry_s=60, lease=Lease())
    connection = source._feed.connection
    acknowledge, left, done = connection.acknowledge, [total], asyncio.Event()

    def counted(messages):
        acknowledge(messages)
        left[0] -= len(messages)
        if left[0] <= 0:
            done.set()

    connection.acknowledge = counted
    began = time.perf_counter()
    task = asyncio.create_task(source.run())
    await done.wait()
    took = time.perf_counter() - began
    task.cancel()
    await asyncio.wait([task])
    counts = await outbox.run(CommandStore.counts)
    assert counts["reading"] == total, counts
    await outbox.close()
    return took


def main():
    """Run one part."""
    part, meters, messages = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    total = meters * messages
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker, port = start_broker(folder)
        try:
            fill(port, meters, messages)
            if part == "floor":
                took = floor(port, total)
            else:
                took = asyncio.run(bridge(port, meters, total, folder))
        finally:
            broker.terminate()
            broker.wait()
    print(json.dumps({"rate": total / took}))


if __name__ == "__main__":
    main()
