"""At start: journal and segment files made to agree. Nothing is deleted; what is whole is kept.

A segment that was open at a crash is cut to its last whole fragment and sealed; a file that no journal knows is
adopted; a file the journal knows and the disk lost is noted as empty. One that was only begun when the power went, so
that not even its header is whole, is set aside under another name: its first fragment would have come after the
journal's line.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from custodes.errors import InvalidArgument, ProtocolError, SealBroken, StorageFailed, StorageFull
from custodes.ports.storage import Storage
from custodes.record.journal import Glance, glance_all
from custodes.record.recording import Journal
from custodes.record.segment import is_unborn, newest_file, segment_files, segment_path
from custodes.sealing.container import Fragment, chain_start, read_header, scan_fragments
from custodes.types.codec import decode_as
from custodes.types.event import GapRecorded, JournalRecord, SegmentDeleted, SegmentOpened, SegmentSealed
from custodes.types.media import Segment, SegmentHeader
from custodes.units import CameraId, Ns

UNBORN_SUFFIX = ".unborn"


@dataclass(slots=True)
class JournalState:
    """What the journals say, in whichever order they are read."""

    opened: dict[str, bytes] = field(default_factory=dict)
    """Path to the SegmentOpened, encoded, of what was not sealed so far."""
    settled: set[str] = field(default_factory=set)
    """Paths of the segments that were sealed or deleted."""
    last_end_ns: dict[CameraId, Ns] = field(default_factory=dict)

    def take(self, record: JournalRecord) -> None:
        """The next gap or deletion of some journal."""
        if isinstance(record, GapRecorded):
            _extend(self.last_end_ns, record.gap.camera_id, record.gap.end_ns)
        elif isinstance(record, SegmentDeleted):
            self._settle(record.path)

    def glimpse(self, glance: Glance, opened: bytes | None) -> None:
        """The next segment's record."""
        segment = glance.segment
        if opened is None:
            self._settle(segment.path)
            _extend(self.last_end_ns, segment.header.camera_id, Ns(segment.end_ns))
        elif segment.path not in self.settled:
            self.opened[segment.path] = opened

    def open_segments(self) -> list[Segment]:
        """By path; what a newer custodes wrote is left to it."""
        found: list[Segment] = []
        for _, payload in sorted(self.opened.items()):
            with contextlib.suppress(ProtocolError):
                found.append(decode_as(SegmentOpened, payload).segment)
        return found

    def _settle(self, path: str) -> None:
        self.settled.add(path)
        self.opened.pop(path, None)

    def knows(self, path: str) -> bool:
        """Whether some journal names this path."""
        return path in self.settled or path in self.opened


@dataclass(slots=True, kw_only=True)
class Reconciled:
    """What was found and done; `last_end_ns` says where each camera's story ends."""

    sealed: int = 0
    adopted: int = 0
    lost: int = 0
    unborn: int = 0
    unreadable: tuple[str, ...] = ()
    cut_bytes: int = 0
    last_end_ns: dict[CameraId, Ns] = field(default_factory=dict)
    later: tuple[str, ...] = ()
    """Paths of files that no journal knows and that `adopt_later` is to look into."""


def read_state(journal_dir: Path, state: JournalState, *, read_already: str = "") -> JournalState:
    """Take all journals but the one named, which `state` knows. O(records)."""
    for path in sorted(journal_dir.glob("*.journal")):
        if path.name != read_already:
            glance_all(path, state.take, state.glimpse)
    return state


def reconcile(
    data_dir: Path,
    storage: Storage,
    journal: Journal,
    *,
    site_id: str,
    is_ours: Callable[[CameraId], bool] = lambda camera_id: True,
    state: JournalState | None = None,
    read_already: str = "",
    is_brief: bool = False,
    has_peers: bool = False,
) -> Reconciled:
    """Bring journal and files together; see the module's first lines. Idempotent.

    Sealed files are listed, never opened: their journal record was durable only after they were.

    Args:
        is_ours: which cameras this recorder writes; another recorder's open segments are left alone.
        state, read_already: what `JournalWriter` told of the journal of that name when it was opened.
        has_peers: other recorders write here now. Of open segments only those are closed that the journal which
            `state` was told of opened, and every file that no journal knows is left for `later`: a peer may have made
            it this moment.
        is_brief: of the files that no journal knows only each camera's newest is adopted, since a crash leaves no
            more and the camera's story goes on from its end; the others are named in `later`. They were listed
            before anything new is recorded, so that no file of now is among them.

    Raises: StorageFailed when the journals or the segments' directory cannot be read.
    """
    state = state or JournalState()
    own = set(state.opened)
    state = read_state(data_dir / "journal", state, read_already=read_already)
    result = Reconciled(last_end_ns=state.last_end_ns)
    for segment in state.open_segments():
        if is_ours(segment.header.camera_id) and (not has_peers or segment.path in own):
            _close(data_dir, segment.path, segment, storage, journal, result)
    unknown = sorted(path for path in segment_files(data_dir) if not state.knows(path))
    ours = [path for path in unknown if is_ours(CameraId(path.split("/")[1]))]
    newest = {path.split("/")[1]: path for path in ours} if is_brief else {}
    later: list[str] = []
    for path in ours:
        if not has_peers and newest.get(path.split("/")[1], path) == path:
            _adopt(data_dir, path, site_id, storage, journal, result)
        else:
            later.append(path)
    result.later = tuple(later)
    return result


def adopt_later(
    data_dir: Path, storage: Storage, journal: Journal, paths: Iterable[str], *, site_id: str
) -> Reconciled:
    """Adopt what a brief `reconcile` left, while recording goes on. Returns: what was done here alone."""
    result = Reconciled()
    for path in paths:
        _adopt(data_dir, path, site_id, storage, journal, result)
    return result


def unknown_among(journal_dir: Path, paths: Iterable[str]) -> list[str]:
    """Those that still no journal knows. O(records)."""
    state = read_state(journal_dir, JournalState())
    return [path for path in paths if not state.knows(path)]


def reached_ns(data_dir: Path, camera_id: CameraId) -> Ns | None:
    """End of the last whole fragment in a camera's newest file, whoever writes it; None where there is none to read.

    What a recorder wrote up to its death, also when it had no time to tell.
    """
    try:
        newest = newest_file(data_dir, camera_id)
        fragments = [] if newest is None else _whole(newest)[1]
    except (OSError, SealBroken, StorageFailed):
        return None
    return max((fragment.end_ns for fragment in fragments), default=None)


def _close(
    data_dir: Path, path: str, segment: Segment, storage: Storage, journal: Journal, result: Reconciled
) -> None:
    header = segment.header
    try:
        end, fragments = _whole(data_dir / path)
        size = (data_dir / path).stat().st_size
        if size > end:
            result.cut_bytes += size - end
        storage.reopen(data_dir / path, end).close()
        storage.sync_dir((data_dir / path).parent)
    except (OSError, SealBroken):
        result.lost += 1
        journal.append(SegmentSealed(segment=_sealed(header, path, 0, [], lease_epoch=segment.lease_epoch)))
        return
    except (StorageFull, StorageFailed):
        return  # the next start tries again
    sealed = _sealed(header, path, end, fragments, lease_epoch=segment.lease_epoch)
    result.sealed += 1
    journal.append(SegmentSealed(segment=sealed))
    _extend(result.last_end_ns, header.camera_id, sealed.end_ns)


def _adopt(data_dir: Path, path: str, site_id: str, storage: Storage, journal: Journal, result: Reconciled) -> None:
    try:
        with (data_dir / path).open("rb") as stream:
            header = read_header(stream)
    except OSError:
        result.unreadable += (path,)
        return
    except SealBroken:
        _set_aside(data_dir / path, path, storage, result)
        return
    try:
        if header.site_id != site_id or segment_path(header.camera_id, header.start_ns, header.segment_id) != path:
            raise SealBroken("the file belongs to another site or place")
        end, fragments = _whole(data_dir / path)
        storage.reopen(data_dir / path, end).close()
        storage.sync_dir((data_dir / path).parent)
    except (OSError, SealBroken, InvalidArgument, StorageFull, StorageFailed):
        result.unreadable += (path,)
        return
    sealed = _sealed(header, path, end, fragments)
    journal.append(SegmentOpened(segment=sealed))
    journal.append(SegmentSealed(segment=sealed))
    result.adopted += 1
    _extend(result.last_end_ns, header.camera_id, sealed.end_ns)


def _set_aside(file: Path, path: str, storage: Storage, result: Reconciled) -> None:
    try:
        if not is_unborn(file):
            result.unreadable += (path,)
            return
        file.rename(file.with_name(file.name + UNBORN_SUFFIX))
        storage.sync_dir(file.parent)
    except (OSError, StorageFull, StorageFailed):
        result.unreadable += (path,)
        return
    result.unborn += 1


def _whole(path: Path) -> tuple[int, list[Fragment]]:
    """Where the last whole fragment ends, and the fragments. Raises: SealBroken when there is no header."""
    with path.open("rb") as stream:
        read_header(stream)
        after_header = stream.tell()
        fragments = scan_fragments(stream)
    if not fragments:
        return after_header, fragments
    return fragments[-1].offset + fragments[-1].record_bytes, fragments


def _sealed(
    header: SegmentHeader, path: str, size: int, fragments: list[Fragment], *, lease_epoch: int = 0
) -> Segment:
    return Segment(
        header=header,
        path=path,
        end_ns=max([header.start_ns, *(fragment.end_ns for fragment in fragments)]),
        bytes_on_disk=size,
        fragments=len(fragments),
        root=fragments[-1].chain if fragments else chain_start(header),
        is_sealed=True,
        lease_epoch=lease_epoch,
    )


def _extend(ends: dict[CameraId, Ns], camera_id: CameraId, end_ns: Ns) -> None:
    ends[camera_id] = max(ends.get(camera_id, Ns(0)), end_ns)
