"""The content index: sketches that analysers kept, and where they have none, of every keyframe, made by a first trace.

`index/<camera>/<from>-<to>.skx` is an analyser's (`analyser_looks`), under the camera-day's key.
`index/<camera>/<segment>.idx` is a trace's, sealed by a key made from the segment's own data key: who may not read the
segment reads no sketch. When the camera-day's key is destroyed, so is the index; its files go with their footage. An
index that cannot be read is made anew: nothing depends on it but time.
"""

import contextlib
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import structlog

from custodes.app.kept_looks import KeptLooks
from custodes.app.kept_names import Kept, kept_in
from custodes.errors import CustodesError, DataLoss, KeyMissing, SealBroken
from custodes.leaks.sketch import Sketch, sketch
from custodes.leaks.sketchbook import Dated, pack, unpack
from custodes.review.archive import Archive, GopRef
from custodes.review.keys import ViewKeys
from custodes.review.trace import keyframes
from custodes.sealing.beside import open_beside, seal_beside
from custodes.types.media import Segment
from custodes.units import NS_PER_S, SegmentId

_LABEL = "sketches/1"
_MAX_FILE_BYTES = 16 * 1024 * 1024
QUIET_NS = 12 * NS_PER_S
"""The longest stretch that an analyser leaves undecoded as quiet."""
_STILL_STEPS = 6.0
"""Two steps of the sketchbook: noise at a boundary moves a cell by one."""


Wanted = tuple[SegmentId, Sequence[GopRef]]
Made = tuple[SegmentId, list[tuple[GopRef, Dated]]]
MakeSketches = Callable[[Sequence[Wanted]], Iterator[Made]]


def tell_nobody(_share: float) -> None:
    """How far it is interests nobody."""


def sketched(archive: Archive, gops: Sequence[GopRef]) -> list[tuple[GopRef, Dated]]:
    """Of the keyframes that can be read. Raises: PermissionDenied, Unavailable from the warden."""
    return [
        (one.gop, Dated(utc_ns=one.gop.start_ns, sketch=sketch(one.frame.y))) for one in keyframes(archive, list(gops))
    ]


def made_here(archive: Archive, wanted: Sequence[Wanted]) -> Iterator[Made]:
    """One segment after the other. Raises: as `sketched`."""
    return ((segment_id, sketched(archive, gops)) for segment_id, gops in wanted)


def stands_for(gop: GopRef, dated: Sequence[Dated]) -> Dated | None:
    """The first sketch within a GOP, dated as its keyframe; without one the last before, if the scene stood still.

    Analysers leave out what is quiet (ADR 17): where the sketches before and after are alike, what is between is, too.
    Args: dated: by time.
    """
    at = bisect_left(dated, gop.start_ns, key=lambda one: one.utc_ns)
    after = dated[at] if at < len(dated) else None
    if after is not None and after.utc_ns < gop.end_ns:
        return Dated(utc_ns=gop.start_ns, sketch=after.sketch)
    before = dated[at - 1] if at else None
    if before is None or after is None or after.utc_ns - before.utc_ns > QUIET_NS:
        return None
    if before.sketch.luma.shape != after.sketch.luma.shape:
        return None
    is_still = float(np.abs(before.sketch.luma - after.sketch.luma).max()) <= _STILL_STEPS
    return Dated(utc_ns=gop.start_ns, sketch=before.sketch) if is_still else None


class ContentIndex:
    """Of one camera, for one trace. Owned by one thread."""

    def __init__(
        self,
        folder: Path,
        *,
        archive: Archive,
        keys: ViewKeys,
        segments: Sequence[Segment],
        make: MakeSketches | None = None,
    ) -> None:
        """`make`: makes those that are missing, in the order asked; None: this thread does, one after the other."""
        self._make = make or (lambda wanted: made_here(archive, wanted))
        self._folder = folder
        self._archive = archive
        self._keys = keys
        self._segments = {segment.header.segment_id: segment for segment in segments}
        self._kept: list[Kept] | None = None
        self._opened: dict[Path, Sequence[Dated]] = {}

    def sketches(
        self, wanted: Sequence[Wanted], told: Callable[[float], None] = tell_nobody
    ) -> Iterator[tuple[GopRef, Sketch]]:
        """Of these GOPs, in order; those that cannot be read are left out.

        Args: told: how much of them is through, 0 to 1, behind each segment.
        Raises: PermissionDenied, Unavailable from the warden.
        """
        found = [self._seen_live(gops) or self._read(segment_id) for segment_id, gops in wanted]
        made = self._make([one for one, known in zip(wanted, found, strict=True) if known is None])
        through, total = 0, max(sum(len(gops) for _, gops in wanted), 1)
        for (_, gops), known in zip(wanted, found, strict=True):
            if known is None:
                segment_id, new = next(made)
                self._write(segment_id, [dated for _, dated in new])
                yield from ((gop, dated.sketch) for gop, dated in new)
            else:
                at = {int(one.utc_ns): one.sketch for one in known}
                yield from ((gop, at[int(gop.start_ns)]) for gop in gops if int(gop.start_ns) in at)
            through += len(gops)
            told(through / total)

    def _seen_live(self, gops: Sequence[GopRef]) -> list[Dated] | None:
        """One for each of these GOPs, dated as they are, from what analysers kept; None when one of them has none."""
        if not gops:
            return None
        camera_id = self._segments[gops[0].segment_id].header.camera_id
        if self._kept is None:
            self._kept = kept_in(self._folder / camera_id, "skx")
        start_ns, end_ns = gops[0].start_ns - QUIET_NS, gops[-1].end_ns + QUIET_NS
        looks = KeptLooks(camera_id, self._keys)
        dated: list[Dated] = []
        for kept in (one for one in self._kept if one.start_ns <= end_ns and one.end_ns >= start_ns):
            if kept.path not in self._opened:
                self._opened[kept.path] = looks.sketches(kept)
            dated += self._opened[kept.path]
        dated.sort(key=lambda one: one.utc_ns)
        found = [stands_for(gop, dated) for gop in gops]
        return None if any(one is None for one in found) else [one for one in found if one is not None]

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
