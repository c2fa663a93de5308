"""The ERP says which meter hangs where: taken without restart, losing nothing."""

import asyncio
import time

import pytest
from conftest import config_of, meter, plant_config, running_bridge, until

from meter_bridge import web
from meter_bridge.commands_store import CommandStore
from meter_bridge.config import ConfigError
from meter_bridge.meter_list import placed
from meter_bridge.simulator.running import RunningPlant


@pytest.fixture
async def plant():
    """M1 and M2 on line A, M3 on line B; "M1" and "M3" have the address 1."""
    lines = {"A": [meter("M1", 1), meter("M2", 2)], "B": [meter("M3", 1)]}
    async with RunningPlant(plant_config(lines)) as running:
        yield running


def row(serial, line, address, **more):
    base = {"serial": serial, "profile": "ddsy1352", "line": line}
    return {**base, "address": str(address), "ct": "1", "pt": "1", **more}


def of_erp(plant, erp, tmp_path):
    """A configuration whose meters come from the ERP."""
    config = config_of(plant, erp.url, tmp_path)
    config.meters = "erp"
    for line in config.lines:
        line.meters = []
    config.erp.configuration_interval = 0.05
    return config


def say(erp, *rows):
    """The ERP's list from now on."""
    erp.meters, erp.version = list(rows), str(int(erp.version) + 1)


async def applied(erp):
    """Wait until the bridge has asked with the newest version."""
    await until(lambda: erp.asked and erp.asked[-1] == erp.version)


async def test_meters_come_and_go_without_restart(plant, erp, tmp_path):
    say(erp, row("M1", "A", 1))
    async with running_bridge(of_erp(plant, erp, tmp_path)) as bridge:
        await until(lambda: erp.registers("M1"))
        kept = bridge.workers[0].devices["M1"]
        say(erp, row("M1", "A", 1), row("M3", "B", 1))
        await until(lambda: erp.registers("M3"))
        assert bridge.workers[0].devices["M1"] is kept, "its schedule goes on"
        say(erp, row("M3", "B", 1))
        await applied(erp)
        have, others = len(erp.registers("M1")), len(erp.registers("M3"))
        await until(lambda: len(erp.registers("M3")) > others + 1)
        assert len(erp.registers("M1")) <= have + 1, "at most the read in progress"
        assert (await web.health(bridge))["lines"]["A"]["meters"] == 0


async def test_an_unchanged_list_is_not_sent_again(plant, erp, tmp_path):
    say(erp, row("M1", "A", 1))
    async with running_bridge(of_erp(plant, erp, tmp_path)):
        await until(lambda: erp.asked.count(erp.version) > 2)
    assert erp.asked[0] is None


async def test_the_bridge_starts_by_the_last_list_without_the_erp(plant, erp, tmp_path):
    say(erp, row("M2", "A", 2))
    async with running_bridge(of_erp(plant, erp, tmp_path)):
        await until(lambda: erp.registers("M2"))
    await erp.stop()
    config = of_erp(plant, erp, tmp_path)
    async with running_bridge(config) as bridge:
        while not (await bridge.outbox.run(CommandStore.counts))["reading"]:
            await asyncio.sleep(0.02)
        assert set(bridge.workers[0].devices) == {"M2"}
    await erp.start()


async def test_another_ct_counts_from_the_next_read(plant, erp, tmp_path):
    plant.plant.time_factor = 0
    say(erp, row("M1", "A", 1))
    async with running_bridge(of_erp(plant, erp, tmp_path)):
        await until(lambda: erp.registers("M1"))
        say(erp, row("M1", "A", 1, ct="40"))
        await until(lambda: "40000.00" in erp.registers("M1"))
    assert erp.registers("M1")[0] == "1000.00"


async def test_a_moved_meter_takes_its_commands_and_its_generation_along(
    plant, erp, tmp_path, relay_command
):
    """The ERP first believes M3 at a place where nothing answers."""
    say(erp, row("M3", "A", 9), row("M1", "A", 1))
    async with running_bridge(of_erp(plant, erp, tmp_path)) as bridge:
        await until(lambda: "M3" in bridge.workers[0].status()["silent"])
        erp.commands = [relay_command(5, "M3", "open", 7)]
        await until(lambda: bridge.workers[0]._board._verifying)
        say(erp, row("M3", "B", 1), row("M1", "A", 1))
        result = await until(lambda: erp.outcome(5))
        assert result["outcome"] == "failed", "written elsewhere: read back, closed"
        assert plant.plant.meters["M3"].writes == []
        erp.commands = [relay_command(4, "M3", "open", 6)]
        assert (await until(lambda: erp.outcome(4)))["outcome"] == "expired"
        erp.commands = [relay_command(8, "M3", "open", 8)]
        assert (await until(lambda: erp.outcome(8)))["outcome"] == "verified"
    assert plant.plant.meters["M3"].relay == "open"


async def test_what_waits_for_a_moved_meter_is_executed_at_its_new_place(
    plant, erp, tmp_path, relay_command
):
    say(erp, row("M2", "A", 2))
    async with running_bridge(of_erp(plant, erp, tmp_path)) as bridge:
        await until(lambda: erp.registers("M2"))
        await plant.lines["A"].stop()
        await until(lambda: bridge.workers[0].down)
        erp.commands = [relay_command(9, "M2", "open", 1)]
        await until(lambda: bridge.workers[0]._board.waiting)
        plant.lines["B"]._devices[2] = plant.plant.meters["M2"]
        say(erp, row("M2", "B", 2))
        assert (await until(lambda: erp.outcome(9)))["outcome"] == "verified"
        assert len(plant.plant.meters["M2"].writes) == 1


async def test_commands_of_a_meter_that_went_fail_loudly(
    plant, erp, tmp_path, relay_command
):
    say(erp, row("M1", "A", 1), row("M2", "A", 2))
    async with running_bridge(of_erp(plant, erp, tmp_path)) as bridge:
        await until(lambda: erp.registers("M2"))
        await plant.lines["A"].stop()
        await until(lambda: bridge.workers[0].down)
        erp.commands = [relay_command(3, "M2", "open", 1)]
        await until(lambda: bridge.workers[0]._board.waiting)
        say(erp, row("M1", "A", 1))
        result = await until(lambda: erp.outcome(3))
        assert result["outcome"] == "failed"
        assert "no such meter" in result["detail"]


async def test_a_command_for_a_meter_just_added_waits_for_the_list(
    plant, erp, tmp_path, relay_command
):
    """It comes before the bridge would have asked for the list again."""
    say(erp, row("M1", "A", 1))
    config = of_erp(plant, erp, tmp_path)
    config.erp.configuration_interval = 3600
    async with running_bridge(config):
        await until(lambda: erp.registers("M1"))
        say(erp, row("M1", "A", 1), row("M2", "A", 2))
        erp.commands = [relay_command(3, "M2", "open")]
        result = await until(lambda: erp.outcome(3))
    assert result["outcome"] == "verified"


async def test_while_the_list_cannot_be_asked_for_the_command_waits(
    plant, erp, tmp_path, relay_command
):
    say(erp, row("M1", "A", 1))
    config = of_erp(plant, erp, tmp_path)
    config.erp.configuration_interval = 3600
    async with running_bridge(config) as bridge:
        await until(lambda: erp.registers("M1"))
        good, (erp.version, erp.meters) = erp.meters, ("50", "nonsense")
        erp.commands = [
            relay_command(3, "M2", "open"),
            {**relay_command(4, "M7", "open"), "expires_at": time.time() + 0.5},
        ]
        await until(lambda: "not a configuration" in bridge.link.error)
        assert (await until(lambda: erp.outcome(4)))["outcome"] == "expired"
        assert not erp.outcome(3)
        erp.version, erp.meters = "51", [*good, row("M2", "A", 2)]
        assert (await until(lambda: erp.outcome(3)))["outcome"] == "verified"


async def test_a_wrong_meter_is_named_and_the_others_are_read(plant, erp, tmp_path):
    wrong = row("M9", "nowhere", 1)
    say(erp, row("M1", "A", 1), wrong, row("M8", "A", 3, profile="sdm63O"))
    async with running_bridge(of_erp(plant, erp, tmp_path)) as bridge:
        await until(lambda: erp.registers("M1"))
        problems = (await web.health(bridge))["problems"]
        assert any("M9: line 'nowhere'" in text for text in problems)
        assert any("M8" in text and "sdm63O" in text for text in problems)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"address": "248"}, "248"),
        ({"address": ""}, "address"),
        ({"ct": "0"}, "ct"),
        ({"ct": "many"}, "ct"),
        ({"serial": "M1", "address": "5"}, "twice"),
        ({"address": "1"}, "given twice"),
        ({"poll_interval": -1}, "poll_interval"),
    ],
)
async def test_what_the_erp_may_say_of_a_meter(plant, erp, tmp_path, changes, problem):
    config = of_erp(plant, erp, tmp_path)
    found, problems = placed(
        config, [row("M1", "A", 1), {**row("M2", "A", 2), **changes}]
    )
    assert [item.serial for item in found["A"]] == (["M1"] if problem else ["M1", "M2"])
    assert problem in " ".join(problems)
    assert len(problems) == bool(problem)


async def test_rows_that_are_no_meters_harm_nothing(plant, erp, tmp_path):
    found, problems = placed(of_erp(plant, erp, tmp_path), [None, 7, {}, []])
    assert (found["A"], len(problems)) == ([], 4)


async def test_a_list_that_cannot_be_understood_changes_nothing(plant, erp, tmp_path):
    say(erp, row("M1", "A", 1))
    async with running_bridge(of_erp(plant, erp, tmp_path)) as bridge:
        await until(lambda: erp.registers("M1"))
        erp.version, erp.meters = "99", "nonsense"
        await until(lambda: "not a configuration" in bridge.link.error)
        assert set(bridge.workers[0].devices) == {"M1"}


def test_the_file_has_meters_or_leaves_them_to_the_erp(tmp_path):
    from meter_bridge import config

    erp = {"url": "http://x", "database": "d", "api_key": "k"}
    line = {"name": "A", "host": "h", "port": 502}
    data = {"state_dir": str(tmp_path), "erp": erp, "line": [line]}
    with pytest.raises(ConfigError, match="at least one"):
        config.from_dict(data)
    assert config.from_dict({**data, "meters": "erp"}).lines[0].meters == []
    line["meter"] = [{"serial": "1", "profile": "sdm120", "device": 1}]
    with pytest.raises(ConfigError, match="line A: line.meter: none"):
        config.from_dict({**data, "meters": "erp"})
