import base64
import csv
import io
import logging
import time
import zipfile

from openpyxl import Workbook

from odoo.exceptions import UserError
from odoo.tests import TransactionCase, new_test_user, tagged

from ..exchange import meter_list
from .setup_case import base_of, list_of, set_up_empty

_logger = logging.getLogger(__name__)
HEAD = (
    "Point,Feeder,Tenant,E-mail,Serial,Profile,Line,Address,CT,Relay,Life Safety,"
    "Opening Register\n"
)
PARK = HEAD + (
    "Incomer,,,,T-1,adl3000,hall,1,200/5,,,\n"
    "Shop,Incomer,Smith,a@smith.example,T-2,ddsy1352,hall,2,,yes,,1204.5\n"
    "Fire pump,Incomer,Smith,a@smith.example,T-3,sdm630,hall,3,,no,yes,0\n"
)
MODELS = ("service.point", "meter", "meter.installation", "wallet", "gateway")


@tagged("post_install", "-at_install")
class TestSetupImport(TransactionCase):
    """Meters and tenants of a list: preview, errors, again."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_empty(cls)
        base_of(cls.as_manager)

    def preview(self, text, **values):
        wizard = list_of(self.as_manager, text, **values)
        wizard.action_preview()
        return wizard

    def load(self, text, **values):
        wizard = self.preview(text, **values)
        wizard.action_import()
        self.assertEqual(wizard.state, "done", wizard.row_ids.mapped("note"))
        return wizard

    def point(self, name):
        return self.as_manager["energy.service.point"].search([("name", "=", name)])

    def counts(self):
        found = [self.as_manager[f"energy.{m}"].search_count([]) for m in MODELS]
        return [*found, self.env["res.partner"].search_count([])]

    def problem(self, *lines, **values):
        """What is said about the last row."""
        wizard = self.preview(HEAD + "\n".join(lines), **values)
        row = wizard.row_ids.sorted("number")[-1]
        self.assertEqual(row.state, "error", row.note)
        return row.note

    def test_a_preview_writes_nothing(self):
        before = self.counts()
        wizard = self.preview(PARK)
        self.assertEqual(wizard.row_ids.mapped("state"), ["new"] * 3)
        self.assertEqual(wizard.new_count, 3)
        self.assertEqual(self.counts(), before)

    def test_a_profile_that_is_not_shipped_is_pointed_out(self):
        wizard = self.preview(PARK.replace("sdm630", "sdm360"))
        notes = wizard.row_ids.sorted("number").mapped("note")
        self.assertEqual(["sdm360" in note for note in notes], [False, False, True])
        self.assertFalse(wizard.error_count)

    def test_a_park(self):
        wizard = self.load(PARK)
        shop, pump, main = map(self.point, ("Shop", "Fire pump", "Incomer"))
        self.assertEqual(shop.parent_id, main)
        self.assertEqual(shop.wallet_id, pump.wallet_id)
        self.assertFalse(main.wallet_id)
        wallet = shop.wallet_id
        self.assertEqual(wallet.partner_id.email, "a@smith.example")
        self.assertEqual(wallet.policy_id.name, "Tenants")
        self.assertEqual(wallet.company_id, self.park)
        self.assertEqual(wallet.partner_id.company_id, self.park)
        self.assertTrue(pump.life_safety)
        self.assertFalse(shop.life_safety)
        self.assertEqual(main.meter_id.ct_ratio, "40")
        meter = shop.meter_id
        self.assertEqual(
            (meter.serial, meter.profile, meter.line, meter.address, meter.has_relay),
            ("T-2", "ddsy1352", "hall", "2", True),
        )
        self.assertEqual(meter.gateway_id, wizard.gateway_id)
        self.assertEqual(wizard.gateway_id.line_ids.name, "hall")
        opened = shop.installation_ids
        self.assertEqual(
            (opened.opening_register, opened.opening_counts), (1204.5, True)
        )
        self.assertTrue(pump.installation_ids.opening_counts, "0 is an opening, too")
        self.assertFalse(main.installation_ids.opening_counts)

    def test_the_same_file_again_changes_nothing(self):
        self.load(PARK)
        before = self.counts()
        again = self.preview(PARK.replace("Shop,", "SHOP,").replace("Smith", "smith"))
        self.assertEqual(again.row_ids.mapped("state"), ["same"] * 3)
        again.action_import()
        self.assertEqual(self.counts(), before)

    def test_another_file_updates_what_it_says_and_erases_nothing(self):
        self.load(PARK)
        wizard = self.load(
            "meter no;unit;Modbus address;ct;bus;model\nT-2;Shop;9;40;hall;ddsy1352\n"
        )
        self.assertEqual(wizard.row_ids.note, "Address, CT")
        meter = self.point("Shop").meter_id
        self.assertEqual((meter.address, meter.ct_ratio), ("9", "40"))
        self.assertTrue(meter.has_relay)
        self.assertEqual(self.point("Shop").parent_id, self.point("Incomer"))

    def test_what_is_filled_in_later(self):
        self.load("Point\nIncomer\nShop\n")
        self.load(PARK)
        shop = self.point("Shop")
        self.assertEqual(shop.meter_id.serial, "T-2")
        self.assertEqual(shop.wallet_id.name, "Smith")
        self.assertEqual(shop.parent_id, self.point("Incomer"))
        self.assertEqual(len(shop), 1)

    def test_every_wrong_cell_is_named(self):
        for line, text in (
            (",,,,X-1,,,,,,,", "Point is missing"),
            ("A,,,,X-1,,,,,maybe,,", "Relay maybe is neither yes nor no"),
            ("A,,,,X-1,,,,,,,12kWh", "Opening Register 12kWh is no number"),
            ("A,,,,X-1,,,,,,,-5", "is no register"),
            ('A,,,,X-1,,,,,,,"1,234"', "thousands or decimals"),
            ("A,,,,X-1,,,,5/0,,,", "no transformer ratio"),
            ("A,,,,X-1,,,,100/3,,,", "no transformer ratio"),
            ("A,,,,2.02E+07,,,,,,,", "shortened by a spreadsheet"),
            ("A,,Smith,smith at home,X-1,,,,,,,", "no e-mail address"),
            ("A,,,a@b.example,X-1,,,,,,,", "Tenant is missing"),
            ("A,,,,X-1,sdm630,hall,,,,,", "Address is missing"),
            ("A,,,,X-1,,hall,5,,,,", "Profile is missing"),
            ("A,Nowhere,,,X-1,,,,,,,", "feeder Nowhere is not in the file"),
            ("A,A,,,X-1,,,,,,,", "A would feed itself"),
        ):
            self.assertIn(text, self.problem(line), line)

    def test_nothing_is_named_twice(self):
        one = "A,,,,X-1,sdm630,hall,1,,,,"
        self.assertIn("in row 2", self.problem(one, "a,,,,X-2,,,,,,,"))
        self.assertIn("in row 2", self.problem(one, "B,,,,X-1,,,,,,,"))
        self.assertIn("in row 2", self.problem(one, "B,,,,X-2,sdm630,hall,1,,,,"))
        self.assertIn(
            "in a row above",
            self.problem("A,,Jo,a@b.example,,,,,,,,", "B,,Jo,c@b.example,,,,,,,,"),
        )

    def test_a_circle_of_feeders(self):
        wizard = self.preview("Point,Feeder\nA,B\nB,C\nC,A\nD,A\nE,D\nF,\n")
        states = wizard.row_ids.sorted("number").mapped("state")
        self.assertEqual(states, ["error"] * 5 + ["new"])
        self.load("Point,Feeder\nA,\nB,A\n")
        self.assertIn("feed itself", self.problem("A,B" + "," * 10))

    def test_rows_with_errors_are_left_out_with_what_they_feed(self):
        text = "Point,Feeder,Relay\nBad,,maybe\nBelow,Bad,\nGood,,\n"
        wizard = self.load(text)
        self.assertEqual(
            self.as_manager["energy.service.point"].search([]).name, "Good"
        )
        rows = wizard.row_ids.sorted("number")
        self.assertIn("row 2, has an error", rows[1].note)

    def test_the_errors_file_can_be_mended_and_imported(self):
        wizard = self.preview("Point,Relay,Tenant\nA,maybe,=1+1\nB,yes,Jo\n")
        params = wizard.action_errors()["params"]
        (head, row) = csv.reader(io.StringIO(params["content"]))
        cells = dict(zip(head, row, strict=True))
        self.assertEqual((cells["Point"], cells["Row"]), ("A", "2"))
        self.assertIn("neither yes nor no", cells["Reason"])
        self.assertEqual(cells["Tenant"], "'=1+1", "no formula leaves the house")
        again = self.preview(params["content"].replace("maybe", "no"))
        self.assertEqual(again.row_ids.state, "new")
        self.assertEqual(again.ignored, "Row, Reason")

    def test_records_that_another_hand_changed_bring_the_preview_back(self):
        wizard = self.preview("Point,Serial\nA,X-1\n")
        self.load("Point,Serial\nB,X-1\n")
        wizard.action_import()
        self.assertEqual(wizard.state, "preview")
        self.assertIn("look again", wizard.message)
        self.assertIn("installed at B", wizard.row_ids.note)
        self.assertFalse(self.point("A"))

    def test_money_and_safety_are_not_changed_by_a_file(self):
        self.load(PARK)
        self.assertIn("paid by the wallet", self.problem("Shop,,Jones,,,,,,,,,"))
        self.assertIn("life-safety load", self.problem("Fire pump,,,,,,,,,,no,"))
        self.assertIn("exchange it there", self.problem("Shop,,,,T-9,,,,,,,"))
        self.assertIn("installed at Shop", self.problem("Yard,,,,T-2,,,,,,,"))
        self.assertIn("installed already", self.problem("Shop,,,,T-2,,,,,,,99"))
        self.assertIn("address 3", self.problem("Yard,,,,T-9,sdm630,hall,3,,,,"))
        self.assertIn("at the contact", self.problem("Shop,,Smith,x@y.example,,,,,,,,"))

    def test_a_meter_of_another_company_is_not_taken(self):
        self.env["energy.meter"].create({"serial": "X-1"})
        self.assertIn("another company", self.problem("A,,,,X-1,,,,,,,"))
        self.as_manager["energy.meter"].create({"serial": "X-2", "active": False})
        self.assertIn("archived", self.problem("A,,,,X-2,,,,,,,"))

    def test_a_known_contact_gets_the_wallet(self):
        known = self.env["res.partner"].create({"name": "Smith"})
        self.load(PARK)
        self.assertEqual(self.point("Shop").wallet_id.partner_id, known)
        self.assertEqual(known.email, "a@smith.example")
        self.env["res.partner"].create([{"name": "Jo"}, {"name": "Jo"}])
        self.assertIn("Several contacts", self.problem("A,,Jo,,,,,,,,,"))

    def test_a_list_gives_nobody_who_logs_in_another_address(self):
        user = new_test_user(self.env, "chief", groups="base.group_system")
        user.partner_id.write({"name": "Smith", "email": False})
        self.assertIn("logs in", self.problem("A,,Smith,x@y.example,,,,,,,,"))
        user.active = False
        self.load(PARK + "Hut,,Smith,,,,,,,,,\n")
        wallet = self.point("Hut").wallet_id
        self.assertEqual(wallet.partner_id, user.partner_id)
        self.assertFalse(user.partner_id.email)

    def test_tenants_are_invited_when_it_is_ticked(self):
        self.load(PARK + "Yard,,Jones,,,,,,,,,\n")
        partner = self.point("Shop").wallet_id.partner_id
        self.assertFalse(partner.user_ids)
        wizard = self.preview(
            PARK.replace(",1204.5", ",1204.5") + "Hut,,Smith,,,,,,,,,"
        )
        wizard.invite = True
        wizard.action_import()
        self.assertEqual(wizard.invited_count, 1)
        self.assertTrue(partner.user_ids._is_portal())
        self.assertEqual(partner.user_ids.login, "a@smith.example")
        self.assertFalse(self.point("Yard").wallet_id.partner_id.user_ids)

    def test_a_workbook(self):
        book = Workbook()
        book.active.append(["Serial No.", "Service point", "Opening (kWh)", "Relay"])
        book.active.append([20260017, "Shop", 1204.5, True])
        book.active.append([None, None, None, None])
        book.active.append(["00017", "Yard", 7, "no"])
        out = io.BytesIO()
        book.save(out)
        self.load(out.getvalue())
        shop = self.point("Shop")
        self.assertEqual(
            (shop.meter_id.serial, shop.meter_id.has_relay), ("20260017", True)
        )
        self.assertEqual(shop.installation_ids.opening_register, 1204.5)
        self.assertEqual(self.point("Yard").meter_id.serial, "00017")

    def test_files_that_are_no_lists(self):
        for data, text in (
            ("", "Choose a file"),
            ("\n\n", "no rows"),
            ("Point\n", "no rows"),
            ("a,b\n1,2\n", "one of them is Point. *|Found: a, b"),
            ("Point,Unit\nA,B\n", "same as another"),
            (b"PK\x03\x04 broken", "no csv or xlsx"),
            ("Point\n" + "A\n" * (meter_list.MAX_ROWS + 1), "more than"),
        ):
            with self.assertRaisesRegex(UserError, text, msg=data[:20]):
                self.preview(data)

    def test_the_sample_can_be_imported(self):
        params = self.as_manager["energy.setup.import"].action_sample()["params"]
        wizard = self.load(params["content"].replace("1000", "SAMPLE-"))
        self.assertEqual((wizard.new_count, wizard.error_count), (3, 0))
        self.assertFalse(wizard.ignored)

    def test_thousands_of_rows(self):
        """2,000 rows of 200 tenants: seconds, on a shared core."""
        rows = [
            f"P{n},{'P0' if n else ''},Tenant {n % 200},,S-{n},sdm630,L{n // 200},"
            f"{n % 200 + 1},,yes,,{n}\n"
            for n in range(2000)
        ]
        begin = time.monotonic()
        wizard = self.preview(HEAD + "".join(rows))
        seen = time.monotonic()
        wizard.action_import()
        self.assertEqual(wizard.new_count, 2000)
        self.assertEqual(len(self.as_manager["energy.meter"].search([])), 2000)
        _logger.info(
            "preview %.1f s, all %.1f s", seen - begin, time.monotonic() - begin
        )
        self.assertLess(time.monotonic() - begin, 120)

    def test_the_e_mail_of_a_row_with_an_error_is_not_used(self):
        rows = (
            "A,,Smith,wrong@smith.example,X-1,,,,5/0,,,\n"  # no ratio
            "B,Nowhere,Smith,nor@smith.example,X-2,,,,,,,\n"  # no such feeder
            "C,,Smith,,X-3,,,,,,,\n"
        )
        self.load(HEAD + rows)
        partner = self.point("C").wallet_id.partner_id
        self.assertEqual(partner.name, "Smith")
        self.assertFalse(partner.email)

    def test_a_row_is_not_measured_by_the_e_mail_of_one_with_an_error(self):
        rows = (
            "A,,Smith,wrong@smith.example,X-1,,,,5/0,,,\n"
            "B,,Smith,b@smith.example,X-2,,,,,,,\n"
            "C,,Smith,c@smith.example,X-3,,,,,,,\n"
        )
        wizard = self.load(HEAD + rows)
        notes = wizard.row_ids.sorted("number").mapped("note")
        self.assertIn("b@smith.example in a row above", notes[2])
        self.assertEqual(self.point("B").wallet_id.partner_id.email, "b@smith.example")

    def test_a_small_workbook_that_unpacks_to_much_is_refused(self):
        book = Workbook()
        book.active.append(["Point"])
        book.active.append(["A"])
        file = io.BytesIO()
        book.save(file)
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as parts:
            for number in range(6):
                parts.writestr(f"xl/media/{number}.bin", b"0" * 10_000_000)
        self.assertLess(len(file.getvalue()), 100_000)
        with self.assertRaisesRegex(UserError, "unpacks to 60 MB, more than 50 MB"):
            self.preview(file.getvalue())

    def test_a_part_that_is_larger_than_its_entry_says_is_cut(self):
        """What the directory understates is not unpacked."""
        book = Workbook()
        book.active.append(["Point", *["x" * 1000] * 50])
        file = io.BytesIO()
        book.save(file)
        name = "xl/worksheets/sheet1.xml"
        with zipfile.ZipFile(file) as parts:
            size = parts.getinfo(name).file_size
        data = file.getvalue().replace(size.to_bytes(4, "little"), b"\x40\0\0\0")
        with self.assertRaisesRegex(UserError, "no csv or xlsx"):
            self.preview(data)

    def test_cells_far_out_cost_nothing(self):
        book = Workbook()
        book.active.append(["Point"])
        book.active["A2"] = "A"
        book.active["XFD2"] = "far"
        book.active["A1048576"] = "B"
        file = io.BytesIO()
        book.save(file)
        begin = time.monotonic()
        wizard = self.preview(file.getvalue())
        self.assertLess(time.monotonic() - begin, 20)
        self.assertEqual(wizard.row_ids.mapped("number"), [2, 1048576])

    def test_the_site_keeps_a_note(self):
        wizard = self.load(PARK)
        body = wizard.site_id.message_ids[0].body
        self.assertIn("meters.csv", body)
        self.assertIn("new 3", body)

    def test_the_file_must_arrive_whole(self):
        wizard = list_of(self.as_manager, "Point\nA\n")
        wizard.data = base64.b64encode(b"x" * 5_000_001)
        with self.assertRaisesRegex(UserError, "larger than 5 MB"):
            wizard.action_preview()
