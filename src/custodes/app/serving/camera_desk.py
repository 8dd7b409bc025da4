"""`ports.camera_desk` of the running site: changes through `CameraService`, looks through a prober."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import psutil

from custodes.app.serving.camera_shelf import CameraShelf
from custodes.app.serving.cameras import CameraService
from custodes.app.serving.jobs import JobLink, JobPool
from custodes.errors import FailedPrecondition, NotFound, ProtocolError, Unavailable
from custodes.ports.catalog_async import AsyncCatalog
from custodes.types.message import CameraSpec
from custodes.types.setup import (
    CameraChange,
    CameraProbed,
    DiscoverTask,
    NetworkAsked,
    PictureRedrawn,
    ProbeTask,
    RedrawTask,
)
from custodes.units import CameraId

LOOK_S = 4.0
"""Two keyframes of a camera with the usual two seconds between them."""
WAIT_S = 4.0
"""As `custodes camera discover`."""
ANSWER_TIMEOUT_S = 100.0
"""Beyond connecting at the worst (`adapters.camera.rtsp`: 46.5 s), the first keyframe (20 s) and the look."""

T = TypeVar("T")
Task = ProbeTask | DiscoverTask | RedrawTask


class SiteCameras:
    """See the port."""

    def __init__(
        self,
        *,
        catalog: AsyncCatalog,
        service: CameraService,
        shelf: CameraShelf,
        ask: Callable[[Task], Awaitable[object]],
    ) -> None:
        """`ask` looks: `Probers.ask` where a site runs."""
        self._catalog = catalog
        self._service = service
        self._shelf = shelf
        self._ask = ask
        self._changing = asyncio.Lock()
        """So that nothing comes between looking what an undo would overwrite, and doing it."""

    async def cameras(self) -> list[CameraSpec]:
        """See the port."""
        return sorted(await self._catalog.cameras(), key=lambda spec: spec.camera_id)

    async def history(self) -> list[CameraChange]:
        """See the port."""
        return list(self._shelf.changes)[::-1]

    async def put(self, spec: CameraSpec, *, password: str | None, actor: str) -> None:
        """See the port."""
        async with self._changing:
            await self._put(spec, password, actor)

    async def remove(self, camera_id: CameraId, *, actor: str) -> None:
        """See the port."""
        async with self._changing:
            await self._service.remove(camera_id, actor=actor)

    async def undo(self, change_id: str, *, actor: str) -> CameraId:
        """See the port."""
        async with self._changing:
            return await self._undo(change_id, actor)

    async def tidy(self) -> None:
        """Delete typed passwords that nothing needs any more; never one that is about to be needed."""
        async with self._changing:
            await self._service.tidy()

    async def _put(self, spec: CameraSpec, password: str | None, actor: str) -> None:
        if password is not None:
            reference = await asyncio.to_thread(self._shelf.keep_password, spec.camera_id, password)
            spec = replace(spec, password_ref=reference)
        try:
            await self._service.put([spec], is_exclusive=False, actor=actor)
        finally:
            await self._service.tidy()

    async def _undo(self, change_id: str, actor: str) -> CameraId:
        change = next((one for one in self._shelf.changes if one.change_id == change_id), None)
        if change is None:
            raise NotFound("there is no such change, or it is too old to be undone")
        now = next((one for one in await self._catalog.cameras() if one.camera_id == change.camera_id), None)
        if now != change.after:
            raise FailedPrecondition(f"camera {change.camera_id} was changed again since; undo the newer change first")
        if change.before is None:
            await self._service.remove(change.camera_id, actor=actor)
        else:
            await self._service.put([change.before], is_exclusive=False, actor=actor)
        return change.camera_id

    async def probe(self, spec: CameraSpec, *, password: str) -> CameraProbed:
        """See the port."""
        return _answered(await self._ask(ProbeTask(spec=spec, password=password, look_s=LOOK_S)), CameraProbed)

    async def discover(self, interface: str) -> NetworkAsked:
        """See the port."""
        return _answered(await self._ask(DiscoverTask(interface=interface, wait_s=WAIT_S)), NetworkAsked)

    async def redraw(self, content: bytes) -> PictureRedrawn:
        """See the port."""
        return _answered(await self._ask(RedrawTask(content=content)), PictureRedrawn)

    def networks(self) -> list[str]:
        """See the port."""
        found = (one for addresses in psutil.net_if_addrs().values() for one in addresses)
        return sorted(
            {one.address for one in found if one.family == socket.AF_INET and not one.address.startswith("127.")}
        )


class Probers:
    """Looks at cameras, each in a process of its own; two at a time."""

    def __init__(self, jobs: JobPool) -> None:
        self._jobs = jobs
        self._probing = asyncio.Semaphore(2)

    async def ask(self, task: Task) -> object:
        """The prober's answer. Raises: Unavailable when there is none."""
        async with self._probing:
            link = await self._jobs.take()
            answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()

            def hear(message: object) -> None:
                if not answer.done():
                    answer.set_result(message)

            try:
                link.listen(hear)
                await link.channel.send(task)
                message = await _answer_of(link, answer)
            finally:
                await link.channel.close()
                link.kill()
        return message


def _answered(message: object, kind: type[T]) -> T:
    if not isinstance(message, kind):
        raise ProtocolError(f"a prober answered {type(message).__name__}")
    return message


async def _answer_of(link: JobLink, answer: asyncio.Future[object]) -> object:
    """Raises: Unavailable when the prober ends first or takes too long."""
    gone = asyncio.ensure_future(link.closed.wait())
    waiting: set[asyncio.Future[Any]] = {answer, gone}
    try:
        await asyncio.wait(waiting, timeout=ANSWER_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
    if not answer.done():
        raise Unavailable("the process that looks at the camera ended without an answer")
    return answer.result()
