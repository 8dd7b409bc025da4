"""The body of a cell that renders pieces of an export, wherever a runner put it (`runtime.cells`, ADR 129).

A key is a piece: GOPs in the clear, what was analysed, what may be shown, marks of its ten seconds. What comes out is
what the view job itself would make of it: the very `ExportView` over what it was told. No file, socket or key of the
site is reached. It works below whatever is live on its machine.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from custodes.app.piecewise import step_back
from custodes.config import SiteConfig
from custodes.errors import ProtocolError
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.redact.zones import PrivacyZone
from custodes.review.archive import GopRef
from custodes.review.export import END_CODE, ExportView
from custodes.review.permitted import Permitted
from custodes.review.policy import mask_policy
from custodes.review.render import Renderer
from custodes.sealing.container import Fragment
from custodes.types.backfill import PieceGop
from custodes.types.codec import decode, encode
from custodes.types.export_piece import ExportPiece, PieceRendered, RenderPiece
from custodes.types.media import Packet, Segment, StreamInfo
from custodes.types.message import MaskFacts, MediaChunk, MediaInit, ViewNote
from custodes.units import NS_PER_S, Ns, SegmentId
from custodes.watermark.mark import Marker

FACTORY = "custodes.app.export_cell:export_cell"


def export_cell(settings: bytes) -> "ExportCell":
    """`CellPlan.factory`, in a process that does nothing else. `settings`: the site's configuration as JSON."""
    step_back()
    return ExportCell(mask_policy(SiteConfig.model_validate_json(settings).redaction))


@dataclass(slots=True)
class ToldGops:
    """`review.archive.Gops` of what a cell was told."""

    _refs: list[GopRef] = field(default_factory=list)
    _read: dict[int, tuple[StreamInfo, list[Packet]]] = field(default_factory=dict)

    def add(self, gop: PieceGop) -> None:
        """In order of time."""
        fragment = Fragment(
            index=len(self._refs) + 1,
            offset=0,
            sealed_bytes=0,
            start_ns=gop.start_ns,
            end_ns=gop.end_ns,
            is_init=False,
            chain=b"",
        )
        self._refs.append(GopRef(segment_id=SegmentId(""), run=gop.info.run, fragment=fragment))
        self._read[fragment.index] = gop.info, list(gop.packets)

    def put(self, segments: Sequence[Segment]) -> None:
        """There are none here."""

    def gop_at(self, utc_ns: Ns) -> GopRef | None:
        """See `Archive`."""
        at = bisect_right(self._refs, utc_ns, key=lambda ref: ref.start_ns)
        return self._refs[at - 1] if at else None

    def gop_from(self, utc_ns: Ns) -> GopRef | None:
        """See `Archive`."""
        at = bisect_right(self._refs, utc_ns, key=lambda ref: ref.start_ns)
        return self._refs[at] if at < len(self._refs) else None

    def read(self, ref: GopRef) -> tuple[StreamInfo, list[Packet]]:
        """See `Archive`."""
        return self._read[ref.fragment.index]


class HurriedClock:
    """Nothing comes later: what a piece knows of masks is all there is, and patience is over at once."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> Ns:
        """Not used for anything that is shown."""
        return Ns(0)

    def monotonic_ns(self) -> Ns:
        """An hour later each time."""
        self._now_ns += 3600 * NS_PER_S
        return Ns(self._now_ns)


@dataclass(frozen=True, slots=True)
class _Marks:
    _marker: Marker

    def marker(self) -> Marker:
        return self._marker


@dataclass(slots=True)
class _Piece:
    view: ExportView
    gops: ToldGops


class ExportCell:
    """A `CellBody`."""

    def __init__(self, policy: MaskPolicy) -> None:
        self._policy = policy
        self._pieces: dict[str, _Piece] = {}

    def process(self, key: str, item: bytes) -> Sequence[bytes]:
        """Everything at the end of a piece. Raises: ProtocolError for an item that is none; MediaError."""
        value = decode(item)
        if isinstance(value, ExportPiece):
            self._pieces[key] = self._begun(value)
            return []
        piece = self._pieces.get(key)
        if piece is None:
            raise ProtocolError(f"nothing was told of {key}")
        match value:
            case PieceGop():
                piece.gops.add(value)
            case MaskFacts(frames=frames):
                piece.view.add_masks(frames)
            case RenderPiece():
                del self._pieces[key]
                return _rendered(piece.view)
            case _:
                raise ProtocolError(f"a cell for exports got {type(value).__name__}")
        return []

    def flush(self) -> Sequence[tuple[str, bytes]]:
        """A piece ends by its own item; what did not is not told."""
        self._pieces.clear()
        return []

    def snapshot(self, key: str) -> bytes:
        """Not asked for: nothing that a piece is fed is a place to cut at."""
        raise ProtocolError("a piece of an export is rendered from its beginning")

    def restore(self, key: str, state: bytes) -> None:
        """See `snapshot`."""
        raise ProtocolError("a piece of an export is rendered from its beginning")

    def _begun(self, told: ExportPiece) -> _Piece:
        policy = replace(self._policy, zones=tuple(PrivacyZone(polygon=polygon) for polygon in told.privacy))
        permitted = Permitted(
            fidelity=told.released,
            shown=frozenset(told.shown),
            hidden=frozenset(told.hidden) if told.has_hidden else None,
        )
        renderer = Renderer(
            fidelity=told.asked,
            timeline=MaskTimeline(policy),
            shown=frozenset(told.wanted),
            max_height_px=told.max_height_px,
            permitted=lambda: permitted,
        )
        gops = ToldGops()
        view = ExportView(
            archive=gops,
            renderer=renderer,
            keys=_Marks(Marker.of_layers(told.session_layer, dict(told.slots))),
            clock=HurriedClock(),
            start_ns=told.start_ns,
            end_ns=Ns(told.end_ns - 1),
        )
        return _Piece(view, gops)


def _rendered(view: ExportView) -> list[bytes]:
    outputs: list[bytes] = []
    while True:
        for output in view.step().outputs:
            if isinstance(output, ViewNote) and output.code == END_CODE:
                return [*outputs, encode(PieceRendered(frames=view.frames_shown))]
            if isinstance(output, MediaInit | MediaChunk):  # what cannot be read, and signatures, the job tells
                outputs.append(encode(output))
