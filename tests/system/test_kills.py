"""Kill -9 of the bridge beside a real Odoo: nothing is lost, nothing is doubled."""

import random
import sqlite3
import time
from decimal import Decimal

import services
from conftest import wait_until

KILLS = 10
STORED = """
SELECT count(*), count(DISTINCT (reading.meter_id, reading.at))
  FROM energy_reading reading
"""
ACCEPTED = "SELECT sum(accepted) FROM energy_batch"
# Without the two meters that test_chain feeds by hand, ahead of what the plant shows.
HELD = """
SELECT count(*) FROM energy_reading_review
 WHERE verdict = 'held' AND meter_serial NOT IN ('PE-T5', 'PE-T5B')
"""


def outbox(system, query):
    """One value of the bridge's own file."""
    path = system.park.folder / "outbox.sqlite3"
    store = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return store.execute(query).fetchone()[0]
    finally:
        store.close()


def numbers(system, query):
    return [int(text or 0) for text in system.sql(query).split("|")]


def test_ten_kills_lose_and_double_nothing(system):
    chance = random.Random(20260504)
    first, _ = numbers(system, STORED)
    (accepted,), held = numbers(system, ACCEPTED), numbers(system, HELD)
    for _ in range(KILLS):
        services.kill(system.park.bridge_service)
        system.park.start_bridge()
        time.sleep(chance.uniform(0.2, 2))
    registers = {
        serial: system.plant(serial)["register_kwh"] for serial in ("PE-MAIN", "PE-T6")
    }
    for serial, register in registers.items():
        newest = f"SELECT last_register FROM energy_meter WHERE serial = '{serial}'"
        wait_until(
            lambda query=newest, least=register: (
                Decimal(system.sql(query)) >= Decimal(least)
            ),
            f"{serial} goes on from {register}",
        )
    services.stop(system.park.bridge_service)
    waiting = outbox(system, "SELECT count(*) FROM item WHERE kind = 'reading'")
    stored, distinct = numbers(system, STORED)
    assert stored == distinct, "one register for a meter and a moment"
    assert stored > first + KILLS
    assert numbers(system, HELD) == held
    assert outbox(system, "SELECT count(*) FROM dead_letter") == 0
    (now_accepted,) = numbers(system, ACCEPTED)
    assert now_accepted - accepted == stored - first, "each was accepted once"
    system.park.start_bridge()
    wait_until(
        lambda: numbers(system, STORED)[0] >= stored + waiting,
        "what waited in the outbox arrives",
    )
