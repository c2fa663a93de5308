from decimal import Decimal
from itertools import product

from odoo.tests import BaseCase

from ..models import supply


class TestSupply(BaseCase):
    def level(self, balance, before="normal"):
        return supply.wallet_level(
            Decimal(balance),
            before,
            warning=Decimal(20),
            cutoff=Decimal(0),
            restore=Decimal(5),
        )

    def test_thresholds_are_inclusive(self):
        self.assertEqual(self.level("20.01"), "normal")
        self.assertEqual(self.level("20"), "low")
        self.assertEqual(self.level("0.01"), "low")
        self.assertEqual(self.level("0"), "cut")
        self.assertEqual(self.level("-3"), "cut")

    def test_a_cut_wallet_stays_cut_until_the_restore_threshold(self):
        self.assertEqual(self.level("4.99", "cut"), "cut")
        self.assertEqual(self.level("5", "cut"), "low")
        self.assertEqual(self.level("4.99", "low"), "low")

    def test_every_combination_keeps_people_safe(self):
        """Invariant 6, over all facts."""
        for safety, locked, tripped, off, cut in product((False, True), repeat=5):
            state = supply.desired_state(
                life_safety=safety,
                locked_out=locked,
                tripped=tripped,
                switched_off=off,
                cut=cut,
            )
            facts = (safety, locked, tripped, off, cut)
            if safety:
                self.assertNotEqual(state, "open", facts)
            if locked or tripped:
                self.assertNotEqual(state, "closed", facts)
            if not safety and (off or cut):
                self.assertEqual(state, "open", facts)
            if not any((locked, tripped, off, cut)):
                self.assertEqual(state, "closed", facts)
