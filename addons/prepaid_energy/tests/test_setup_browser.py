import json
import re
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from odoo.tests import HttpCase, tagged

from .common import leave_out_missing_file
from .setup_case import set_up_empty

# where `make setup` puts the bridge, beside the add-ons
BRIDGE = Path(__file__).resolve().parents[3] / ".local/bridge-venv/bin/python"
# what a new user clicks, one after another; `step` waits for a step to be ticked
TOOLS = """
const sleep = (ms) => new Promise((go) => setTimeout(go, ms));
async function until(find, what) {
    for (let i = 0; i < 600; i++) {
        const found = find();
        if (found) {
            return found;
        }
        await sleep(100);
    }
    throw new Error(`not seen: ${what}: ${document.body.innerText.slice(0, 1500)}`);
}
const $ = (css) => document.querySelector(css);
const done = (key) =>
    until(() => $(`li[data-step=${key}][data-done=true]`), `${key} is done`);
async function press(key) {
    (await until(() => $(`li[data-step=${key}] .btn-primary`), `next: ${key}`)).click();
}
async function dialog(button) {
    const find = () => $(`.modal footer button[name=${button}]:not(.d-none)`);
    (await until(find, button)).click();
}
async function fill(name, value) {
    const css = `.modal [name=${name}] input`;
    const input = await until(() => $(css), name);
    input.value = value;
    input.dispatchEvent(new Event("input", {bubbles: true}));
    input.dispatchEvent(new Event("change", {bubbles: true}));
}
"""
FIRST_HOUR = """
(async () => {
    await press("books");
    await done("books");
    await press("site");
    await fill("name", "North Park");
    await dialog("action_apply");
    await done("site");
    await press("tariff");
    await fill("price", "0.31");
    await dialog("action_apply");
    await done("tariff");
    await press("policy");
    await dialog("action_apply");
    await done("policy");
    await press("meters");
    const input = await until(() => $(".modal input[type=file]"), "file");
    const list = new DataTransfer();
    list.items.add(new File([LIST], "meters.csv", {type: "text/csv"}));
    input.files = list.files;
    input.dispatchEvent(new Event("change", {bubbles: true}));
    const named = () => $(".modal .o_field_binary input")?.value === "meters.csv";
    await until(named, "file name");
    await dialog("action_preview");
    await until(() => $(".modal .o_data_row"), "preview");
    await dialog("action_import");
    await until(() => $(".modal .alert-success:not(.d-none)"), "imported");
    $(".modal footer .btn-secondary[special=cancel], .modal .btn-close").click();
    await done("meters");
    await press("gateway");
    (await until(() => $(".modal td[name=place]"), "line")).click();
    await fill("host", "127.0.0.1");
    (await until(() => $(".modal .o_form_button_save"), "save of the line")).click();
    const placed = () => $(".modal td[name=place]")?.textContent.includes("127.0.0.1");
    await until(placed, "placed");
    const create = URL.createObjectURL;
    URL.createObjectURL = (blob) => {
        blob.text().then((text) => (window.bridgeFile = text));
        return create.call(URL, blob);
    };
    await dialog("action_bridge_file");
    await until(() => window.bridgeFile, "bridge.toml");
    await done("gateway");
    console.log("test successful");
})().catch((error) => console.error(error.message));
"""
THEN = """
(async () => {
    await done("readings");
    await until(
        () => $("li[data-step=readings] table")?.textContent.includes("1210.25"),
        "the reading on the page"
    );
    await press("arm");
    await until(() => $(".modal button[name=action_arm]"), "drill");
    console.log("test successful");
})().catch((error) => console.error(error.message));
"""
LIST = (
    "Point,Feeder,Tenant,E-mail,Serial,Profile,Line,Address,CT,Relay,Opening register\n"
    "Incomer,,,,FH-1,adl3000,hall,1,200/5,,\n"
    "Shop,Incomer,Smith,a@smith.example,FH-2,ddsy1352,hall,2,,yes,1204.5\n"
)
LOAD = """
import sys
from pathlib import Path
from meter_bridge import config
settings = config.load(Path(sys.argv[1]))
print(settings.meters, settings.lines[0].host, settings.erp.key())
"""


@tagged("post_install", "-at_install")
class TestFirstHour(HttpCase):
    """A new user, from an empty company to the first reading, by clicks alone."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_empty(cls)
        leave_out_missing_file(cls.env)

    def walk(self):
        """Go through the assistant; return the file that it handed out."""
        self.authenticate("new_manager", "new_manager")
        page = self.url_open("/odoo/energy-setup").text
        for address in re.findall(r'"(/web/assets/[^"]+)"', page):
            self.url_open(address, timeout=120)  # made now, not while it is waited for
        Gateway = type(self.env["energy.gateway"])
        original, files = Gateway._bridge_file, []

        def seen(gateway):
            files.append(original(gateway))
            return files[-1]

        with patch.object(Gateway, "_bridge_file", seen):
            self.browser_js(
                "/odoo/energy-setup",
                TOOLS + FIRST_HOUR.replace("LIST", json.dumps(LIST)),
                login="new_manager",
                timeout=180,
            )
        (file,) = files
        return file

    def test_from_nothing_to_the_first_reading(self):
        file = self.walk()
        self.authenticate(None, None)
        (key,) = re.findall(r'^api_key = "(.+)"$', file, re.M)
        reading = ["FH-2", int(time.time()), "1210.25"]
        answer = self.url_open(
            "/json/2/energy.gateway/ingest",
            data=json.dumps({"batch": {"uid": "first-hour", "readings": [reading]}}),
            headers={
                "Authorization": f"bearer {key}",
                "Content-Type": "application/json",
                "X-Odoo-Database": self.env.cr.dbname,
            },
        )
        self.assertEqual(answer.json()["accepted"], 1, answer.text)
        self.browser_js(
            "/odoo/energy-setup", TOOLS + THEN, login="new_manager", timeout=120
        )
        site = self.env["energy.site"].search([("company_id", "=", self.park.id)])
        self.assertEqual(site.name, "North Park")
        meter = self.env["energy.meter"].search([("serial", "=", "FH-2")])
        self.assertEqual(meter.last_register, 1210.25)
        self.assertEqual(meter.company_id, self.park)
        wallet = meter.service_point_id.wallet_id
        # from the opening register, at the price that was typed
        self.assertAlmostEqual(wallet.accrued, (1210.25 - 1204.5) * 0.31, 6)
        self.assertTrue(BRIDGE.exists(), "make setup installs the bridge")
        with TemporaryDirectory() as folder:
            path = Path(folder, "bridge.toml")
            path.write_text(file, encoding="utf-8")
            told = subprocess.run(
                [str(BRIDGE), "-c", LOAD, str(path)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertEqual(told.stdout.split(), ["erp", "127.0.0.1", key])
        self.assertEqual(
            self.env["res.users.apikeys"]._check_credentials(scope="rpc", key=key),
            meter.gateway_id.user_id.id,
        )
