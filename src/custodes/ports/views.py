"""What the web layer asks of the rest of the server: views, live state, timeline. No HTTP type appears here."""

from collections.abc import AsyncIterator
from typing import Protocol

from custodes.types.access import CameraScope, Fidelity, Principal, Purpose
from custodes.types.message import (
    CameraRow,
    MediaChunk,
    MediaInit,
    SiteStatus,
    StillRendered,
    ViewEnded,
    ViewKind,
    ViewNote,
)
from custodes.types.place import FloorNow
from custodes.units import CameraId, Ns, RunId

ViewOutput = MediaInit | MediaChunk | StillRendered | ViewNote | ViewEnded


class View(Protocol):
    """One running view, backed by one job. Async context manager: leaving it stops the job and ends the grant."""

    @property
    def session_id(self) -> str:
        """The ViewSession's id."""
        ...

    @property
    def log_index(self) -> int:
        """The audit log entry that permitted it."""
        ...

    def outputs(self) -> AsyncIterator[ViewOutput]:
        """What the job renders, in order. Bounded: a slow reader loses whole media chunks, never gets stale ones.

        Ends after ViewEnded. If the job dies (kill -9), the broker starts another for the same session up to three
        times and yields ViewNote(code="restarted") and a new MediaInit.
        """
        ...

    async def seek(self, utc_ns: Ns, request_id: int) -> None:
        """Playback: continue from here. Still: render this moment."""
        ...

    async def __aenter__(self) -> "View": ...

    async def __aexit__(self, *exc: object) -> None: ...


class ViewBroker(Protocol):
    """Opens views: asks the warden, then gives the task and the grant to a job."""

    async def open_view(
        self,
        *,
        principal: Principal,
        purpose: Purpose,
        kind: ViewKind,
        camera_id: CameraId,
        start_ns: Ns,
        end_ns: Ns,
        fidelity: Fidelity,
        speed: float,
        max_height_px: int,
        request_id: str = "",
        shown: tuple[tuple[RunId, int], ...] = (),
    ) -> View:
        """`shown`: with UNMASKED, the only people (run, track id) who are not masked; empty: nobody is.

        Raises: PermissionDenied (message = the decision's reasons), NotFound, Unavailable (warden or no job),
        InvalidArgument (interval, speed outside 0.25–16, height outside 90–2160)."""
        ...


class LiveState(Protocol):
    """Latest word of recorder, analyser and supervisor; in memory."""

    def camera_rows(self) -> list[CameraRow]:
        """All configured cameras with their newest state and sums."""
        ...

    async def site_status(self) -> SiteStatus:
        """Processes. Raises: Unavailable when the supervisor is gone."""
        ...


class Floors(Protocol):
    """What is on each floor now."""

    def floors(self, scope: CameraScope) -> list[FloorNow]:
        """Cameras in the scope and what these see, at once; at most a few seconds old."""
        ...
