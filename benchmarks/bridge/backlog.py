"""One part of ``bridge_backlog``: drain a backlog by the bridge, or by the floor.

Runs in the bridge's environment: ``backlog.py bridge|floor ROWS``, or ``server``.
"""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from aiohttp import web
from meter_bridge.commands_store import CommandStore
from meter_bridge.config import Erp
from meter_bridge.delivery import Delivery, Link
from meter_bridge.erp import ErpClient
from meter_bridge.outbox import Outbox

BATCH = 10_000
METERS = 1000


async def serve() -> None:
    """Be the fast server: parse each batch, accept all of it, keep nothing."""

    async def ingest(request):
        batch = json.loads(await request.read())["batch"]
        return web.json_response({"accepted": len(batch["readings"])})

    app = web.Application(client_max_size=10**8)
    app.router.add_post("/json/2/energy.gateway/ingest", ingest)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def fill(path: Path, rows: int) -> None:
    """Make an outbox with ``rows`` readings."""
    store = CommandStore(path)
    bodies = (
        (f'["METER-{n % METERS:05}",{1777888800 + n // METERS * 10},"{n / 100:.2f}"]',)
        for n in range(rows)
    )
    with store._transaction():
        store._db.executemany(
            "INSERT INTO item (kind, body) VALUES ('reading', ?)", bodies
        )
    store.close()


def peak_mb() -> float:
    """Most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def bridge(url: str, path: Path, rows: int) -> None:
    """Drain by the bridge's own delivery, from its first step on."""
    config = Erp(url=url, database="db", api_key="key")
    outbox, taken, done = Outbox(path), 0, asyncio.Event()

    async def answered(receipt, _asked, _heard):
        nonlocal taken
        taken += receipt.accepted
        if taken >= rows:
            done.set()

    await outbox.open()
    async with ErpClient(config) as erp:
        delivery = Delivery(erp, outbox, config, Link(), answered)
        task = asyncio.create_task(delivery.send_forever())
        await done.wait()
        task.cancel()
    counts = await outbox.run(CommandStore.counts)
    await outbox.close()
    if counts["reading"]:
        raise SystemExit(f"{counts['reading']} readings are left")


async def floor(url: str, path: Path, rows: int) -> None:
    """Read, ``json.dumps`` and POST the same rows, nothing else."""
    store, last = CommandStore(path, read_only=True), 0
    query = "SELECT id, body FROM item WHERE id > ? ORDER BY id LIMIT ?"
    async with aiohttp.ClientSession() as http:
        while found := store._db.execute(query, (last, BATCH)).fetchall():
            last = found[-1]["id"]
            readings = [json.loads(row["body"]) for row in found]
            batch = {"uid": "x", "sent_at": "x", "readings": readings}
            body = json.dumps({"batch": batch}).encode()
            address = f"{url}/json/2/energy.gateway/ingest"
            async with http.post(address, data=body) as got:
                if (await got.json())["accepted"] != len(found):
                    raise SystemExit("the server lost some")
    store.close()


def main() -> None:
    """Run the part and print its figures as JSON."""
    if sys.argv[1] == "server":
        asyncio.run(serve())
        return
    part, rows = {"bridge": bridge, "floor": floor}[sys.argv[1]], int(sys.argv[2])
    words = [sys.executable, __file__, "server"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            path = Path(folder) / "outbox.sqlite3"
            subprocess.run([*words[:2], "fill", str(path), str(rows)], check=True)
            before, began = peak_mb(), time.perf_counter()
            asyncio.run(part(url, path, rows))
            took = time.perf_counter() - began
        finally:
            server.terminate()
    figures = {"per_second": rows / took, "peak_mb": peak_mb()}
    print(json.dumps({**figures, "grown_mb": peak_mb() - before}))


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
