"""The body of a cell that analyses pieces of a back-fill, wherever a runner put it (`runtime.cells`, ADR 110).

A key is a piece. It is told packets in the clear and what people drew, answers stretches of facts, and reaches no
file, socket or key of the site. It works below whatever is live on its machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from custodes.app import camera_pipelines
from custodes.app.analyser import make_looking
from custodes.app.piecewise import step_back
from custodes.config import SiteConfig
from custodes.errors import DataLoss, ProtocolError
from custodes.pipeline.analysis import Looking
from custodes.pipeline.backfill import Stretch, Stretches
from custodes.types.backfill import PieceBegins, PieceDone, PieceEnds, PieceGop, PieceHole, PieceStretch
from custodes.types.codec import decode, decode_as, encode

FACTORY = "custodes.app.backfill_cell:backfill_cell"

_STATE = msgspec.msgpack.Decoder(tuple[bytes, bytes])


def backfill_cell(settings: bytes) -> "BackfillCell":
    """`CellPlan.factory`, in a process that does nothing else. `settings`: the site's configuration as JSON.

    Raises: ModelRefused, InvalidArgument.
    """
    step_back()
    return BackfillCell(make_looking(SiteConfig.model_validate_json(settings)))


@dataclass(slots=True)
class _Piece:
    told: PieceBegins
    stretches: Stretches


class BackfillCell:
    """A `CellBody`."""

    def __init__(self, looking: Looking) -> None:
        self._looking = looking
        self._pieces: dict[str, _Piece] = {}

    def process(self, key: str, item: bytes) -> Sequence[bytes]:
        """Stretches that are complete, encoded. Raises: ProtocolError for an item that is none."""
        value = decode(item)
        if isinstance(value, PieceBegins):
            self._begin(key, value)
            return []
        piece = self._pieces.get(key)
        if piece is None:
            raise ProtocolError(f"nothing was told of {key}")
        match value:
            case PieceGop():
                piece.stretches.add(value.info, value.packets, start_ns=value.start_ns, end_ns=value.end_ns)
            case PieceHole():
                piece.stretches.skip(value.start_ns, value.end_ns)
            case PieceEnds():
                del self._pieces[key]
                done = PieceDone(model=camera_pipelines.model_of(self._looking))
                return [*map(_told, piece.stretches.finish()), encode(done)]
            case _:
                raise ProtocolError(f"a back-fill's cell got {type(value).__name__}")
        return [_told(one) for one in piece.stretches.ready()]

    def flush(self) -> Sequence[tuple[str, bytes]]:
        """A piece ends by its own item; what did not is not told."""
        self._pieces.clear()
        return []

    def snapshot(self, key: str) -> bytes:
        """See `CellBody`."""
        piece = self._pieces[key]
        return msgspec.msgpack.encode((encode(piece.told), piece.stretches.snapshot()))

    def restore(self, key: str, state: bytes) -> None:
        """See `CellBody`. Raises: DataLoss."""
        try:
            told, stretches = _STATE.decode(state)
            piece = self._begin(key, decode_as(PieceBegins, told))
        except (msgspec.MsgspecError, ProtocolError) as error:
            raise DataLoss(f"the state of {key} cannot be read: {error}") from error
        piece.stretches.restore(stretches)

    def _begin(self, key: str, told: PieceBegins) -> _Piece:
        pipeline = camera_pipelines.of_recordings(told.camera, self._looking, fps=told.fps, has_gate=told.has_gate)
        stretches = Stretches(pipeline, start_ns=told.start_ns, from_ns=told.from_ns, until_ns=told.until_ns)
        piece = self._pieces[key] = _Piece(told, stretches)
        return piece


def _told(stretch: Stretch) -> bytes:
    facts = tuple(encode(fact) for fact in stretch.facts)
    return encode(PieceStretch(start_ns=stretch.start_ns, end_ns=stretch.end_ns, facts=facts))
