"""Relay states to the ERP: what changed, and all of them now and then."""

import asyncio

from conftest import config_of, running_bridge, until

from meter_bridge.exchange import Told

CLOSED = [{"meter_serial": name, "relay": "closed"} for name in ("A", "B")]
ONE_OPEN = [{"meter_serial": "A", "relay": "open"}, CLOSED[1]]


def serials(report):
    return [row["meter_serial"] for row in report]


def test_only_what_the_erp_has_not_confirmed_is_told():
    told = Told(30)
    assert told.news(CLOSED, 0) == CLOSED
    assert told.news(CLOSED, 1) == CLOSED, "nothing was confirmed"
    told.confirmed(CLOSED, CLOSED, 1)
    assert told.news(CLOSED, 2) == []
    assert told.news(ONE_OPEN, 3) == ONE_OPEN[:1]
    assert told.news(ONE_OPEN, 4) == ONE_OPEN[:1], "the call failed"
    told.confirmed(ONE_OPEN, ONE_OPEN[:1], 4)
    assert told.news(ONE_OPEN, 5) == []
    assert told.news(CLOSED, 6) == CLOSED[:1]
    assert told.news(ONE_OPEN, 31) == ONE_OPEN, "all, half a minute after the first"
    told.forget()
    assert told.news(ONE_OPEN, 7) == ONE_OPEN


def test_a_meter_that_comes_back_is_told():
    told = Told(30)
    told.confirmed(CLOSED, CLOSED, 0)
    told.confirmed(CLOSED[:1], [], 1)
    assert told.news(CLOSED, 2) == CLOSED[1:]


async def test_a_change_is_told_at_once_and_nothing_else(plant, erp, tmp_path):
    async with running_bridge(config_of(plant, erp.url, tmp_path)):
        await until(lambda: [r["relay"] for r in erp.reported] == ["closed"] * 2)
        await until(lambda: erp.reports[-1] == [])
        seen = len(erp.reports)
        plant.plant.meters["M2"].relay = "open"
        await until(lambda: any(erp.reports[seen:]))
        await asyncio.sleep(0.3)
        assert [serials(rows) for rows in erp.reports[seen:] if rows] == [["M2"]]
        assert erp.reported[1]["relay"] == "open"


async def test_all_are_told_again_when_the_interval_is_over(plant, erp, tmp_path):
    more = {"full_report_interval": 0.3}
    async with running_bridge(config_of(plant, erp.url, tmp_path, erp=more)):
        await until(lambda: [r["relay"] for r in erp.reported] == ["closed"] * 2)
        await until(lambda: erp.reports[-1] == [])
        seen = len(erp.reports)
        await until(lambda: any(len(rows) == 2 for rows in erp.reports[seen:]))
        assert [] in erp.reports[seen:]


async def test_a_new_term_as_the_master_begins_with_all(plant, erp, tmp_path):
    config = config_of(plant, erp.url, tmp_path, fleet={"instance": "a"})
    async with running_bridge(config):
        await until(lambda: [r["relay"] for r in erp.reported] == ["closed"] * 2)
        await until(lambda: erp.reports[-1] == [])
        erp.holder, erp.since, erp.until = "b", 7, 0.0  # another one was, in between
        seen = len(erp.reports)
        await until(lambda: any(len(rows) == 2 for rows in erp.reports[seen:]))
