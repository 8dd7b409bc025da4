"""`ports.catalog.Catalog` over an opened database: transactions; the statements lie beside this file."""

import contextlib
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from custodes.adapters.sql import (
    analysis,
    credentials,
    events,
    frame_shapes,
    gates,
    lanes,
    people,
    push,
    recording,
    retention,
    rule_book,
    search,
    spares,
    totals,
    wall_layouts,
)
from custodes.adapters.sql import backfills as backfill_rows
from custodes.adapters.sql import crossings as crossing_rows
from custodes.adapters.sql import figures as figure_rows
from custodes.adapters.sql import layout as layout_rows
from custodes.adapters.sql.leases import SqlLeases
from custodes.adapters.sql.movements import SqlMovements
from custodes.adapters.sql.outbox import SqlOutbox
from custodes.adapters.sql.schema import check_guest, claim, migrate
from custodes.adapters.sql.store import Store
from custodes.errors import FailedPrecondition
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
from custodes.ports.clock import Clock
from custodes.types.access import CameraScope
from custodes.types.backfill import AnalysedStretch, Backfill
from custodes.types.event import FrameAnalysed, GateChanged, GateHour, LineCrossed, SiteEvent, TrackEnded
from custodes.types.media import FrameShape, Gap, Segment
from custodes.types.message import CameraSpec
from custodes.types.movement import crossings_from, passages_from
from custodes.types.place import SiteLayout
from custodes.types.push import PushDevice
from custodes.types.rule import RuleBook
from custodes.types.search import TrackQuestion, TracksFound
from custodes.types.traffic import Figure
from custodes.types.vision import Tracklet
from custodes.types.wall import WallLayout
from custodes.units import NS_PER_S, CameraId, KeyId, Ns, SegmentId

FORGET_EVERY_NS = 3600 * NS_PER_S
"""Movements go by whole hours."""

F = TypeVar("F", bound=Figure)


class SqlCatalog:
    """The catalog in `store`. Any thread may call it: writes take turns, reads run beside them.

    A guest (of several servers one that follows) reads everything, takes leases and notes a session's last use;
    whatever else it is to write is refused, until it leads.
    """

    def __init__(self, store: Store, *, site_id: str, clock: Clock, is_guest: bool = False) -> None:
        """Migrate, and see whose it is; a guest finds it as it is to be, or does not begin.

        Raises: SiteMismatch (another site's), FailedPrecondition (of a newer custodes), DataLoss, Unavailable (also a
            guest before the one that leads has made the tables).
        """
        self._store = store
        self._clock = clock
        self._site_id = site_id
        self._is_guest = is_guest
        self._lock = threading.Lock()
        self._analysis = analysis.AnalysisWriter()
        self._forgotten: dict[CameraId, int] = {}
        self.movements = SqlMovements(self._write, self._read)
        """`ports.movements.Movements` in the same database."""
        self.outbox = SqlOutbox(self._write, self._read)
        """`ports.outbox.Outbox` in the same database."""
        self.leases = SqlLeases(self._write_as_anybody, self._read)
        """`ports.leases.Leases` in the same database."""
        try:
            self._begin()
        except BaseException:
            self._store.dispose()
            raise

    def _begin(self) -> None:
        if self._is_guest:
            with self._read() as connection:
                check_guest(connection, self._store.name, self._site_id)
            return
        with self._write() as connection:
            migrate(connection, self._store.name)
            claim(connection, self._store.name, self._site_id)

    def is_written(self) -> bool:
        """Whether some server holds the writer's place; a killed one has let go of it. Raises: Unavailable."""
        return self._store.is_written()

    def lead(self, store: Store) -> None:
        """A guest becomes the writer, through `store`, whose connection has the lock.

        Raises: as the constructor; then it is a guest as before.
        """
        with self._lock:
            assert self._is_guest
            before, self._store, self._is_guest = self._store, store, False
        try:
            self._begin()
        except BaseException:
            with self._lock:
                self._store, self._is_guest = before, True
            store.dispose()
            raise
        before.dispose()

    @contextlib.contextmanager
    def _write(self) -> Iterator[Connection]:
        if self._is_guest:
            raise FailedPrecondition(f"this server follows; {self._store.name} is written by the one that leads")
        with self._write_as_anybody() as connection:
            yield connection

    @contextlib.contextmanager
    def _write_as_anybody(self) -> Iterator[Connection]:
        with self._lock, self._store.translated():
            try:
                with self._store.writer.begin() as connection:
                    yield connection
            except BaseException:
                self._analysis.forget()
                self.movements.forget_cache()
                raise

    @contextlib.contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._store.translated(), self._store.reader.begin() as connection:
            yield connection

    # cameras
    def put_cameras(self, cameras: Sequence[CameraSpec], *, is_exclusive: bool) -> list[CameraId]:
        """See `Catalog`."""
        with self._write() as connection:
            return people.put_cameras(connection, cameras, is_exclusive=is_exclusive)

    def remove_camera(self, camera_id: CameraId) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            people.remove_camera(connection, camera_id)

    def cameras(self) -> list[CameraSpec]:
        """See `Catalog`."""
        with self._read() as connection:
            return people.read_cameras(connection)

    def put_frame_shapes(self, shapes: Sequence[FrameShape]) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            frame_shapes.put_frame_shapes(connection, shapes)

    def frame_shapes(self) -> dict[CameraId, FrameShape]:
        """See `Catalog`."""
        with self._read() as connection:
            return frame_shapes.read_frame_shapes(connection)

    # recording
    def journal_position(self, journal: str) -> int:
        """See `Catalog`."""
        with self._read() as connection:
            return recording.journal_position(connection, journal)

    def take_journal(
        self,
        journal: str,
        position: int,
        segments: Sequence[Segment],
        gaps: Sequence[Gap],
        deleted: Sequence[SegmentId] = (),
    ) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            changes = totals.Differences()
            recording.put_segments(connection, segments, changes)
            recording.put_gaps(connection, gaps, changes)
            changes.apply(connection)
            late = totals.Differences()
            spares.mark_spares(connection, segments, late)
            late.apply(connection)
            retention.remove_rows(connection, deleted)
            recording.put_journal_position(connection, journal, position)

    def segments(
        self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int, *, with_spares: bool = False
    ) -> list[Segment]:
        """See `Catalog`."""
        with self._read() as connection:
            return recording.read_segments(connection, camera_id, start_ns, end_ns, limit, with_spares=with_spares)

    def story_ends(self, camera_ids: Collection[CameraId]) -> dict[CameraId, Ns]:
        """See `Catalog`."""
        with self._read() as connection:
            return recording.story_ends(connection, camera_ids)

    def grow_segments(self, segments: Sequence[Segment]) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            changes = totals.Differences()
            recording.put_segments(connection, [item for item in segments if not item.is_sealed], changes)
            changes.apply(connection)

    def unlogged_segments(self, limit: int) -> list[Segment]:
        """See `Catalog`."""
        with self._read() as connection:
            return recording.unlogged_segments(connection, limit)

    def mark_logged(self, indices: Mapping[SegmentId, int]) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            recording.mark_logged(connection, indices)

    def log_indices(self, segment_ids: Sequence[SegmentId]) -> dict[SegmentId, int]:
        """See `Catalog`."""
        with self._read() as connection:
            return recording.log_indices(connection, segment_ids)

    def newest_log_index(self) -> int:
        """See `Catalog`."""
        with self._read() as connection:
            return recording.newest_log_index(connection)

    def gaps(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[Gap]:
        """See `Catalog`."""
        with self._read() as connection:
            return recording.read_gaps(connection, (camera_id,), start_ns, end_ns)

    # analysis
    def put_analysis(self, frames: Sequence[FrameAnalysed], ended: Sequence[TrackEnded]) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            self._put_facts(connection, frames, ended, totals.Differences())

    def _put_facts(
        self,
        connection: Connection,
        frames: Sequence[FrameAnalysed],
        ended: Sequence[TrackEnded],
        changes: totals.Differences,
    ) -> None:
        self._analysis.put_frames(connection, frames)
        added = analysis.put_tracks(connection, ended, changes)
        if added:
            self.movements.add_passages(connection, passages_from(added))
        changes.apply(connection)

    def analysed(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[FrameAnalysed]:
        """See `Catalog`."""
        with self._read() as connection:
            return analysis.read_frames(connection, camera_id, start_ns, end_ns)

    def coverage(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[Coverage]:
        """See `Catalog`."""
        with self._read() as connection:
            return analysis.read_coverage(connection, camera_id, start_ns, end_ns)

    def tracks(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int) -> list[Tracklet]:
        """See `Catalog`."""
        with self._read() as connection:
            return analysis.read_tracks(connection, camera_id, start_ns, end_ns, limit)

    def tracks_within(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, limit: int) -> list[Tracklet]:
        """See `Catalog`."""
        with self._read() as connection:
            return analysis.read_tracks_within(connection, scope, start_ns, end_ns, limit)

    def find_tracks(self, scope: CameraScope, question: TrackQuestion, limit: int) -> TracksFound:
        """See `Catalog`."""
        with self._read() as connection:
            return search.find_tracks(connection, scope, question, limit)

    def lanes(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, bins: int) -> list[Lane]:
        """See `Catalog`."""
        with self._read() as connection:
            return lanes.read_lanes(connection, scope, start_ns, end_ns, bins)

    def put_crossings(self, crossings: Sequence[LineCrossed]) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            self._put_crossings(connection, crossings)

    def _put_crossings(self, connection: Connection, crossings: Sequence[LineCrossed]) -> None:
        added = crossing_rows.put_crossings(connection, crossings)
        if added:
            self.movements.add_crossings(connection, crossings_from(added))

    def crossings(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, limit: int) -> list[LineCrossed]:
        """See `Catalog`."""
        with self._read() as connection:
            return crossing_rows.read_crossings(connection, camera_id, start_ns, end_ns, limit)

    def put_site_event(self, event: SiteEvent) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            events.put_event(connection, event)

    def site_events(self, limit: int) -> list[SiteEvent]:
        """See `Catalog`."""
        with self._read() as connection:
            return events.read_events(connection, limit)

    def replace_analysis(
        self,
        stretch: AnalysedStretch,
        frames: Sequence[FrameAnalysed],
        ended: Sequence[TrackEnded],
        crossed: Sequence[LineCrossed],
    ) -> None:
        """See `Catalog`."""
        span = (stretch.camera_id, stretch.start_ns, stretch.end_ns)
        with self._write() as connection:
            changes = totals.Differences()
            self._analysis.forget()  # its newest chunk may be among what goes
            backfill_rows.take_out(connection, *span, changes)
            self.movements.replace_within(connection, *span)
            self._put_facts(connection, frames, ended, changes)
            self._put_crossings(connection, crossed)
            backfill_rows.note_stretch(connection, stretch)
            self._analysis.forget()

    def analysed_stretches(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[AnalysedStretch]:
        """See `Catalog`."""
        with self._read() as connection:
            return backfill_rows.read_stretches(connection, camera_id, start_ns, end_ns)

    def put_backfill(self, backfill: Backfill) -> Backfill:
        """See `Catalog`."""
        with self._write() as connection:
            return backfill_rows.put_backfill(connection, backfill)

    def backfills(self) -> list[Backfill]:
        """See `Catalog`."""
        with self._read() as connection:
            return backfill_rows.read_backfills(connection)

    def put_gates(self, changes: Sequence[GateChanged], hours: Sequence[GateHour]) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            gates.put_gates(connection, changes, hours)

    def gate_changes(self, camera_id: CameraId, limit: int) -> list[GateChanged]:
        """See `Catalog`."""
        with self._read() as connection:
            return gates.read_changes(connection, camera_id, limit)

    def gate_hours(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[GateHour]:
        """See `Catalog`."""
        with self._read() as connection:
            return gates.read_hours(connection, camera_id, start_ns, end_ns)

    def put_layout(self, layout: SiteLayout) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            layout_rows.put_layout(connection, layout)

    def layouts(self, limit: int) -> list[SiteLayout]:
        """See `Catalog`."""
        with self._read() as connection:
            return layout_rows.read_layouts(connection, limit)

    def put_floor_plan(self, sha256: str, jpeg: bytes) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            layout_rows.put_floor_plan(connection, sha256, jpeg)

    def floor_plan(self, sha256: str) -> bytes | None:
        """See `Catalog`."""
        with self._read() as connection:
            return layout_rows.read_floor_plan(connection, sha256)

    def put_rules(self, book: RuleBook) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            rule_book.put_rules(connection, book)

    def rules(self) -> RuleBook | None:
        """See `Catalog`."""
        with self._read() as connection:
            return rule_book.read_rules(connection)

    def totals(self) -> dict[CameraId, CameraTotals]:
        """See `Catalog`."""
        with self._read() as connection:
            return totals.read_totals(connection)

    # figures
    def put_figures(self, figures: Sequence[Figure]) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            figure_rows.put_figures(connection, figures)
            self.outbox.take(connection, figures)

    def figures(self, kind: type[F], camera_id: CameraId | None, start_ns: Ns, end_ns: Ns, limit: int) -> list[F]:
        """See `Catalog`."""
        with self._read() as connection:
            return figure_rows.read_figures(connection, kind, camera_id, start_ns, end_ns, limit)

    def forget_figures(self, before_ns: Ns) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            figure_rows.forget_figures(connection, before_ns)

    # retention
    def deletable_segments(self, camera_id: CameraId | None, before_ns: Ns, now_ns: Ns, limit: int) -> list[Segment]:
        """See `Catalog`."""
        with self._read() as connection:
            return retention.deletable_segments(connection, camera_id, before_ns, now_ns, limit)

    def recorded_bytes(self) -> int:
        """See `Catalog`."""
        with self._read() as connection:
            return retention.recorded_bytes(connection)

    def condemn(
        self, reasons: Mapping[SegmentId, str], forget_before: Mapping[CameraId, Ns], now_ns: Ns
    ) -> list[Garbage]:
        """See `Catalog`."""
        with self._write() as connection:
            condemned = retention.condemn(connection, reasons, now_ns)
            for camera_id, before_ns in forget_before.items():
                retention.forget(connection, camera_id, before_ns)
                self._forget_movements(connection, camera_id, before_ns)
            self._analysis.forget()  # its newest chunk or stretch may be among what went
            return condemned

    def _forget_movements(self, connection: Connection, camera_id: CameraId, before_ns: Ns) -> None:
        """Once an hour and camera: each time, the block in which the moment lies is written anew."""
        hour = before_ns // FORGET_EVERY_NS
        if self._forgotten.get(camera_id) != hour:
            kept = retention.remaining(connection, camera_id, Ns(hour * FORGET_EVERY_NS))
            self.movements.forget_within(connection, camera_id, Ns(hour * FORGET_EVERY_NS), kept)
            self._forgotten[camera_id] = hour

    def garbage(self, limit: int) -> list[Garbage]:
        """See `Catalog`."""
        with self._read() as connection:
            return retention.read_garbage(connection, limit)

    def note_deletion_logged(self, ids: Sequence[SegmentId]) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            retention.note_garbage(connection, ids, name="is_logged")

    def note_files_gone(self, ids: Sequence[SegmentId]) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            retention.note_garbage(connection, ids, name="is_gone")

    def put_hold(self, hold: Hold) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            retention.put_hold(connection, hold)

    def end_hold(self, hold_id: str) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            retention.end_hold(connection, hold_id)

    def holds(self, now_ns: Ns) -> list[Hold]:
        """See `Catalog`."""
        with self._read() as connection:
            return retention.read_holds(connection, now_ns)

    def unneeded_keys(self, before_day: str, limit: int) -> list[KeyId]:
        """See `Catalog`."""
        with self._read() as connection:
            return retention.unneeded_keys(connection, before_day, limit)

    def forget_key(self, key_id: KeyId) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            retention.forget_key(connection, key_id)

    def known_segments(self, camera_id: CameraId) -> set[SegmentId]:
        """See `Catalog`."""
        with self._read() as connection:
            return retention.known_segments(connection, camera_id)

    # people who log in
    def accounts(self) -> list[Account]:
        """See `Catalog`."""
        with self._read() as connection:
            return people.read_accounts(connection)

    def account(self, user_id: str) -> Account | None:
        """See `Catalog`."""
        with self._read() as connection:
            return people.read_account(connection, user_id)

    def put_account(self, account: Account) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            people.put_account(connection, account)

    def keep_sealed(self, sealed: Mapping[str, bytes]) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            if self._store.overwriting:
                connection.exec_driver_sql(self._store.overwriting)
            people.keep_sealed(connection, sealed)
        with self._lock, self._store.translated():
            self._store.scrub(self._store.writer)

    def put_session(self, session: LoginSession) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            people.put_session(connection, session, self._clock.now_ns())

    def renew_session(self, token_hash: bytes, session: LoginSession) -> bool:
        """See `Catalog`. One statement, right beside other writers: also a guest's."""
        with self._write_as_anybody() as connection:
            return people.renew_session(connection, token_hash, session)

    def session(self, token_hash: bytes) -> LoginSession | None:
        """See `Catalog`."""
        with self._read() as connection:
            return people.read_session(connection, token_hash, self._clock.now_ns())

    def sessions(self, user_id: str) -> list[LoginSession]:
        """See `Catalog`."""
        with self._read() as connection:
            return people.read_sessions(connection, user_id, self._clock.now_ns())

    def end_session(self, token_hash: bytes) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            people.end_session(connection, token_hash)

    def end_sessions(self, user_id: str) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            people.end_sessions(connection, user_id)

    def put_invitation(self, invitation: Invitation) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            credentials.put_invitation(connection, invitation)

    def put_reset(self, reset: PasswordReset) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            credentials.put_reset(connection, reset)

    def take_reset(self, token_hash: bytes, now_ns: Ns) -> PasswordReset | None:
        """See `Catalog`."""
        with self._write() as connection:
            return credentials.take_reset(connection, token_hash, now_ns)

    def take_invitation(self, token_hash: bytes, now_ns: Ns) -> Invitation | None:
        """See `Catalog`."""
        with self._write() as connection:
            return credentials.take_invitation(connection, token_hash, now_ns)

    def put_passkey(self, passkey: Passkey) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            credentials.put_passkey(connection, passkey)

    def passkeys(self) -> list[Passkey]:
        """See `Catalog`."""
        with self._read() as connection:
            return credentials.read_passkeys(connection)

    def remove_passkey(self, credential_id: bytes) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            credentials.remove_passkey(connection, credential_id)

    def put_api_token(self, token: ApiToken) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            credentials.put_api_token(connection, token, self._clock.now_ns())

    def api_tokens(self) -> list[ApiToken]:
        """See `Catalog`."""
        with self._read() as connection:
            return credentials.read_api_tokens(connection)

    def remove_api_token(self, token_id: str) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            credentials.remove_api_token(connection, token_id)

    def put_push_device(self, device: PushDevice) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            push.put_push_device(connection, device)

    def push_devices(self) -> list[PushDevice]:
        """See `Catalog`."""
        with self._read() as connection:
            return push.read_push_devices(connection)

    def remove_push_device(self, device_id: str) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            push.remove_push_device(connection, device_id)

    def put_wall_layout(self, layout: WallLayout) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            wall_layouts.put_layout(connection, layout)

    def wall_layouts(self) -> list[WallLayout]:
        """See `Catalog`."""
        with self._read() as connection:
            return wall_layouts.read_layouts(connection)

    def remove_wall_layout(self, layout_id: str) -> None:
        """See `Catalog`."""
        with self._write() as connection:
            wall_layouts.remove_layout(connection, layout_id)

    def close(self) -> None:
        """See `Catalog`."""
        with self._lock, self._store.translated():
            self._store.reader.dispose()
            with self._store.writer.connect() as connection:
                self._store.finish(connection)
            self._store.dispose()
