"""A page of the console left open for a simulated day, in Chromium: what its memory does. Called by `bench.web`.

The browser's clock is set forward as fast as the page answers: the wall asks for the status every two seconds, and its
tiles open their views again and again, because the pictures of the test site end after a few frames.
"""

import threading
import time
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import CDPSession, sync_playwright

CHROMIUM = "/usr/bin/chromium"
STEP_MS = 2000
_LOOK_EVERY = 450
"""Steps between two measurements: a quarter of an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Of the page after its garbage is gone."""

    heap_mb: float
    nodes: int
    listeners: int


def left_open(app: FastAPI, cookie: tuple[str, str], *, hours: float) -> list[Memory]:
    """Measured after a minute, every quarter of an hour, and at the end. `cookie`: name and value of a session."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        context = browser.new_context()
        context.add_cookies([{"name": cookie[0], "value": cookie[1], "url": address}])
        page = context.new_page()
        page.clock.install()
        page.goto(address)
        page.wait_for_selector(".tile")
        session = context.new_cdp_session(page)
        steps = max(round(hours * 3600 * 1000 / STEP_MS), 1)
        for step in range(steps):
            page.clock.run_for(STEP_MS)
            page.wait_for_load_state("networkidle") if step < 5 else page.evaluate("() => 1")
            if step % _LOOK_EVERY == min(30, steps - 1):
                page.mouse.move(step % 700, 300)  # somebody walks by, so that the session stays
                found.append(_memory(session))
        found.append(_memory(session))
        browser.close()
    server.should_exit = True
    thread.join(30)
    return found


def _memory(session: CDPSession) -> Memory:
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return Memory(
        heap_mb=round(metrics["JSHeapUsedSize"] / 1e6, 2),
        nodes=int(metrics["Nodes"]),
        listeners=int(metrics["JSEventListeners"]),
    )
