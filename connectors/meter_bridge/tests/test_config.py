"""Configuration mistakes are told by the key they are in."""

import copy

import pytest
from conftest import toml_of

from meter_bridge import config

GOOD = {
    "state_dir": "state",
    "erp": {"url": "http://odoo:8069/", "database": "db", "api_key_file": "key"},
    "line": [
        {
            "name": "a",
            "host": "gw",
            "port": 502,
            "meter": [{"serial": "M1", "profile": "sdm630", "device": 1, "ct": "40"}],
        }
    ],
}


def changed(path, value):
    data = copy.deepcopy(GOOD)
    place = data
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return data


def test_a_file_is_read_and_its_paths_are_relative_to_it(tmp_path):
    file = tmp_path / "bridge.toml"
    file.write_text(toml_of(GOOD))
    (tmp_path / "key").write_text("secret\n")
    found = config.load(file)
    assert found.state_dir == tmp_path / "state"
    assert found.erp.key() == "secret"
    assert found.erp.url == "http://odoo:8069"
    assert str(found.lines[0].meters[0].ct) == "40"
    (tmp_path / "key").write_text("renewed")
    assert found.erp.key() == "renewed", "a replaced key file works without restart"


def test_the_environment_wins_and_holds_the_secret(monkeypatch):
    monkeypatch.setenv("METER_BRIDGE_ERP__API_KEY", "from-env")
    monkeypatch.setenv("METER_BRIDGE_POLL_INTERVAL", "7")
    found = config.from_dict(changed(["erp", "api_key_file"], None))
    assert found.erp.key() == "from-env"
    assert found.poll_interval == 7
    assert "from-env" not in repr(found)


METER = {"serial": "M2", "profile": "sdm120", "device": 2}


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (["erp", "url"], "odoo", "erp.url"),
        (["erp", "url"], None, "erp.url"),
        (["erp", "api_key_file"], None, "METER_BRIDGE_ERP__API_KEY"),
        (["erp", "batch_max"], 10001, "erp.batch_max"),
        (["poll_interval"], 0, "poll_interval"),
        (["pol_interval"], 1, "pol_interval"),
        (["line"], [], "line"),
        (["line", 0, "port"], 70000, "line.0.port"),
        (["line", 0, "meter", 0, "device"], 0, "M1: device: 0 is no Modbus"),
        (["line", 0, "meter", 0, "profile"], "sdm", "M1: profile.*sdm630"),
        (["line", 0, "meter", 0, "ct"], "0", "line.0.meter.0.ct"),
        (["line"], GOOD["line"] * 2, "line.name 'a' is given twice"),
        (
            ["line"],
            [*GOOD["line"], {**GOOD["line"][0], "name": "b", "meter": [METER]}],
            "two masters",
        ),
        (
            ["line", 0, "meter"],
            [GOOD["line"][0]["meter"][0], {**METER, "device": 1}],
            "device '1' is given twice",
        ),
    ],
)
def test_mistakes_name_the_key(path, value, says):
    with pytest.raises(config.ConfigError, match=says):
        config.from_dict(changed(path, value))


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(config.ConfigError, match="bridge.toml"):
        config.load(tmp_path / "bridge.toml")
    (tmp_path / "bad.toml").write_text("a = ")
    with pytest.raises(config.ConfigError, match="bad.toml"):
        config.load(tmp_path / "bad.toml")
    found = config.from_dict(GOOD)
    with pytest.raises(config.ConfigError, match="erp.api_key_file"):
        found.erp.key()


def test_ports_relative_to_a_base():
    data = changed(["line", 0, "port"], 2)
    assert config.from_dict({**data, "port_base": 28020}).lines[0].port == 28022
    with pytest.raises(config.ConfigError, match="port 0 does not exist"):
        config.from_dict(changed(["line", 0, "port"], 0))
