"""``check`` names what is silent; dead letters are understood after a correction."""

import json
import threading

import pytest
from conftest import toml_of
from mqtt_tools import PLAIN, Broker, Publisher, energy, settings
from typer.testing import CliRunner

from meter_bridge import config
from meter_bridge.app import Bridge
from meter_bridge.cli import cli
from meter_bridge.commands_store import CommandStore
from meter_bridge.mqtt import checking

T0 = 1_780_000_000


def run(tmp_path, words, data):
    """Run a command with the configuration ``data``."""
    (tmp_path / "bridge.toml").write_text(toml_of(data))
    config = ["--config", str(tmp_path / "bridge.toml")]
    return CliRunner().invoke(cli, [*words, *config])


SHELLY = {"serial": "S", "format": "shelly", "topic": "sh", "component": "switch:0"}


class Answering(Publisher):
    """A Shelly that answers whatever it is asked."""

    def answer(self):
        """Answer the question that came."""
        _, text = self.seen.get(timeout=10)
        call = json.loads(text)
        result = {"switch:0": {"output": True, "aenergy": {"total": 5}}}
        answer = {"id": call["id"], "src": "sh", "result": result}
        self.publish(f"{call['src']}/rpc", answer)


def test_check_tells_who_speaks(broker, erp_url, tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "LISTEN_S", 1.5)
    device = Answering(broker.port, topics=["sh/rpc"])
    threading.Thread(target=device.answer, daemon=True).start()
    gone = {"serial": "T", "format": "tasmota", "topic": "gone"}
    meters = [SHELLY, gone, energy("J")]
    data = settings(broker.port, erp_url, tmp_path / "s", meters)
    result = run(tmp_path, ["check"], data)
    device.stop()
    assert "hall S: speaks" in result.stdout
    assert "hall T: does not answer" in result.stdout
    assert "hall J: not heard yet" in result.stdout
    assert result.exit_code == 1


@pytest.fixture
def erp_url():
    """Nobody is there."""
    return "http://127.0.0.1:9"


def test_check_without_a_broker(erp_url, tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "CONNECT_S", 0.5)
    data = settings(1, erp_url, tmp_path / "s", [energy("J")])
    result = run(tmp_path, ["check"], data)
    assert "hall: cannot be reached" in result.stdout
    assert result.exit_code == 1


def test_a_password_that_is_not_there_names_the_key(erp_url, tmp_path):
    more = {"username": "u", "password_file": "missing"}
    data = settings(1, erp_url, tmp_path / "s", [energy("J")], more)
    result = run(tmp_path, ["check"], data)
    assert result.exit_code == 1
    assert "mqtt hall: password_file" in result.output
    with pytest.raises(config.ConfigError, match="mqtt hall: password_file"):
        Bridge(config.from_dict(data))


def test_dead_letters_are_decoded_by_the_corrected_configuration(erp_url, tmp_path):
    store = CommandStore(make(tmp_path / "s") / "outbox.sqlite3")
    text = json.dumps({"t": T0, "wh": 7500})
    for topic, payload in (("m/J", text), ("m/J", "{")):
        body = json.dumps({"topic": topic, "payload": payload})
        store.add_polls([], [(T0, "mqtt", body, "as it was")])
    wrong = settings(1, erp_url, tmp_path / "s", [energy("J")])
    result = run(tmp_path, ["dead-letter", "retry", "--all"], wrong)
    assert "0 rows" in result.output
    rule = {**PLAIN, "register": {"path": "$.wh", "unit": "Wh"}}
    right = settings(1, erp_url, tmp_path / "s", [energy("J")], {"mapping": [rule]})
    result = run(tmp_path, ["dead-letter", "retry", "--all"], right)
    assert "1 rows" in result.stdout
    assert store.next_batch(10, 0).readings == [["J", T0, "7.500"]]
    assert len(store.dead_letters()) == 1, "what is not understood stays"
    store.close()


def make(folder):
    """Create ``folder``."""
    folder.mkdir()
    return folder


def test_check_says_that_the_broker_refuses(erp_url, tmp_path):
    server = Broker(tmp_path / "broker", "allow_anonymous false")
    server.start()
    data = settings(server.port, erp_url, tmp_path / "s", [energy("J")])
    result = run(tmp_path, ["check"], data)
    server.kill()
    assert "hall: refused: Not authorized" in result.stdout
