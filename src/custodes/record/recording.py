"""One camera's recording: GOPs into segments, rotation, gaps, and what to do when disk or key is missing.

Pure of threads, clocks and sockets: the caller says what time it is and carries the results on. When in doubt it keeps
video and marks the doubt; a disk that refuses is tried again, the camera goes on being read.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from custodes.errors import CustodesError, KeyMissing, MediaError, StorageFailed, StorageFull
from custodes.media.gop import GopAssembler
from custodes.ports.storage import Storage
from custodes.record.gaps import GapTracker
from custodes.record.scratch import Scratch
from custodes.record.segment import Opening, SegmentWriter, day_of
from custodes.sealing.published import PublishedKey
from custodes.sealing.wrap import new_segment
from custodes.types.event import CameraState, GapRecorded, JournalRecord, SegmentOpened, SegmentSealed
from custodes.types.media import ClockReading, Gap, GapCause, Packet, Segment, StreamInfo
from custodes.units import NS_PER_S, CameraId, Ns, SegmentId

RETRY_NS = 1 * NS_PER_S
"""Least time between two tries on a disk or key that was missing."""

MAX_UNSEALED = 64
"""Segments closed on a failing disk whose seal is still to be noted; reconcile finds the rest."""


class Journal(Protocol):
    """What a recording needs of the journal; shared between cameras, so the caller makes it thread-safe."""

    def append(self, record: JournalRecord) -> bool:
        """See `record.journal.JournalWriter`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPolicy:
    """How to record. `segment_ns`: length of a segment; `min_free_bytes`: room left to others and to the journal."""

    site_id: str
    data_dir: Path
    segment_ns: int
    min_free_bytes: int


@dataclass(slots=True)
class RecordingCounters:
    """Since the recorder's start."""

    recorded_ns: int = 0
    gops: int = 0
    gops_lost: int = 0
    """Not written: no room, no key, or not muxable."""
    gops_cut: int = 0
    bytes_written: int = 0


class CameraRecording:
    """Used by one thread at a time. `trouble` says why nothing is being written, or is None."""

    def __init__(
        self,
        camera_id: CameraId,
        *,
        policy: RecordingPolicy,
        storage: Storage,
        journal: Journal,
        find_key: Callable[[CameraId, str], PublishedKey],
        scratch: Scratch,
        last_end_ns: Ns | None,
        lease_epoch: int = 0,
        down_cause: GapCause = GapCause.RECORDER_DOWN,
        on_opening: Callable[[Opening], None] = lambda opening: None,
        on_segment: Callable[[Segment], None] = lambda segment: None,
    ) -> None:
        """
        Args:
            find_key: the published key for a camera and a day; raises KeyMissing.
            scratch: buffers, shared between cameras.
            last_end_ns: end of what was recorded before; None for a new camera.
            lease_epoch: number of the recorder's tenure of the camera, which all its segments say; 0 without one.
            down_cause: why nothing was recorded since then.
            on_opening: a new segment's key, before its first packet: for live views.
            on_segment: the open segment grew or was sealed.
        """
        self._camera_id = camera_id
        self._policy = policy
        self._storage = storage
        self._journal = journal
        self._find_key = find_key
        self._scratch = scratch
        self._lease_epoch = lease_epoch
        self._wants_cut = False
        self._on_opening = on_opening
        self._on_segment = on_segment
        self._gaps = GapTracker(camera_id, last_end_ns=last_end_ns, down_cause=down_cause)
        self._info: StreamInfo | None = None
        self._gop = GopAssembler()
        self._writer: SegmentWriter | None = None
        self._segments = 0
        self._has_opening = False
        self._next_try_ns = 0
        self._again_ns = 0
        self._tries = 0
        self._unsealed: list[Segment] = []
        self._clock = ClockReading()
        self.counters = RecordingCounters()
        self.trouble: tuple[CameraState, str] | None = None

    @property
    def covered_ns(self) -> Ns | None:
        """Up to where everything is either recorded or noted as a gap; None for a camera never recorded."""
        return self._gaps.covered_ns

    def begin_run(self, info: StreamInfo) -> None:
        """A connection is up; its packets follow, from a keyframe on."""
        assert self._info is None, "end_run comes first"
        self._info = info
        self._segments = 0
        self._tries = 0
        self._has_opening = False

    def cut(self) -> None:
        """Begin a new segment with the next keyframe: what follows may have to be judged apart."""
        self._wants_cut = True

    def note_clock(self, clock: ClockReading) -> None:
        """How well the times of the GOP that is being collected are known."""
        self._clock = clock

    def add(self, packet: Packet, now_ns: Ns) -> None:
        """Take the next packet. Writes and syncs when it completes a GOP; raises nothing for disk, key or codec."""
        assert self._info is not None
        done = self._gop.add(packet)
        if done is not None:
            self._write(done, now_ns)
        if packet.is_keyframe and self._needs_segment(packet):
            self._rotate(packet, now_ns)

    def end_run(self, cause: GapCause | None, now_ns: Ns) -> None:
        """The connection is over: write what is there and seal. `cause` None is a change of parameters."""
        rest = self._gop.take()
        if rest is not None and self._info is not None:
            self._write(rest, now_ns)
        self._seal()
        self._info = None
        if cause is not None:
            self._note(self._gaps.lost(cause, now_ns))

    def lost(self, cause: GapCause, now_ns: Ns) -> None:
        """No connection, because of `cause`."""
        self._note(self._gaps.lost(cause, now_ns))

    def tick(self, now_ns: Ns) -> None:
        """Call about every second: notes gaps that grow, retries seals that the disk refused."""
        self._note(self._gaps.growing(now_ns))
        self._settle()

    def finish(self, now_ns: Ns) -> None:
        """The recorder stops or the camera is removed."""
        self.end_run(None, now_ns)
        self._note(self._gaps.ended(now_ns))
        self._settle()

    def _needs_segment(self, packet: Packet) -> bool:
        if self._writer is None or self._wants_cut:
            return True
        return packet.utc_ns - self._writer.start_ns >= self._wanted_ns() or packet.utc_ns < self._writer.start_ns

    def _wanted_ns(self) -> int:
        """A run's first segment is shorter by the camera's own share, so that cameras do not rotate together."""
        if self._segments > 1:
            return self._policy.segment_ns
        share = zlib.crc32(self._camera_id.encode()) % 1000
        return self._policy.segment_ns // 2 + self._policy.segment_ns * share // 2000

    def _rotate(self, packet: Packet, now_ns: Ns) -> None:
        if self._writer is None and now_ns < self._next_try_ns <= now_ns + RETRY_NS:
            return
        self._seal()
        self._wants_cut = False
        self._next_try_ns = Ns(0)  # only a failure waits: a run that begins right after another is recorded at once
        try:
            try:
                self._begin_segment(packet.utc_ns)
            except StorageFailed:
                if not self._may_try_again(now_ns):
                    raise
                self._give_up()
                self._begin_segment(packet.utc_ns)
        except (KeyMissing, StorageFull, StorageFailed, MediaError) as error:
            self._trouble(error, now_ns)
            return
        self._segments += 1
        self.trouble = None

    def _begin_segment(self, start_ns: Ns) -> None:
        """Open a file and tell the journal. Raises: KeyMissing, StorageFull, StorageFailed, MediaError."""
        opening = self._open(start_ns)
        is_announced = not self._has_opening
        if is_announced:
            # Live views of a camera whose disk is full get a key all the same; later tries keep that one.
            self._on_opening(opening)
            self._has_opening = True
        self._require_room()
        self._writer = SegmentWriter(
            self._storage, self._policy.data_dir, opening, self._scratch, lease_epoch=self._lease_epoch
        )
        if not is_announced:
            self._on_opening(opening)
        if not self._journal.append(SegmentOpened(segment=self._writer.segment)):
            raise StorageFailed("the journal cannot be written")

    def _may_try_again(self, now_ns: Ns) -> bool:
        """A disk that failed a single call is asked again at once, but only once per `RETRY_NS`."""
        if now_ns < self._again_ns <= now_ns + RETRY_NS:
            return False
        self._again_ns = Ns(now_ns + RETRY_NS)
        return True

    def _open(self, start_ns: Ns) -> Opening:
        assert self._info is not None
        key = self._find_key(self._camera_id, day_of(start_ns))
        # Counts failed tries too: the file of one may be there all the same.
        self._tries += 1
        header, data_key = new_segment(
            public_key=key.public_key,
            key_id=key.key_id,
            site_id=self._policy.site_id,
            camera_id=self._camera_id,
            run=self._info.run,
            segment_id=SegmentId(f"{start_ns}-{self._info.run}-{self._tries - 1}"),
            start_ns=start_ns,
        )
        return Opening(header=header, data_key=data_key, info=self._info)

    def _require_room(self) -> None:
        free = self._storage.free_bytes(self._policy.data_dir)
        wanted = self._policy.min_free_bytes
        if free < wanted:
            raise StorageFull(
                f"{free // 2**20} MB free on the disk of the recordings; {wanted // 2**20} MB are kept free "
                "(recorder.min_free_mb)"
            )

    def _write(self, gop: Sequence[Packet], now_ns: Ns) -> None:
        self.counters.gops_cut = self._gop.cuts
        if self._writer is None:
            self.counters.gops_lost += 1
            return
        try:
            self._append(gop)
        except MediaError as error:
            # This GOP's times do not fit MP4; the next one may.
            self.counters.gops_lost += 1
            self.trouble = (CameraState.GARBAGE, str(error))
        except (StorageFull, StorageFailed) as error:
            if not self._write_elsewhere(gop, now_ns):
                self.counters.gops_lost += 1
                self._trouble(error, now_ns)

    def _append(self, gop: Sequence[Packet]) -> None:
        assert self._writer is not None
        self._require_room()
        before = self._writer.segment.bytes_on_disk
        start_ns, end_ns = self._writer.append(gop, self._clock)
        self._note(self._gaps.recorded(start_ns, end_ns))
        segment = self._writer.segment
        self.counters.gops += 1
        self.counters.recorded_ns += end_ns - start_ns
        self.counters.bytes_written += segment.bytes_on_disk - before
        self.trouble = None
        self._on_segment(segment)

    def _write_elsewhere(self, gop: Sequence[Packet], now_ns: Ns) -> bool:
        """A disk that failed once may take the same GOP in a new segment."""
        if not self._may_try_again(now_ns):
            return False
        self._give_up()
        self._rotate(gop[0], now_ns)
        if self._writer is None:
            return False
        try:
            self._append(gop)
        except (MediaError, StorageFull, StorageFailed):
            return False
        return True

    def _give_up(self) -> None:
        if self._writer is not None:
            self._keep_unsealed(self._writer.give_up())
            self._writer = None

    def _trouble(self, error: CustodesError, now_ns: Ns) -> None:
        """Nothing is written from here on, until `_rotate` succeeds, `RETRY_NS` later at the earliest."""
        self._next_try_ns = Ns(now_ns + RETRY_NS)
        state, cause = _meaning(error)
        self.trouble = (state, str(error))
        self._give_up()
        self._note(self._gaps.lost(cause, now_ns))

    def _seal(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            sealed = writer.seal()
        except (StorageFull, StorageFailed):
            self._keep_unsealed(writer.give_up())
            return
        self._journal.append(SegmentSealed(segment=sealed))
        self._on_segment(sealed)

    def _keep_unsealed(self, segment: Segment) -> None:
        if len(self._unsealed) < MAX_UNSEALED:
            self._unsealed.append(segment)

    def _settle(self) -> None:
        """Seal what a failing disk left behind, once the disk takes it again."""
        while self._unsealed:
            segment = self._unsealed[0]
            path = self._policy.data_dir / segment.path
            try:
                reopened = self._storage.reopen(path, segment.bytes_on_disk)
                reopened.close()
                self._storage.sync_dir(path.parent)
            except (StorageFull, StorageFailed):
                return
            self._unsealed.pop(0)
            self._journal.append(SegmentSealed(segment=segment))
            self._on_segment(segment)

    def _note(self, gaps: Sequence[Gap]) -> None:
        for gap in gaps:
            self._journal.append(GapRecorded(gap=gap))


def _meaning(error: CustodesError) -> tuple[CameraState, GapCause]:
    if isinstance(error, StorageFull):
        return CameraState.DISK_FULL, GapCause.DISK_FULL
    if isinstance(error, StorageFailed):
        return CameraState.DISK_ERROR, GapCause.DISK_ERROR
    if isinstance(error, KeyMissing):
        return CameraState.NO_KEY, GapCause.NO_KEY
    return CameraState.GARBAGE, GapCause.GARBAGE
