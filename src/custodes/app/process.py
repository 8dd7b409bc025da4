"""The life of a process that serves on an event loop until it is told to stop: server, warden, matcher, enroller."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from custodes.config import SiteConfig, SitePaths, load_effective
from custodes.errors import CustodesError
from custodes.runtime.memory import hide_memory
from custodes.runtime.parent import die_with_parent
from custodes.telemetry import logs

Serve = Callable[[SitePaths, SiteConfig, asyncio.Event, str], Coroutine[Any, Any, None]]
"""`serve(paths, config, stop, name)`: until `stop` is set by SIGTERM or SIGINT."""


def run_process(kind: str, serve: Serve) -> None:
    """Hide the memory, read the arguments and the configuration, serve; an error of ours becomes exit code 1.

    Args: kind: names the process in its log and in what it says to the terminal.
    """
    die_with_parent()
    hide_memory()
    parser = argparse.ArgumentParser(prog=f"custodes.app.{kind}")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default=kind)
    arguments = parser.parse_args()
    paths = SitePaths(arguments.data.resolve())
    try:
        config = load_effective(paths.data_dir)
        logs.configure(arguments.name, log_dir=paths.log_dir, level=config.log_level)
        asyncio.run(_until_stopped(paths, config, serve, arguments.name))
    except CustodesError as error:
        structlog.get_logger().error(f"{kind} cannot run", error=str(error), error_kind=error.kind.value)
        sys.exit(f"{kind}: {error}")


async def _until_stopped(paths: SitePaths, config: SiteConfig, serve: Serve, name: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(paths, config, stop, name)
