"""The catalog as the event loop sees it: the same methods, awaited. Written for `web` and `app.serving`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from custodes.ports.catalog import Account, CameraTotals, Coverage, LoginSession
from custodes.types.event import FrameAnalysed, TrackEnded
from custodes.types.media import Gap, Segment
from custodes.types.message import CameraSpec
from custodes.types.vision import Tracklet
from custodes.units import CameraId, Ns, SegmentId


class AsyncCatalog(Protocol):
    """Method for method `ports.catalog.Catalog`, whose docstrings are the contract; nothing here blocks the loop.

    Writes run one after the other in the order they were called; reads run beside them and see committed writes.
    """

    # cameras
    async def put_cameras(self, cameras: Sequence[CameraSpec], *, is_exclusive: bool) -> list[CameraId]:
        """Create or replace; returns the ids that changed. `is_exclusive` disables all others."""
        ...

    async def remove_camera(self, camera_id: CameraId) -> None:
        """Forget the configuration; recorded rows stay. Raises: NotFound."""
        ...

    async def cameras(self) -> list[CameraSpec]:
        """All configured cameras by id."""
        ...

    # recording
    async def journal_position(self, journal: str) -> int:
        """Byte offset up to which this journal file has been taken over; 0 for a new one."""
        ...

    async def take_journal(
        self, journal: str, position: int, segments: Sequence[Segment], gaps: Sequence[Gap]
    ) -> None:
        """Store rows and the new position in one transaction. A sealed segment replaces its open row."""
        ...

    async def segments(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int) -> list[Segment]:
        """Segments that overlap [start, end], by start; open ones included with their last known end."""
        ...

    async def grow_segments(self, segments: Sequence[Segment]) -> None:
        """Newest length of open segments (not durable news; a sealed row is never changed back, none shrinks)."""
        ...

    async def unlogged_segments(self, limit: int) -> list[Segment]:
        """Sealed segments whose SEGMENT_SEALED entry is not yet known to be in the audit log, by start."""
        ...

    async def mark_logged(self, indices: Mapping[SegmentId, int]) -> None:
        """Remember the log index of these segments' SEGMENT_SEALED entries; unknown ids are ignored."""
        ...

    async def newest_log_index(self) -> int:
        """Largest index ever given to `mark_logged`; -1 for none."""
        ...

    async def gaps(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[Gap]:
        """Gaps that overlap, by start."""
        ...

    # analysis
    async def put_analysis(self, frames: Sequence[FrameAnalysed], ended: Sequence[TrackEnded]) -> None:
        """Store analysed frames (as columns, chunked) and finished tracks."""
        ...

    async def analysed(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[FrameAnalysed]:
        """Analysed frames in the interval, by time."""
        ...

    async def coverage(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[Coverage]:
        """Merged stretches over which masks are vouched for."""
        ...

    async def tracks(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int) -> list[Tracklet]:
        """Finished tracks that overlap, by start."""
        ...

    async def totals(self) -> dict[CameraId, CameraTotals]:
        """Sums per camera."""
        ...

    # people who log in
    async def accounts(self) -> list[Account]:
        """All accounts."""
        ...

    async def put_account(self, account: Account) -> None:
        """Create or replace by user_id. Raises: AlreadyExists if another account has the name."""
        ...

    async def put_session(self, session: LoginSession) -> None:
        """Create or replace by token hash."""
        ...

    async def session(self, token_hash: bytes) -> LoginSession | None:
        """The session, unless it has expired or was ended."""
        ...

    async def end_session(self, token_hash: bytes) -> None:
        """Log out; idempotent."""
        ...

    async def close(self) -> None:
        """Checkpoint and close."""
        ...
