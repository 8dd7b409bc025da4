"""The content index: sketches of every keyframe, a small file a segment, made by the first trace that reads it.

`index/<camera>/<segment>.idx`, sealed by a key made from the segment's own data key: who may not read the segment
reads no sketch, and when the camera-day's key is destroyed, so is the index. Files whose segment is gone are removed
by the next trace. An index that cannot be read is made anew: nothing depends on it but time.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from custodes.errors import CustodesError, DataLoss, KeyMissing, SealBroken
from custodes.leaks.moment import Sketch, sketch
from custodes.leaks.sketchbook import Dated, pack, unpack
from custodes.review.archive import Archive, GopRef
from custodes.review.keys import ViewKeys
from custodes.review.trace import keyframes
from custodes.sealing.beside import open_beside, seal_beside
from custodes.types.media import Segment
from custodes.units import SegmentId

_LABEL = "sketches/1"
_MAX_FILE_BYTES = 16 * 1024 * 1024


class ContentIndex:
    """Of one camera, for one trace. Owned by one thread."""

    def __init__(self, folder: Path, *, archive: Archive, keys: ViewKeys, segments: Sequence[Segment]) -> None:
        self._folder = folder
        self._archive = archive
        self._keys = keys
        self._segments = {segment.header.segment_id: segment for segment in segments}

    def sketches(self, segment_id: SegmentId, gops: Sequence[GopRef]) -> Iterator[tuple[GopRef, Sketch]]:
        """Of these GOPs of one segment; those that cannot be read are left out.

        Raises: PermissionDenied, Unavailable from the warden.
        """
        known = self._read(segment_id)
        if known is None:
            made = [
                (one.gop, Dated(utc_ns=one.gop.start_ns, sketch=sketch(one.frame.y)))
                for one in keyframes(self._archive, list(gops))
            ]
            self._write(segment_id, [dated for _, dated in made])
            yield from ((gop, dated.sketch) for gop, dated in made)
            return
        at = {int(one.utc_ns): one.sketch for one in known}
        yield from ((gop, at[int(gop.start_ns)]) for gop in gops if int(gop.start_ns) in at)

    def _path(self, segment: Segment) -> Path:
        return self._folder / segment.header.camera_id / f"{segment.header.segment_id}.idx"

    def _read(self, segment_id: SegmentId) -> list[Dated] | None:
        segment = self._segments[segment_id]
        path = self._path(segment)
        try:
            if path.stat().st_size > _MAX_FILE_BYTES:
                return None
            sealed = path.read_bytes()
            payload = open_beside(segment.header, self._keys.data_key(segment.header), _LABEL, sealed)
            return unpack(payload)
        except (FileNotFoundError, KeyMissing):
            return None
        except (OSError, SealBroken, DataLoss) as error:
            structlog.get_logger().warning("content index is made anew", segment_id=segment_id, error=str(error))
            return None

    def _write(self, segment_id: SegmentId, made: Sequence[Dated]) -> None:
        """Only of a whole segment. A disk that is full costs the index, not the trace."""
        segment = self._segments[segment_id]
        same = {one.sketch.luma.shape for one in made}
        if not segment.is_sealed or len(same) != 1 or len(made) != self._archive.gops_of(segment_id):
            return
        path = self._path(segment)
        temporary = path.with_suffix(f".{os.getpid()}.new")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            sealed = seal_beside(segment.header, self._keys.data_key(segment.header), _LABEL, pack(made))
            temporary.write_bytes(sealed)
            temporary.replace(path)
        except (OSError, CustodesError) as error:
            structlog.get_logger().warning("content index is not kept", segment_id=segment_id, error=str(error))
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def forget_gone(self, segments_dir: Path) -> int:
        """Remove sketches whose segment was deleted; their key is, or will be. Returns how many."""
        removed = 0
        for camera in {segment.header.camera_id for segment in self._segments.values()}:
            kept = {path.stem for path in (segments_dir / camera).glob("*/*.seg")}
            for path in (self._folder / camera).glob("*.idx"):
                if path.stem not in kept:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed
