"""The body of a cell that makes sketches for a leak search, wherever a runner put it (`runtime.cells`, ADR 129).

A key is a segment. It is told keyframes in the clear, one packet a GOP, and answers sketches of 48 columns. It gets
neither the leaked picture nor a mark, and reaches no file, socket or key of the site.
"""

from collections.abc import Sequence

from custodes.app.piecewise import step_back
from custodes.errors import MediaError, ProtocolError
from custodes.leaks.sketch import sketch
from custodes.review.decoding import GopFrames
from custodes.types.codec import decode, encode
from custodes.types.leak import SketchKeyframe, SketchLost, SketchMade

FACTORY = "custodes.app.sketch_cell:sketch_cell"


def sketch_cell(settings: bytes) -> "SketchCell":
    """`CellPlan.factory`, in a process that does nothing else."""
    step_back()
    return SketchCell()


class SketchCell:
    """A `CellBody` without a state: each keyframe is a picture by itself."""

    def process(self, key: str, item: bytes) -> Sequence[bytes]:
        """One answer for each. Raises: ProtocolError for an item that is none."""
        asked = decode(item)
        if not isinstance(asked, SketchKeyframe):
            raise ProtocolError(f"a cell for sketches got {type(asked).__name__}")
        return [encode(_answered(asked))]

    def flush(self) -> Sequence[tuple[str, bytes]]:
        """Nothing is held."""
        return []

    def snapshot(self, key: str) -> bytes:
        """Nothing is held."""
        return b""

    def restore(self, key: str, state: bytes) -> None:
        """Nothing is held."""


def _answered(asked: SketchKeyframe) -> SketchMade | SketchLost:
    utc_ns = asked.packet.utc_ns
    try:
        frame = GopFrames(asked.info, (asked.packet,)).frame_at(utc_ns)
    except MediaError:
        frame = None
    if frame is None or frame.is_corrupt:
        return SketchLost(utc_ns=utc_ns)
    return SketchMade(utc_ns=utc_ns, luma=sketch(frame.y).luma)
