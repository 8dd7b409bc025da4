"""At start: journal and segment files made to agree. Nothing is deleted; what is whole is kept.

A segment that was open at a crash is cut to its last whole fragment and sealed; a file that no journal knows is
adopted; a file the journal knows and the disk lost is noted as empty.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from custodes.errors import InvalidArgument, SealBroken, StorageFailed, StorageFull
from custodes.ports.storage import Storage
from custodes.record.journal import read_all
from custodes.record.recording import Journal
from custodes.record.segment import segment_path
from custodes.sealing.container import Fragment, chain_start, read_header, scan_fragments
from custodes.types.event import GapRecorded, SegmentDeleted, SegmentOpened, SegmentSealed
from custodes.types.media import Segment, SegmentHeader
from custodes.units import CameraId, Ns


@dataclass(slots=True)
class JournalState:
    """What the journals say."""

    open: dict[str, Segment] = field(default_factory=dict)
    """Path to segment, opened and never sealed."""
    known: set[str] = field(default_factory=set)
    """Paths of all segments."""
    last_end_ns: dict[CameraId, Ns] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Reconciled:
    """What was found and done; `last_end_ns` says where each camera's story ends."""

    sealed: int = 0
    adopted: int = 0
    lost: int = 0
    unreadable: tuple[str, ...] = ()
    cut_bytes: int = 0
    last_end_ns: dict[CameraId, Ns] = field(default_factory=dict)


def read_state(journal_dir: Path) -> JournalState:
    """Take all journals together. O(records)."""
    state, sealed, deleted = JournalState(), set[str](), set[str]()
    for path in sorted(journal_dir.glob("*.journal")):
        records, _ = read_all(path)
        for record in records:
            if isinstance(record, GapRecorded):
                _extend(state.last_end_ns, record.gap.camera_id, record.gap.end_ns)
                continue
            if isinstance(record, SegmentDeleted):
                deleted.add(record.path)
                continue
            segment = record.segment
            state.known.add(segment.path)
            if isinstance(record, SegmentOpened):
                state.open[segment.path] = segment
            else:
                sealed.add(segment.path)  # whichever journal is read first
                _extend(state.last_end_ns, segment.header.camera_id, segment.end_ns)
    for closed in sealed | deleted:
        state.open.pop(closed, None)
    state.known |= deleted
    return state


def reconcile(
    data_dir: Path,
    storage: Storage,
    journal: Journal,
    *,
    site_id: str,
    is_ours: Callable[[CameraId], bool] = lambda camera_id: True,
) -> Reconciled:
    """Bring journal and files together; see the module's first lines. Idempotent.

    Args: is_ours: which cameras this recorder writes; another recorder's open segments are left alone.
    Raises: StorageFailed when the journals or the segments' directory cannot be read.
    """
    state = read_state(data_dir / "journal")
    result = Reconciled(last_end_ns=state.last_end_ns)
    for path, segment in sorted(state.open.items()):
        if is_ours(segment.header.camera_id):
            _close(data_dir, path, segment, storage, journal, result)
    for file in sorted((data_dir / "segments").glob("*/*/*.seg")):
        path = str(file.relative_to(data_dir))
        if path not in state.known and is_ours(CameraId(file.parent.parent.name)):
            _adopt(data_dir, path, site_id, storage, journal, result)
    return result


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
        journal.append(SegmentSealed(segment=_sealed(header, path, 0, [])))
        return
    except (StorageFull, StorageFailed):
        return  # the next start tries again
    sealed = _sealed(header, path, end, fragments)
    result.sealed += 1
    journal.append(SegmentSealed(segment=sealed))
    _extend(result.last_end_ns, header.camera_id, sealed.end_ns)


def _adopt(data_dir: Path, path: str, site_id: str, storage: Storage, journal: Journal, result: Reconciled) -> None:
    try:
        with (data_dir / path).open("rb") as stream:
            header = read_header(stream)
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


def _whole(path: Path) -> tuple[int, list[Fragment]]:
    """Where the last whole fragment ends, and the fragments. Raises: SealBroken when there is no header."""
    with path.open("rb") as stream:
        read_header(stream)
        after_header = stream.tell()
        fragments = scan_fragments(stream)
    if not fragments:
        return after_header, fragments
    return fragments[-1].offset + fragments[-1].record_bytes, fragments


def _sealed(header: SegmentHeader, path: str, size: int, fragments: list[Fragment]) -> Segment:
    return Segment(
        header=header,
        path=path,
        end_ns=max([header.start_ns, *(fragment.end_ns for fragment in fragments)]),
        bytes_on_disk=size,
        fragments=len(fragments),
        root=fragments[-1].chain if fragments else chain_start(header),
        is_sealed=True,
    )


def _extend(ends: dict[CameraId, Ns], camera_id: CameraId, end_ns: Ns) -> None:
    ends[camera_id] = max(ends.get(camera_id, Ns(0)), end_ns)
