"""A billing run whose processes are killed, and one that two processes work on.

Real Odoo processes on a real PostgreSQL: SIGKILL at moments nobody chose, several times
in one run; then the run is finished. No wallet is billed twice or forgotten, and the
books say to the cent what the wallets say.
"""

import random
from decimal import Decimal
from pathlib import Path

import odoo_server
import postgres

DATABASE = "prepaid_billing_kill"
SCRIPT = Path(__file__).parent / "odoo" / "billing_kill.py"
WALLETS, KILLS = 200, 5
CENT = Decimal("0.01")


def check(rows, count):
    """One bill a wallet and run; what is left of a cent is carried, not lost."""
    assert len(rows) == count
    for bills, *numbers in rows:
        used, exact, billed, invoiced, prepaid, balance = map(Decimal, numbers)
        assert bills == 1
        assert exact == used
        assert billed == invoiced
        assert abs(exact - billed) <= CENT
        assert prepaid == 100 - billed
        assert balance == 100 - used


def test_nothing_is_billed_twice_or_forgotten():
    seed = random.randrange(10**6)
    print("seed", seed)
    odoo_server.clone(odoo_server.DEMO_DB, DATABASE)
    try:
        outcome = odoo_server.shell(
            DATABASE, SCRIPT.read_text(), wallets=WALLETS, kills=KILLS, seed=seed
        )
    finally:
        postgres.drop(DATABASE)
    print(outcome["seen"], outcome["lost"], outcome["done"])
    assert 0 < outcome["seen"][0] < outcome["seen"][-1], "killed too early or too late"
    assert outcome["last"] == 0
    assert outcome["together"] == [0, 0]
    assert outcome["lost"], "the two never met: this proved nothing"
    assert outcome["states"] == ["done", "done"]
    assert outcome["problems"] == [False, False]
    assert outcome["done"] == [WALLETS, WALLETS // 4]
    check(outcome["after_kills"], WALLETS)
    check(outcome["in_the_end"], WALLETS // 4)
