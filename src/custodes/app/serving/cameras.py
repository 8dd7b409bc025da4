"""Changing cameras: keys first, then the log, then the catalog, then the recorder's assignment.

Fails closed: without the warden nothing changes, because the change could not be logged. The control socket's
questions about cameras are answered here too (`app.serving.control`).
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import structlog

from custodes.app.serving.camera_shelf import CameraShelf
from custodes.app.serving.live_state import ServerLiveState
from custodes.config import Assignment, read_assignment, write_assignment
from custodes.errors import ConfigError, CustodesError, InvalidArgument, NotFound, ProtocolError
from custodes.geometry.homography import homography_from_points
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.message import CameraSpec, CameraTable, Ok, Ping, PutCameras, ReadCameras, RemoveCamera
from custodes.units import CameraId

RETRY_S = 1.0
_CHECKPOINT_TIMEOUT_S = 2.0


def _check_ground(spec: CameraSpec) -> None:
    if spec.scene.ground:
        try:
            homography_from_points([one.at for one in spec.scene.ground], [one.place_m for one in spec.scene.ground])
        except InvalidArgument as error:
            raise InvalidArgument(f"ground of camera {spec.camera_id}: {error}") from error


def _replaced(before: CameraSpec, spec: CameraSpec) -> CameraSpec:
    """Another device in the same place: what people said about the place stays, unless they say it anew."""
    return replace(
        before,
        url=spec.url,
        username=spec.username,
        password_ref=spec.password_ref,
        transport=spec.transport,
        is_enabled=spec.is_enabled,
        is_looped=spec.is_looped,
        name=before.name if spec.name == spec.camera_id else spec.name,
        retention_h=spec.retention_h or before.retention_h,
        second=spec.second or before.second,
    )


def _stream_ids(cameras: Iterable[CameraSpec]) -> tuple[CameraId, ...]:
    """Each has keys of its own."""
    return tuple(sorted(stream.camera_id for spec in cameras for stream in spec.streams()))


class CameraService:
    """The only writer of cameras and of `assignment.json`."""

    def __init__(
        self,
        *,
        catalog: AsyncCatalog,
        warden: Warden,
        live: ServerLiveState,
        assignment: Path,
        shelf: CameraShelf | None = None,
    ) -> None:
        """`shelf`: remembers each change, so that it can be undone; None: nobody does."""
        self._shelf = shelf
        self._catalog = catalog
        self._warden = warden
        self._live = live
        self._assignment = assignment
        self._lock = asyncio.Lock()

    async def respond(self, request: object) -> object:
        """What the control socket asks about cameras. Raises: ProtocolError for anything else."""
        match request:
            case ReadCameras():
                return await self._table()
            case PutCameras(cameras=cameras, is_exclusive=is_exclusive, keeps_rest=keeps_rest):
                await self.put(cameras, is_exclusive=is_exclusive, actor="process:cli", keeps_rest=keeps_rest)
                return Ok()
            case RemoveCamera(camera_id=camera_id):
                await self.remove(camera_id, actor="process:cli")
                return Ok()
            case Ping():
                return Ok()
            case _:
                raise ProtocolError(f"the server does not answer {type(request).__name__}")

    async def put(
        self, cameras: Iterable[CameraSpec], *, is_exclusive: bool, actor: str, keeps_rest: bool = False
    ) -> None:
        """Create or replace; with `keeps_rest` a known camera only changes how it is reached.

        Raises: InvalidArgument for a ground that is none; Unavailable when the warden is down; then nothing has
        changed.
        """
        wanted = {spec.camera_id: spec for spec in cameras}
        for spec in wanted.values():
            _check_ground(spec)
        async with self._lock:
            before = {spec.camera_id: spec for spec in await self._catalog.cameras()}
            if keeps_rest:
                wanted = {known: _replaced(before[known], s) if known in before else s for known, s in wanted.items()}
            await self._warden.publish_keys(_stream_ids(wanted.values()))
            for camera_id, spec in sorted(wanted.items()):
                if before.get(camera_id) != spec:
                    change = "added" if camera_id not in before else "changed"
                    await self._log(actor, change, spec)
            if is_exclusive:
                for camera_id, spec in sorted(before.items()):
                    if camera_id not in wanted and spec.is_enabled:
                        await self._log(actor, "disabled", spec)
            await self._catalog.put_cameras(list(wanted.values()), is_exclusive=is_exclusive)
            if self._shelf is not None:
                await self._note(actor, before)
            await self._assign()

    async def remove(self, camera_id: CameraId, *, actor: str) -> None:
        """Forget the configuration. Raises: NotFound, Unavailable."""
        async with self._lock:
            spec = next((one for one in await self._catalog.cameras() if one.camera_id == camera_id), None)
            if spec is None:
                raise NotFound(f"no camera {camera_id}")
            await self._log(actor, "removed", spec)
            await self._catalog.remove_camera(camera_id)
            if self._shelf is not None:
                await asyncio.to_thread(self._shelf.note, actor, camera_id, spec, None)
            await self._assign()

    async def start(self, configured: tuple[CameraSpec, ...]) -> None:
        """Put what the configuration names, and keys for all; again until the warden is there.

        What the file said at an earlier start, too, is left as people changed it since (`CameraShelf.news_of`).
        """
        async with self._lock:
            await self._assign()  # first what the catalog knows: recording does not wait for the warden
        is_told = False
        while True:
            try:
                there = await self._catalog.cameras()
                wanted = configured if self._shelf is None else self._shelf.news_of(configured, there)
                await self.put(wanted, is_exclusive=False, actor="process:server")
                if self._shelf is not None:
                    await asyncio.to_thread(self._shelf.note_import, configured)
                await self._warden.publish_keys(_stream_ids(await self._catalog.cameras()))
            except CustodesError as error:
                if not is_told:
                    structlog.get_logger().warning("cameras wait for the warden", error=str(error))
                is_told = True
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def tidy(self) -> None:
        """Delete typed passwords that no camera, and no change that can be undone, needs any more."""
        if self._shelf is not None:
            async with self._lock:
                await asyncio.to_thread(self._shelf.sweep, await self._catalog.cameras())

    async def _note(self, actor: str, before: dict[CameraId, CameraSpec]) -> None:
        assert self._shelf is not None
        for spec in await self._catalog.cameras():
            known = before.get(spec.camera_id)
            if known != spec:
                await asyncio.to_thread(self._shelf.note, actor, spec.camera_id, known, spec)

    async def _log(self, actor: str, change: str, spec: CameraSpec) -> None:
        details = {
            "change": change,
            "name": spec.name,
            "url": spec.url,
            "is_enabled": "yes" if spec.is_enabled and change != "disabled" else "no",
        }
        if spec.second is not None:
            details["second_url"] = spec.second.url
        if drawn := spec.drawn_words():  # a privacy zone that goes is to be seen in the log
            details["drawn"] = drawn
        record = AuditRecord(kind=AuditKind.CAMERA_CHANGED, actor=actor, subject=spec.camera_id, details=details)
        await self._warden.append(record)

    async def _assign(self) -> None:
        # How long recordings are kept is the server's business: a change must not make the recorder reconnect.
        known = [stream for spec in await self._catalog.cameras() for stream in spec.streams()]
        cameras = tuple(replace(stream, retention_h=0.0) for stream in known)
        try:
            current = read_assignment(self._assignment)
        except ConfigError as error:
            # It is only a copy of what the catalog knows.
            structlog.get_logger().error("assignment was damaged; written anew from the catalog", error=str(error))
            current = Assignment(version=0, cameras=())
        if current.version == 0 or current.cameras != cameras:
            write_assignment(self._assignment, Assignment(version=current.version + 1, cameras=cameras))
        await self._live.refresh()

    async def _table(self) -> CameraTable:
        """Cameras, also while the warden is down; then the log's size is 0 and its checkpoint empty."""
        size, note = 0, ""
        try:
            async with asyncio.timeout(_CHECKPOINT_TIMEOUT_S):
                checkpoint = await self._warden.read_checkpoint()
            size, note = checkpoint.size, checkpoint.note
        except (CustodesError, TimeoutError) as error:
            structlog.get_logger().warning("log cannot be read for the status", error=str(error))
        return CameraTable(cameras=tuple(self._live.camera_rows()), log_size=size, checkpoint=note)
