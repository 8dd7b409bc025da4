"""The matcher process: the gallery in memory, exact search, thresholds. No network, no video, no web, no disk.

The server asks on `matcher.sock`, analysers bring probes on `matcher-probes.sock`. From the warden come sealed
templates with their keys; to it go candidates. What matches nobody is zeroed before the analyser gets its answer.
"""

import asyncio
from pathlib import Path

import structlog

from custodes.adapters.ipc.connections import Connections
from custodes.adapters.ipc.framing import AsyncChannel, RequestClient, answer_requests, serve
from custodes.app.process import run_process
from custodes.config import SiteConfig, SitePaths
from custodes.errors import CustodesError, ProtocolError
from custodes.face.filling import GalleryFiller
from custodes.face.matching import Matching
from custodes.runtime.memory import lock_memory
from custodes.types.face_message import (
    FileCandidate,
    GalleryChanges,
    Probe,
    ReadGalleryChanges,
    ReadZoneLoads,
    ZoneLoads,
)
from custodes.types.message import Appended, GalleryStatus, Ok, Ping, ReadGallery
from custodes.types.trial import NoteWalk

POLL_S = 1.0
"""How soon the gallery knows what the warden knows: a withdrawal counts within this and a round trip."""

PAGE = 2000


class MatcherService:
    """Answers both sockets; keeps the gallery as the warden says. One event loop."""

    def __init__(self, warden: Path) -> None:
        self._warden = RequestClient(warden)
        self.matching = Matching()
        self._filler = GalleryFiller(self.matching)

    async def answer(self, request: object) -> object:
        """The reply to the server. Raises: ProtocolError for what the matcher does not serve."""
        gallery = self.matching.gallery
        match request:
            case ReadGallery():
                return GalleryStatus(people=gallery.people, templates=gallery.templates, contracts=gallery.contracts)
            case ReadZoneLoads():
                return ZoneLoads(zones=self.matching.loads())
            case Ping():
                return Ok()
        raise ProtocolError(f"the matcher does not answer {type(request).__name__}")

    async def answer_probe(self, request: object) -> object:
        """The reply to an analyser: Ok, whatever came of it. Raises: ProtocolError; InvalidArgument."""
        if not isinstance(request, Probe):
            raise ProtocolError(f"the matcher does not answer {type(request).__name__} there")
        candidate = self.matching.compare(request)
        if (walk := self.matching.take_note()) is not None:
            await self._tell(walk, Ok)
        if candidate is not None:
            await self._tell(candidate, Appended)
        return Ok()

    async def _tell(self, message: FileCandidate | NoteWalk, reply: type[Ok] | type[Appended]) -> None:
        try:
            await self._warden.request(message, reply, is_repeatable=False)
        except CustodesError as error:
            what = "candidate" if isinstance(message, FileCandidate) else "walk"
            structlog.get_logger().warning(f"{what} lost", zone=message.zone_id, reason=str(error))

    async def follow(self) -> None:
        """Ask the warden what changed, for ever."""
        is_told = False
        while True:
            try:
                await self.refresh()
                is_told = False
            except CustodesError as error:
                if not is_told:
                    structlog.get_logger().warning("the gallery cannot be refreshed", reason=str(error))
                is_told = True
            await asyncio.sleep(POLL_S)

    async def refresh(self) -> None:
        """All pages that are new. Raises: Unavailable; then nobody is compared, because the zones may be off."""
        while True:
            message = ReadGalleryChanges(version=self.matching.version, limit=PAGE, roster=self._filler.roster)
            try:
                changes = await self._warden.request(message, GalleryChanges)
            except CustodesError:
                self.matching.rules = {}
                raise
            if not self._filler.take(changes):
                self.matching.clear()
                self._filler = GalleryFiller(self.matching)
            elif changes.is_complete:
                return

    async def close(self) -> None:
        """Zero the gallery."""
        self.matching.clear()
        await self._warden.close()


async def run(paths: SitePaths, *, stop: asyncio.Event) -> None:
    """Serve until `stop`, then zero the gallery. It starts empty; the warden fills it, nothing on disk does."""
    if not lock_memory():
        structlog.get_logger().warning("memory cannot be locked; swap could hold templates", limit="RLIMIT_MEMLOCK")
    service = MatcherService(paths.socket("warden-faces"))
    connections = Connections()

    async def to_server(channel: AsyncChannel) -> None:
        await answer_requests(channel, service.answer)

    async def to_analyser(channel: AsyncChannel) -> None:
        await answer_requests(channel, service.answer_probe)

    probes = await serve(paths.socket("matcher-probes"), connections.tracked(to_analyser))
    server = await serve(paths.socket("matcher"), connections.tracked(to_server))
    follower = asyncio.get_running_loop().create_task(service.follow(), name="follow")
    structlog.get_logger().info("matcher serves")
    try:
        await stop.wait()
    finally:
        server.close()
        probes.close()
        follower.cancel()
        await connections.end()
        await service.close()
    structlog.get_logger().info("matcher stopped")


async def _serve(paths: SitePaths, _: SiteConfig, stop: asyncio.Event, _name: str) -> None:
    await run(paths, stop=stop)


def main() -> None:
    """Entry point of the process."""
    run_process("matcher", _serve)


if __name__ == "__main__":
    main()
