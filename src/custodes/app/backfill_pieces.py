"""A back-fill as tasks: pieces of half an hour, several at a time, on processes of this machine or cells of a cluster.

Whoever runs this has the keys and reads the footage; cells get packets. A piece warms up a minute before its
beginning and is fed until all that is over in it is told, as a back-fill that was paused there and resumed: the facts
are the same wherever and in whichever order pieces are worked on. They are passed on in order, so that a back-fill
that is stopped has everything before its position and nothing after it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from custodes.app.analyser import cell_settings
from custodes.app.backfill_cell import FACTORY
from custodes.app.piecewise import cut
from custodes.config import SiteConfig
from custodes.errors import DataLoss, DeadlineExceeded, KeyMissing, MediaError, Unavailable
from custodes.pipeline.backfill import SETTLE_NS
from custodes.ports.clock import Clock
from custodes.review.archive import Archive, GopRef
from custodes.runtime.cells import CellPlan, CellRunner, Fed
from custodes.types.backfill import BackfillTask, PieceBegins, PieceDone, PieceEnds, PieceGop, PieceHole, PieceStretch
from custodes.types.codec import decode, encode
from custodes.types.media import Packet, StreamInfo
from custodes.units import NS_PER_S, Ns

WARM_UP_NS = 60 * NS_PER_S
"""A back-fill that is resumed analyses this much again, so that tracks and backgrounds are there: a standing object
is known after two looks, a background after some ten seconds, the gate after 35 s (ADR 17)."""

PIECE_NS = 1800 * NS_PER_S
"""Warming up costs a thirtieth of it; a week on one camera is 336 of them."""

SNAPSHOT_GOPS = 10
AHEAD = 2
"""Pieces that are begun before the oldest one is passed on, for each cell: their facts wait in memory, some ten
megabytes each."""

_IDLE_S = 0.02
_UNREADABLE = (DataLoss, MediaError, KeyMissing)

Store = Callable[[PieceStretch, str], bool]
"""Passes a stretch on, with the model's name; False: nothing more is wanted. Raises what the server's end raises."""


def plan_of(config: SiteConfig) -> CellPlan:
    """How a cell for pieces is made."""
    return CellPlan(factory=FACTORY, settings=cell_settings(config), snapshot_items=SNAPSHOT_GOPS)


def gops(archive: Archive, start_ns: Ns, end_ns: Ns) -> Iterator[GopRef]:
    """All that touch [start, end), in order."""
    ref = archive.gop_at(start_ns)
    if ref is None or ref.end_ns <= start_ns:
        ref = archive.gop_from(start_ns)
    while ref is not None and ref.start_ns < end_ns:
        yield ref
        ref = archive.gop_from(ref.start_ns)


def read_gop(archive: Archive, ref: GopRef) -> tuple[StreamInfo, Sequence[Packet]] | None:
    """None for one that cannot be read, which is said in the log."""
    try:
        return archive.read(ref)
    except _UNREADABLE as error:
        structlog.get_logger().warning("a GOP is left out", utc_ns=ref.start_ns, error=str(error))
        return None


@dataclass(slots=True)
class _Piece:
    key: str
    refs: Iterator[GopRef]
    begins: PieceBegins
    is_fed: bool = False
    is_done: bool = False
    told: list[PieceStretch] = field(default_factory=list)
    model: str = ""


class Pieces:
    """One back-fill's work. Owned by one thread."""

    def __init__(
        self,
        task: BackfillTask,
        archive: Archive,
        runners: Sequence[CellRunner],
        *,
        fps: float,
        has_gate: bool,
        clock: Clock,
        piece_ns: int = PIECE_NS,
    ) -> None:
        """`runners`: one piece at a time on each."""
        self._task, self._archive, self._clock = task, archive, clock
        self._idle = list(runners)
        self._busy: dict[str, tuple[CellRunner, _Piece]] = {}
        self._order: list[_Piece] = []
        """Begun and not passed on, by time."""
        self._ahead = AHEAD * len(runners)
        self._left = iter(
            [
                PieceBegins(
                    camera=task.camera,
                    fps=fps,
                    has_gate=has_gate,
                    start_ns=task.start_ns,
                    from_ns=from_ns,
                    until_ns=until_ns,
                )
                for from_ns, until_ns in cut(task.position_ns, task.end_ns, piece_ns)
            ]
        )
        self._is_all_begun = False
        self.unreadable = 0

    def run(self, store: Store) -> None:
        """Until all is passed on, or `store` says that nothing more is wanted.

        Raises: what the warden raises; DeadlineExceeded at the grant's end; Unavailable when a cell lost a piece.
        """
        while True:
            self._begin()
            if not self._order:
                return
            is_moving = False
            for runner, piece in list(self._busy.values()):
                is_moving |= self._turn(runner, piece)
            if not self._pass_on(store):
                return
            if not is_moving:
                time.sleep(_IDLE_S)

    def _begin(self) -> None:
        while self._idle and len(self._order) < self._ahead and not self._is_all_begun:
            begins = next(self._left, None)
            if begins is None:
                self._is_all_begun = True
                return
            warm_ns = Ns(max(self._task.start_ns, begins.from_ns - WARM_UP_NS))
            fed_until_ns = Ns(min(begins.until_ns + SETTLE_NS, self._task.end_ns))
            refs = gops(self._archive, warm_ns, fed_until_ns)
            piece = _Piece(key=f"piece-{begins.from_ns}", refs=refs, begins=begins)
            runner = self._idle.pop()
            runner.feed([Fed(key=piece.key, payload=encode(begins))])
            self._busy[piece.key] = (runner, piece)
            self._order.append(piece)

    def _turn(self, runner: CellRunner, piece: _Piece) -> bool:
        """Feed and take; whether anything happened."""
        is_moving = False
        while not piece.is_fed and not runner.is_full:
            runner.feed([self._next(piece)])
            is_moving = True
        for key, output in runner.take():
            is_moving = True
            value = decode(output)
            if key != piece.key:
                continue
            match value:
                case PieceStretch():
                    piece.told.append(value)
                case PieceDone(model=model):
                    piece.model, piece.is_done = model, True
        if piece.is_done:
            runner.forget(piece.key)
            del self._busy[piece.key]
            self._idle.append(runner)
        elif piece.is_fed and runner.is_idle:
            raise Unavailable(f"{runner.where or 'a cell'} lost a piece of the back-fill; resume it to try again")
        return is_moving

    def _next(self, piece: _Piece) -> Fed:
        if self._clock.now_ns() >= self._task.deadline_ns:
            raise DeadlineExceeded("the grant of this back-fill has ended; resume it to go on")
        ref = next(piece.refs, None)
        if ref is None:
            piece.is_fed = True
            return Fed(key=piece.key, payload=encode(PieceEnds()))
        read = read_gop(self._archive, ref)
        if read is None:
            self.unreadable += piece.begins.from_ns <= ref.start_ns < piece.begins.until_ns
            return Fed(key=piece.key, payload=encode(PieceHole(start_ns=ref.start_ns, end_ns=ref.end_ns)), is_cut=True)
        info, packets = read
        gop = PieceGop(info=info, packets=tuple(packets), start_ns=ref.start_ns, end_ns=ref.end_ns)
        return Fed(key=piece.key, payload=encode(gop), is_cut=True)

    def _pass_on(self, store: Store) -> bool:
        """Whole pieces, the oldest first."""
        while self._order and self._order[0].is_done:
            piece = self._order.pop(0)
            for stretch in piece.told:
                if not store(stretch, piece.model):
                    return False
        return True
