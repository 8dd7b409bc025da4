"""The catalog as the event loop sees it: the same methods, awaited. Written for `web` and `app.serving`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from custodes.ports.catalog import (
    Account,
    ApiToken,
    CameraTotals,
    Coverage,
    Garbage,
    Hold,
    Invitation,
    Lane,
    LoginSession,
    Passkey,
    PasswordReset,
)
from custodes.types.access import CameraScope
from custodes.types.backfill import AnalysedStretch, Backfill
from custodes.types.event import FrameAnalysed, GateChanged, GateHour, LineCrossed, SiteEvent, TrackEnded
from custodes.types.media import FrameShape, Gap, Segment
from custodes.types.message import CameraSpec
from custodes.types.place import SiteLayout
from custodes.types.push import PushDevice
from custodes.types.rule import RuleBook
from custodes.types.search import TrackQuestion, TracksFound
from custodes.types.traffic import Figure
from custodes.types.vision import Tracklet
from custodes.types.wall import WallLayout
from custodes.units import CameraId, KeyId, Ns, SegmentId

F = TypeVar("F", bound=Figure)


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

    async def put_frame_shapes(self, shapes: Sequence[FrameShape]) -> None:
        """Sizes of pictures, as analysers tell them; each replaces its camera's."""
        ...

    async def frame_shapes(self) -> dict[CameraId, FrameShape]:
        """Of every camera that was ever seen, also one that is down now. A removed camera's goes with it."""
        ...

    # recording
    async def journal_position(self, journal: str) -> int:
        """Byte offset up to which this journal file has been taken over; 0 for a new one."""
        ...

    async def take_journal(
        self,
        journal: str,
        position: int,
        segments: Sequence[Segment],
        gaps: Sequence[Gap],
        deleted: Sequence[SegmentId] = (),
    ) -> None:
        """Store rows and the new position in one transaction. A sealed segment replaces its open row; rows of
        `deleted` go, and what is garbage does not come back."""
        ...

    async def segments(
        self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int, *, with_spares: bool = False
    ) -> list[Segment]:
        """Segments that overlap [start, end], by start; open ones included with their last known end.

        With `with_spares` also second copies, of what another recorder wrote late of a camera that was not its own any
        more: whoever deletes needs them, whoever shows must not (`adapters.sql.spares`).
        """
        ...

    async def story_ends(self, camera_ids: Collection[CameraId]) -> dict[CameraId, Ns]:
        """Up to where recordings and gaps of these cameras go; a camera of which nothing is known is not in it."""
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

    async def log_indices(self, segment_ids: Sequence[SegmentId]) -> dict[SegmentId, int]:
        """Log index of the SEGMENT_SEALED entries of those that are known to have one."""
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

    async def tracks_within(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, limit: int) -> list[Tracklet]:
        """Finished tracks of the cameras in `scope` that overlap, newest first. The scope is part of the query."""
        ...

    async def find_tracks(self, scope: CameraScope, question: TrackQuestion, limit: int) -> TracksFound:
        """Finished tracks of the cameras named in `scope` that fit, newest first, about `limit` of them. The scope is
        part of the query."""
        ...

    async def lanes(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, bins: int) -> list[Lane]:
        """The cameras named in `scope`, by id, over (start, end] in that many bins; what it costs does not go with the
        length of the interval. The scope is part of the query."""
        ...

    async def put_crossings(self, crossings: Sequence[LineCrossed]) -> None:
        """Store who crossed a line; the same crossing again, at about the same moment, changes nothing."""
        ...

    async def crossings(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int) -> list[LineCrossed]:
        """Crossings in the interval, by time."""
        ...

    async def put_site_event(self, event: SiteEvent) -> None:
        """Create or replace by kind and start; the oldest of thousands are forgotten."""
        ...

    async def site_events(self, limit: int) -> list[SiteEvent]:
        """Newest first."""
        ...

    async def replace_analysis(
        self,
        stretch: AnalysedStretch,
        frames: Sequence[FrameAnalysed],
        ended: Sequence[TrackEnded],
        crossed: Sequence[LineCrossed],
    ) -> None:
        """See `Catalog`."""
        ...

    async def analysed_stretches(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[AnalysedStretch]:
        """See `Catalog`."""
        ...

    async def put_backfill(self, backfill: Backfill) -> Backfill:
        """See `Catalog`."""
        ...

    async def backfills(self) -> list[Backfill]:
        """See `Catalog`."""
        ...

    async def put_gates(self, changes: Sequence[GateChanged], hours: Sequence[GateHour]) -> None:
        """See `Catalog`."""
        ...

    async def gate_changes(self, camera_id: CameraId, limit: int) -> list[GateChanged]:
        """See `Catalog`."""
        ...

    async def gate_hours(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[GateHour]:
        """See `Catalog`."""
        ...

    async def put_rules(self, book: RuleBook) -> None:
        """See `Catalog`."""
        ...

    async def rules(self) -> RuleBook | None:
        """See `Catalog`."""
        ...

    # the plan of the site
    async def put_layout(self, layout: SiteLayout) -> None:
        """See `Catalog`."""
        ...

    async def layouts(self, limit: int) -> list[SiteLayout]:
        """See `Catalog`."""
        ...

    async def put_floor_plan(self, sha256: str, jpeg: bytes) -> None:
        """See `Catalog`."""
        ...

    async def floor_plan(self, sha256: str) -> bytes | None:
        """See `Catalog`."""
        ...

    async def totals(self) -> dict[CameraId, CameraTotals]:
        """Sums per camera."""
        ...

    # figures
    async def put_figures(self, figures: Sequence[Figure]) -> None:
        """Create or replace by camera, start and, for an incident, kind and road."""
        ...

    async def figures(
        self, kind: type[F], camera_id: CameraId | None, start_ns: Ns, end_ns: Ns, limit: int
    ) -> list[F]:
        """Those of one kind that began in [start, end), by start; None means all cameras'."""
        ...

    async def forget_figures(self, before_ns: Ns) -> None:
        """Drop those that ended before."""
        ...

    # retention
    async def deletable_segments(
        self, camera_id: CameraId | None, before_ns: Ns, now_ns: Ns, limit: int
    ) -> list[Segment]:
        """Sealed segments that ended by `before_ns` and are not held now, by start; None means all cameras'."""
        ...

    async def recorded_bytes(self) -> int:
        """Bytes of all segments, as far as known."""
        ...

    async def condemn(
        self, reasons: Mapping[SegmentId, str], forget_before: Mapping[CameraId, Ns], now_ns: Ns
    ) -> list[Garbage]:
        """Turn rows into garbage; in the same transaction forget frames, coverage, tracks and gaps of these cameras up
        to a moment, except where a segment remains. Open, held and unknown segments stay: see what returns. Sums
        stay too: they tell what was ever recorded."""
        ...

    async def garbage(self, limit: int) -> list[Garbage]:
        """What is not both logged and gone: those whose files may be there first, by start."""
        ...

    async def note_deletion_logged(self, ids: Sequence[SegmentId]) -> None:
        """The audit log knows; rows that are gone too are dropped."""
        ...

    async def note_files_gone(self, ids: Sequence[SegmentId]) -> None:
        """The files are unlinked, durably; rows that are logged too are dropped."""
        ...

    async def put_hold(self, hold: Hold) -> None:
        """Create or replace by `hold_id`."""
        ...

    async def end_hold(self, hold_id: str) -> None:
        """Release; idempotent."""
        ...

    async def holds(self, now_ns: Ns) -> list[Hold]:
        """Those that have not expired."""
        ...

    async def unneeded_keys(self, before_day: str, limit: int) -> list[KeyId]:
        """Camera-day keys before that day (yyyymmdd) of which segments were deleted and no known one is left."""
        ...

    async def forget_key(self, key_id: KeyId) -> None:
        """The key is destroyed: `unneeded_keys` names it no more. Idempotent."""
        ...

    async def known_segments(self, camera_id: CameraId) -> set[SegmentId]:
        """All ids with a row, garbage included."""
        ...

    # people who log in
    async def accounts(self) -> list[Account]:
        """All accounts."""
        ...

    async def account(self, user_id: str) -> Account | None:
        """That one, or None."""
        ...

    async def put_account(self, account: Account) -> None:
        """Create or replace by user_id. Raises: AlreadyExists if another account has the name."""
        ...

    async def keep_sealed(self, sealed: Mapping[str, bytes]) -> None:
        """Second factors by user id, in place of bare secrets of before, of which nothing stays in the file."""
        ...

    async def put_session(self, session: LoginSession) -> None:
        """Create or replace by token hash."""
        ...

    async def renew_session(self, token_hash: bytes, session: LoginSession) -> bool:
        """`session` in place of the one of `token_hash`; False, and nothing is kept, when that has ended meanwhile."""
        ...

    async def session(self, token_hash: bytes) -> LoginSession | None:
        """The session, unless it has expired or was ended."""
        ...

    async def end_session(self, token_hash: bytes) -> None:
        """Log out; idempotent."""
        ...

    async def end_sessions(self, user_id: str) -> None:
        """Log out everywhere; idempotent."""
        ...

    async def sessions(self, user_id: str) -> list[LoginSession]:
        """Where that person is logged in: those that have not expired, newest first."""
        ...

    async def put_invitation(self, invitation: Invitation) -> None:
        """Create or replace by token hash."""
        ...

    async def put_reset(self, reset: PasswordReset) -> None:
        """Create; an earlier one of the same account goes."""
        ...

    async def take_reset(self, token_hash: bytes, now_ns: Ns) -> PasswordReset | None:
        """Read and delete, so that it counts once; None when unknown or expired."""
        ...

    async def take_invitation(self, token_hash: bytes, now_ns: Ns) -> Invitation | None:
        """The invitation, which is then used up; None when unknown or expired."""
        ...

    async def put_passkey(self, passkey: Passkey) -> None:
        """Create or replace by credential id. Raises: AlreadyExists if it is another person's."""
        ...

    async def passkeys(self) -> list[Passkey]:
        """All, by creation."""
        ...

    async def remove_passkey(self, credential_id: bytes) -> None:
        """Idempotent."""
        ...

    async def put_api_token(self, token: ApiToken) -> None:
        """Create or replace by id; expired ones are forgotten on the way."""
        ...

    async def api_tokens(self) -> list[ApiToken]:
        """All, by creation; expired ones may be among them."""
        ...

    async def remove_api_token(self, token_id: str) -> None:
        """Idempotent."""
        ...

    async def put_push_device(self, device: PushDevice) -> None:
        """Create or replace by id."""
        ...

    async def push_devices(self) -> list[PushDevice]:
        """All, by creation."""
        ...

    async def remove_push_device(self, device_id: str) -> None:
        """Idempotent."""
        ...

    async def put_wall_layout(self, layout: WallLayout) -> None:
        """Create or replace by id."""
        ...

    async def wall_layouts(self) -> list[WallLayout]:
        """Everybody's, by name."""
        ...

    async def remove_wall_layout(self, layout_id: str) -> None:
        """Idempotent."""
        ...

    async def close(self) -> None:
        """Checkpoint and close."""
        ...
