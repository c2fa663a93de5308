"""What a bridge posts reaches an open board by Odoo's bus, without the board's poll."""

import time
import uuid
from datetime import UTC, datetime

import services
from conftest import wait_until

POLL = 15  # seconds, as in live_board.js
QUICK = 6  # the server tells at most once in 2 s, the board fetches at most once in 2 s
ROW = ".o_energy_board_line:has-text('Clearcut Carpentry')"


def is_look(request):
    """Whether a request is the board's question for what has changed."""
    return "board_changes" in request.url


def post(system, kilowatts):
    """A batch of one value, as the bridge would hand it over."""
    at = datetime.now(UTC).isoformat()
    batch = {"uid": uuid.uuid4().hex, "telemetry": [["PE-T3", at, {"p": kilowatts}]]}
    key = system.park.key_file.read_text()
    system.call("ingest", key, batch=batch)


def test_a_change_reaches_an_open_board_before_it_would_look_again(system, desk):
    # of what is left, only what this test posts can change anything
    services.stop(system.park.bridge_service)
    try:
        desk.goto("/web/login?redirect=/odoo/energy-board")
        desk.fill("input[name=login]", "operator")
        desk.fill("input[name=password]", "operator")
        desk.click("button[type=submit]")
        desk.wait_for_selector(ROW)
        desk.wait_for_selector(".o_energy_board_link:has-text('Live')")
        looks = []
        desk.on("request", lambda one: is_look(one) and looks.append(time.monotonic()))
        # the second look in a row that nothing told: the bus has nothing left to say
        wait_until(lambda: quiet(desk, looks), "the board only polls", 90)
        assert "0.73 kW" not in desk.inner_text(ROW)
        posted = time.monotonic()
        post(system, 0.73)
        desk.wait_for_selector(f"{ROW}:has-text('0.73 kW')", timeout=QUICK * 1000)
        assert time.monotonic() < looks_again(looks, posted), "the poll was not due"
    finally:
        system.park.start_bridge()


def quiet(desk, looks):
    """Whether the board has just looked, a whole poll after its last look."""
    desk.wait_for_timeout(200)  # lets the events of the page come
    return (
        len(looks) > 1
        and looks[-1] - looks[-2] > POLL - 2
        and time.monotonic() - looks[-1] < 1
    )


def looks_again(looks, posted):
    """When the poll would have looked again after the last look before ``posted``."""
    return max(look for look in looks if look < posted) + POLL - 1
