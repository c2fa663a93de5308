import os
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, new_test_user, tagged

from .common import add_point
from .test_billing import BillingCase

STEPS = int(os.environ.get("PROOF_STEPS", "200"))


class ProofCase(BillingCase):
    def prove(self, date=None):
        return self.env["energy.proof"].create({"date": date} if date else {})


@tagged("post_install", "-at_install")
class TestProof(ProofCase):
    def test_it_is_zero_before_and_after_billing(self):
        self.topup(100)
        self.ingest((0, "0"), (86400 * 10, "120.004"))
        line = self.prove().line_ids
        self.assertTrue(self.prove().proven)
        self.assertEqual(line.liability, 100)
        self.assertEqual(line.wallets, 67)
        self.assertEqual(line.unbilled, 33)
        self.bill()
        proof = self.prove()
        self.assertTrue(proof.proven)
        self.assertFalse(proof.cause_ids)
        self.assertEqual(proof.line_ids.liability, 67)
        self.assertEqual(proof.line_ids.unbilled, 0)

    def test_at_a_past_date(self):
        with freeze_time("2026-05-10 06:00:00"):
            self.topup(100)
        self.topup(30)
        self.ingest((0, "0"), (86400 * 10, "240"))  # 6.60 a day
        line = self.prove("2026-05-10").line_ids
        self.assertEqual((line.wallets, line.unbilled), (34, 66))
        self.assertEqual((line.liability, line.difference), (100, 0))
        line = self.prove("2026-05-05").line_ids
        self.assertEqual((line.wallets, line.unbilled, line.liability), (-33, 33, 0))

    def test_a_manual_entry_is_named(self):
        account = self.company.energy_prepayment_account_id
        move = self.env["account.move"].create(
            {
                "move_type": "entry",
                "line_ids": [
                    (0, 0, {"account_id": account.id, "credit": 7}),
                    (0, 0, {"account_id": self.journal.default_account_id.id,
                            "debit": 7}),
                ],
            }
        )  # fmt: skip
        move.action_post()
        proof = self.prove()
        self.assertFalse(proof.proven)
        self.assertEqual(proof.line_ids.difference, -7)
        self.assertEqual(proof.cause_ids.move_id, move)
        self.assertEqual(proof.cause_ids.amount, -7)

    def test_a_payment_that_was_reversed_in_the_books_is_named(self):
        self.topup(100)
        payment = self.wallet.entry_ids.payment_id
        reversal = payment.move_id._reverse_moves()
        reversal.action_post()
        proof = self.prove()
        self.assertEqual(proof.line_ids.difference, 100)
        self.assertIn(reversal, proof.cause_ids.move_id)

    def test_a_back_dated_payment_is_named_with_both_dates(self):
        payment = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_id": self.tenant.id,
                "amount": 20,
                "date": "2026-05-20",
                "journal_id": self.journal.id,
                "energy_wallet_id": self.wallet.id,
            }
        )
        payment.action_post()
        self.assertTrue(self.prove().proven)
        cause = self.prove("2026-05-25").cause_ids
        self.assertEqual(cause.move_id, payment.move_id)
        self.assertEqual(cause.amount, -20)
        self.assertIn("2026-05-20", cause.text)
        self.assertIn("2026-06-01", cause.text)

    def test_a_ledger_row_without_an_entry_is_named(self):
        self.topup(100)
        self.env["energy.wallet.entry"]._post(
            self.wallet, "topup", Decimal(5), source_key="forged", name="From nowhere"
        )
        proof = self.prove()
        self.assertEqual(proof.line_ids.difference, 5)
        self.assertIn("From nowhere", proof.cause_ids.text)

    def test_its_title_says_whose_until_when_and_how_it_ended(self):
        proof = self.prove("2026-05-31")
        title = f"{self.company.name} until 2026-05-31"
        self.assertEqual(proof.display_name, f"{title}: proven")
        self.env["energy.wallet.entry"]._post(
            self.wallet,
            "topup",
            Decimal(5),
            source_key="forged",
            name="From nowhere",
            at=datetime(2026, 5, 3),
        )
        proof.action_refresh()
        self.assertEqual(proof.display_name, f"{title}: differs")

    def test_it_is_for_accountants(self):
        operator = new_test_user(
            self.env, "op", groups="prepaid_energy.group_energy_operator"
        )
        with self.assertRaises(AccessError):
            self.env["energy.proof"].with_user(operator).create({})


@tagged("post_install", "-at_install")
class TestHistories(ProofCase):
    """Random histories through real Odoo: the proof is zero after each step.

    ``PROOF_STEPS`` sets how many; a failure prints the seed and what was done.
    """

    def setUp(self):
        super().setUp()
        self.company.fiscalyear_lock_date = False
        francs = self.env.ref("base.CHF")
        francs.active = True
        self.env["res.currency.rate"].create(
            [
                {"currency_id": francs.id, "name": day, "rate": rate}
                for day, rate in (("2026-01-01", 0.8), ("2026-05-15", 0.83))
            ]
        )
        swiss = self.tariff.copy({"name": "Francs", "currency_id": francs.id})
        self.policy.write({"debt_percent": 30, "topup_fee": 0.5, "armed": False})
        self.journal = self.env["account.journal"].create(
            {
                "name": "Cards",
                "type": "bank",
                "code": "TCRD",
            }  # cash is not charged back
        )
        self.loss = self.env["account.account"].search(
            [("account_type", "=", "expense"), ("company_ids", "in", self.company.id)],
            limit=1,
        )
        self.wallets, self.serials = [self.wallet], {self.wallet: "M-1"}
        for number in range(3):
            foreign = number == 2
            wallet = self.env["energy.wallet"].create(
                {
                    "name": f"Wallet {number}",
                    "partner_id": self.env["res.partner"]
                    .create({"name": f"Tenant {number}"})
                    .id,
                    "currency_id": (francs if foreign else self.company.currency_id).id,
                    "policy_id": False if foreign else self.policy.id,
                }
            )
            add_point(
                self,
                f"M-H{number}",
                wallet_id=wallet.id,
                tariff_id=(swiss if foreign else self.tariff).id,
            )
            self.wallets.append(wallet)
            self.serials[wallet] = f"M-H{number}"
        self.registers = dict.fromkeys(self.wallets, Decimal(0))

    def test_random_histories(self):
        seed = int(os.environ.get("PROOF_SEED", "0")) or random.randrange(10**6)
        self.random, self.done = random.Random(seed), []
        self.clock = datetime(2026, 5, 1, 8, tzinfo=UTC)
        self.begin = self.clock
        self.now("2026-05-01 08:00:00")
        for step in range(STEPS):
            self.clock += timedelta(minutes=self.random.randrange(1, 900))
            with freeze_time(self.clock.replace(tzinfo=None)):
                self._one_step()
                if step % 5 == 4:
                    self._check(seed)
                if step % 50 == 49:
                    self._analyze()
        with freeze_time(self.clock.replace(tzinfo=None)):
            self.run_tasks()
            self._bill()
            self._check(seed)
        worked = {row[0] for row in self.done if len(row) == 2}
        self.assertGreater(len(worked), 7, f"seed {seed}: {worked}")

    def _analyze(self):
        """All is one transaction here: no autovacuum tells the planner what grew."""
        self.env.cr.execute(
            "ANALYZE account_move, account_move_line, account_payment, "
            "account_partial_reconcile, energy_usage, energy_wallet_entry"
        )

    def _one_step(self):
        action = self.random.choices(
            [
                self._top_up, self._read, self._late, self._refund, self._undo,
                self._transfer, self._fee, self._defer, self._write_off, self._settle,
                self._bill, self._lock, self._charge_back, self._wrong_wallet,
                self._accrue,
            ],
            [20, 40, 8, 5, 4, 5, 5, 4, 3, 10, 4, 2, 4, 3, 2],
        )[0]  # fmt: skip
        wallet = self.random.choice(self.wallets)
        try:
            with self.env.cr.savepoint():
                action(wallet) if action not in (self._bill, self._lock) else action()
            self.done.append((action.__name__, wallet.name))
        except UserError as error:
            self.done.append((action.__name__, wallet.name, str(error)))

    def _check(self, seed):
        context = f"seed {seed}: {self.done[-12:]}"
        for wallet in self.env["energy.wallet"].search([("kind", "!=", "line")]):
            self.exact_balance(wallet)
        proof = self.prove()
        causes = proof.cause_ids.mapped(lambda c: (c.wallet_id.name, c.text, c.amount))
        self.assertTrue(proof.proven, f"{context} {causes}")
        past = self.clock.date() - timedelta(days=self.random.randrange(1, 20))
        accrued = self.env["energy.accrual"].search([], limit=1).date
        for day in {past, accrued or past}:
            proof = self.prove(day)
            self.assertTrue(proof.proven, f"{context} at {day}")

    def _amount(self, most=80):
        return Decimal(self.random.randrange(1, most * 100)) / 100

    def _top_up(self, wallet):
        self.topup(float(5 + self._amount()), wallet)

    def _read(self, wallet):
        self.registers[wallet] += Decimal(self.random.randrange(0, 40_000)) / 1000
        at = (self.clock - timedelta(seconds=60)).isoformat()
        row = [self.serials[wallet], at, str(self.registers[wallet])]
        self.batch_number += 1
        self.bridge.ingest({"uid": f"h{self.batch_number}", "readings": [row]})

    def _late(self, wallet):
        """A reading between two others: the days between share it anew."""
        meter = self.env["energy.meter"].search([("serial", "=", self.serials[wallet])])
        readings = self.env["energy.reading"].search(
            [("meter_id", "=", meter.id)], order="at"
        )
        if len(readings) < 2:
            return
        index = self.random.randrange(len(readings) - 1)
        one, two = readings[index], readings[index + 1]
        middle = one.at + (two.at - one.at) / 2
        share = self.random.randrange(0, 11)
        low, high = (Decimal(repr(r.register)).quantize(Decimal("0.001"))
                     for r in (one, two))  # fmt: skip
        register = low + (high - low) * share / 10
        self.batch_number += 1
        row = [meter.serial, f"{middle.isoformat(timespec='seconds')}Z", str(register)]
        self.bridge.ingest({"uid": f"h{self.batch_number}", "readings": [row]})
        self.run_tasks()

    def _refund(self, wallet):
        wallet._refund(self._amount(30), self.journal, "Random")

    def _one_topup(self, wallet):
        payments = wallet.entry_ids.payment_id.filtered(
            lambda payment: payment.payment_type == "inbound"
        )
        return self.random.choice(payments) if payments else payments

    def _undo(self, wallet):
        self._operate(
            wallet,
            "reverse",
            payment_id=self._one_topup(wallet).id,
            fee_back=self.random.random() < 0.5,
        )

    def _charge_back(self, wallet):
        payment = self._one_topup(wallet)
        share = Decimal(self.random.randrange(50, 101)) / 100
        self._operate(
            wallet,
            "chargeback",
            payment_id=payment.id,
            amount=round(float(Decimal(repr(payment.amount)) * share), 2),
            bank_fee=float(self._amount(5)),
        )

    def _wrong_wallet(self, wallet):
        self._operate(
            wallet,
            "wrong_wallet",
            payment_id=self._one_topup(wallet).id,
            other_wallet_id=self.random.choice(self.wallets).id,
        )

    def _accrue(self, _wallet):
        """Also with the wallets in francs at another rate, for a day; tenants below
        zero are a receivable on it."""
        day = self.clock.date() - timedelta(days=self.random.randrange(1, 6))
        Accrual = self.env["energy.accrual"]
        if not Accrual.search_count([("date", "=", day)]):  # each day once
            Accrual.create({"date": day, "revalue": True}).action_post()

    def _transfer(self, wallet):
        other = self.random.choice(self.wallets)
        self._operate(
            wallet, "transfer", amount=float(self._amount(30)), other_wallet_id=other.id
        )

    def _fee(self, wallet):
        self._operate(wallet, "fee", amount=float(self._amount(5)))

    def _defer(self, wallet):
        self._operate(wallet, "defer")

    def _write_off(self, wallet):
        self._operate(wallet, "writeoff")

    def _operate(self, wallet, operation, **values):
        wizard = self.env["energy.wallet.operation"].create(
            {
                "wallet_id": wallet.id,
                "operation": operation,
                "reason": "Random",
                "journal_id": self.journal.id,
                "account_id": self.loss.id,
                **values,
            }
        )
        wizard.action_confirm()

    def _settle(self, _wallet):
        while self.env["energy.usage"]._settle_batch(100):
            pass

    def _bill(self):
        day = self.clock.date()
        self.bill(until=str(day - timedelta(days=1)), date=str(day))

    def _lock(self):
        locked = self.clock.date() - timedelta(days=self.random.randrange(0, 5))
        self.company.fiscalyear_lock_date = self.random.choice([False, locked])
