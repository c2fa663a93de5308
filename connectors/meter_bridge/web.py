"""``GET /health`` for people and watchdogs, ``GET /metrics`` for Prometheus."""

import time
from typing import TYPE_CHECKING, Any

from aiohttp import web
from prometheus_client import exposition

from meter_bridge import __version__, metrics
from meter_bridge.commands_store import CommandStore
from meter_bridge.config import Health

if TYPE_CHECKING:
    from meter_bridge.app import Bridge


async def health(bridge: "Bridge") -> dict[str, Any]:
    """What ``/health`` says; raises :class:`sqlite3.Error` when the outbox is
    unusable."""
    counts = await bridge.outbox.run(CommandStore.counts)
    lines = {worker.name: worker.status() for worker in bridge.everywhere}
    link = bridge.link
    problems = [f"erp: {link.error}"] if link.error else []
    if bridge.outbox.full:
        problems.append(f"disk: {bridge.outbox.full}")
    if bridge.clock.ahead_of_erp:
        ahead = round(bridge.clock.ahead_of_erp)
        problems.append(f"clock: {ahead:+} s against the ERP")
    problems += bridge.problems
    for name, line in lines.items():
        if line["down"]:
            problems.append(f"line {name}: {line['down']}")
        problems += [f"meter {serial}: silent" for serial in line["silent"]]
    return {
        "status": "degraded" if problems else "ok",
        "problems": problems,
        "version": __version__,
        "erp_last_ok": int(link.last_ok) or None,
        "lease": bridge.lease.status(),
        "outbox": counts,
        "lines": lines,
    }


async def measured(bridge: "Bridge") -> bytes:
    """What ``/metrics`` says: looks the states up and adds what was counted.

    Raises :class:`sqlite3.Error` when the outbox is unusable.
    """
    now = time.time()
    counts = await bridge.outbox.run(CommandStore.counts)
    oldest = await bridge.outbox.run(CommandStore.oldest)
    for kind in ("reading", "telemetry", "event"):
        metrics.OUTBOX_ROWS.labels(kind).set(counts[kind])
    metrics.OUTBOX_AGE.set(max(now - oldest, 0) if oldest else 0)
    metrics.DEAD_LETTERS.set(counts["dead_letters"])
    if bridge.link.last_ok:
        metrics.ERP_OK_AGE.set(now - bridge.link.last_ok)
    for worker in bridge.everywhere:
        line = worker.status()
        silent = len(line["silent"])
        metrics.METERS.labels(worker.name, "silent").set(silent)
        metrics.METERS.labels(worker.name, "ok").set(line["meters"] - silent)
        if line["last_answer"]:
            metrics.ANSWER_AGE.labels(worker.name).set(now - line["last_answer"])
    return exposition.generate_latest(metrics.REGISTRY)


async def serve(bridge: "Bridge", where: Health) -> web.AppRunner:
    """Serve until the returned runner's ``cleanup``; raises :class:`OSError` when the
    port is taken."""

    async def say_health(_request):
        try:
            return web.json_response(await health(bridge))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is ill
            body = {"status": "broken", "problems": [str(error)]}
            return web.json_response(body, status=503)

    async def say_metrics(_request):
        headers = {"Content-Type": exposition.CONTENT_TYPE_LATEST}
        return web.Response(body=await measured(bridge), headers=headers)

    site = web.Application()
    site.router.add_get("/health", say_health)
    site.router.add_get("/metrics", say_metrics)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, where.host, where.port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner
