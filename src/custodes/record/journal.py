"""The recorder's journal: what exists on disk, durable before anybody relies on it. Append-only.

    magic (8), then records: payload length u32 | CRC-32 of the payload u32 | payload (`types.codec`)

All integers are big-endian. A torn tail, as a power cut leaves it, ends the reading and is cut before the next append.
The server tails the file from a byte offset. One writer; it is not thread-safe.
"""

import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from custodes.errors import CustodesError, DataLoss, ProtocolError, StorageFailed, StorageFull
from custodes.ports.storage import AppendFile, Storage
from custodes.types.codec import WIRE_VERSION, decode, encode
from custodes.types.event import GapRecorded, JournalRecord, SegmentDeleted, SegmentOpened, SegmentSealed
from custodes.units import CameraId

MAGIC = b"CUSTJRN\x01"
DELETIONS = "retention"
"""Name of the server's own (`retention.journal`, later `retention.<n>.journal`), of `SegmentDeleted` alone: without it
a catalog that is rebuilt would know files that are gone."""

MAX_RECORD_BYTES = 64 * 1024
"""A SegmentSealed is below 2 KiB, most of it the wrapped key."""

MAX_PENDING = 10_000
"""Records kept while the disk refuses them: a week of gaps and seals of a hundred cameras at one a minute."""

MAX_READ_BYTES = 8 * 1024 * 1024
"""Read per call of `read_from`; the reader calls again until nothing new comes."""

_FRONT = struct.Struct(">II")


def read_from(path: Path, offset: int) -> tuple[list[JournalRecord], int]:
    """Records from `offset` (0 or one that this function returned), up to the last whole one.

    Returns: at most `MAX_READ_BYTES` worth of records, and the offset to go on from. A missing file has none.
    Raises: DataLoss when the file is no journal, or shorter than `offset`.
    """
    raw, offset = _read_raw(path, offset)
    records, used = _parse(raw)
    return records, offset + used


def _read_raw(path: Path, offset: int) -> tuple[bytes, int]:
    """Up to `MAX_READ_BYTES` from `offset` or the first record on, and where they begin."""
    try:
        with path.open("rb") as stream:
            if offset < len(MAGIC):
                magic = stream.read(len(MAGIC))
                if not MAGIC.startswith(magic):
                    raise DataLoss(f"{path.name} is not a journal")
                if len(magic) < len(MAGIC):
                    return b"", 0
                offset = len(MAGIC)
            stream.seek(0, 2)
            if stream.tell() < offset:
                raise DataLoss(f"{path.name} has {stream.tell()} bytes; {offset} were read before")
            stream.seek(offset)
            return stream.read(MAX_READ_BYTES), offset
    except FileNotFoundError:
        return b"", 0
    except OSError as error:
        raise StorageFailed(f"cannot read {path.name}: {error.strerror}") from error


def read_all(path: Path) -> tuple[list[JournalRecord], int]:
    """All records, and where the valid part ends (0 when not even the magic is whole)."""
    records: list[JournalRecord] = []
    offset = 0
    while True:
        more, after = read_from(path, offset)
        records += more
        if after == offset or not more:
            return records, after
        offset = after


class HeaderGlance(msgspec.Struct, gc=False):
    """As much of a SegmentHeader."""

    camera_id: CameraId


class SegmentGlance(msgspec.Struct, gc=False):
    """As much of a Segment as a start needs."""

    header: HeaderGlance
    path: str
    end_ns: int


class Glance(msgspec.Struct, gc=False):
    """Of a SegmentOpened or SegmentSealed."""

    segment: SegmentGlance


Glimpsed = Callable[[Glance, bytes | None], object]
"""Told of a segment's record; for SegmentOpened with the record's payload, to be decoded when it is needed."""

_ENVELOPE = msgspec.msgpack.Decoder(tuple[int, str, msgspec.Raw])
_GLANCE = msgspec.msgpack.Decoder(Glance)


def glance_all(path: Path, take: Callable[[JournalRecord], object], glimpsed: Glimpsed) -> int:
    """Read a journal for a start: a fourth of the time of `each_record`, and no memory.

    Only what cannot be a record (length, checksum) ends the reading: what a newer custodes wrote is passed over and
    stays. Returns: where the valid part ends. Raises: DataLoss, StorageFailed.
    """
    offset = 0
    while True:
        raw, offset = _read_raw(path, offset)
        used = 0
        for payload, end in _payloads(raw):
            used = end
            try:
                version, name, fields = _ENVELOPE.decode(payload)
                if version == WIRE_VERSION and name == "SegmentSealed":
                    glimpsed(_GLANCE.decode(fields), None)
                elif version == WIRE_VERSION and name == "SegmentOpened":
                    glimpsed(_GLANCE.decode(fields), payload)
                else:
                    record = decode(payload)
                    if isinstance(record, GapRecorded | SegmentDeleted):
                        take(record)
            except (ProtocolError, msgspec.MsgspecError, ValueError, RecursionError):
                continue
        if not used:
            return offset
        offset += used


def _parse(raw: bytes) -> tuple[list[JournalRecord], int]:
    records: list[JournalRecord] = []
    at = 0
    for payload, end in _payloads(raw):
        try:
            record = decode(payload)
        except ProtocolError:
            break
        if not isinstance(record, SegmentOpened | SegmentSealed | GapRecorded | SegmentDeleted):
            break
        records.append(record)
        at = end
    return records, at


def _payloads(raw: bytes) -> Iterator[tuple[bytes, int]]:
    """Payloads of whole records, and where each ends."""
    at = 0
    while at + _FRONT.size <= len(raw):
        length, checksum = _FRONT.unpack_from(raw, at)
        at += _FRONT.size
        payload = raw[at : at + length]
        if length > MAX_RECORD_BYTES or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        at += length
        yield payload, at


def payloads_of(path: Path) -> Iterator[bytes]:
    """Payloads of all whole records, understood or not, in order. Raises: DataLoss, StorageFailed."""
    offset = 0
    while True:
        raw, offset = _read_raw(path, offset)
        used = 0
        for payload, end in _payloads(raw):
            used = end
            yield payload
        if not used:
            return
        offset += used


def front_of(payload: bytes) -> bytes:
    """What stands before a payload in the file."""
    return _FRONT.pack(len(payload), zlib.crc32(payload))


def encode_record(record: JournalRecord) -> bytes:
    """A record as it stands in the file."""
    payload = encode(record)
    return front_of(payload) + payload


class Reader(Protocol):
    """Who wants to know what a journal holds when it is opened."""

    def take(self, record: JournalRecord) -> object:
        """A gap or a deletion."""
        ...

    def glimpse(self, glance: Glance, opened: bytes | None) -> object:
        """See `Glimpsed`."""
        ...


def _forget(*_: object) -> None:
    pass


class JournalWriter:
    """Appends records durably. While the disk refuses, records wait in memory and go first when it takes them."""

    def __init__(self, storage: Storage, path: Path, known: "Reader | None" = None) -> None:
        """Cut a torn tail and be ready to append. `known` is told what the file holds, since it is read anyway.

        Raises: StorageFull, StorageFailed, DataLoss.
        """
        end = glance_all(path, known.take, known.glimpse) if known else glance_all(path, _forget, _forget)
        self._storage = storage
        self._path = path
        self._file: AppendFile = storage.reopen(path, end)
        self._pending: deque[bytes] = deque(maxlen=MAX_PENDING)
        self._synced_bytes = self._file.size
        self._is_suspect = False
        if end == 0:
            self._file.append(MAGIC)
            self._file.sync()
            self._synced_bytes = self._file.size

    @property
    def pending(self) -> int:
        """Records that are not on disk yet."""
        return len(self._pending)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._file.size

    def append(self, record: JournalRecord) -> bool:
        """Make a record durable, after those that wait. Returns False when it has to wait; raises nothing."""
        return self.extend([record])

    def extend(self, records: Iterable[JournalRecord]) -> bool:
        """Like `append`, several with one sync; at most `MAX_PENDING`."""
        self._pending.extend(encode_record(record) for record in records)
        return self.flush()

    def flush(self) -> bool:
        """Try to write what waits; True when nothing waits any more."""
        if not self._pending:
            return True
        try:
            if self._is_suspect:
                self._reopen()
            for record in self._pending:
                self._file.append(record)
            self._file.sync()
        except (StorageFull, StorageFailed):
            # What a failed sync left behind may never reach the disk, and a later sync says nothing of it: it is
            # written again, or a power cut would leave a hole that hides every record behind it.
            self._is_suspect = True
            return False
        self._pending.clear()
        self._synced_bytes = self._file.size
        return True

    def _reopen(self) -> None:
        self._file.close()
        self._file = self._storage.reopen(self._path, self._synced_bytes)
        self._is_suspect = False

    def close(self) -> None:
        """Last try to write what waits."""
        self.flush()
        self._file.close()


def open_journal(
    storage: Storage, path: Path, now_ns: int, known: Reader | None = None
) -> tuple[JournalWriter, Path | None]:
    """A writer; a file that is no journal is put aside under the returned name and a new one begun.

    Segments are adopted from their own headers then; only gaps are lost. Raises: StorageFull, StorageFailed.
    """
    try:
        return JournalWriter(storage, path, known), None
    except DataLoss:
        aside = path.with_name(f"{path.name}.damaged-{now_ns}")
        try:
            path.rename(aside)
        except OSError as error:
            raise StorageFailed(f"cannot put {path.name} aside: {error.strerror}") from error
        return JournalWriter(storage, path), aside


def is_disk_error(error: CustodesError) -> bool:
    """Whether recording should pause and try again."""
    return isinstance(error, StorageFull | StorageFailed)
