"""Recorded video of one camera as GOPs in time order: finding, opening, following segments that still grow.

Decoding and showing belong to the views; what may be read was decided by the warden, which is asked for each segment.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from custodes.errors import DataLoss, SealBroken
from custodes.media.fmp4 import read_init, read_packets
from custodes.review.keys import ViewKeys
from custodes.sealing.container import Fragment, read_fragment, read_header, scan_fragments
from custodes.types.media import Packet, Segment, StreamInfo
from custodes.units import CameraId, Ns, RunId, SegmentId

MAX_SEGMENTS = 20_000
"""Two weeks of one-minute segments of one camera; a view's interval is shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GopRef:
    """One GOP on disk."""

    segment_id: SegmentId
    run: RunId
    fragment: Fragment

    @property
    def start_ns(self) -> Ns:
        """UTC of its first picture."""
        return self.fragment.start_ns

    @property
    def end_ns(self) -> Ns:
        """UTC of the end of its last."""
        return self.fragment.end_ns


@dataclass(slots=True)
class _File:
    segment: Segment
    fragments: list[Fragment] = field(default_factory=list)
    info: StreamInfo | None = None
    is_scanned: bool = False


class Gops(Protocol):
    """Recorded GOPs by time: `Archive`, or a piece of it that somebody else read."""

    def put(self, segments: Sequence[Segment]) -> None:
        """See `Archive`."""
        ...

    def gop_at(self, utc_ns: Ns) -> GopRef | None:
        """See `Archive`."""
        ...

    def gop_from(self, utc_ns: Ns) -> GopRef | None:
        """See `Archive`."""
        ...

    def read(self, ref: GopRef) -> tuple[StreamInfo, list[Packet]]:
        """See `Archive`."""
        ...


class Archive:
    """The segments that the server named, by start time."""

    def __init__(self, *, data_dir: Path, camera_id: CameraId, keys: ViewKeys) -> None:
        self._data_dir = data_dir
        self._camera_id = camera_id
        self._keys = keys
        self._starts: list[tuple[int, SegmentId]] = []
        self._files: dict[SegmentId, _File] = {}

    def put(self, segments: Sequence[Segment]) -> None:
        """Add segments, or note that they grew; those of another camera are refused.

        Raises: DataLoss for a path that leads out of this camera's segments, or more than `MAX_SEGMENTS`.
        """
        for segment in segments:
            self._check(segment)
            known = self._files.get(segment.header.segment_id)
            if known is None:
                self._files[segment.header.segment_id] = _File(segment=segment)
            else:
                known.segment = segment
                known.is_scanned = False
        if len(self._files) > MAX_SEGMENTS:
            raise DataLoss(f"{len(self._files)} segments in one view; at most {MAX_SEGMENTS}")
        self._starts = sorted((f.segment.header.start_ns, name) for name, f in self._files.items())

    def gop_at(self, utc_ns: Ns) -> GopRef | None:
        """The last GOP that begins at or before a moment; it may have ended before it. None when there is none."""
        at = bisect_right(self._starts, (utc_ns, SegmentId("\U0010ffff")))
        # The segment that began last may begin with a later GOP than its header says; then it is the one before.
        for _, name in reversed(self._starts[max(at - 2, 0) : at]):
            gops = self._gops(name)
            found = bisect_right(gops, utc_ns, key=lambda fragment: fragment.start_ns)
            if found:
                return GopRef(segment_id=name, run=self._files[name].segment.header.run, fragment=gops[found - 1])
        return None

    def gop_from(self, utc_ns: Ns) -> GopRef | None:
        """The first GOP that begins after a moment; None at the end of what is recorded."""
        at = bisect_right(self._starts, (utc_ns, SegmentId("\U0010ffff")))
        for _, name in self._starts[max(at - 1, 0) :]:
            gops = self._gops(name)
            found = bisect_right(gops, utc_ns, key=lambda fragment: fragment.start_ns)
            if found < len(gops):
                return GopRef(segment_id=name, run=self._files[name].segment.header.run, fragment=gops[found])
        return None

    def gops_of(self, segment_id: SegmentId) -> int:
        """How many GOPs a segment has now."""
        return len(self._gops(segment_id))

    @property
    def is_growing(self) -> bool:
        """Whether the newest segment is still being recorded."""
        return bool(self._starts) and not self._files[self._starts[-1][1]].segment.is_sealed

    def read(self, ref: GopRef) -> tuple[StreamInfo, list[Packet]]:
        """Decrypt one GOP.

        Raises: PermissionDenied, KeyMissing, Unavailable from the warden; DataLoss (SealBroken) when the file is
            gone or was changed; MediaError when its content cannot be read.
        """
        file = self._files[ref.segment_id]
        header = file.segment.header
        try:
            with self._path(file.segment).open("rb") as stream:
                if read_header(stream) != header:
                    raise SealBroken(f"segment file {header.segment_id} does not begin with its header")
                data_key = self._keys.data_key(header)
                if file.info is None:
                    init = read_fragment(stream, header, data_key, file.fragments[0])
                    file.info = read_init(init, camera_id=header.camera_id, run=header.run)
                payload = read_fragment(stream, header, data_key, ref.fragment)
        except OSError as error:
            raise DataLoss(f"segment file {header.segment_id} cannot be read: {error.strerror}") from error
        return file.info, read_packets(file.info, payload, start_ns=ref.fragment.start_ns)

    def _gops(self, name: SegmentId) -> list[Fragment]:
        file = self._files[name]
        if not file.is_scanned:
            after = file.fragments[-1] if file.fragments else None
            try:
                with self._path(file.segment).open("rb") as stream:
                    # Heads only: whatever is read later is authenticated then.
                    file.fragments += scan_fragments(stream, after=after, checks_chain=False)
            except FileNotFoundError:
                file.fragments.clear()  # deleted since the server looked: from here on a gap
            except OSError as error:
                raise DataLoss(f"segment file {name} cannot be read: {error.strerror}") from error
            # An open file is looked at again each time: it grows faster than the server tells.
            file.is_scanned = file.segment.is_sealed
        return [fragment for fragment in file.fragments if not fragment.is_init]

    def _check(self, segment: Segment) -> None:
        name = segment.header.segment_id
        if segment.header.camera_id != self._camera_id:
            raise DataLoss(f"segment {name} is of camera {segment.header.camera_id}, not {self._camera_id}")
        self._path(segment)

    def _path(self, segment: Segment) -> Path:
        root = (self._data_dir / "segments" / segment.header.camera_id).resolve()
        # The file itself may be a link to the slower disk (`app.serving.tiers`); its folder is what must be ours.
        name = self._data_dir / segment.path
        path = name.parent.resolve() / name.name
        if not path.is_relative_to(root):
            raise DataLoss(f"segment {segment.header.segment_id} lies outside {root.name}'s segments")
        return path
