"""Plant -> bridge -> Odoo -> wallet at zero -> relay open -> top-up -> relay closed.

Nothing is pretend: the relay is looked at in the plant, the payment is made in a
browser. The tests run in order on one system; each leaves it as the next expects it.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from conftest import SHOTS, wait_until

FRESH = """
SELECT count(*) FROM energy_meter
 WHERE last_reading_at > (now() AT TIME ZONE 'UTC') - interval '30 seconds'
"""
TENANT = "name = 'Riverside Lathe Works'"


def wallet(system, column, where=TENANT):
    return system.sql(f"SELECT {column} FROM energy_wallet WHERE {where}")


def log_in(page, name):
    page.goto("/web/login")
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", name)
    page.click("button[type=submit]")
    page.wait_for_url("**/my**")


def test_readings_of_all_meters_flow(system):
    """By Modbus, MQTT and LoRaWAN."""
    count = len(system.park.registers())
    wait_until(lambda: int(system.sql(FRESH)) == count, f"{count} meters are read")
    assert system.sql("SELECT count(*) FROM energy_reading_review") == "0"


def test_usage_draws_the_wallet_down(system):
    before = Decimal(wallet(system, "balance"))
    system.disturb("PE-T1", add_kwh=1)
    wait_until(
        lambda: Decimal(wallet(system, "balance")) <= before - Decimal("0.26"),
        "1 kWh x 0.25 x 1.04 has left the wallet",
    )


def test_a_wallet_at_zero_opens_the_relay(system):
    assert system.plant("PE-T1")["relay"] == "closed"
    system.disturb("PE-T1", add_kwh=30)
    wait_until(lambda: system.plant("PE-T1")["relay"] == "open", "the relay is open")
    register = system.plant("PE-T1")["register_kwh"]
    state = "SELECT relay_state FROM energy_meter WHERE serial = 'PE-T1'"
    wait_until(lambda: system.sql(state) == "open", "Odoo shows what was read back")
    assert wallet(system, "level") == "cut"
    assert system.plant("PE-T1")["power_kw"] == 0
    assert system.plant("PE-T1")["register_kwh"] == register, "nothing flows any more"
    others = [system.plant(f"PE-T{number}")["relay"] for number in range(2, 9)]
    assert others == ["closed"] * 7


def test_the_tenant_tops_up_on_a_phone_and_supply_returns(system, phone):
    log_in(phone, "tenant1")
    phone.goto("/my/energy")
    assert "Your supply was cut off" in phone.inner_text("main")
    phone.screenshot(path=SHOTS / "tenant-cut-off.png", full_page=True)
    phone.click("text=$ 50.00")
    phone.fill("input[name=customer_input]", "4242424242424242")
    phone.click("button[name=o_payment_submit_button]")
    phone.wait_for_url("**/my/energy/*")
    wait_until(
        lambda: system.plant("PE-T1")["relay"] == "closed", "the relay is closed"
    )
    wait_until(
        lambda: (
            system.sql("SELECT relay_state FROM energy_meter WHERE serial = 'PE-T1'")
            == "closed"
        ),
        "Odoo shows it closed",
    )
    register = Decimal(system.plant("PE-T1")["energy_kwh"])
    wait_until(
        lambda: Decimal(system.plant("PE-T1")["energy_kwh"]) > register, "energy flows"
    )
    # the page that the tenant was led back to tells it by itself
    phone.wait_for_selector(".o_energy_supply[data-meter=PE-T1][data-state=on]")
    assert "was cut off" not in phone.inner_text("[role=status]")


def test_the_payment_is_in_the_books_once(system):
    rows = system.sql(
        f"""
        SELECT entry.amount, payment.amount, payment.state, move.state,
               (SELECT sum(balance) FROM account_move_line WHERE move_id = move.id),
               (SELECT sum(credit) FROM account_move_line line
                 JOIN account_account account ON account.id = line.account_id
                WHERE line.move_id = move.id
                  AND account.account_type = 'liability_current')
          FROM energy_wallet_entry entry
          JOIN energy_wallet wallet ON wallet.id = entry.wallet_id
          JOIN account_payment payment ON payment.id = entry.payment_id
          JOIN account_move move ON move.id = payment.move_id
         WHERE wallet.{TENANT} AND payment.payment_transaction_id IS NOT NULL
        """
    ).splitlines()
    assert len(rows) == 1, rows
    entry, payment, payment_state, move_state, balance, liability = rows[0].split("|")
    assert Decimal(entry) == Decimal(payment) == Decimal(liability) == 50
    assert payment_state in ("in_process", "paid")
    assert move_state == "posted"
    assert Decimal(balance) == 0


def test_life_safety_stays_on_when_its_wallet_is_empty(system):
    system.disturb("PE-LA", add_kwh=60000)  # its budget is less, at night prices too
    wait_until(lambda: system.plant("PE-LA")["relay"] == "open", "line A is cut off")
    assert wallet(system, "level", "name = 'Production line A'") == "cut"
    assert system.plant("PE-VENT")["relay"] == "closed"
    assert all("open" not in write for write in system.plant("PE-VENT")["writes"])
    assert system.plant("PE-VENT")["write_count"] == 0


def test_a_killed_bridge_loses_and_doubles_nothing(system):
    for _round in range(3):
        system.disturb("PE-T3", add_kwh=1)
        system.restart_bridge()
    truth = Decimal(system.plant("PE-T3")["register_kwh"])
    wait_until(
        lambda: (
            Decimal(
                system.sql(
                    "SELECT last_register FROM energy_meter WHERE serial = 'PE-T3'"
                )
            )
            >= truth
        ),
        "the register has arrived",
    )
    used, first, last = system.sql(
        """
        SELECT (SELECT sum(quantity) FROM energy_usage usage
                 WHERE usage.service_point_id = meter.service_point_id),
               min(reading.register), max(reading.register)
          FROM energy_meter meter JOIN energy_reading reading ON meter_id = meter.id
         WHERE serial = 'PE-T3' GROUP BY meter.id
        """
    ).split("|")
    assert Decimal(used) == Decimal(last) - Decimal(first)


def test_parallel_batches_and_top_ups_on_one_wallet_add_up(system):
    """Two gateways' worth of traffic and a bookkeeper at once: to the last digit."""
    key = system.park.key_file.read_text()
    system.park.stop()  # the test is the bridge now
    serials = ["PE-T5", "PE-T5B"]
    begin = int(time.time()) + 1
    registers = {
        serial: Decimal(
            system.sql(
                f"SELECT last_register FROM energy_meter WHERE serial='{serial}'"
            )
        )
        for serial in serials
    }
    before = Decimal(wallet(system, "balance", "name = 'Tundra Cold Storage'"))

    def send(serial):
        for step in range(1, 21):
            reading = [serial, begin + step, str(registers[serial] + step)]
            batch = {"uid": f"race-{serial}-{step}", "readings": [reading]}
            for _repeat in range(2):  # as a bridge does whose answer got lost
                answer = system.call("ingest", key, batch=batch)
                assert answer["accepted"] == 1, answer

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, serials * 2))
    after = Decimal(wallet(system, "balance", "name = 'Tundra Cold Storage'"))
    assert before - after == 2 * 20 * Decimal("0.25") * Decimal("1.04")
    system.park.start_plant(time_factor=60)
    system.park.start_bridge()


def test_money_adds_up_to_the_last_digit(system):
    """Invariant 3, over everything that happened above, while it goes on."""
    wrong = system.sql(
        """
        SELECT wallet.name, wallet.balance
          FROM energy_wallet wallet
         WHERE wallet.balance <> (SELECT COALESCE(sum(amount), 0)
                  FROM energy_wallet_entry WHERE wallet_id = wallet.id)
             - (SELECT COALESCE(sum(amount_total - amount_settled), 0)
                  FROM energy_usage WHERE wallet_id = wallet.id)
        """
    )
    assert wrong == ""
