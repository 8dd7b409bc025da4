"""A journal written anew without what no longer matters, under another name.

The server knows how far it has read each file by name and byte, so what is written anew is a new file:
`recorder.journal`, `recorder.1.journal`, `recorder.2.journal`, … The newest is the recorder's; it reads all of it at
each start, and a year of a hundred cameras would be 170 GB. Left out: segments that retention deleted, what was opened
and sealed since, earlier words on a gap that grew. Of each camera the last thing that is known stays: its story goes
on from there.

The journal of deletions is written anew in the same way by the server, between two of its own lines: a line is needed
as long as some journal, or a copy elsewhere, has the segment that it says is gone.

Written beside → synced → renamed → folder synced → the old one removed → folder synced. A crash leaves the old one, or
both, which say the same; the next start removes the older. Nobody may append meanwhile.
"""

import contextlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from custodes.errors import ProtocolError, StorageFailed, StorageFull
from custodes.ports.storage import Storage
from custodes.record.journal import DELETIONS, MAGIC, Glance, front_of, glance_all, payloads_of
from custodes.types.codec import WIRE_VERSION, decode
from custodes.types.event import GapRecorded, JournalRecord, SegmentDeleted
from custodes.units import CameraId

MIN_BYTES = 16 * 2**20
"""Two days of two cameras; a start reads as much in 50 ms."""

DEAD_SHARE = 0.5
"""Of the bytes, before it is worth writing the others again: each byte is then written twice at most, all told."""

_BATCH_BYTES = 1 << 20
_ENVELOPE = msgspec.msgpack.Decoder(tuple[int, str, msgspec.Raw])
_GLANCE = msgspec.msgpack.Decoder(Glance)


@dataclass(slots=True)
class _Survey:
    """What makes a record outdated, gathered over a whole journal."""

    deleted: set[str]
    sealed: set[str] = field(default_factory=set)
    last_of_gap: dict[tuple[CameraId, int], int] = field(default_factory=dict)
    """Number of the last record on each gap."""
    newest: dict[CameraId, tuple[int, int]] = field(default_factory=dict)
    """Latest end of each camera, and the number of its record."""

    def note(self, number: int, payload: bytes) -> None:
        """The next record of the first reading."""
        kind, glance, gap = _look(payload)
        if glance is not None and kind == "SegmentSealed":
            self.sealed.add(glance.segment.path)
            self._reach(glance.segment.header.camera_id, glance.segment.end_ns, number)
        elif gap is not None:
            self.last_of_gap[gap.gap.camera_id, gap.gap.start_ns] = number
            self._reach(gap.gap.camera_id, gap.gap.end_ns, number)

    def is_dead(self, number: int, payload: bytes) -> bool:
        """Whether the record may be left out; of a record that nobody here understands, never."""
        kind, glance, gap = _look(payload)
        if glance is not None:
            is_newest = self.newest.get(glance.segment.header.camera_id, (0, -1))[1] == number
            is_over = glance.segment.path in self.deleted
            return (is_over or (kind == "SegmentOpened" and glance.segment.path in self.sealed)) and not is_newest
        return gap is not None and self.last_of_gap[gap.gap.camera_id, gap.gap.start_ns] != number

    def _reach(self, camera_id: CameraId, end_ns: int, number: int) -> None:
        if end_ns >= self.newest.get(camera_id, (-1, 0))[0]:
            self.newest[camera_id] = (end_ns, number)


def current(folder: Path, name: str) -> Path:
    """The journal that a recorder of that name appends to; it may not exist yet."""
    return _generations(folder, name)[-1][1]


def compact(storage: Storage, folder: Path, name: str, *, min_bytes: int = MIN_BYTES) -> Path:
    """The journal to append to: written anew when it is large and mostly outdated.

    A disk that refuses is no reason not to record: then the old one stays. Raises: DataLoss when it is no journal,
    StorageFailed when it cannot be read.
    """
    path = _settled(storage, folder, name)
    if not _is_large(path, min_bytes):
        return path
    survey = _Survey(_deleted_paths(current(folder, DELETIONS)))
    for number, payload in enumerate(payloads_of(path)):
        survey.note(number, payload)
    return _without(storage, folder, name, survey.is_dead)


def compact_deletions(
    storage: Storage, folder: Path, copies: Callable[[], Iterable[str]], *, min_bytes: int = MIN_BYTES
) -> Path:
    """The journal of deletions to append to, by the same rules. Its only writer calls this while it has it closed.

    Args: copies: paths of the segments that have a copy elsewhere; asked only when the file is large.

    Raises: like `compact`, and what `copies` raises.
    """
    path = _settled(storage, folder, DELETIONS)
    if not _is_large(path, min_bytes):
        return path
    needed = set(copies())

    def note(glance: Glance, opened: bytes | None) -> None:
        needed.add(glance.segment.path)

    for other in folder.glob("*.journal"):
        if not is_of(other, DELETIONS):
            glance_all(other, lambda record: None, note)

    def is_dead(number: int, payload: bytes) -> bool:
        record = _decoded(payload)
        return isinstance(record, SegmentDeleted) and record.path not in needed

    return _without(storage, folder, DELETIONS, is_dead)


def is_of(path: Path, name: str) -> bool:
    """Whether a file is that journal, or was before it was written anew."""
    return re.fullmatch(re.escape(name) + r"(\.[0-9]{1,9})?\.journal", path.name) is not None


def _settled(storage: Storage, folder: Path, name: str) -> Path:
    """The newest of a journal's files; what a crash left of the others goes."""
    *older, (_, path) = _generations(folder, name)
    if older:
        _remove(storage, folder, [one for _, one in older])
    return path


def _is_large(path: Path, min_bytes: int) -> bool:
    try:
        return path.stat().st_size >= min_bytes
    except OSError:
        return False


def _without(storage: Storage, folder: Path, name: str, is_dead: Callable[[int, bytes], bool]) -> Path:
    """The journal without its dead records, if they are worth it and the disk takes it; else as it is."""
    generation, path = _generations(folder, name)[-1]
    total = dead = 0
    for number, payload in enumerate(payloads_of(path)):
        total += len(payload)
        dead += len(payload) if is_dead(number, payload) else 0
    if dead < total * DEAD_SHARE:
        return path
    target = folder / f"{name}.{generation + 1}.journal"
    try:
        _write(storage, path, target, is_dead)
    except (StorageFull, StorageFailed):
        return path
    _remove(storage, folder, [path])
    return target


def _generations(folder: Path, name: str) -> list[tuple[int, Path]]:
    """Oldest first; the first one's name when there is none."""
    pattern = re.compile(re.escape(name) + r"\.([0-9]{1,9})\.journal")
    found = [(int(match[1]), path) for path in folder.glob("*.journal") if (match := pattern.fullmatch(path.name))]
    first = folder / f"{name}.journal"
    if first.exists() or not found:
        found.append((0, first))
    return sorted(found)


def _deleted_paths(journal: Path) -> set[str]:
    deleted: set[str] = set()

    def take(record: JournalRecord) -> None:
        if isinstance(record, SegmentDeleted):
            deleted.add(record.path)

    glance_all(journal, take, lambda glance, opened: None)
    return deleted


def _write(storage: Storage, source: Path, target: Path, is_dead: Callable[[int, bytes], bool]) -> None:
    """The live records of `source` as `target`, which is there whole or not at all."""
    beside = target.with_name(target.name + ".new")
    storage.remove(beside)
    file = storage.create(beside)
    try:
        batch = bytearray(MAGIC)
        for number, payload in enumerate(payloads_of(source)):
            if is_dead(number, payload):
                continue
            batch += front_of(payload) + payload
            if len(batch) >= _BATCH_BYTES:
                file.append(bytes(batch))
                batch.clear()
        file.append(bytes(batch))
        file.sync()
    except (StorageFull, StorageFailed):
        file.close()
        storage.remove(beside)
        raise
    file.close()
    try:
        beside.rename(target)
    except OSError as error:
        raise StorageFailed(f"cannot name {target.name}: {error.strerror}") from error
    storage.sync_dir(target.parent)


def _remove(storage: Storage, folder: Path, paths: list[Path]) -> None:
    """Older journals; what stays says nothing wrong, and the next start tries again."""
    with contextlib.suppress(StorageFull, StorageFailed):
        for path in paths:
            storage.delete(path)
        storage.sync_dir(folder)


def _look(payload: bytes) -> tuple[str, Glance | None, GapRecorded | None]:
    """A record's kind, and what it says of a segment or a gap; nothing for what is not understood."""
    try:
        version, name, fields = _ENVELOPE.decode(payload)
        if version != WIRE_VERSION:
            return "", None, None
        if name in ("SegmentOpened", "SegmentSealed"):
            return name, _GLANCE.decode(fields), None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "", None, None
    record = _decoded(payload) if name == "GapRecorded" else None
    return name, None, record if isinstance(record, GapRecorded) else None


def _decoded(payload: bytes) -> object:
    """None for what nobody here understands."""
    try:
        return decode(payload)
    except (ProtocolError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
