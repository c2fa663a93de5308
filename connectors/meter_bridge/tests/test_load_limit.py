"""Load limits: written exactly, read back, reported; no register for it, no limit."""

from decimal import Decimal
from pathlib import Path

import pytest
from conftest import config_of, meter, plant_config, running_bridge, until
from test_switching import seed

from meter_bridge import meter_profile
from meter_bridge.simulator.running import RunningPlant
from meter_bridge.wire.base_profile import ProfileError
from meter_bridge.wire.load_limit import LoadLimit

ONE = Decimal(1)
SECTION = """
[[writable]]
address = 0x0070
count = 1
[load_limit]
address = 0x0070
unit = "W"
scale = "100"
none = 0xFFFF
settle_s = 0
"""


@pytest.fixture
async def plant(tmp_path):
    """M1 takes a load limit in steps of 100 W, M3 has no register for it."""
    shipped = Path(meter_profile.__file__).parent / "profiles" / "ddsy1352.toml"
    file = tmp_path / "limited.toml"
    file.write_text(shipped.read_text().replace("ddsy1352", "limited") + SECTION)
    meters = [meter("M1", 1, str(file)), meter("M3", 3)]
    async with RunningPlant(plant_config({"L": meters})) as running:
        yield running


@pytest.fixture
async def bridge(plant, erp, tmp_path):
    async with running_bridge(of_folder(plant, erp, tmp_path)) as running:
        await until(lambda: erp.registers("M1"))
        yield running


def of_folder(plant, erp, tmp_path):
    """The bridge finds the meter's profile in the site's folder."""
    plant.lines["L"].config.meters[0].profile = "limited"
    return config_of(plant, erp.url, tmp_path, profile_dir=str(tmp_path))


def limit(command_id, kw, serial="M1", **more):
    base = {"id": command_id, "meter_serial": serial, "kind": "load_limit"}
    return {**base, "value": kw, "expires_at": 4102444800, **more}


def test_simulated_profile_files_are_for_the_simulator_only(plant):
    assert plant.plant.meters["M1"].profile.load_limit.address == 0x70


async def test_a_limit_is_written_read_back_and_reported(plant, erp, bridge):
    erp.commands = [limit(1, "4.50")]
    result = await until(lambda: erp.outcome(1))
    assert (result["outcome"], result["observed"]) == ("verified", "4.50")
    assert plant.plant.meters["M1"].limit == [45]
    mine = {"meter_serial": "M1", "load_limit_kw": "4.50", "generation": 0}
    await until(lambda: any(mine.items() <= row.items() for row in erp.reported))
    erp.commands = [limit(2, "0")]
    assert (await until(lambda: erp.outcome(2)))["observed"] == "0"
    assert plant.plant.meters["M1"].limit == [0xFFFF]


async def test_a_limit_and_a_relay_do_not_disturb_each_other(
    plant, erp, bridge, relay_command
):
    erp.commands = [relay_command(11, "M1", "open", 5), limit(12, "1")]
    assert (await until(lambda: erp.outcome(11)))["outcome"] == "verified"
    assert (await until(lambda: erp.outcome(12)))["outcome"] == "verified"
    assert plant.plant.meters["M1"].relay == "open"


async def test_a_limit_changed_on_site_is_reported(plant, erp, tmp_path):
    config = of_folder(plant, erp, tmp_path)
    config.telemetry_interval = 0
    async with running_bridge(config):
        for words, kw in (([45], "4.5"), ([0xFFFF], "0")):
            plant.plant.meters["M1"].limit = words
            row = {"meter_serial": "M1", "load_limit_kw": kw}
            await until(
                lambda row=row: any(row.items() <= r.items() for r in erp.reported)
            )


async def test_limits_count_their_own_generations_and_can_be_withdrawn(
    plant, erp, bridge, relay_command
):
    erp.commands = [relay_command(51, "M1", "open", 50), limit(52, "2", generation=3)]
    assert (await until(lambda: erp.outcome(52)))["outcome"] == "verified"
    erp.commands = [limit(53, "9", generation=2)]
    assert (await until(lambda: erp.outcome(53)))["outcome"] == "expired"
    await plant.lines["L"].stop()
    await until(lambda: bridge.workers[0].down)
    erp.commands = [limit(54, "5", generation=4)]
    await until(lambda: bridge.workers[0]._board.waiting)
    erp.commands = []
    assert (await until(lambda: erp.outcome(54)))["detail"] == "withdrawn by the ERP"
    assert plant.plant.meters["M1"].limit == [20]


async def test_a_limit_that_the_meter_does_not_take_has_failed(plant, erp, bridge):
    plant.plant.meters["M1"].faults.stuck_relay = True
    erp.commands = [limit(21, "3")]
    result = await until(lambda: erp.outcome(21))
    assert (result["outcome"], result["observed"]) == ("failed", "0")


@pytest.mark.parametrize(
    ("serial", "kw", "detail"),
    [
        ("M3", "4", "no load limit"),
        ("M1", "4.55", "steps: 0.1 kW"),
        ("M1", "9999", "holds no limit of 9999"),
        ("M1", "-1", "no power"),
        ("M1", None, "no power"),
    ],
)
async def test_what_cannot_be_limited_fails_and_writes_nothing(
    plant, erp, bridge, serial, kw, detail
):
    erp.commands = [limit(31, kw, serial)]
    result = await until(lambda: erp.outcome(31))
    assert result["outcome"] == "failed"
    assert detail in result["detail"]
    assert plant.plant.meters["M1"].writes == []


@pytest.mark.parametrize("really", [None, [45]])
async def test_after_a_restart_in_sending_the_limit_is_only_read_back(
    plant, erp, tmp_path, really
):
    seed(tmp_path, limit(41, "4.5"), "sending")
    plant.plant.meters["M1"].limit = really
    async with running_bridge(of_folder(plant, erp, tmp_path)):
        result = await until(lambda: erp.outcome(41))
    assert result["outcome"] == ("verified" if really else "failed")
    assert plant.plant.meters["M1"].writes == []


def test_the_register_behind_transformers_is_exact():
    register = LoadLimit(address=1, type="uint32", scale="0.01", apply=("ct",))
    ct = Decimal(40)
    assert register.words("12", "big", ct, ONE) == [0, 30]
    assert register.kw([0, 30], "big", ct, ONE) == "12"
    assert register.kw([30, 0], "little", ct, ONE) == "12"
    assert register.kw([0, 0], "big", ct, ONE) == "0"
    for wrong in ("0.3", "NaN", "many", "1E30", "-4"):
        with pytest.raises(ProfileError):
            register.words(wrong, "big", ct, ONE)


def test_a_limit_off_the_whitelist_is_a_wrong_profile(tmp_path):
    shipped = Path(meter_profile.__file__).parent / "profiles" / "ddsy1352.toml"
    file = tmp_path / "wrong.toml"
    file.write_text(shipped.read_text() + "[load_limit]\naddress = 0x70\n")
    with pytest.raises(ProfileError, match="load_limit"):
        meter_profile.load_file(file)
