"""Has compared what somebody asks to unmask, export or follow, before it opens. Learns nothing of what was found."""

import asyncio

import structlog

from custodes.app.serving.jobs import JobPool
from custodes.app.serving.views import ServerViewBroker
from custodes.errors import CustodesError, Unavailable
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import Grant
from custodes.types.leak import NeedMasks
from custodes.types.message import MaskFacts
from custodes.types.protection import (
    BeginCheck,
    CheckBegun,
    CheckPiece,
    ChecksWanted,
    PieceChecked,
    ProtectTask,
    ReadChecks,
)
from custodes.units import NS_PER_S, Ns

POLL_S = 2.0
RETRY_S = 30.0
"""After a check that failed; what waits for it stays shut."""

JOB_NS = Ns(1800 * NS_PER_S)
_MAX_MASKS = 12_000
"""Five minutes at 40 analysed frames a second."""


class ProtectionService:
    """One check at a time. Used on the event loop only."""

    def __init__(
        self, *, catalog: AsyncCatalog, warden: Warden, jobs: JobPool, views: ServerViewBroker, clock: Clock
    ) -> None:
        self._catalog = catalog
        self._warden = warden
        self._jobs = jobs
        self._views = views
        self._clock = clock

    async def run(self) -> None:
        """For ever."""
        is_told = False
        while True:
            try:
                await self.check_all()
                is_told = False
            except CustodesError as error:
                if not is_told:
                    structlog.get_logger().error("requests cannot be compared with the protected", error=str(error))
                is_told = True
                await asyncio.sleep(RETRY_S)
            await asyncio.sleep(POLL_S)

    async def check_all(self) -> None:
        """Everything that waits now. Raises: Unavailable, and what a job complains of."""
        while True:
            wanted = await self._warden.about_requests(ReadChecks())
            assert isinstance(wanted, ChecksWanted)
            if not wanted.pieces:
                return
            for piece in wanted.pieces:
                await self._check(piece)

    async def _check(self, piece: CheckPiece) -> None:
        begun = await self._warden.about_requests(BeginCheck(piece=piece))
        assert isinstance(begun, CheckBegun)
        try:
            await self._run_job(piece, begun.grant)
        finally:
            await self._warden.end_grant(begun.grant.grant_id, 0)

    async def _run_job(self, piece: CheckPiece, grant: Grant) -> None:
        segments = await self._views.segments_between(piece.camera_id, piece.start_ns, piece.end_ns)
        deadline_ns = Ns(min(self._clock.now_ns() + JOB_NS, grant.expires_ns))
        link = await self._jobs.take()
        incoming: asyncio.Queue[object] = asyncio.Queue()
        closed = asyncio.create_task(link.closed.wait())
        try:
            link.listen(incoming.put_nowait)
            task = ProtectTask(
                camera_id=piece.camera_id,
                session_id=grant.request.session_id,
                grant_token=grant.token,
                deadline_ns=deadline_ns,
                start_ns=piece.start_ns,
                end_ns=piece.end_ns,
                segments=tuple(segments),
            )
            await link.channel.send(task)
            async with asyncio.timeout((deadline_ns - self._clock.now_ns()) / NS_PER_S):
                while True:
                    message = asyncio.create_task(incoming.get())
                    await asyncio.wait({message, closed}, return_when=asyncio.FIRST_COMPLETED)
                    if not message.done():
                        message.cancel()
                        raise Unavailable("the check's job died")
                    answer = message.result()
                    if isinstance(answer, PieceChecked):
                        if answer.error:
                            raise Unavailable(answer.error)
                        return
                    if isinstance(answer, NeedMasks):
                        frames = await self._catalog.analysed(piece.camera_id, answer.start_ns, answer.end_ns)
                        await link.channel.send(MaskFacts(frames=tuple(frames[:_MAX_MASKS])))
        except TimeoutError as error:
            raise Unavailable(f"a check took longer than {JOB_NS // NS_PER_S} s") from error
        finally:
            closed.cancel()
            link.kill()
            await link.channel.close()
