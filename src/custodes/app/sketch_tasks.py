"""Sketches for a leak search as tasks over segments, on processes of this machine or cells of a cluster (ADR 129).

Whoever runs this has the keys and reads the footage; cells get one packet a GOP. Segments come back in order, and a
search that is stopped keeps what came: the content index has it, and the next one goes on from there.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog

from custodes.app.content_index import Made, Wanted, sketched
from custodes.app.sketch_cell import FACTORY
from custodes.leaks.sketch import Sketch
from custodes.leaks.sketchbook import Dated
from custodes.review.archive import Archive, GopRef
from custodes.review.trace import UNREADABLE
from custodes.runtime.cells import CellPlan, CellRunner, Fed
from custodes.types.codec import decode, encode
from custodes.types.leak import SketchKeyframe, SketchLost, SketchMade
from custodes.units import Ns

AHEAD = 2
"""Segments begun before the oldest one is passed on, for each cell: some hundred sketches of 5 kB each."""

LOT = 8
"""Keyframes that travel together: half a megabyte or so each at 4K."""

_IDLE_S = 0.005

PLAN = CellPlan(factory=FACTORY, settings=b"")


@dataclass(slots=True)
class _Piece:
    wanted: Wanted
    left: list[GopRef]
    asked: dict[Ns, GopRef] = field(default_factory=dict)
    made: dict[Ns, Dated] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return not self.left and not self.asked


class SketchTasks:
    """`content_index.MakeSketches` by several cells. Owned by one thread."""

    def __init__(self, archive: Archive, runners: Sequence[CellRunner]) -> None:
        """`runners`: one segment at a time on each."""
        self._archive, self._runners = archive, list(runners)

    def __call__(self, wanted: Sequence[Wanted]) -> Iterator[Made]:
        """Raises: PermissionDenied, Unavailable from the warden."""
        waiting, order = iter(wanted), list[_Piece]()
        idle, busy = list(self._runners), list[tuple[CellRunner, _Piece]]()
        is_all_begun = False
        while True:
            while idle and len(order) < AHEAD * len(self._runners) and not is_all_begun:
                one = next(waiting, None)
                is_all_begun = one is None
                if one is not None:
                    piece = _Piece(one, list(one[1])[::-1])
                    order.append(piece)
                    busy.append((idle.pop(), piece))
            if not order:
                return
            is_moving = False
            for runner, piece in list(busy):
                is_moving |= self._turn(runner, piece)
                if not piece.left and (piece.is_done or runner.is_idle):
                    runner.forget(_key(piece))
                    busy.remove((runner, piece))
                    idle.append(runner)
                    self._finish(piece)
            while order and order[0].is_done:
                piece = order.pop(0)
                segment_id, refs = piece.wanted
                yield segment_id, [(ref, piece.made[ref.start_ns]) for ref in refs if ref.start_ns in piece.made]
            if not is_moving:
                time.sleep(_IDLE_S)

    def _turn(self, runner: CellRunner, piece: _Piece) -> bool:
        """Feed and take; whether anything happened."""
        is_moving = False
        while piece.left and not runner.is_full:
            lot = [fed for fed in (self._next(piece) for _ in range(min(len(piece.left), LOT))) if fed is not None]
            is_moving = True
            if lot:
                runner.feed(lot)
        for key, output in runner.take():
            answer = decode(output)
            if key != _key(piece) or not isinstance(answer, SketchMade | SketchLost):
                continue
            is_moving = True
            piece.asked.pop(answer.utc_ns, None)
            if isinstance(answer, SketchMade):
                plane = np.array(answer.luma)
                piece.made[answer.utc_ns] = Dated(
                    utc_ns=answer.utc_ns, sketch=Sketch(luma=plane, seen=np.ones_like(plane))
                )
        return is_moving

    def _next(self, piece: _Piece) -> Fed | None:
        """None for a GOP that cannot be read: it has no sketch."""
        ref = piece.left.pop()
        try:
            info, packets = self._archive.read(ref)
        except UNREADABLE:
            return None
        first = next((one for one in packets if one.is_keyframe and one.utc_ns == ref.start_ns), None)
        if first is None:
            return None
        piece.asked[ref.start_ns] = ref
        return Fed(key=_key(piece), payload=encode(SketchKeyframe(info=info, packet=first)), is_cut=True)

    def _finish(self, piece: _Piece) -> None:
        """What a cell lost for good is made here."""
        if not piece.asked:
            return
        structlog.get_logger().warning("sketches that a cell lost are made here", count=len(piece.asked))
        for ref, dated in sketched(self._archive, list(piece.asked.values())):
            piece.made[ref.start_ns] = dated
        piece.asked.clear()


def _key(piece: _Piece) -> str:
    return str(piece.wanted[0])
