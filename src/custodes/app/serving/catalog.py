"""The blocking catalog on threads: one for writing, some for reading (`ports.catalog_async.AsyncCatalog`)."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from custodes.errors import Unavailable
from custodes.ports.catalog import (
    Account,
    ApiToken,
    CameraTotals,
    Catalog,
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

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Figure)

READERS = 3
"""Beside each other; more would only queue for the two cores that recording and analysis need."""


class ThreadedCatalog:
    """Owns the threads, and with `close` the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="catalog-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="catalog-reader")

    async def _write(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(self._writer, method, *args, **kwargs)

    async def _read(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(self._readers, method, *args, **kwargs)

    async def _run(self, pool: ThreadPoolExecutor, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            future = pool.submit(method, *args, **kwargs)
        except RuntimeError as error:  # how a ThreadPoolExecutor says that it was shut down
            raise Unavailable("the catalog is closed") from error
        return await asyncio.wrap_future(future)

    # cameras
    async def put_cameras(self, cameras: Sequence[CameraSpec], *, is_exclusive: bool) -> list[CameraId]:
        """See `Catalog`."""
        return await self._write(self._catalog.put_cameras, cameras, is_exclusive=is_exclusive)

    async def remove_camera(self, camera_id: CameraId) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.remove_camera, camera_id)

    async def cameras(self) -> list[CameraSpec]:
        """See `Catalog`."""
        return await self._read(self._catalog.cameras)

    async def put_frame_shapes(self, shapes: Sequence[FrameShape]) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_frame_shapes, shapes)

    async def frame_shapes(self) -> dict[CameraId, FrameShape]:
        """See `Catalog`."""
        return await self._read(self._catalog.frame_shapes)

    # recording
    async def journal_position(self, journal: str) -> int:
        """See `Catalog`."""
        return await self._read(self._catalog.journal_position, journal)

    async def take_journal(
        self,
        journal: str,
        position: int,
        segments: Sequence[Segment],
        gaps: Sequence[Gap],
        deleted: Sequence[SegmentId] = (),
    ) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.take_journal, journal, position, segments, gaps, deleted)

    async def segments(
        self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int, *, with_spares: bool = False
    ) -> list[Segment]:
        """See `Catalog`."""
        return await self._read(self._catalog.segments, camera_id, start_ns, end_ns, limit, with_spares=with_spares)

    async def story_ends(self, camera_ids: Collection[CameraId]) -> dict[CameraId, Ns]:
        """See `Catalog`."""
        return await self._read(self._catalog.story_ends, camera_ids)

    async def grow_segments(self, segments: Sequence[Segment]) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.grow_segments, segments)

    async def unlogged_segments(self, limit: int) -> list[Segment]:
        """See `Catalog`."""
        return await self._read(self._catalog.unlogged_segments, limit)

    async def mark_logged(self, indices: Mapping[SegmentId, int]) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.mark_logged, indices)

    async def log_indices(self, segment_ids: Sequence[SegmentId]) -> dict[SegmentId, int]:
        """See `Catalog`."""
        return await self._read(self._catalog.log_indices, segment_ids)

    async def newest_log_index(self) -> int:
        """See `Catalog`."""
        return await self._read(self._catalog.newest_log_index)

    async def gaps(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[Gap]:
        """See `Catalog`."""
        return await self._read(self._catalog.gaps, camera_id, start_ns, end_ns)

    # analysis
    async def put_analysis(self, frames: Sequence[FrameAnalysed], ended: Sequence[TrackEnded]) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_analysis, frames, ended)

    async def analysed(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[FrameAnalysed]:
        """See `Catalog`."""
        return await self._read(self._catalog.analysed, camera_id, start_ns, end_ns)

    async def coverage(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[Coverage]:
        """See `Catalog`."""
        return await self._read(self._catalog.coverage, camera_id, start_ns, end_ns)

    async def tracks(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int) -> list[Tracklet]:
        """See `Catalog`."""
        return await self._read(self._catalog.tracks, camera_id, start_ns, end_ns, limit)

    async def tracks_within(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, limit: int) -> list[Tracklet]:
        """See `Catalog`."""
        return await self._read(self._catalog.tracks_within, scope, start_ns, end_ns, limit)

    async def find_tracks(self, scope: CameraScope, question: TrackQuestion, limit: int) -> TracksFound:
        """See `Catalog`."""
        return await self._read(self._catalog.find_tracks, scope, question, limit)

    async def lanes(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, bins: int) -> list[Lane]:
        """See `Catalog`."""
        return await self._read(self._catalog.lanes, scope, start_ns, end_ns, bins)

    async def put_crossings(self, crossings: Sequence[LineCrossed]) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_crossings, crossings)

    async def crossings(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int) -> list[LineCrossed]:
        """See `Catalog`."""
        return await self._read(self._catalog.crossings, camera_id, start_ns, end_ns, limit)

    async def put_site_event(self, event: SiteEvent) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_site_event, event)

    async def site_events(self, limit: int) -> list[SiteEvent]:
        """See `Catalog`."""
        return await self._read(self._catalog.site_events, limit)

    async def replace_analysis(
        self,
        stretch: AnalysedStretch,
        frames: Sequence[FrameAnalysed],
        ended: Sequence[TrackEnded],
        crossed: Sequence[LineCrossed],
    ) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.replace_analysis, stretch, frames, ended, crossed)

    async def analysed_stretches(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[AnalysedStretch]:
        """See `Catalog`."""
        return await self._read(self._catalog.analysed_stretches, camera_id, start_ns, end_ns)

    async def put_backfill(self, backfill: Backfill) -> Backfill:
        """See `Catalog`."""
        return await self._write(self._catalog.put_backfill, backfill)

    async def backfills(self) -> list[Backfill]:
        """See `Catalog`."""
        return await self._read(self._catalog.backfills)

    async def put_gates(self, changes: Sequence[GateChanged], hours: Sequence[GateHour]) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_gates, changes, hours)

    async def gate_changes(self, camera_id: CameraId, limit: int) -> list[GateChanged]:
        """See `Catalog`."""
        return await self._read(self._catalog.gate_changes, camera_id, limit)

    async def gate_hours(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[GateHour]:
        """See `Catalog`."""
        return await self._read(self._catalog.gate_hours, camera_id, start_ns, end_ns)

    async def put_rules(self, book: RuleBook) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_rules, book)

    async def rules(self) -> RuleBook | None:
        """See `Catalog`."""
        return await self._read(self._catalog.rules)

    async def put_layout(self, layout: SiteLayout) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_layout, layout)

    async def layouts(self, limit: int) -> list[SiteLayout]:
        """See `Catalog`."""
        return await self._read(self._catalog.layouts, limit)

    async def put_floor_plan(self, sha256: str, jpeg: bytes) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_floor_plan, sha256, jpeg)

    async def floor_plan(self, sha256: str) -> bytes | None:
        """See `Catalog`."""
        return await self._read(self._catalog.floor_plan, sha256)

    async def totals(self) -> dict[CameraId, CameraTotals]:
        """See `Catalog`."""
        return await self._read(self._catalog.totals)

    # figures
    async def put_figures(self, figures: Sequence[Figure]) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_figures, figures)

    async def figures(
        self, kind: type[F], camera_id: CameraId | None, start_ns: Ns, end_ns: Ns, limit: int
    ) -> list[F]:
        """See `Catalog`."""
        return await self._read(self._catalog.figures, kind, camera_id, start_ns, end_ns, limit)

    async def forget_figures(self, before_ns: Ns) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.forget_figures, before_ns)

    # retention
    async def deletable_segments(
        self, camera_id: CameraId | None, before_ns: Ns, now_ns: Ns, limit: int
    ) -> list[Segment]:
        """See `Catalog`."""
        return await self._read(self._catalog.deletable_segments, camera_id, before_ns, now_ns, limit)

    async def recorded_bytes(self) -> int:
        """See `Catalog`."""
        return await self._read(self._catalog.recorded_bytes)

    async def condemn(
        self, reasons: Mapping[SegmentId, str], forget_before: Mapping[CameraId, Ns], now_ns: Ns
    ) -> list[Garbage]:
        """See `Catalog`."""
        return await self._write(self._catalog.condemn, reasons, forget_before, now_ns)

    async def garbage(self, limit: int) -> list[Garbage]:
        """See `Catalog`."""
        return await self._read(self._catalog.garbage, limit)

    async def note_deletion_logged(self, ids: Sequence[SegmentId]) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.note_deletion_logged, ids)

    async def note_files_gone(self, ids: Sequence[SegmentId]) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.note_files_gone, ids)

    async def put_hold(self, hold: Hold) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_hold, hold)

    async def end_hold(self, hold_id: str) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.end_hold, hold_id)

    async def holds(self, now_ns: Ns) -> list[Hold]:
        """See `Catalog`."""
        return await self._read(self._catalog.holds, now_ns)

    async def unneeded_keys(self, before_day: str, limit: int) -> list[KeyId]:
        """See `Catalog`."""
        return await self._read(self._catalog.unneeded_keys, before_day, limit)

    async def forget_key(self, key_id: KeyId) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.forget_key, key_id)

    async def known_segments(self, camera_id: CameraId) -> set[SegmentId]:
        """See `Catalog`."""
        return await self._read(self._catalog.known_segments, camera_id)

    # people who log in
    async def accounts(self) -> list[Account]:
        """See `Catalog`."""
        return await self._read(self._catalog.accounts)

    async def account(self, user_id: str) -> Account | None:
        """See `Catalog`."""
        return await self._read(self._catalog.account, user_id)

    async def put_account(self, account: Account) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_account, account)

    async def keep_sealed(self, sealed: Mapping[str, bytes]) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.keep_sealed, sealed)

    async def put_session(self, session: LoginSession) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_session, session)

    async def renew_session(self, token_hash: bytes, session: LoginSession) -> bool:
        """See `Catalog`."""
        return await self._write(self._catalog.renew_session, token_hash, session)

    async def session(self, token_hash: bytes) -> LoginSession | None:
        """See `Catalog`."""
        return await self._read(self._catalog.session, token_hash)

    async def sessions(self, user_id: str) -> list[LoginSession]:
        """See `Catalog`."""
        return await self._read(self._catalog.sessions, user_id)

    async def end_session(self, token_hash: bytes) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.end_session, token_hash)

    async def end_sessions(self, user_id: str) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.end_sessions, user_id)

    async def put_invitation(self, invitation: Invitation) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_invitation, invitation)

    async def put_reset(self, reset: PasswordReset) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_reset, reset)

    async def take_reset(self, token_hash: bytes, now_ns: Ns) -> PasswordReset | None:
        """See `Catalog`."""
        return await self._write(self._catalog.take_reset, token_hash, now_ns)

    async def take_invitation(self, token_hash: bytes, now_ns: Ns) -> Invitation | None:
        """See `Catalog`."""
        return await self._write(self._catalog.take_invitation, token_hash, now_ns)

    async def put_passkey(self, passkey: Passkey) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_passkey, passkey)

    async def passkeys(self) -> list[Passkey]:
        """See `Catalog`."""
        return await self._read(self._catalog.passkeys)

    async def remove_passkey(self, credential_id: bytes) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.remove_passkey, credential_id)

    async def put_api_token(self, token: ApiToken) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_api_token, token)

    async def api_tokens(self) -> list[ApiToken]:
        """See `Catalog`."""
        return await self._read(self._catalog.api_tokens)

    async def remove_api_token(self, token_id: str) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.remove_api_token, token_id)

    async def put_push_device(self, device: PushDevice) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.put_push_device, device)

    async def push_devices(self) -> list[PushDevice]:
        """See `Catalog`."""
        return await self._read(self._catalog.push_devices)

    async def remove_push_device(self, device_id: str) -> None:
        """See `Catalog`."""
        await self._write(self._catalog.remove_push_device, device_id)

    async def put_wall_layout(self, layout: WallLayout) -> None:
        """See `AsyncCatalog`."""
        await self._write(self._catalog.put_wall_layout, layout)

    async def wall_layouts(self) -> list[WallLayout]:
        """See `AsyncCatalog`."""
        return await self._read(self._catalog.wall_layouts)

    async def remove_wall_layout(self, layout_id: str) -> None:
        """See `AsyncCatalog`."""
        await self._write(self._catalog.remove_wall_layout, layout_id)

    async def close(self) -> None:
        """Let calls in flight end, then checkpoint and close. Idempotent."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.shutdown()
        try:
            self._writer.submit(self._catalog.close)
        except RuntimeError:
            return  # closed before
        self._writer.shutdown()
