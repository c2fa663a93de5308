import base64
import json
import os
from pathlib import Path

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged

from ..exchange.to_values import VersionReader
from ..rating import compile_tariff, rate_case
from .common import EnergyCase

BERLIN = "Europe/Berlin"


def rich_version():
    """A version of the document that has everything."""
    return {
        "valid_from_local": "2024-01-01T06:30",
        "seasons": [
            {"name": "summer", "from": "04-01", "to": "09-30"},
            {"name": "winter", "from": "10-01", "to": "03-31"},
        ],
        "holidays": ["2024-05-01", "2024-12-25"],
        "bands": {
            "default": "off-peak",
            "rules": [
                {
                    "band": "peak",
                    "seasons": ["winter"],
                    "day_types": ["weekday", "saturday"],
                    "from": "06:15",
                    "to": "21:45",
                },
                {
                    "band": "night",
                    "seasons": "*",
                    "day_types": "*",
                    "from": "22:00",
                    "to": "04:00",
                },
            ],
        },
        "tiers": {
            "counter": "month",
            "mode": "incremental",
            "thresholds": {"winter": ["100", "250.5"], "summer": ["80"]},
        },
        "energy_prices": {
            "*": {"night": ["0.1", "0.09"]},
            "winter": {
                "*": ["0.31", "0.3", "0.29"],
                "night": ["0.11", "0.1", "0.0912345678"],
            },
            "summer": {"off-peak": ["0.2", "-0.05"]},
        },
        "fixed": [
            {"name": "Meter", "amount": "0.35", "per": "day"},
            {"name": "Service", "amount": "12", "per": "month"},
        ],
        "demand": [
            {
                "name": "Peak power",
                "price_per_kw": "8.25",
                "bands": ["peak"],
                "seasons": ["winter"],
                "demand_minutes": 15,
            },
            {
                "name": "Any power",
                "price_per_kw": "1.5",
                "bands": "*",
                "seasons": "*",
                "demand_minutes": None,
            },
        ],
        "minimum": {"amount": "50", "per": "month", "covers": ["energy", "demand"]},
        "adjustments": [
            {"name": "VAT 19", "rate": "0.19", "base": ["subtotal"]},
            {"name": "Rebate", "rate": "-0.025", "base": ["subtotal"]},
        ],
        "quantity": {
            "commodity": "gas",
            "register_unit": "m³",
            "unit": "kWh",
            "factor": "10.972",
        },
    }


def bare_version(**changes):
    """A version with one price, and what the test changes."""
    return {
        "valid_from_local": "2024-01-01T00:00",
        "energy_prices": {"*": {"*": ["0.2"]}},
        **changes,
    }


@tagged("post_install", "-at_install")
class TestExchange(EnergyCase):
    def imported(self, data, **values):
        """Run the wizard over a file; return it."""
        text = data if isinstance(data, bytes) else json.dumps(data).encode()
        wizard = self.env["energy.tariff.import"].create(
            {"data": base64.b64encode(text), "filename": "x.json", "tz": BERLIN}
            | values
        )
        wizard.action_import()
        return wizard

    def test_a_document_goes_in_and_out_unchanged(self):
        tax = self.env["account.tax"].create(
            {"name": "vat 19", "amount": 19, "type_tax_use": "sale"}
        )
        document = {"versions": [rich_version()]}
        tariff = self.imported(document).tariff_ids
        self.assertEqual(tariff.name, "x")
        self.assertEqual(tariff.commodity, "gas")
        self.assertEqual(tariff.version_ids.levy_ids[0].tax_id, tax)
        self.assertFalse(tariff.version_ids.levy_ids[1].tax_id)
        self.assertEqual(tariff._document(), document)
        exported = json.loads(base64.b64decode(tariff.document))
        self.assertEqual(exported.pop("time_zone"), BERLIN)
        self.assertEqual(exported, {**exported, **document})
        again = self.imported({**exported, "time_zone": "America/Chicago"})
        self.assertEqual(again.tariff_ids.tz, "America/Chicago")
        self.assertEqual(tariff.action_export()["type"], "ir.actions.act_url")

    def test_a_copied_tariff_is_the_same_tariff(self):
        tariff = self.imported({"versions": [rich_version()]}).tariff_ids
        self.assertEqual(tariff.copy()._document(), tariff._document())

    def test_loose_spellings_mean_the_same(self):
        """What the engine reads in several spellings is rated alike afterwards."""
        loose = [
            bare_version(bands={"default": "*", "rules": []}, tiers=None),
            bare_version(
                seasons=[
                    {"name": "*", "from": "01-01", "to": "06-30"},
                    {"name": "b", "from": "07-01", "to": "12-31"},
                ],
                bands={
                    "default": "all",
                    "rules": [{"band": "x", "from": "00:00", "to": "24:00"}],
                },
                energy_prices={"all": {"x": [1, 2.5]}, "b": {"*": ["3"]}},
                tiers={
                    "counter": "year",
                    "mode": "whole_volume",
                    "thresholds": {"*": ["10"], "b": []},
                },
            ),
            bare_version(valid_from_local="2024-01-01 00:00:30", minimum=None),
            bare_version(
                energy_prices={"*": {"all": ["7"], "*": ["9"]}, "all": {"*": [8]}}
            ),
        ]
        for source in loose:
            with self.subTest(source=source):
                before = compile_tariff({"versions": [source]}, BERLIN).versions[0]
                tariff = self.imported({"versions": [source]}).tariff_ids
                after = compile_tariff(tariff._document(), BERLIN).versions[0]
                self.assertEqual(after.start, before.start)
                self.assertEqual(after.seasons, before.seasons)
                for cells in (before.cells, after.cells):
                    cells.pop(("all", "unused"), None)
                self.assertEqual(
                    {k: (c.thresholds, c.prices) for k, c in after.cells.items()},
                    {k: (c.thresholds, c.prices) for k, c in before.cells.items()},
                )

    def test_the_examples_of_the_specification_survive(self):
        currencies = self.env["res.currency"].with_context(active_test=False)
        currencies.search([("name", "in", ("EUR", "USD"))]).active = True
        beside = Path(__file__).parents[3].parent / "shared"
        folder = Path(os.environ.get("PREPAID_SHARED", beside)) / "spec/examples"
        paths = sorted(folder.glob("*.json"))
        self.assertEqual(len(paths), 5)
        for path in paths:
            case = json.loads(path.read_text())
            with self.subTest(case=path.name):
                tariff = self.imported(case).tariff_ids
                self.assertEqual(tariff.tz, case["time_zone"])
                self.assertEqual(tariff.currency_id.name, case["currency"])
                self.assertEqual(tariff.name, case["id"])
                expected = rate_case(case, folder)
                again = rate_case({**case, "tariff": tariff._document()}, folder)
                self.assertEqual(again, expected)

    def test_what_is_wrong_is_named(self):
        wrong = (
            (b"{", "no tariff file"),
            (b"\xff\xfe", "no tariff file"),
            (b"[NaN]", "no tariff file"),
            (b"[" * 100_000, "no tariff file"),
            ({"versions": []}, "versions: must hold at least one"),
            (
                {"versions": [bare_version(energy_prices={})]},
                r"versions\[0\].energy_prices: no price",
            ),
            (
                {"tariff": {"versions": [bare_version(holidays=["x"])]}},
                r"tariff.versions\[0\].holidays\[0\]",
            ),
            (
                {
                    "versions": [
                        bare_version(energy_prices={"*": {"*": ["0.12345678901"]}})
                    ]
                },
                r"energy_prices.\*.\*\[0\]: 0.12345678901 has more than 10",
            ),
            (
                {
                    "versions": [
                        bare_version(energy_prices={"*": {"*": ["535152.546108611"]}})
                    ]
                },
                "535152.546108611 has more",
            ),
            ({"versions": [bare_version()], "currency": "XXL"}, "currency: XXL"),
            ({"versions": [bare_version()], "time_zone": "Mars/One"}, "time_zone"),
            (
                {"versions": [bare_version(quantity={"commodity": "coal"})]},
                "coal is none of",
            ),
            (
                {"versions": [bare_version(quantity={"unit": "ell"})]},
                "no unit ell",
            ),
            (
                {
                    "versions": [
                        bare_version(quantity={"unit": "kWh"}),
                        bare_version(
                            valid_from_local="2025-01-01T00:00",
                            quantity={"unit": "m³"},
                        ),
                    ]
                },
                r"versions\[1\].quantity.unit: .* the first says kWh",
            ),
            ({"versions": [bare_version()], "time_zone": ["UTC"]}, "time_zone"),
            ({"versions": [bare_version()], "name": "a\0b"}, "name: .*control"),
            ({"versions": [bare_version()], "currency": "\ud800"}, "currency"),
            (b'{"versions": [], "name": "a", "name": "b"}', "'name' is given twice"),
            ({"items": [{"name": "no rate"}]}, ":"),
            (b'"text"', ":"),
        )
        for data, message in wrong:
            with self.subTest(data=str(data)[:40]):
                with self.assertRaisesRegex(UserError, message):
                    with self.env.cr.savepoint():
                        self.imported(data)

    def test_a_urdb_rate_comes_with_a_report(self):
        rate = {
            "label": "abc123",
            "utility": "Example Power",
            "name": "General Service",
            "startdate": 1704067200,
            "energyratestructure": [
                [{"rate": 0.10, "adj": 0.01}],
                [{"rate": 0.30, "sell": 0.05}],
            ],
            "energyweekdayschedule": [[0] * 12 + [1] * 6 + [0] * 6] * 12,
            "energyweekendschedule": [[0] * 24] * 12,
            "fixedchargefirstmeter": 20,
            "fixedchargeunits": "$/month",
            "demandratchetpercentage": [80] * 12,
        }
        self.env.ref("base.USD").active = True
        wizard = self.imported({"items": [rate]})
        tariff = wizard.tariff_ids
        self.assertEqual(tariff.name, "General Service")
        self.assertEqual(tariff.currency_id.name, "USD")
        self.assertEqual(tariff.version_ids.state, "draft", "a person reads it first")
        self.env["energy.tariff.enforce"].create(
            {"version_id": tariff.version_ids.id}
        ).action_enforce()
        (version,) = tariff._document()["versions"]
        self.assertEqual(version["valid_from_local"], "2024-01-01T00:00")
        prices = compile_tariff(tariff._document(), BERLIN).versions[0].cell_list
        self.assertEqual(
            sorted(str(price.prices[0]) for price in prices), ["0.11", "0.3"]
        )
        self.assertEqual(version["fixed"][0]["amount"], "20")
        for word in ("sell", "ratchet"):
            self.assertIn(word, wizard.report)
            self.assertIn(word, "".join(tariff.message_ids.mapped("body")))
        self.assertEqual(wizard.action_open()["res_id"], tariff.id)

    def test_an_import_by_another_company_takes_no_foreign_tax(self):
        other = self.env["res.company"].create({"name": "Other"})
        self.env["account.tax"].with_company(other).create(
            {
                "name": "VAT 19",
                "amount": 19,
                "type_tax_use": "sale",
                "company_id": other.id,
                "country_id": self.env.ref("base.de").id,
                "tax_group_id": self.env["account.tax.group"]
                .create(
                    {
                        "name": "VAT",
                        "company_id": other.id,
                        "country_id": self.env.ref("base.de").id,
                    }
                )
                .id,
            }
        )
        values = VersionReader(self.env, self.company).version(rich_version(), "v")
        self.assertEqual(
            [command[2]["tax_id"] for command in values["levy_ids"]], [False, False]
        )
        self.assertEqual(values["levy_ids"][0][0], Command.CREATE)
