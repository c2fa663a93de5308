"""TLS and a password: a real mosquitto with an authority of its own."""

import base64
import hashlib
import os
import shutil
import subprocess
import time

import pytest
from conftest import running_bridge, until
from mqtt_tools import Broker, energy, mqtt_config, settings
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5
from test_mqtt_cli import run

from meter_bridge.mqtt import checking, connection

PASSWORD = "salt and pepper"
DEVICE = {"format": "shelly", "topic": "sh", "component": "switch:0"}


def openssl(folder, *words):
    """Run openssl in ``folder``."""
    program = shutil.which("openssl")
    assert program, "the test needs the program openssl"
    subprocess.run([program, *words], cwd=folder, check=True, capture_output=True)


def authority(folder, name):
    """A certificate authority: ``<name>.key`` and ``<name>.crt``."""
    what = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
    openssl(folder, "req", "-x509", *what, "-days", "2", "-subj", f"/CN={name}", *files)


def certificate(folder, name, alternative):
    """A certificate for ``name``, signed by the authority ``ca``."""
    what = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", f"{name}.key", "-out", f"{name}.csr"]
    openssl(folder, "req", "-new", *what, "-subj", f"/CN={name}", *files)
    (folder / "ext").write_text(f"subjectAltName={alternative}\n")
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
    files = ["-in", f"{name}.csr", "-out", f"{name}.crt", "-extfile", "ext"]
    openssl(folder, "x509", "-req", *signed, *files)


def password_line(user, password):
    """A line of mosquitto's password file (PBKDF2 with SHA-512)."""
    salt = os.urandom(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    text = "$".join(base64.b64encode(part).decode() for part in (salt, key))
    return f"{user}:$7$101${text}\n"


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """Folder with authority, the broker's certificate, and the bridge's."""
    folder = tmp_path_factory.mktemp("papers")
    authority(folder, "ca")
    authority(folder, "stranger")
    certificate(folder, "broker", "IP:127.0.0.1")
    certificate(folder, "bridge", "DNS:bridge")
    (folder / "users").write_text(password_line("bridge", PASSWORD))
    (folder / "password").write_text(PASSWORD + "\n")
    return folder


@pytest.fixture
def start(papers, tmp_path, monkeypatch):
    """Starts the broker, with more lines of configuration."""
    monkeypatch.setattr(connection, "RECONNECT_S", (0.2, 0.2))
    started = []

    def start(*more):
        lines = [
            f"cafile {papers}/ca.crt",
            f"certfile {papers}/broker.crt",
            f"keyfile {papers}/broker.key",
            "allow_anonymous false",
            f"password_file {papers}/users",
        ]
        started.append(Broker(tmp_path / "broker", *lines, *more))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.kill()


def access(papers, **more):
    """The keys of ``[[mqtt]]`` that let the bridge in."""
    base = {"username": "bridge", "password_file": str(papers / "password")}
    return {**base, "tls": True, "ca_file": str(papers / "ca.crt"), **more}


def publish(papers, port, payload):
    """A device speaks."""
    client = Client(CallbackAPIVersion.VERSION2, "device", protocol=MQTTv5)
    client.username_pw_set("bridge", PASSWORD)
    client.tls_set(papers / "ca.crt", papers / "bridge.crt", papers / "bridge.key")
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish("m/M1", payload, 1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


async def test_readings_come_over_tls_with_a_password(papers, start, erp, tmp_path):
    broker = start()
    args = broker.port, erp.url, tmp_path / "state", [energy("M1")]
    async with running_bridge(mqtt_config(*args, access(papers))) as bridge:
        (source,) = bridge.sources
        await until(lambda: not source.status()["down"])
        publish(papers, broker.port, f'{{"t": {int(time.time())}, "e": 12.5}}')
        await until(lambda: erp.registers("M1") == ["12.5"])


async def test_a_broker_that_wants_a_certificate_of_the_bridge(
    papers, start, erp, tmp_path
):
    broker = start("require_certificate true")
    files = {"cert_file": papers / "bridge.crt", "key_file": papers / "bridge.key"}
    given = access(papers, **{key: str(path) for key, path in files.items()})
    args = broker.port, erp.url, tmp_path / "state", [energy("M1")]
    async with running_bridge(mqtt_config(*args, given)) as bridge:
        (source,) = bridge.sources
        await until(lambda: not source.status()["down"])
    async with running_bridge(mqtt_config(*args, access(papers))) as bridge:
        (source,) = bridge.sources
        await until(lambda: "not connected yet" not in source.status()["down"])
        assert source.status()["down"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "takes the bridge"),
        ({"ca_file": "stranger.crt"}, "certificate does not hold"),
        ({"ca_file": None}, "certificate does not hold"),
        ({"host": "localhost"}, "certificate does not hold"),
        ({"password_file": "broker.crt"}, "refused: Not authorized"),
        ({"password_file": "nowhere"}, "password_file: "),
        ({"ca_file": "users"}, "ca_file: "),
        ({"tls": False, "ca_file": None}, "connection lost"),
    ],
)
def test_check_names_what_is_wrong(papers, start, tmp_path, monkeypatch, changes, said):
    monkeypatch.setattr(checking, "CONNECT_S", 3)
    monkeypatch.setattr(checking, "LISTEN_S", 0.5)
    broker = start()
    given = access(papers)
    for key, value in changes.items():
        file = key.endswith("_file") and value
        given[key] = str(papers / value) if file else value
    given = {key: value for key, value in given.items() if value is not None}
    meters = [{"serial": "M1", **DEVICE}]
    data = settings(broker.port, "http://127.0.0.1:9", tmp_path / "s", meters, given)
    text = " ".join(run(tmp_path, ["check"], data).output.split())
    assert said in text
    assert PASSWORD not in text
