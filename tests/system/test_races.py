"""Top-ups, refunds, batches and settlements at once, on the same wallets.

Seven processes with cursors of their own on a real PostgreSQL: two gateways whose
meters draw on the same four wallets, two payers and two refunders of whom each books
the same causes, and the settlement. Serialization failures happen by the thousand and
are tried again by Odoo; in the end every wallet has exactly what arithmetic says.
"""

from decimal import Decimal
from pathlib import Path

import odoo_server
import postgres

DATABASE = "prepaid_races"
SCRIPT = Path(__file__).parent / "odoo" / "races.py"
TOPUPS, REFUNDS, BATCHES, WALLETS = 2500, 1500, 800, 4


def test_ten_thousand_movements_at_once_add_up():
    odoo_server.clone(odoo_server.DEMO_DB, DATABASE)
    try:
        outcome = odoo_server.shell(
            DATABASE,
            SCRIPT.read_text(),
            topups=TOPUPS,
            refunds=REFUNDS,
            batches=BATCHES,
            settlements=60,
        )
    finally:
        postgres.drop(DATABASE)
    print(outcome)
    assert set(outcome["codes"]) == {0}, "a worker failed; see the log"
    assert outcome["deadlocks"] == 0, "somebody locks in another order"
    assert outcome["lost"] > 0, "nobody met anybody: this proved nothing"
    assert outcome["readings"] == outcome["meters"] * BATCHES
    kwh = (BATCHES - 1) * outcome["meters"] // WALLETS
    used = kwh * Decimal("0.25") * Decimal("1.10")
    for number, row in enumerate(outcome["wallets"]):
        balance, accrued, entries, unsettled = map(Decimal, row)
        paid = sum(range(number + 1, TOPUPS + 1, WALLETS)) * Decimal("0.01")
        back = sum(range(number + 1, REFUNDS + 1, WALLETS)) * Decimal("0.003")
        assert balance == paid - back - used
        assert balance == entries - unsettled, "invariant 3"
        assert accrued == unsettled
