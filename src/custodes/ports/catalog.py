"""What the server knows: cameras, segments, gaps, analysed frames, tracks, users, sessions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from custodes.types.access import ALL_CAMERAS, ALWAYS, CameraScope, DutyHours, Role
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

NEVER: Final = Ns(0)
F = TypeVar("F", bound=Figure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person who can log in. `password_hash` is argon2's own string."""

    user_id: str
    name: str
    password_hash: str
    roles: frozenset[Role]
    created_ns: Ns
    cameras: CameraScope = ALL_CAMERAS
    duty: DutyHours = ALWAYS
    is_disabled: bool = False
    totp_sealed: bytes = b""
    """What the warden made of the secret of an authenticator app (RFC 6238); empty without one."""
    totp_secret: str = field(default="", repr=False)
    """The secret itself, as catalogs of before hold it; sealed when the server starts, empty from then on."""
    totp_step: int = 0
    """The newest time step whose code was used: a code counts once."""
    oidc_subject: str = ""
    """`issuer subject` of an identity provider, or empty."""
    language: str = ""
    """Tag of the language of their pages (BCP 47); empty: what the browser asks for."""

    @property
    def has_totp(self) -> bool:
        """Whether a code is wanted beside the password."""
        return bool(self.totp_sealed or self.totp_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSession:
    """A browser that is logged in; `token_hash` is SHA-256 of the cookie."""

    token_hash: bytes
    user_id: str
    csrf_token: str
    created_ns: Ns
    last_seen_ns: Ns
    expires_ns: Ns
    proven_ns: Ns = NEVER
    """When the person last proved who they are; sensitive acts want it fresh."""
    method: str = "password"
    """How: password, password+totp, passkey, oidc, first boot, invitation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A WebAuthn credential's public half."""

    credential_id: bytes
    user_id: str
    public_key: bytes
    """COSE_Key."""
    sign_count: int
    name: str
    rp_id: str
    """The host name it was made for; it works under no other."""
    created_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A key for scripts: what its owner may do, narrowed to `roles`, until it expires."""

    token_id: str
    token_hash: bytes
    """SHA-256; the token itself is shown once."""
    user_id: str
    name: str
    roles: frozenset[Role]
    created_ns: Ns
    expires_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An account in waiting: whoever has the token sets the password. `token_hash` is SHA-256 of it."""

    token_hash: bytes
    name: str
    roles: frozenset[Role]
    cameras: CameraScope
    duty: DutyHours
    invited_by: str
    expires_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReset:
    """Leave to set one account's password anew, once. `token_hash` is SHA-256 of the link's token."""

    token_hash: bytes
    user_id: str
    made_by: str
    forgets_code: bool
    """The code by time goes, too: the device that made it is lost."""
    expires_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A stretch of video over which the analyser vouches for its masks."""

    start_ns: Ns
    end_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One camera over an interval in bins of equal width; a tuple holds the numbers of the bins of which it is true,
    ascending. Bin n reaches from `start + n * width_ns` to where the next one begins."""

    camera_id: CameraId
    width_ns: Ns
    recorded: tuple[int, ...]
    """There is video in it, if only for a moment."""
    analysed: tuple[int, ...]
    """Masks are vouched for in it, if only for a moment."""
    seen: tuple[int, ...]
    """A track that is finished by now began in it."""
    gaps: tuple[Gap, ...]
    """Those that overlap the interval, exactly."""
    newest_ns: Ns
    """Where the newest recording of all ends, exactly; 0 when nothing is recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTotals:
    """Sums for status: all of the catalog's history of one camera."""

    recorded_ns: Ns
    gaps_ns: Ns
    tracks: int
    people: int
    vehicles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Recordings of one camera that must not be deleted before `expires_ns`, because `owner` said so."""

    hold_id: str
    owner: str
    reason: str
    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    expires_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """A segment whose row is gone and whose file is on its way out."""

    segment_id: SegmentId
    camera_id: CameraId
    key_id: KeyId
    path: str
    """Relative to the data directory."""
    start_ns: Ns
    end_ns: Ns
    bytes_on_disk: int
    reason: str
    is_logged: bool
    """The audit log knows of the deletion."""
    is_gone: bool
    """The file is unlinked, durably."""


class Catalog(Protocol):
    """The server's database. Blocking; the server calls it through one worker thread for writing and others for
    reading. Every method is one transaction. All writes are idempotent: the same fact twice changes nothing. What a
    write has returned from survives a power cut. Intervals are closed: touching counts as overlapping. Raises:
    DataLoss (the file is damaged), ResourceExhausted (disk full), Unavailable (locked by somebody else)."""

    # cameras
    def put_cameras(self, cameras: Sequence[CameraSpec], *, is_exclusive: bool) -> list[CameraId]:
        """Create or replace; returns the ids that changed. `is_exclusive` disables all others."""
        ...

    def remove_camera(self, camera_id: CameraId) -> None:
        """Forget the configuration; recorded rows stay. Raises: NotFound."""
        ...

    def cameras(self) -> list[CameraSpec]:
        """All configured cameras by id."""
        ...

    def put_frame_shapes(self, shapes: Sequence[FrameShape]) -> None:
        """Sizes of pictures, as analysers tell them; each replaces its camera's."""
        ...

    def frame_shapes(self) -> dict[CameraId, FrameShape]:
        """Of every camera that was ever seen, also one that is down now. A removed camera's goes with it."""
        ...

    # recording
    def journal_position(self, journal: str) -> int:
        """Byte offset up to which this journal file has been taken over; 0 for a new one."""
        ...

    def take_journal(
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

    def segments(
        self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int, *, with_spares: bool = False
    ) -> list[Segment]:
        """Segments that overlap [start, end], by start; open ones included with their last known end.

        With `with_spares` also second copies, of what another recorder wrote late of a camera that was not its own any
        more: whoever deletes needs them, whoever shows must not (`adapters.sql.spares`).
        """
        ...

    def story_ends(self, camera_ids: Collection[CameraId]) -> dict[CameraId, Ns]:
        """Up to where recordings and gaps of these cameras go; a camera of which nothing is known is not in it."""
        ...

    def grow_segments(self, segments: Sequence[Segment]) -> None:
        """Newest length of open segments (not durable news; a sealed row is never changed back, none shrinks)."""
        ...

    def unlogged_segments(self, limit: int) -> list[Segment]:
        """Sealed segments whose SEGMENT_SEALED entry is not yet known to be in the audit log, by start."""
        ...

    def mark_logged(self, indices: Mapping[SegmentId, int]) -> None:
        """Remember the log index of these segments' SEGMENT_SEALED entries; unknown ids are ignored."""
        ...

    def log_indices(self, segment_ids: Sequence[SegmentId]) -> dict[SegmentId, int]:
        """Log index of the SEGMENT_SEALED entries of those that are known to have one."""
        ...

    def newest_log_index(self) -> int:
        """Largest index ever given to `mark_logged`; -1 for none."""
        ...

    def gaps(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[Gap]:
        """Gaps that overlap, by start."""
        ...

    # analysis
    def put_analysis(self, frames: Sequence[FrameAnalysed], ended: Sequence[TrackEnded]) -> None:
        """Store analysed frames (as columns, chunked) and finished tracks."""
        ...

    def analysed(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[FrameAnalysed]:
        """Analysed frames in the interval, by time."""
        ...

    def coverage(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[Coverage]:
        """Merged stretches over which masks are vouched for."""
        ...

    def tracks(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int) -> list[Tracklet]:
        """Finished tracks that overlap, by start."""
        ...

    def tracks_within(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, limit: int) -> list[Tracklet]:
        """Finished tracks of the cameras in `scope` that overlap, newest first. The scope is part of the query."""
        ...

    def find_tracks(self, scope: CameraScope, question: TrackQuestion, limit: int) -> TracksFound:
        """Finished tracks of the cameras named in `scope` that fit, newest first, about `limit` of them. The scope is
        part of the query."""
        ...

    def lanes(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, bins: int) -> list[Lane]:
        """The cameras named in `scope`, by id, over (start, end] in that many bins; what it costs does not go with the
        length of the interval. The scope is part of the query."""
        ...

    def put_crossings(self, crossings: Sequence[LineCrossed]) -> None:
        """Store who crossed a line; the same crossing again, at about the same moment, changes nothing."""
        ...

    def crossings(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int) -> list[LineCrossed]:
        """Crossings in the interval, by time."""
        ...

    def put_site_event(self, event: SiteEvent) -> None:
        """Create or replace by kind and start; the oldest of thousands are forgotten."""
        ...

    def site_events(self, limit: int) -> list[SiteEvent]:
        """Newest first."""
        ...

    def replace_analysis(
        self,
        stretch: AnalysedStretch,
        frames: Sequence[FrameAnalysed],
        ended: Sequence[TrackEnded],
        crossed: Sequence[LineCrossed],
    ) -> None:
        """Another analysis of [start, end) of one camera, in one transaction: frames and coverage in it go, tracks
        and crossings that began in it too, and these come. A frame behind the end that vouched for a part of it
        vouches for its own moment only. `ended` may hold tracks that began earlier."""
        ...

    def analysed_stretches(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[AnalysedStretch]:
        """What was analysed again, by start; the newest analysis of each moment."""
        ...

    def put_backfill(self, backfill: Backfill) -> Backfill:
        """Create (version 0) or replace; returns it with its version, which is never given again. Raises: NotFound."""
        ...

    def backfills(self) -> list[Backfill]:
        """The newest first, at most 200."""
        ...

    def put_gates(self, changes: Sequence[GateChanged], hours: Sequence[GateHour]) -> None:
        """What the activity gates did. A change that is there stays, an hour is replaced; kept for 90 days."""
        ...

    def gate_changes(self, camera_id: CameraId, limit: int) -> list[GateChanged]:
        """The latest, oldest first."""
        ...

    def gate_hours(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[GateHour]:
        """Those that begin in [start, end], by time."""
        ...

    # rules of the page
    def put_rules(self, book: RuleBook) -> None:
        """The next version. Raises: FailedPrecondition unless it follows the newest."""
        ...

    def rules(self) -> RuleBook | None:
        """The newest version; None before the first."""
        ...

    # the plan of the site
    def put_layout(self, layout: SiteLayout) -> None:
        """The next version; a hundred are kept. Raises: FailedPrecondition unless it follows the newest."""
        ...

    def layouts(self, limit: int) -> list[SiteLayout]:
        """Newest first."""
        ...

    def put_floor_plan(self, sha256: str, jpeg: bytes) -> None:
        """A floor's picture, kept while a version of the plan shows it; until the next version in any case."""
        ...

    def floor_plan(self, sha256: str) -> bytes | None:
        """JPEG; None for one that is not there."""
        ...

    def totals(self) -> dict[CameraId, CameraTotals]:
        """Sums per camera."""
        ...

    # figures
    def put_figures(self, figures: Sequence[Figure]) -> None:
        """Create or replace by camera, start and, for an incident, kind and road."""
        ...

    def figures(self, kind: type[F], camera_id: CameraId | None, start_ns: Ns, end_ns: Ns, limit: int) -> list[F]:
        """Those of one kind that began in [start, end), by start; None means all cameras'."""
        ...

    def forget_figures(self, before_ns: Ns) -> None:
        """Drop those that ended before."""
        ...

    # retention
    def deletable_segments(self, camera_id: CameraId | None, before_ns: Ns, now_ns: Ns, limit: int) -> list[Segment]:
        """Sealed segments that ended by `before_ns` and are not held now, by start; None means all cameras'."""
        ...

    def recorded_bytes(self) -> int:
        """Bytes of all segments, as far as known."""
        ...

    def condemn(
        self, reasons: Mapping[SegmentId, str], forget_before: Mapping[CameraId, Ns], now_ns: Ns
    ) -> list[Garbage]:
        """Turn rows into garbage; in the same transaction forget frames, coverage, tracks and gaps of these cameras up
        to a moment, except where a segment remains. Open, held and unknown segments stay: see what returns. Sums
        stay too: they tell what was ever recorded."""
        ...

    def garbage(self, limit: int) -> list[Garbage]:
        """What is not both logged and gone: those whose files may be there first, by start."""
        ...

    def note_deletion_logged(self, ids: Sequence[SegmentId]) -> None:
        """The audit log knows; rows that are gone too are dropped."""
        ...

    def note_files_gone(self, ids: Sequence[SegmentId]) -> None:
        """The files are unlinked, durably; rows that are logged too are dropped."""
        ...

    def put_hold(self, hold: Hold) -> None:
        """Create or replace by `hold_id`."""
        ...

    def end_hold(self, hold_id: str) -> None:
        """Release; idempotent."""
        ...

    def holds(self, now_ns: Ns) -> list[Hold]:
        """Those that have not expired."""
        ...

    def unneeded_keys(self, before_day: str, limit: int) -> list[KeyId]:
        """Camera-day keys before that day (yyyymmdd) of which segments were deleted and no known one is left."""
        ...

    def forget_key(self, key_id: KeyId) -> None:
        """The key is destroyed: `unneeded_keys` names it no more. Idempotent."""
        ...

    def known_segments(self, camera_id: CameraId) -> set[SegmentId]:
        """All ids with a row, garbage included."""
        ...

    # people who log in
    def accounts(self) -> list[Account]:
        """All accounts."""
        ...

    def account(self, user_id: str) -> Account | None:
        """That one, or None."""
        ...

    def put_account(self, account: Account) -> None:
        """Create or replace by user_id. Raises: AlreadyExists if another account has the name."""
        ...

    def keep_sealed(self, sealed: Mapping[str, bytes]) -> None:
        """Second factors by user id, in place of bare secrets of before, of which nothing stays in the file."""
        ...

    def put_session(self, session: LoginSession) -> None:
        """Create or replace by token hash."""
        ...

    def renew_session(self, token_hash: bytes, session: LoginSession) -> bool:
        """`session` in place of the one of `token_hash`; False, and nothing is kept, when that has ended meanwhile."""
        ...

    def session(self, token_hash: bytes) -> LoginSession | None:
        """The session, unless it has expired or was ended."""
        ...

    def end_session(self, token_hash: bytes) -> None:
        """Log out; idempotent."""
        ...

    def end_sessions(self, user_id: str) -> None:
        """Log out everywhere; idempotent."""
        ...

    def sessions(self, user_id: str) -> list[LoginSession]:
        """Where that person is logged in: those that have not expired, newest first."""
        ...

    def put_invitation(self, invitation: Invitation) -> None:
        """Create or replace by token hash."""
        ...

    def put_reset(self, reset: PasswordReset) -> None:
        """Create; an earlier one of the same account goes."""
        ...

    def take_reset(self, token_hash: bytes, now_ns: Ns) -> PasswordReset | None:
        """Read and delete, so that it counts once; None when unknown or expired."""
        ...

    def take_invitation(self, token_hash: bytes, now_ns: Ns) -> Invitation | None:
        """The invitation, which is then used up; None when unknown or expired."""
        ...

    def put_passkey(self, passkey: Passkey) -> None:
        """Create or replace by credential id. Raises: AlreadyExists if it is another person's."""
        ...

    def passkeys(self) -> list[Passkey]:
        """All, by creation."""
        ...

    def remove_passkey(self, credential_id: bytes) -> None:
        """Idempotent."""
        ...

    def put_api_token(self, token: ApiToken) -> None:
        """Create or replace by id; expired ones are forgotten on the way."""
        ...

    def api_tokens(self) -> list[ApiToken]:
        """All, by creation; expired ones may be among them."""
        ...

    def remove_api_token(self, token_id: str) -> None:
        """Idempotent."""
        ...

    def put_push_device(self, device: PushDevice) -> None:
        """Create or replace by id."""
        ...

    def push_devices(self) -> list[PushDevice]:
        """All, by creation."""
        ...

    def remove_push_device(self, device_id: str) -> None:
        """Idempotent."""
        ...

    def put_wall_layout(self, layout: WallLayout) -> None:
        """Create or replace by id."""
        ...

    def wall_layouts(self) -> list[WallLayout]:
        """Everybody's, by name."""
        ...

    def remove_wall_layout(self, layout_id: str) -> None:
        """Idempotent."""
        ...

    def close(self) -> None:
        """Checkpoint and close."""
        ...
