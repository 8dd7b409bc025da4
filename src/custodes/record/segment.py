"""One segment file being written: header, init fragment, then a sealed fragment per GOP, durable one by one."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from custodes.errors import StorageFailed, StorageFull
from custodes.media.fmp4 import FragmentMuxer
from custodes.ports.storage import AppendFile, Storage
from custodes.record.scratch import Scratch
from custodes.sealing.container import FragmentSealer, encode_header, record_length
from custodes.types.media import ClockReading, ClockSource, Packet, Segment, SegmentHeader, StreamInfo
from custodes.units import NS_PER_S, CameraId, Ns, SegmentId

UNBORN_BYTES = 64 * 1024
"""Many times a header and an init segment. A larger file without a readable header is somebody's, and left alone."""

_OURS = re.compile(r"\d+-[0-9a-f]+-\d+\.seg")
"""How recorders name segments (`record.recording`); what is called otherwise was put there by somebody."""


def day_of(utc_ns: int) -> str:
    """`yyyymmdd`, UTC."""
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y%m%d")


def segment_path(camera_id: CameraId, start_ns: int, segment_id: SegmentId) -> str:
    """Where a segment lies, relative to the data directory."""
    return f"segments/{camera_id}/{day_of(start_ns)}/{segment_id}.seg"


def segment_files(data_dir: Path) -> Iterator[str]:
    """Paths of the segment files on disk, relative to the data directory, in no order. 2 µs each."""
    for camera in _names(data_dir / "segments"):
        for day in _names(data_dir / "segments" / camera):
            for name in _names(data_dir / "segments" / camera / day):
                if name.endswith(".seg"):
                    yield f"segments/{camera}/{day}/{name}"


def newest_file(data_dir: Path, camera_id: CameraId) -> Path | None:
    """The file that a recorder began last for a camera, by its name. Raises: StorageFailed."""
    folder = data_dir / "segments" / camera_id
    for day in sorted(_names(folder), reverse=True):
        ours = [name for name in _names(folder / day) if _OURS.fullmatch(name)]
        if ours:
            return folder / day / max(ours, key=lambda name: int(name.split("-")[0]))
    return None


def is_unborn(file: Path) -> bool:
    """If a file whose header cannot be read is one that a recorder had only begun. Raises: OSError."""
    return _OURS.fullmatch(file.name) is not None and file.stat().st_size <= UNBORN_BYTES


def _names(folder: Path) -> list[str]:
    """What lies in a folder; nothing when it is none, or was taken away meanwhile. Raises: StorageFailed."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone, a third of the time
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StorageFailed(f"cannot list {folder.name}: {(error.strerror or 'unreadable').lower()}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a new segment is made from; the data key is forgotten with the writer."""

    header: SegmentHeader
    data_key: bytes
    info: StreamInfo


class SegmentWriter:
    """Owns one open segment file. After a storage error it must be closed with `give_up` or `seal`."""

    def __init__(
        self, storage: Storage, data_dir: Path, opening: Opening, scratch: Scratch, *, lease_epoch: int = 0
    ) -> None:
        """Create the file, write header and init fragment, sync. Raises: StorageFull, StorageFailed, MediaError."""
        header = opening.header
        self._storage = storage
        self._scratch = scratch
        self._muxer = FragmentMuxer(opening.info)
        self._sealer = FragmentSealer(header, opening.data_key)
        self._header = header
        self._lease_epoch = lease_epoch
        self._unit_ns = NS_PER_S * opening.info.time_base_num
        self._den = opening.info.time_base_den
        self._path = segment_path(header.camera_id, header.start_ns, header.segment_id)
        self._absolute = data_dir / self._path
        self._end_ns = header.start_ns
        self._first_pts: int | None = None
        self._end_pts = 0
        self._clock: ClockReading | None = None
        self._root = b""
        start = encode_header(header)
        init = self._sealer.seal(
            self._muxer.init_segment(), start_ns=header.start_ns, end_ns=header.start_ns, is_init=True
        )
        self._file: AppendFile = storage.create(self._absolute)
        try:
            self._file.append(start + init)
            self._file.sync()
        except (StorageFull, StorageFailed):
            # A full disk is tried every second: no heap of empty files may come of it.
            self._file.close()
            storage.remove(self._absolute)
            raise
        self._note_synced()

    @property
    def start_ns(self) -> Ns:
        """Of the segment."""
        return self._header.start_ns

    @property
    def segment(self) -> Segment:
        """The file as it is now, open."""
        return self._segment(is_sealed=False)

    def append(self, gop: Sequence[Packet], clock: ClockReading) -> tuple[Ns, Ns]:
        """Write one GOP and make it durable. `clock` says how well its times are known.

        Returns: UTC of its start and of its end.
        Raises: StorageFull, StorageFailed (the file then ends with the GOP before), MediaError (nothing written).
        """
        parts = self._muxer.fragment_parts(gop)
        start_ns = gop[0].utc_ns
        end_ns, end_pts, unit_ns, den = start_ns, 0, self._unit_ns, self._den
        for packet in gop:
            end_ns = max(end_ns, Ns(packet.utc_ns + packet.duration * unit_ns // den))
            end_pts = max(end_pts, packet.pts + packet.duration)
        payload_bytes = sum(map(len, parts))
        with (
            self._scratch.borrow(payload_bytes) as payload,
            self._scratch.borrow(record_length(payload_bytes)) as record,
        ):
            at = 0
            for part in parts:
                payload[at : at + len(part)] = part
                at += len(part)
            self._sealer.seal_into(record, payload, start_ns=start_ns, end_ns=end_ns, is_init=False)
            self._file.append(record)
        self._file.sync()
        self._note_synced()
        self._end_ns = max(self._end_ns, end_ns)
        self._first_pts = gop[0].pts if self._first_pts is None else self._first_pts
        self._end_pts = max(self._end_pts, end_pts)
        self._clock = clock if self._clock is None else worse(self._clock, clock)
        return start_ns, end_ns

    def seal(self) -> Segment:
        """Sync file and directory and close. Raises: StorageFailed; the writer is closed all the same."""
        try:
            self._file.sync()
            self._storage.sync_dir(self._absolute.parent)
        finally:
            self._file.close()
        return self._segment(is_sealed=True)

    def give_up(self) -> Segment:
        """Close without syncing, after an error; returns what the disk surely holds, to which the file is to be cut.

        What a failed sync left in the page cache reads well and may never reach the disk, whatever a later sync says.
        """
        self._file.close()
        return self._segment(is_sealed=True)

    def _note_synced(self) -> None:
        self._root, self._fragments, self._synced_bytes = self._sealer.root, self._sealer.count, self._file.size

    def _segment(self, *, is_sealed: bool) -> Segment:
        return Segment(
            header=self._header,
            path=self._path,
            end_ns=self._end_ns,
            bytes_on_disk=self._synced_bytes,
            fragments=self._fragments,
            root=self._root if is_sealed else b"",
            is_sealed=is_sealed,
            lease_epoch=self._lease_epoch,
            media_ns=0 if self._first_pts is None else (self._end_pts - self._first_pts) * self._unit_ns // self._den,
            clock=self._clock or ClockReading(),
        )


_TRUST = (ClockSource.UNKNOWN, ClockSource.PLAYED, ClockSource.ARRIVAL, ClockSource.CAMERA)


def worse(one: ClockReading, other: ClockReading) -> ClockReading:
    """What holds for both: the less trusted source, the larger error and offset."""
    offsets = [reading.camera_offset_ns for reading in (one, other) if reading.camera_offset_ns is not None]
    return ClockReading(
        source=min(one.source, other.source, key=_TRUST.index),
        error_ns=max(one.error_ns, other.error_ns),
        camera_offset_ns=max(offsets, key=abs, default=None),
    )
