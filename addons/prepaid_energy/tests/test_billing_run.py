from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import add_point
from .test_billing import BillingCase

LOGGER = "odoo.addons.prepaid_energy.models.energy_billing"


@tagged("post_install", "-at_install")
class TestBillingRun(BillingCase):
    """How a run is worked off by the cron: wallet by wallet here, four of them."""

    def setUp(self):
        super().setUp()
        self.wallets = self.wallet
        readings = [(0, "0"), (3600, "4")]
        for number in range(2, 5):
            partner = self.env["res.partner"].create({"name": f"Tenant {number}"})
            wallet = self.env["energy.wallet"].create(
                {"name": partner.name, "partner_id": partner.id}
            )
            serial = f"M-{number}"
            add_point(self, serial, wallet_id=wallet.id)
            readings += [(0, "0", serial), (3600, "4", serial)]
            self.wallets |= wallet
        self.ingest(*readings)
        self.cron = self.env.ref("prepaid_energy.cron_billing")
        self.seen = []
        Run = self.registry["energy.billing"]
        work_batch = Run._work_batch

        def one_wallet(run):
            seen = work_batch(run, 1)
            self.seen.append((run.wallet_done, run.progress))
            return seen

        self.patch(Run, "_work_batch", one_wallet)

    def new_run(self, **values):
        return self.env["energy.billing"].create(
            {"date_to": "2026-05-31", "send_mail": False, **values}
        )

    def run_cron(self):
        with self.enter_registry_test_mode():
            answer = self.cron.method_direct_trigger()
        self.env.invalidate_all()
        self.assertIs(answer, True)

    def fail_for(self, wallets, error):
        """Let posting the invoices of ``wallets`` fail."""
        Move = self.registry["account.move"]
        post = Move._post

        def refuse(moves, soft=True):
            if wallets & moves.energy_wallet_id:
                raise error
            return post(moves, soft)

        self.patch(Move, "_post", refuse)

    def test_the_form_shows_how_far_the_cron_is(self):
        run = self.new_run()
        run.action_start()
        self.assertEqual((run.wallet_total, run.progress), (4, 0))
        self.run_cron()
        self.assertEqual(run.state, "done")
        self.assertEqual(run.bill_ids.wallet_id, self.wallets)
        self.assertEqual(self.seen, [(1, 25), (2, 50), (3, 75), (4, 100), (4, 100)])
        told = self.env["ir.cron.progress"].search(
            [("cron_id", "=", self.cron.id)], limit=1, order="id desc"
        )
        self.assertEqual((told.done, told.remaining), (4, 0))

    def test_the_cron_goes_on_where_a_run_was_left(self):
        run = self.new_run()
        run.action_start()
        run._work_batch()
        self.assertEqual(run.wallet_done, 1)
        self.run_cron()
        self.assertEqual(run.state, "done")
        self.assertEqual(len(run.bill_ids), 4)
        self.assertEqual(run.bill_ids.wallet_id, self.wallets)

    def test_an_interrupted_run_says_so_and_goes_on(self):
        run = self.new_run()
        run.action_start()
        run._work_batch()
        self.assertFalse(run.waiting)
        self.now("2026-06-01 06:06:00")
        run.invalidate_recordset()
        self.assertTrue(run.waiting)
        Trigger = self.env["ir.cron.trigger"]
        before = Trigger.search_count([("cron_id", "=", self.cron.id)])
        run.action_continue()
        self.assertGreater(
            Trigger.search_count([("cron_id", "=", self.cron.id)]), before
        )
        self.run_cron()
        self.assertFalse(run.waiting)
        self.assertEqual((run.state, len(run.bill_ids)), ("done", 4))

    def test_no_time_is_left_and_the_run_is_not_forgotten(self):
        run = self.new_run()
        run.action_start()
        Cron = self.registry["ir.cron"]
        told = []

        def no_time_left(cron, processed=0, *, remaining=None, deactivate=False):
            told.append(remaining)
            return 0

        self.patch(Cron, "_commit_progress", no_time_left)
        for _again in range(5):
            self.env["energy.billing"]._cron_run()
        self.assertEqual(run.state, "done")
        # one is left until a last batch has found nothing: Odoo comes back at once
        self.assertEqual(told, [3, 2, 1, 1, 0])

    def test_runs_wait_for_each_other_and_share_nothing(self):
        first = self.new_run(date_to="2026-05-01")
        second = self.new_run()
        (first | second).action_start()
        self.run_cron()
        self.assertEqual((first | second).mapped("state"), ["done", "done"])
        self.assertEqual(len(first.bill_ids), 4)
        self.assertFalse(second.bill_ids)

    @mute_logger(LOGGER)
    def test_an_error_of_one_wallet_stops_no_other(self):
        self.fail_for(self.wallets[1], ZeroDivisionError("no rate"))
        run = self.new_run()
        run.action_start()
        self.run_cron()
        self.assertEqual(run.state, "done")
        self.assertEqual(run.bill_ids.wallet_id, self.wallets - self.wallets[1])
        self.assertIn("no rate", run.problem)
        self.assertIn(self.wallets[1].reference, run.problem)

    @mute_logger(LOGGER)
    def test_problems_of_several_batches_are_all_told(self):
        self.fail_for(self.wallets[0] | self.wallets[2], UserError("refused"))
        run = self.new_run()
        run.action_start()
        self.run_cron()
        self.assertEqual(run.problem.count("refused"), 2)
        self.assertEqual((run.wallet_done, len(run.bill_ids)), (4, 2))
