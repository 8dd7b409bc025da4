"""Between an export's job and the cells that render its pieces (ADR 129). Footage goes as `backfill.PieceGop`."""

from dataclasses import dataclass

from custodes.types.access import Fidelity
from custodes.units import CameraId, Ns, RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPiece:
    """The first that a cell is told: frames of [start, end) are wanted, masked, marked and encoded.

    What may be shown is the warden's word as the job had it (`review.permitted.Permitted`). Marks are of the ten
    seconds of this piece alone, and of the session's lead; no other mark can be made from them.
    """

    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    max_height_px: int
    privacy: tuple[tuple[tuple[float, float], ...], ...]
    asked: Fidelity
    """What the task asks for."""
    wanted: tuple[tuple[RunId, int], ...]
    released: Fidelity
    shown: tuple[tuple[RunId, int], ...]
    hidden: tuple[tuple[RunId, int], ...]
    has_hidden: bool
    """Whether the site protects anybody; then `hidden` counts, also when it is empty."""
    session_layer: bytes
    slots: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderPiece:
    """All GOPs and masks are there. Answer: MediaInit and MediaChunk, then PieceRendered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceRendered:
    """The end of a piece. `frames`: of its film."""

    frames: int
