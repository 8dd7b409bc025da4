"""Deletes what `record.retention` chooses: row → garbage → log → unlink → fsync → journal → garbage row dropped.

Each step finds what an earlier one left, so a crash anywhere is finished by the next sweep. Only files that the
catalog knows are ever touched. The log entry comes before the file goes; while the warden is down nothing is deleted,
unless recording would stop for want of room: then it is logged as soon as the warden is back.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from custodes.app.serving.garbage import GarbageFiles
from custodes.app.serving.old_backgrounds import OldBackgrounds
from custodes.app.serving.tiers import SlowTier
from custodes.config import SiteConfig, SitePaths, read_identity
from custodes.errors import CustodesError, FailedPrecondition, KeyMissing, SiteMismatch
from custodes.ports.catalog import Garbage
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.storage import Storage
from custodes.ports.views import LiveState
from custodes.ports.warden import Warden
from custodes.record.retention import REST_NS, Limits, Look, Plan, Reason, is_proven_quiet, plan
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.event import CameraState
from custodes.types.media import Segment
from custodes.types.stream import camera_of, second_of
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId, KeyId, Ns, RunId, SegmentId

SWEEP_NS = 60 * NS_PER_S
LOOK_S = 2.0
"""How often to look at the disk's free room; a hundred cameras write some 100 MB meanwhile."""
PRESSED_NS = 5 * NS_PER_S
"""Least time between two sweeps for want of room: the recorder needs a keyframe to notice that there is some."""

BATCH = 500
"""Segments per sweep; 1,000 cameras make as many in half a minute."""
MAX_KEYS = 20
"""Destroyed per sweep; each is a log entry and a checkpoint of the warden's key store."""

ROOM_STEP_BYTES = 64 * 2**20
"""Made when the recorder says that the disk is full and the file system does not show it (a quota)."""

KEY_GRACE_NS = 3600 * NS_PER_S
"""After a day's end before its keys may go: a camera's clock may lag, and a segment begun then is sealed to it."""

MAX_LOOKED_AT = 200_000
"""Rows to look through for some whose files are on the recorder's own disk; 100,000 take a second."""

QUIET_BATCH = 20
"""Segments per camera and sweep that are looked at for proof that nothing was in them."""
QUIET_MARGIN_NS = 60 * NS_PER_S
"""Around a segment: the look that vouches for its last moment comes after it."""
QUIET_OTHER_NS = 10 * NS_PER_S
"""A second stream goes by its camera's first only where that one was quiet so long before and after: encoders have
queues of their own, and how far two streams of one camera are apart nobody measures (ADR 56)."""

CLOCK_STEP_NS = 600 * NS_PER_S
"""A wall clock that runs ahead of the monotonic one by more than this was set while we ran, and is not believed."""

_FOREVER_NS = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What `RetentionSweeper.erase` did."""

    gone: tuple[SegmentId, ...]
    """Unlinked, durably; others became held, or their disk is not there."""
    keys_destroyed: dict[KeyId, int]
    """By key, the log entry."""


class RetentionSweeper:
    """One task of the server's. `run` for ever, or `sweep` once."""

    def __init__(
        self,
        *,
        paths: SitePaths,
        site_id: str,
        config: SiteConfig,
        catalog: AsyncCatalog,
        warden: Warden,
        live: LiveState,
        storage: Storage,
        clock: Clock,
        slow: SlowTier | None = None,
        copies: Callable[[], Iterable[str]] | None = tuple,
    ) -> None:
        """
        Args:
            slow: while it has room, a full disk is the mover's business (`tiers`) and not a reason to delete.
            copies: see `GarbageFiles`.
        """
        self.lock = asyncio.Lock()
        """Held while anything is condemned or deleted."""
        self._slow = slow
        self._paths = paths
        self._site_id = site_id
        self._config = config
        self._catalog = catalog
        self._warden = warden
        self._live = live
        self._storage = storage
        self._clock = clock
        self._files = GarbageFiles(paths, site_id, storage, slow.forget if slow else None, copies=copies)
        self._backgrounds = OldBackgrounds(paths, config.leaks.background_days, warden)
        self._next_ns = 0
        self._next_pressed_ns = 0
        self._told = ""
        self._quiet_from_ns: dict[CameraId, Ns] = {}
        self._wall_at_start_ns = clock.now_ns() - clock.monotonic_ns()
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Look, and sweep when it is time; what fails is told once and tried again."""
        while True:
            try:
                if self._is_due():
                    async with self.lock:
                        await self.sweep()
                    self._told = ""
            except CustodesError as error:
                if str(error) != self._told:
                    self._log.error("recordings cannot be deleted", error=str(error))
                self._told = str(error)
                self._next_ns = self._clock.monotonic_ns() + SWEEP_NS
            await asyncio.sleep(LOOK_S)

    def close(self) -> None:
        """Close the journal of deletions."""
        self._files.close()

    def _is_due(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        return now_ns >= self._next_ns or (now_ns >= self._next_pressed_ns and self._wanted_bytes() > 0)

    async def erase(self, segment_ids: Sequence[SegmentId], camera_id: CameraId, end_ns: Ns, reason: str) -> Erased:
        """Delete these sealed, unheld segments of a camera and what analysis said of them, before their time.

        The caller has logged that they are given up. Keys of past days that nothing needs any more go at once.

        Raises: as `sweep`.
        """
        async with self.lock:
            self._check_identity()
            now_ns = self._clock.now_ns()
            until = dict.fromkeys((camera_id, second_of(camera_id)), end_ns)
            condemned = await self._catalog.condemn(dict.fromkeys(segment_ids, reason), until, now_ns)
            await self._finish(is_urgent=False)
            left = {one.segment_id for one in await self._catalog.garbage(MAX_LOOKED_AT) if not one.is_gone}
            destroyed = await self._shred(self._believed_now_ns())
        gone = [one for one in condemned if one.segment_id not in left]
        return Erased(gone=tuple(one.segment_id for one in gone), keys_destroyed=destroyed)

    async def sweep(self) -> int:
        """Finish what an earlier sweep began, delete what is due, shred keys that nothing needs any more.

        Returns: how many segments were condemned. Raises: SiteMismatch when the data directory is not this site's;
            what catalog and storage raise. A warden that is down is no error.
        """
        self._check_identity()
        started_ns = self._clock.monotonic_ns()
        self._next_ns = started_ns + SWEEP_NS
        self._next_pressed_ns = started_ns + PRESSED_NS
        wanted_bytes = self._wanted_bytes()
        is_urgent = self._is_urgent()
        now_ns = self._believed_now_ns()
        is_warden_up = await self._is_warden_up()
        await self._finish(is_urgent=is_urgent)
        if not is_warden_up and not is_urgent:
            return 0
        chosen = await self._plan(now_ns, wanted_bytes, only_room=not is_warden_up)
        reasons = await self._quiet(now_ns) if is_warden_up and not chosen.has_more else {}
        condemned = await self._catalog.condemn(
            reasons | {segment.header.segment_id: reason.value for segment, reason in chosen.doomed},
            await self._forget_before(chosen, now_ns, by_age=is_warden_up and not chosen.has_more),
            now_ns,
        )
        await self._finish(is_urgent=is_urgent)
        if wanted_bytes and not condemned:
            self._log.warning("no room is left, and nothing may be deleted", wanted_mb=wanted_bytes // 2**20)
        if chosen.has_more and condemned:
            self._next_ns = 0
        if is_warden_up:
            await self._shred(now_ns)
            await self._backgrounds.sweep(now_ns)
        return len(condemned)

    # -- what is so ------------------------------------------------------------------------------------------

    def _check_identity(self) -> None:
        identity = read_identity(self._paths.identity)
        if identity is None or identity.site_id != self._site_id:
            found = "no site.json" if identity is None else f"site {identity.site_id}"
            raise SiteMismatch(f"{self._paths.data_dir} holds {found}, not {self._site_id}: nothing is deleted there")

    def _free_bytes(self) -> int:
        return self._storage.free_bytes(self._paths.data_dir)

    def _is_recorder_stopped(self) -> bool:
        return any(row.state == CameraState.DISK_FULL.value for row in self._live.camera_rows())

    def _wanted_bytes(self) -> int:
        """Room to be made now: the recorder shall not come to where it has to stop."""
        if self._slow is not None and self._slow.has_room():
            return 0
        missing = 2 * self._config.recorder.min_free_mb * 2**20 - self._free_bytes()
        return max(missing, ROOM_STEP_BYTES if self._is_recorder_stopped() else 0, 0)

    def _is_urgent(self) -> bool:
        """Recording has stopped or is about to: it matters more than the order of log and deletion."""
        return self._is_recorder_stopped() or self._free_bytes() < 3 * self._config.recorder.min_free_mb * 2**20 // 2

    async def _is_warden_up(self) -> bool:
        try:
            await self._warden.read_checkpoint()
        except CustodesError:
            return False
        return True

    # -- choosing --------------------------------------------------------------------------------------------

    async def _limits(self) -> Limits:
        own = {
            stream.camera_id: int(stream.retention_h * NS_PER_HOUR)
            for spec in await self._catalog.cameras()
            for stream in spec.streams()
            if stream.retention_h > 0
        }
        max_gb = self._config.retention.max_gb
        return Limits(
            max_age_ns=int(self._config.retention.max_age_h * NS_PER_HOUR),
            camera_age_ns=own,
            max_bytes=None if max_gb is None else int(max_gb * 10**9),
        )

    async def _cameras(self) -> list[CameraId]:
        """All that ever recorded, also those that are configured no more, and whose folder is there."""
        return [camera_id for camera_id in await self._catalog.totals() if self._files.is_there(camera_id)]

    def _believed_now_ns(self) -> Ns:
        """The wall clock, but never ahead of the time that has passed: a clock set ahead by days deletes nothing.

        A step that is right after all is believed from the next start of the server on.
        """
        passed_ns = self._wall_at_start_ns + self._clock.monotonic_ns()
        now_ns = self._clock.now_ns()
        if now_ns <= passed_ns + CLOCK_STEP_NS:
            return now_ns
        self._log.warning(
            "the clock was set ahead; ages are counted without that", ahead_s=(now_ns - passed_ns) // NS_PER_S
        )
        return Ns(passed_ns)

    async def _plan(self, now_ns: Ns, wanted_bytes: int, *, only_room: bool) -> Plan:
        limits = Limits(max_age_ns=_FOREVER_NS) if only_room else await self._limits()
        cameras = set(await self._cameras())
        found: dict[SegmentId, Segment] = {}

        async def find(camera_id: CameraId | None, before_ns: int) -> None:
            segments = await self._catalog.deletable_segments(camera_id, Ns(before_ns), now_ns, BATCH + 1)
            found.update({one.header.segment_id: one for one in segments if one.header.camera_id in cameras})

        if not only_room:
            for camera_id in cameras:
                await find(camera_id, now_ns - limits.age_ns(camera_id))
        stored = await self._catalog.recorded_bytes() if limits.max_bytes is not None else 0
        if limits.max_bytes is not None and stored > limits.max_bytes:
            await find(None, now_ns - REST_NS)
        if wanted_bytes:
            here = await self._room_makers(now_ns)
            found.update({one.header.segment_id: one for one in here if one.header.camera_id in cameras})
        return plan(
            [segment for segment in found.values() if segment.header.site_id == self._site_id],
            await self._catalog.holds(now_ns),
            now_ns=now_ns,
            limits=limits,
            stored_bytes=stored,
            wanted_bytes=wanted_bytes,
            batch=BATCH,
        )

    async def _room_makers(self, now_ns: Ns) -> list[Segment]:
        """The oldest whose deletion makes room on the recorder's disk; on the slower one, too, when that is full.

        Without this a full disk would eat the archive on the slower disk, and gain nothing by it.
        """
        limit, counts_moved = BATCH + 1, self._slow is not None and self._slow.is_full()
        while True:
            oldest = await self._catalog.deletable_segments(None, Ns(now_ns - REST_NS), now_ns, limit)
            useful = [one for one in oldest if counts_moved or not (self._paths.data_dir / one.path).is_symlink()]
            if useful or len(oldest) < limit or limit > MAX_LOOKED_AT:
                return useful[: BATCH + 1]
            limit *= 4

    async def _quiet(self, now_ns: Ns) -> dict[SegmentId, str]:
        """Segments old enough for which there is proof that nothing was in them; a few of each camera, in turn."""
        after_h = self._config.retention.quiet_after_h
        if after_h is None:
            return {}
        before_ns, proven = Ns(now_ns - int(after_h * NS_PER_HOUR)), dict[SegmentId, str]()
        specs = await self._catalog.cameras()
        same_view = {second_of(one.camera_id) for one in specs if one.second is not None and one.second.has_same_view}
        for camera_id in await self._cameras():
            from_ns = self._quiet_from_ns.get(camera_id, Ns(0))
            found = await self._catalog.segments(camera_id, from_ns, before_ns, QUIET_BATCH)
            for segment in (one for one in found if one.is_sealed and one.end_ns <= before_ns):
                if await self._is_quiet(segment, by_first=camera_id in same_view):
                    proven[segment.header.segment_id] = Reason.QUIET.value
            # After the last one it begins anew: what had no proof may have been analysed since.
            is_last = len(found) < QUIET_BATCH or found[-1].header.start_ns == from_ns
            self._quiet_from_ns[camera_id] = Ns(0) if is_last else found[-1].header.start_ns
        return proven

    async def _is_quiet(self, segment: Segment, *, by_first: bool) -> bool:
        """By its own analysis, or, `by_first`, by that of the camera's first stream, which shows the same."""
        header = segment.header
        own = await self._looks(header.camera_id, header.start_ns, segment.end_ns)
        looks = own.get(header.run, [])
        if is_proven_quiet(header.start_ns, segment.end_ns, looks):
            return True
        if not by_first or any(look.tracks for look in looks):
            return False
        reach_ns = QUIET_OTHER_NS + segment.clock.error_ns
        start_ns, end_ns = Ns(header.start_ns - reach_ns), Ns(segment.end_ns + reach_ns)
        runs = list((await self._looks(camera_of(header.camera_id), start_ns, end_ns)).values())
        # Two runs are two clocks, one of which may have been set: nothing says that they meet without a hole.
        return len(runs) == 1 and is_proven_quiet(start_ns, end_ns, runs[0])

    async def _looks(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> dict[RunId, list[Look]]:
        """What analysis says of a stretch and a minute around it, by run."""
        looks: dict[RunId, list[Look]] = {}
        wide = (Ns(start_ns - QUIET_MARGIN_NS), Ns(end_ns + QUIET_MARGIN_NS))
        for one in await self._catalog.analysed(camera_id, *wide):
            look = Look(
                # A quiet look says that nothing changed since the one before, which was empty too or is a track's.
                from_ns=min(one.valid_from_ns, one.quiet_from_ns) if one.quiet_from_ns else one.valid_from_ns,
                to_ns=one.frame.utc_ns,
                tracks=len(one.frame.track_ids),
            )
            looks.setdefault(one.frame.run, []).append(look)
        return looks

    async def _forget_before(self, chosen: Plan, now_ns: Ns, *, by_age: bool) -> dict[CameraId, Ns]:
        """Up to where each camera's frames, tracks and gaps go: with its newest segment that goes, or by age."""
        before: dict[CameraId, Ns] = {}
        for segment, _ in chosen.doomed:
            camera_id = segment.header.camera_id
            before[camera_id] = max(before.get(camera_id, Ns(0)), segment.end_ns)
        if by_age:
            limits = await self._limits()
            for camera_id in await self._cameras():
                before[camera_id] = max(before.get(camera_id, Ns(0)), Ns(now_ns - limits.age_ns(camera_id)))
        return before

    # -- deleting --------------------------------------------------------------------------------------------

    async def _finish(self, *, is_urgent: bool) -> None:
        """Log and unlink garbage; what cannot be done now stays garbage."""
        while garbage := await self._catalog.garbage(BATCH):
            logged = await self._log_deletions([one for one in garbage if not one.is_logged])
            may_go = [one for one in garbage if not one.is_gone and (one.is_logged or one in logged or is_urgent)]
            gone = await asyncio.to_thread(self._files.delete, may_go) if may_go else []
            if gone:
                await self._catalog.note_files_gone([one.segment_id for one in gone])
            if not logged and not gone:
                return

    async def _log_deletions(self, garbage: Sequence[Garbage]) -> list[Garbage]:
        """One entry per camera; returns what the log knows now."""
        by_camera: dict[CameraId, list[Garbage]] = defaultdict(list)
        for one in garbage:
            by_camera[one.camera_id].append(one)
        logged: list[Garbage] = []
        for camera_id, members in sorted(by_camera.items()):
            try:
                await self._warden.append(_record(camera_id, members))
            except CustodesError as error:
                self._log.warning("deletions wait for the log", error=str(error), segments=len(garbage) - len(logged))
                break
            await self._catalog.note_deletion_logged([one.segment_id for one in members])
            logged += members
        return logged

    async def _shred(self, now_ns: Ns) -> dict[KeyId, int]:
        """Destroy keys of past days that no segment and no file needs; returns the log entry of each."""
        destroyed: dict[KeyId, int] = {}
        day = datetime.fromtimestamp((now_ns - KEY_GRACE_NS) // NS_PER_S, UTC).strftime("%Y%m%d")
        for key_id in await self._catalog.unneeded_keys(day, MAX_KEYS):
            camera, _, key_day = key_id.partition("/")
            camera_id = CameraId(camera)
            known = await self._catalog.known_segments(camera_id)
            if not self._files.is_there(camera_id) or await asyncio.to_thread(
                self._files.has_stray, camera_id, key_id, known
            ):
                continue
            try:
                destroyed[key_id] = await self._warden.destroy_keys(camera_id, key_day)
            except KeyMissing as error:
                self._log.warning("key to be destroyed was never made", key_id=key_id, error=str(error))
            except FailedPrecondition:
                continue  # the warden's day is not over
            await self._catalog.forget_key(key_id)
            self._files.remove_day(camera_id, key_day)
        return destroyed


def _record(camera_id: CameraId, members: Sequence[Garbage]) -> AuditRecord:
    first_ns, last_ns = min(one.start_ns for one in members), max(one.end_ns for one in members)
    details = {
        "camera": camera_id,
        "count": str(len(members)),
        "bytes": str(sum(one.bytes_on_disk for one in members)),
        "from": _utc(first_ns),
        "until": _utc(last_ns),
        "until_ns": str(last_ns),
        "reason": "; ".join(sorted({one.reason for one in members})),
    }
    if any(one.is_gone for one in members):
        details["late"] = "the warden was down when room had to be made"
    return AuditRecord(kind=AuditKind.FOOTAGE_DELETED, actor="process:server", subject=camera_id, details=details)


def _utc(utc_ns: Ns) -> str:
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
