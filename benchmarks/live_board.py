"""How fluid the live board is with 1,000 meters, in Chromium.

Run with ``python3 scripts bench live_board``. In a database of its own, with a real
Odoo server: a bridge hands over the power of all meters every few seconds, while the
board is open with every row unfolded. Measured, with 100 and with 1,000 meters:

- first: from asking for the snapshot until its rows are painted;
- update: from the answer with the changes until they are painted, and how long after
  the bridge's batch that is (bus, fetch, answer);
- scroll: the frames while the list is scrolled from end to end, and those of the page
  at rest, which on a busy machine are slow as well;
- cpu: processor time of the page's main thread, for an update in all (also what comes
  between), and for a frame of scrolling, whatever else the machine does;
- long tasks: moments in which the page did not answer for more than 50 ms.

The ratio is an update with 1,000 meters against one with 100: what is painted is the
same, so it should not grow tenfold. ``BENCH_POINTS`` (1000), ``BENCH_UPDATES`` (10),
``BENCH_TEMPLATE`` (a database to clone).
"""

import json
import os
import random
import shutil
import statistics
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import odoo_server  # noqa: E402
import postgres  # noqa: E402
import services  # noqa: E402

DATABASE = "prepaid_bench_board"
SERVICE = "bench-board-odoo"
PORT = int(os.environ.get("BENCH_PORT", "28469"))
POINTS = int(os.environ.get("BENCH_POINTS", "1000"))
UPDATES = int(os.environ.get("BENCH_UPDATES", "10"))
TEMPLATE = os.environ.get("BENCH_TEMPLATE")
# Notes when an answer for the board came, and when the frame after it was painted.
WATCH = """
window.board = {answers: [], long: []};
const send = XMLHttpRequest.prototype.send;
XMLHttpRequest.prototype.send = function (body) {
    const asked = performance.now();
    const kind = (body || "").toString().match(/"method":"board_(snapshot|changes)"/);
    if (kind) {
        this.addEventListener("load", () => {
            const came = performance.now();
            const size = this.responseText?.length || this.response?.size || 0;
            requestAnimationFrame(() => setTimeout(() => board.answers.push(
                {kind: kind[1], asked, came, size, painted: performance.now()})));
        });
    }
    return send.call(this, body);
};
new PerformanceObserver((list) => {
    board.long.push(...list.getEntries().map((e) => [e.startTime, e.duration]));
}).observe({type: "longtask", buffered: true});
"""
SCROLL = """async (moving) => {
    const body = document.querySelector(".o_energy_board_body");
    const frames = [];
    let last = performance.now();
    const steps = 120;
    for (let i = 0; i <= steps; i++) {
        body.scrollTop = (moving * (body.scrollHeight - body.clientHeight) * i) / steps;
        await new Promise(requestAnimationFrame);
        frames.push(performance.now() - last);
        last = performance.now();
    }
    return frames;
}"""


class Bridge:
    """Hands over the power of all meters, as a bridge does."""

    def __init__(self, world):
        self.world = world
        self.batches = 0

    def send(self):
        """One batch; the feeders measure two per cent more than what is below."""
        world, self.batches = self.world, self.batches + 1
        now = datetime.now(UTC).isoformat()
        power = {serial: round(random.uniform(1, 39), 3) for serial in world["leaves"]}
        for number, feeder in enumerate(world["feeders"]):
            below = world["leaves"][50 * number : 50 * number + 50]
            power[feeder] = 1.02 * sum(power[serial] for serial in below)
        power[world["top"]] = sum(power[feeder] for feeder in world["feeders"])
        batch = {
            "uid": f"b-{time.time()}",
            "readings": [[s, now, f"{self.batches / 100}"] for s in world["leaves"]],
            "telemetry": [[serial, now, {"p": p}] for serial, p in power.items()],
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{PORT}/json/2/energy.gateway/ingest",
            json.dumps({"batch": batch}).encode(),
            {
                "Authorization": f"bearer {world['key']}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def busy(client):
    """Seconds of processor time that the page's main thread has used."""
    metrics = client.send("Performance.getMetrics")["metrics"]
    return {row["name"]: row["value"] for row in metrics}["TaskDuration"]


def measure(page, client, world):
    """Open the board of a site, unfold all, and watch some batches arrive."""
    bridge = Bridge(world)
    bridge.send()
    page.evaluate(f"localStorage.setItem('prepaid_energy.board_site', {world['site']})")
    page.goto(f"http://127.0.0.1:{PORT}/odoo/energy-board")
    page.wait_for_selector(".o_energy_board_line")
    page.wait_for_function("board.answers.length > 0")
    first = page.evaluate("board.answers[0]")
    page.click(".o_energy_board_open")
    page.wait_for_timeout(1500)
    # What was edited within ten minutes is sent whole: here, all by the first batch.
    postgres.psql(
        "UPDATE energy_service_point SET write_date = write_date - interval '1 hour'",
        DATABASE,
    )
    page.evaluate("board.answers = []; board.long = []")
    delays = []
    begin = busy(client)
    for _number in range(UPDATES):
        seen = page.evaluate("board.answers.filter((a) => a.size > 3000).length")
        bridge.send()
        sent = time.monotonic()
        page.wait_for_function(
            f"board.answers.filter((a) => a.size > 3000).length > {seen}",
            timeout=30000,
        )
        delays.append(time.monotonic() - sent)
        page.wait_for_timeout(1500)
    answers = page.evaluate("board.answers.filter((a) => a.size > 3000)")
    long_tasks = page.evaluate("board.long")
    updated = busy(client)
    idle = page.evaluate(SCROLL, 0)
    rested = busy(client)
    frames = page.evaluate(SCROLL, 1)
    scrolled = busy(client)
    link = page.inner_text(".o_energy_board_link")
    return {
        "points": len(world["leaves"]),
        "link": link.split("·")[0].strip(),
        "rows_in_page": page.locator(".o_energy_board_line").count(),
        "snapshot_kb": round(first["size"] / 1024),
        "snapshot_ms": round(first["came"] - first["asked"]),
        "first_paint_ms": round(first["painted"] - first["asked"]),
        "changes_kb": round(statistics.median(a["size"] for a in answers) / 1024),
        "changes_ms": round(statistics.median(a["came"] - a["asked"] for a in answers)),
        "update_ms": round(
            statistics.median(a["painted"] - a["came"] for a in answers), 1
        ),
        "update_max_ms": round(max(a["painted"] - a["came"] for a in answers), 1),
        "update_cpu_ms": round(1000 * (updated - begin) / UPDATES, 1),
        "after_batch_s": round(statistics.median(delays), 2),
        "long_tasks": len(long_tasks),
        "longest_task_ms": round(max([t[1] for t in long_tasks], default=0)),
        "idle_median_ms": round(statistics.median(idle), 1),
        "idle_p95_ms": round(statistics.quantiles(idle, n=20)[-1], 1),
        "scroll_median_ms": round(statistics.median(frames), 1),
        "scroll_p95_ms": round(statistics.quantiles(frames, n=20)[-1], 1),
        "scroll_max_ms": round(max(frames), 1),
        "scroll_cpu_ms": round(1000 * (scrolled - rested) / len(frames), 1),
    }


def browse(worlds):
    """The measurements of each world, in one browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.add_init_script(WATCH)
        page.goto(f"http://127.0.0.1:{PORT}/web/login")
        page.fill("input[name=login]", "admin")
        page.fill("input[name=password]", "admin")
        page.click("button[type=submit]")
        page.wait_for_selector(".o_web_client", timeout=120000)
        client = page.context.new_cdp_session(page)
        client.send("Performance.enable", {"timeDomain": "threadTicks"})
        measure(
            page, client, worlds[0]
        )  # the browser's cache and the server's are warm then
        results = [measure(page, client, world) for world in worlds]
        if picture := os.environ.get("BENCH_PICTURE"):
            page.screenshot(path=picture)
        browser.close()
    return results


def main():
    """Measure and print; the last line is JSON."""
    started = postgres.start()
    if not TEMPLATE:
        odoo_server.test_template()
    odoo_server.clone(TEMPLATE or odoo_server.TEST_DB, DATABASE)
    script = (ROOT / "benchmarks/odoo/board_world.py").read_text()
    try:
        worlds = [
            odoo_server.shell(DATABASE, script, points=points)
            for points in (100, POINTS)
        ]
        odoo_server.start(SERVICE, DATABASE, PORT, PORT + 1)
        results = browse(worlds)
    finally:
        services.stop(SERVICE)
        postgres.drop(DATABASE)
        if started:
            postgres.stop()
    few, many = results
    for name in few:
        print(f"{name:16} {few[name]!s:>10} {many[name]!s:>10}")
    ratio = many["update_ms"] / few["update_ms"]
    print(json.dumps({"benchmark": "live_board", "ratio": round(ratio, 2), **many}))


if __name__ == "__main__":
    main()
