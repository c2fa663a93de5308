"""``python3 scripts translations``: the add-ons' .pot anew, and every .po up to date.

The templates come out of a database that was installed for it. A translation keeps its
place: a sentence that is no longer there is dropped, a new one stands empty until
somebody translates it, and nothing is guessed.
"""

import odoo_server
import postgres
from console import run, step
from demo import setup
from layout import ADDONS, LOCAL, PYTHON, ROOT

DATABASE = "prepaid_translations"


def translations():
    """Export, merge, and print how much of each language is there."""
    setup()
    started = postgres.start()
    odoo_server.test_template()
    odoo_server.clone(odoo_server.TEST_DB, DATABASE)
    try:
        with step("Exporting the texts"):
            for name in odoo_server.addon_names():
                _export(name)
    finally:
        postgres.drop(DATABASE)
        if started:
            postgres.stop()
    folders = [str(ADDONS / name / "i18n") for name in odoo_server.addon_names()]
    merge = ROOT / "scripts" / "merge_translations.py"
    print(run([PYTHON, str(merge), *folders], what="merging the translations"), end="")


def _export(name):
    """Write ``i18n/NAME.pot`` of an add-on."""
    folder = ADDONS / name / "i18n"
    folder.mkdir(exist_ok=True)
    target = folder / f"{name}.pot"
    words = [PYTHON, "-m", "odoo", "i18n", "export", "-c", str(ROOT / "odoo.conf")]
    words += ["-d", DATABASE, name, "-o", str(target)]
    # `i18n` takes no --addons-path
    environment = {**odoo_server.environment(), "ODOO_ADDONS_PATH": str(ADDONS)}
    run(words, what=f"exporting the texts of {name}", env=environment, cwd=LOCAL)
