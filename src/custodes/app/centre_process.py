"""The centre's process: the stream, the page if one is configured, and the signals that end them."""

import asyncio
import functools
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from custodes.adapters.nats import NatsLink
from custodes.app.centre import follow, forget_old, opened
from custodes.app.centre_page import serve_page
from custodes.app.federation import nats_target
from custodes.config.centre import CentreConfig
from custodes.runtime.clock import SystemClock
from custodes.runtime.memory import hide_memory


async def run_centre(config: CentreConfig, *, on_address: Callable[[str], None]) -> None:
    """Until SIGINT or SIGTERM, or until a part fails. Raises: what `centre.opened` raises; FailedPrecondition when the
    page's port is taken."""
    hide_memory()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock = SystemClock()
    target = nats_target(config.nats, os.environ)
    async with opened(config, clock) as (centre, store, asking):
        parts: list[Coroutine[Any, Any, object]] = [
            stop.wait(),
            follow(centre, store, functools.partial(NatsLink.connected, target), asking),
            forget_old(store, clock, config.keep_days),
        ]
        if config.page is not None:
            parts.append(serve_page(config, store, clock, on_address=on_address))
        else:
            on_address(f"no page; it hears {len(config.sites)} sites")
        tasks = [asyncio.create_task(one) for one in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()  # a part ends only by an error, which is ours to see
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
