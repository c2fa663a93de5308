import re
from collections import Counter
from pathlib import Path

import polib

from odoo.modules.module import get_module_path
from odoo.tests import TransactionCase, tagged
from odoo.tools.translate import TranslationModuleReader

LANGUAGES = ("es", "zh_CN")
# where a sentence stands that tenants, or heads of department by a mail, get to see
SEEN = re.compile(
    r"prepaid_energy\w*\.(portal|mail|statement|report_wallet|topup_receipt|approval)_"
    r"|mail\.template"
    r"|/(controllers|static/src/portal)/"
    r"|/reports/(statement|report_wallet)"
    r"|/models/energy_wallet_(access|delivery|notice|policy|portal|topup)\.py"
    r"|/models/energy_service_point_(outage|price)\.py"
)
FIXED = re.compile(r"%\(\w+\)[sdf]|%[sd]|\{\w*\}|</?\w+|\b(?:t-[\w-]+|href)=\"[^\"]*\"")


@tagged("post_install", "-at_install")
class TestTranslations(TransactionCase):
    """What is translated says the same; what tenants see is translated."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.modules = (
            cls.env["ir.module.module"]
            .search([("name", "=like", "prepaid_energy%"), ("state", "=", "installed")])
            .mapped("name")
        )

    def _files(self):
        for module in self.modules:
            for language in LANGUAGES:
                path = Path(get_module_path(module), "i18n", f"{language}.po")
                yield module, language, polib.pofile(str(path))

    def test_each_module_is_looked_at(self):
        self.assertIn("prepaid_energy", self.modules)
        self.assertEqual(len(list(self._files())), len(self.modules) * len(LANGUAGES))

    def test_placeholders_and_tags_stay(self):
        for module, language, entries in self._files():
            for entry in entries.translated_entries():
                with self.subTest(module=module, language=language, of=entry.msgid):
                    self.assertFalse(entry.fuzzy)
                    self.assertEqual(
                        Counter(FIXED.findall(entry.msgstr)),
                        Counter(FIXED.findall(entry.msgid)),
                    )

    def test_what_tenants_see_is_translated(self):
        """Of the code as it is now: a new sentence needs its translations.

        ``python3 scripts translations`` puts it into the files.
        """
        for module, language, entries in self._files():
            known = {entry.msgid for entry in entries if entry.msgstr}
            seen, missing = self._seen(module), []
            for text, where in seen.items():
                if text not in known:
                    missing.append(f"{where}: {text}")
            self.assertFalse(missing, f"{module}/i18n/{language}.po")

    def _seen(self, module):
        """What tenants see of a module: dict source -> where it stands."""
        result = {}
        reader = TranslationModuleReader(self.env.cr, [module])
        for row in reader:
            owner, kind, name, record, source = row[:5]
            where = f"{kind} {name} {owner}.{record}"
            if SEEN.search(where) and any(map(str.isalpha, source)):
                result[source] = where
        return result

    def test_the_portal_is_looked_at(self):
        self.assertGreater(len(self._seen("prepaid_energy")), 200)
