"""The matcher process: the gallery in memory behind one unix socket. No network, no video, no web, no disk."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import structlog

from custodes.adapters.ipc.framing import AsyncChannel, answer_requests, serve
from custodes.config import SitePaths, load_effective
from custodes.errors import CustodesError, ProtocolError
from custodes.face.gallery import Gallery
from custodes.runtime.memory import hide_memory
from custodes.runtime.parent import die_with_parent
from custodes.telemetry import logs
from custodes.types.message import GalleryStatus, Ok, Ping, ReadGallery


def answer(gallery: Gallery, request: object) -> object:
    """The reply to one request. Raises: ProtocolError for what the matcher does not serve."""
    match request:
        case ReadGallery():
            return GalleryStatus(people=gallery.people, templates=gallery.templates, contracts=gallery.contracts)
        case Ping():
            return Ok()
    raise ProtocolError(f"the matcher does not answer {type(request).__name__}")


async def run(paths: SitePaths, *, stop: asyncio.Event) -> None:
    """Serve until `stop`, then zero the gallery. It starts empty: enrolment fills it, nothing on disk does."""
    gallery = Gallery()

    async def respond(request: object) -> object:
        return answer(gallery, request)

    connections: set[AsyncChannel] = set()

    async def on_connect(channel: AsyncChannel) -> None:
        connections.add(channel)
        try:
            await answer_requests(channel, respond)
        finally:
            connections.discard(channel)

    server = await serve(paths.socket("matcher"), on_connect)
    structlog.get_logger().info("matcher serves")
    try:
        await stop.wait()
    finally:
        server.close()
        for channel in list(connections):
            await channel.close()
        gallery.clear()
    structlog.get_logger().info("matcher stopped")


async def _main(paths: SitePaths) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(paths, stop=stop)


def main() -> None:
    """Entry point of the process."""
    die_with_parent()
    hide_memory()
    parser = argparse.ArgumentParser(prog="custodes.app.matcher")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="matcher")
    arguments = parser.parse_args()
    paths = SitePaths(arguments.data.resolve())
    try:
        config = load_effective(paths.data_dir)
        logs.configure(arguments.name, log_dir=paths.log_dir, level=config.log_level)
        asyncio.run(_main(paths))
    except CustodesError as error:
        structlog.get_logger().error("matcher cannot run", error=str(error), error_kind=error.kind.value)
        sys.exit(f"matcher: {error}")


if __name__ == "__main__":
    main()
