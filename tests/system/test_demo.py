"""The past of the demo park, as an installation and as ``make demo`` makes it."""

from decimal import Decimal
from pathlib import Path

import odoo_server
import postgres
import pytest
from layout import ROOT
from park import Park

INSTALLED = "prepaid_demo_installed"
LIVED = "prepaid_demo_lived"
AS_INSTALLED = """
env["ir.config_parameter"].set_param("prepaid_energy.demo_without_past", False)
site = env.ref("prepaid_energy.site_riverside")
site._demo_past()
before = env["energy.wallet.entry"].search_count([])
site._demo_past()  # once is enough
result = env["energy.wallet.entry"].search_count([]) - before
"""
# wallets whose balance is not what the ledger and the open usage say
WRONG = """
SELECT name FROM energy_wallet wallet
 WHERE balance <> (SELECT COALESCE(sum(amount), 0)
                     FROM energy_wallet_entry WHERE wallet_id = wallet.id)
            - (SELECT COALESCE(sum(amount_total - amount_settled), 0)
                 FROM energy_usage WHERE wallet_id = wallet.id)
"""
TENANTS = "SELECT count(*) FROM energy_wallet WHERE kind = 'tenant'"
LATE = """
SELECT serial FROM energy_meter meter
  JOIN energy_gateway gateway ON gateway.id = meter.gateway_id
 WHERE last_reading_at IS NULL
    OR last_reading_at < (now() AT TIME ZONE 'UTC') - interval '2 hours'
"""


@pytest.fixture(scope="module", params=[INSTALLED, LIVED])
def past(request):
    """A demo with a past, of both kinds; ``past(query)`` asks its database."""
    database = request.param
    odoo_server.clone(odoo_server.DEMO_DB, database)
    if database == INSTALLED:
        again = odoo_server.shell(database, AS_INSTALLED)
        assert again == 0
    else:
        script = Path(ROOT, "scripts", "demo_past.py").read_text()
        odoo_server.shell(database, script, registers=Park.registers())

    def ask(query):
        return postgres.psql(query, database)

    ask.database = database
    yield ask
    postgres.drop(database)


def test_every_meter_was_read_until_now(past):
    assert past(LATE) == ""


def test_balances_add_up_and_nobody_is_cut_off(past):
    assert past(WRONG) == ""
    assert past("SELECT name FROM energy_wallet WHERE level = 'cut'") == ""
    first = "SELECT round(balance, 2) FROM energy_wallet WHERE name LIKE 'Riverside%'"
    assert 0 < Decimal(past(first)) < 3, "tenant1 soon runs dry"


def test_the_ledger_is_dated_by_the_days(past):
    """No consumption is booked before its day is over, none a day late."""
    odd = """
    SELECT day, at FROM energy_wallet_entry
     WHERE kind = 'consumption'
       AND (at AT TIME ZONE 'UTC' AT TIME ZONE 'America/Chicago')::date <> day + 1
    """
    assert past(odd) == ""


def test_there_is_something_to_look_at(past):
    learnt = "SELECT count(DISTINCT wallet_id) FROM energy_forecast WHERE looks > 0"
    assert int(past(learnt)) >= int(past(TENANTS)) >= 8
    held = "SELECT count(*) FROM energy_reading_review WHERE state = 'pending'"
    assert int(past(held)) == 2
    leak = "SELECT count(*) FROM energy_service_point WHERE loss_alarm"
    assert int(past(leak)) == 1
    days = "SELECT count(DISTINCT day) FROM energy_interval"
    assert int(past(days)) > 13


def test_the_live_readings_go_on_where_the_past_ends(past):
    if past.database == INSTALLED:
        return  # no plant stands behind it
    shown = dict(
        row.split("|")
        for row in past("SELECT serial, last_register FROM energy_meter").splitlines()
    )
    for serial, register in Park.registers().items():
        assert Decimal(shown[serial]) == Decimal(register), serial
