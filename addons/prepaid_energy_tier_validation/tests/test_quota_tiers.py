from datetime import date, timedelta

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged

from odoo.addons.prepaid_energy.tests.quota_case import QuotaCase, add_user

FORGED = {
    "skip_validation_check": True,
    "skip_check_state_condition": True,
    "tier_validation_defer_compute_can_review": True,
}


@tagged("post_install", "-at_install")
class TestQuotaTiers(QuotaCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plant = add_user(cls, "plant_mgr")
        cls.finance = add_user(cls, "finance")
        cls.company.write(
            {
                "energy_plant_manager_ids": cls.plant.ids,
                "energy_finance_ids": cls.finance.ids,
                "energy_plant_percent": 10,
                "energy_finance_percent": 50,
            }
        )
        cls.levels = [
            cls.level(cls, "Head", "head_ids", 30, "[]"),
            cls.level(
                cls, "Plant", "plant_manager_ids", 20, '[("level", "in", ["2", "3"])]'
            ),
            cls.level(cls, "Finance", "finance_ids", 10, '[("percent", ">", 50)]'),
        ]

    def level(self, name, field, sequence, domain, **values):
        return self.env["tier.definition"].create(
            {
                "name": name,
                "model_id": self.env["ir.model"]._get_id("energy.quota.request"),
                "review_type": "field",
                "reviewer_field_id": self.env["ir.model.fields"]
                ._get("energy.quota.request", field)
                .id,
                "definition_domain": domain if domain != "[]" else False,
                "approve_sequence": True,
                "sequence": sequence,
                **values,
            }
        )

    # ------------------------------------------------------------------ levels

    def test_each_level_in_its_turn(self):
        for amount, users in (
            (50, self.head),
            (200, self.head + self.plant),
            (600, self.head + self.plant + self.finance),
        ):
            before = self.granted()
            request = self.submitted(amount)
            self.assertEqual(len(request.review_ids), len(users))
            for number, user in enumerate(users):
                self.assertEqual(request.decider_ids, user)
                self.assertEqual(request.activity_ids.user_id, user)
                self.assertEqual(self.granted(), before)
                for other in users - user:
                    with self.assertRaises(UserError):
                        request.with_user(other).action_approve()
                request.with_user(user)._decide(True, f"Note {number}")
                if user != users[-1]:
                    self.assertEqual(request.review_ids[number + 1].status, "pending")
            self.assertEqual(request.state, "approved")
            self.assertEqual(self.granted(), before + amount)
            self.assertEqual(request.review_ids.done_by, users)
            self.assertEqual(request.review_ids[0].comment, "Note 0")
            self.assertFalse(request.activity_ids)

    def test_each_level_gets_its_own_link(self):
        request = self.submitted(200)
        mails = self.env["mail.mail"].sudo()
        domain = [("subject", "like", request.name)]
        self.assertIn("the_head@", mails.search(domain).email_to)
        request.with_user(self.head).action_approve()
        mail = mails.search([*domain, ("email_to", "like", "plant_mgr@")])
        self.assertEqual(len(mail), 1)
        token = request.sudo()._link(self.plant).partition("token=")[2]
        self.assertEqual(request.sudo()._user_of_link(token), self.plant)

    def test_one_no_ends_it(self):
        request = self.submitted(600)
        request.with_user(self.head).action_approve()
        request.with_user(self.plant)._decide(False, "No")
        self.assertEqual(request.state, "refused")
        self.assertEqual(
            request.review_ids.mapped("status"), ["approved", "rejected", "cancel"]
        )
        with self.assertRaisesRegex(UserError, "refused already"):
            request.with_user(self.finance)._decide(True)
        self.assertEqual(self.granted(), 0)

    def test_withdrawn_keeps_who_decided_what(self):
        request = self.submitted(200)
        request.with_user(self.head).action_approve()
        request.action_withdraw()
        self.assertEqual(request.state, "withdrawn")
        self.assertEqual(request.review_ids.mapped("status"), ["approved", "cancel"])

    def test_a_stand_in_is_a_reviewer(self):
        standin = add_user(self, "standin")
        self.line.department_id.write(
            {
                "energy_standin_id": standin.id,
                "energy_standin_from": date.today(),
                "energy_standin_to": date.today() + timedelta(days=1),
            }
        )
        request = self.submitted(200)
        request.with_user(standin).action_approve()
        self.assertIn("on behalf of the_head", str(request.message_ids.mapped("body")))
        request.with_user(self.plant).action_approve()
        self.assertEqual(self.granted(), 200)

    def test_the_buttons_of_the_module_below(self):
        request = self.submitted(200)
        with self.assertRaises(UserError):
            request.with_user(self.plant).validate_tier()
        request.with_user(self.head).validate_tier()
        found = self.plant.with_user(self.plant).review_user_count()
        self.assertEqual(found[0]["pending_count"], 1)
        self.assertEqual(found[0]["model"], "energy.quota.request")
        request.with_user(self.plant).validate_tier()
        self.assertEqual(self.granted(), 200)
        action = self.submitted(50).with_user(self.head).reject_tier()
        self.assertEqual(action["res_model"], "energy.quota.refusal")

    # ------------------------------------------------------------------ the holes

    def test_no_forged_reviews(self):
        request = self.submitted(200)
        review = request.review_ids[0]
        values = {
            "model": request._name,
            "res_id": request.id,
            "definition_id": self.levels[0].id,
            "status": "approved",
        }
        other_values = {**values, "model": "res.partner"}
        for user in (
            self.asker,
            self.head,
            self.plant,
            self.env.ref("base.user_admin"),
        ):
            Review = self.env["tier.review"].with_user(user)
            for context in ({}, FORGED):
                with self.assertRaises(AccessError):
                    review.with_user(user).with_context(**context).status = "approved"
                with self.assertRaises(AccessError):
                    review.with_user(user).with_context(**context).unlink()
                with self.assertRaises(AccessError):
                    Review.with_context(**context).create(values)
            with self.assertRaises(AccessError):
                Review.with_context(default_model=request._name).create(
                    {**values, "model": request._name}
                )
            without = {key: value for key, value in values.items() if key != "model"}
            with self.assertRaises(AccessError):
                Review.with_context(default_model=request._name).create(without)
            foreign = Review.create(other_values)
            with self.assertRaises(AccessError):
                foreign.model = request._name
        with self.assertRaises(UserError):
            request.write({"review_ids": [Command.create({"status": "approved"})]})
        wizard = (
            self.env["comment.wizard"]
            .with_user(self.head)
            .create(
                {
                    "validate_reject": "validate",
                    "res_model": request._name,
                    "res_id": request.id,
                    "review_ids": request.review_ids.ids,
                    "comment": "ok",
                }
            )
        )
        with self.assertRaises(AccessError):
            wizard.add_comment()
        wizard.review_ids = False
        with self.assertRaises(AccessError):
            wizard.add_comment()
        self.assertEqual(request.review_ids.mapped("status"), ["pending", "waiting"])
        self.assertEqual(request.validation_status, "pending")

    def test_forged_rows_grant_nothing(self):
        """Even where somebody got them into the database."""
        request = self.submitted(200)
        request.sudo().review_ids.write(
            {"status": "approved", "done_by": self.asker.id}
        )
        for user in (self.head, self.plant):
            with self.assertRaises(UserError):
                request.with_user(user).action_approve()
        with self.assertRaises(UserError):
            request.sudo()._check_levels()
        self.assertEqual(self.granted(), 0)

    def test_a_stored_reviewer_is_not_believed(self):
        request = self.submitted(200)
        self.stranger.sudo().review_ids = request.review_ids
        with self.assertRaises(UserError):
            request.with_user(self.stranger)._decide(True)
        self.assertEqual(request.state, "submitted")

    def test_nothing_is_created_as_approved(self):
        for context in ({}, FORGED):
            with self.assertRaises(UserError):
                self.env["energy.quota.request"].with_user(self.asker).with_context(
                    **context
                ).create(
                    {
                        "quota_id": self.quota.id,
                        "amount": 1,
                        "reason": "x",
                        "state": "approved",
                    }
                )
        request = self.request().with_context(default_state="approved").copy()
        self.assertEqual(request.state, "draft")
        for name in ("validation_status", "reviewer_ids", "review_ids"):
            with self.assertRaises(UserError):
                self.request(**{name: False})

    def test_without_a_definition_the_single_approval_decides(self):
        for level in self.levels:
            level.active = False
        request = self.submitted(200)
        self.assertFalse(request.review_ids)
        self.assertEqual(request.decider_ids, self.plant)
        for user in (self.asker, self.head, self.stranger):
            with self.assertRaises(UserError):
                request.with_user(user)._decide(True)
        request.with_user(self.plant).action_approve()
        self.assertEqual(self.granted(), 200)

    def test_a_definition_that_comes_later_counts(self):
        for level in self.levels:
            level.active = False
        request = self.submitted(50)
        self.levels[2].write({"active": True, "definition_domain": False})
        with self.assertRaisesRegex(UserError, "other levels"):
            request.with_user(self.head)._decide(True)
        self.assertEqual(self.granted(), 0)

    def test_context_flags_open_nothing(self):
        request = self.submitted(200).with_context(**FORGED)
        for values in ({"state": "approved"}, {"amount": 9999}):
            for user in (self.asker, self.head):
                with self.assertRaises(UserError):
                    request.with_user(user).write(values)
        for user in (self.asker, self.plant, self.stranger):
            with self.assertRaises(UserError):
                request.with_user(user)._decide(True)
        for call in ("request_validation", "restart_validation"):
            with self.assertRaises(UserError):
                getattr(request.with_user(self.asker), call)()
        draft = self.request().with_context(**FORGED)
        with self.assertRaises(UserError):
            draft.request_validation()
        self.assertEqual(len(request.review_ids), 2)
        request.with_user(self.head).action_approve()
        self.assertEqual(request.state, "submitted", "the plant manager is next")
        self.assertEqual(self.granted(), 0)

    def test_flags_at_submitting_spare_no_level(self):
        request = self.request(200).with_context(**FORGED)
        request.action_submit()
        self.assertEqual(request.review_ids.mapped("status"), ["pending", "waiting"])
        self.assertEqual(request.decider_ids, self.head)

    def test_nobody_reviews_the_own_request(self):
        everybody = self.env.ref("prepaid_energy.group_energy_user")
        for level in self.levels:
            level.active = False
        self.env["tier.definition"].create(
            {
                "name": "Anybody",
                "model_id": self.levels[0].model_id.id,
                "review_type": "group",
                "reviewer_group_id": everybody.id,
            }
        )
        request = self.submitted(50)
        self.assertNotIn(self.asker, request.decider_ids)
        self.assertNotIn(self.asker, request.review_ids.reviewer_ids)
        with self.assertRaises(UserError):
            request.action_approve()
        with self.assertRaises(UserError):
            request.validate_tier()
        self.assertEqual(self.granted(), 0)

    def test_an_amount_that_changes_between_two_levels_is_not_granted(self):
        request = self.submitted(200)
        request.with_user(self.head).action_approve()
        request.flush_recordset()
        # with the snapshot of submitting forged as well
        self.env.cr.execute(
            "UPDATE energy_quota_request SET amount = 400, "
            "figures = quota_id || ':400:' || until WHERE id = %s",
            (request.id,),
        )
        request.invalidate_recordset()
        with self.assertRaisesRegex(UserError, "“Head” has not approved this"):
            request.with_user(self.plant)._decide(True)
        self.assertEqual(self.granted(), 0)

    def test_reviews_of_other_models_are_left_alone(self):
        review = (
            self.env["tier.review"]
            .with_user(self.asker)
            .create({"model": "res.partner", "res_id": self.tenant.id})
        )
        review.status = "approved"
        review.unlink()
