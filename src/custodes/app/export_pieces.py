"""An export as tasks: pieces of a minute, several at a time, on processes of this machine or cells of the cluster.

Whoever runs this has the keys, asks the warden, reads the footage, and puts the pieces together: their frames are
those of `ExportView` over the whole, in one film. What a cell gets of a piece is packets, masks, what may be shown,
and marks of its ten seconds; not the session's key, and of no other footage (ADR 129).
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

from custodes.app.export_cell import FACTORY
from custodes.app.piecewise import cut
from custodes.config import SiteConfig
from custodes.errors import DataLoss, DeadlineExceeded, KeyMissing, MediaError, Unavailable
from custodes.media import mse
from custodes.ports.clock import Clock
from custodes.review.archive import Archive, GopRef
from custodes.review.burnt import BurntStretches, FilledStretch
from custodes.review.export import ALTERED_CODE, ALTERED_WORDS, END_CODE, SIGNATURE_CODE, UNREADABLE_CODE
from custodes.review.keys import ViewKeys
from custodes.review.signatures import RecordedSignatures, SignedStretch
from custodes.review.stream import PresentationTime
from custodes.review.view import Output, note
from custodes.runtime.cells import CellPlan, CellRunner, Fed
from custodes.types.backfill import PieceGop
from custodes.types.codec import decode, encode
from custodes.types.event import FrameAnalysed
from custodes.types.export_piece import ExportPiece, PieceRendered, RenderPiece
from custodes.types.mark import SLOT_NS, slot_of
from custodes.types.media import Packet, StreamInfo
from custodes.types.message import MaskFacts, MediaChunk, MediaInit, ViewTask
from custodes.units import NS_PER_S, Ns

PIECE_NS = 60 * NS_PER_S
"""A whole number of the mark's ten seconds; 30 MB at 4 Mbit/s, in memory once for each cell and once more."""

BEFORE_NS = 15 * NS_PER_S
"""GOPs that are told before a piece: a quiet picture is compared with the last one that was looked at, at most 12 s
ago (ADR 17)."""

MASKS_BEFORE_NS, MASKS_AFTER_NS = 60 * NS_PER_S, 11 * NS_PER_S
"""What `ExportView` keeps, and what masks of a moment depend on (`serving.mask_feed`)."""

MASKS_A_QUESTION_NS = 20 * NS_PER_S
SETTLED_NS = 15 * NS_PER_S
"""Looks that are older are all in the catalog, or will never come (`serving.mask_feed`)."""

AHEAD = 1
"""Pieces that wait for an older one, beyond one a cell."""

_IDLE_S, _HELD_S = 0.01, 0.2
_UNREADABLE = (DataLoss, MediaError, KeyMissing)

AskMasks = Callable[[Ns, Ns], tuple[FrameAnalysed, ...]]
Send = Callable[[Output], None]
IsHeld = Callable[[], bool | None]
"""Whether to wait; None: nobody wants it any more."""


def plan_of(config: SiteConfig) -> CellPlan:
    """How a cell for pieces is made."""
    settings = SiteConfig(redaction=config.redaction).model_dump_json().encode()
    return CellPlan(factory=FACTORY, settings=settings)


@dataclass(slots=True)
class _Piece:
    key: str
    items: Iterator[Fed]
    is_fed: bool = False
    is_done: bool = False
    outputs: list[MediaInit | MediaChunk] = field(default_factory=list)


class Film:
    """Puts pieces together: one stream, with times as if one encoder had made it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._init = b""
        self._time = PresentationTime(1.0)
        self._sequence = self._next = 0
        self.frames = 0

    def add(self, output: MediaInit | MediaChunk) -> None:
        """The next of a piece, in order."""
        if isinstance(output, MediaInit):
            if output.payload == self._init:
                return
            self._init, self._time = output.payload, PresentationTime(1.0)
            self._sequence = self._next = 0
            self._send(output)
            return
        pts_ns = self._time.take(output.utc_ns)
        start = max(pts_ns * mse.TIMESCALE // NS_PER_S, self._next)
        self._next = start + mse.TIMESCALE // 1000
        self._sequence += 1
        self.frames += output.frames
        payload = mse.retimed(output.payload, self._sequence, start)
        self._send(
            MediaChunk(
                utc_ns=output.utc_ns,
                age_ns=output.age_ns,
                frames=output.frames,
                is_fully_masked=output.is_fully_masked,
                payload=payload,
            )
        )


class ExportPieces:
    """One export's work. Owned by one thread."""

    def __init__(
        self,
        task: ViewTask,
        archive: Archive,
        keys: ViewKeys,
        runners: Sequence[CellRunner],
        *,
        ask_masks: AskMasks,
        send: Send,
        is_held: IsHeld,
        clock: Clock,
        piece_ns: int = PIECE_NS,
    ) -> None:
        """`runners`: one piece at a time on each. `is_held`: asked between pieces and while nothing happens."""
        assert piece_ns % SLOT_NS == 0, "a piece's first frame begins ten seconds of the mark, and with it a keyframe"
        self._task, self._archive, self._keys, self._clock = task, archive, keys, clock
        self._ask_masks, self._send, self._is_held = ask_masks, send, is_held
        self._idle = list(runners)
        self._busy: list[tuple[CellRunner, _Piece]] = []
        self._order: list[_Piece] = []
        self._most = len(runners) + AHEAD
        self._left = iter(cut(task.start_ns, Ns(task.end_ns + 1), piece_ns))
        self._is_all_begun = False
        self._signatures, self._burnt = RecordedSignatures(), BurntStretches()
        self._seen_ns = Ns(-1)
        self.film = Film(send)

    def run(self) -> None:
        """Until all is sent, with the note that it is, or nobody wants it any more.

        Raises: what the warden raises; DeadlineExceeded at the grant's end; Unavailable when a cell lost a piece.
        """
        while True:
            held = self._is_held()
            if held is None:
                return
            if self._clock.now_ns() >= self._task.deadline_ns:
                raise DeadlineExceeded("the time of this view is over")
            if not held:
                self._begin()
            if not self._order and self._is_all_begun:
                break
            is_moving = False
            for runner, piece in list(self._busy):
                is_moving |= self._turn(runner, piece)
            while self._order and self._order[0].is_done:
                for output in self._order.pop(0).outputs:
                    self.film.add(output)
            if not is_moving:
                time.sleep(_HELD_S if held else _IDLE_S)
        for stretch in self._signatures.finish():
            self._note(SIGNATURE_CODE, stretch)
        for filled in self._burnt.finish():
            self._note(ALTERED_CODE, filled)
        self._send(note(END_CODE, "The export is rendered."))

    def _begin(self) -> None:
        while self._idle and len(self._order) < self._most and not self._is_all_begun:
            found = next(self._left, None)
            if found is None:
                self._is_all_begun = True
                return
            piece = _Piece(key=f"piece-{found[0]}", items=iter(self._items(f"piece-{found[0]}", *found)))
            self._order.append(piece)
            if piece_is_empty(piece):
                continue
            self._busy.append((self._idle.pop(), piece))

    def _turn(self, runner: CellRunner, piece: _Piece) -> bool:
        is_moving = False
        while not piece.is_fed and not runner.is_full:
            fed = next(piece.items, None)
            is_moving = True
            if fed is None:
                piece.is_fed = True
            else:
                runner.feed([fed])
        for key, output in runner.take():
            is_moving = True
            if key != piece.key:
                continue
            match decode(output):
                case MediaInit() | MediaChunk() as one:
                    piece.outputs.append(one)
                case PieceRendered():
                    piece.is_done = True
        is_whole = not runner.skipped
        if piece.is_done and is_whole:
            runner.forget(piece.key)
            self._busy.remove((runner, piece))
            self._idle.append(runner)
        elif not is_whole or (piece.is_fed and runner.is_idle):
            # What kills cells is left out by their runner; a film with a silent hole is no export.
            raise Unavailable(f"{runner.where or 'a cell'} lost a piece of the export; make it again")
        return is_moving

    def _items(self, key: str, start_ns: Ns, end_ns: Ns) -> list[Fed]:
        """All that a cell has to know of [start, end); empty when nothing of it can be read."""
        gops = [
            PieceGop(info=info, packets=tuple(packets), start_ns=ref.start_ns, end_ns=ref.end_ns)
            for ref, info, packets in self._read(start_ns, end_ns)
        ]
        if not any(gop.end_ns > start_ns and gop.start_ns < end_ns for gop in gops):
            return []
        masks = self._masks(start_ns, end_ns)
        permitted = self._keys.permitted()
        slots = range(slot_of(start_ns), slot_of(Ns(end_ns - 1)) + 1)
        session_layer, layers = self._keys.layers(slots)
        begins = ExportPiece(
            camera_id=self._task.camera_id,
            start_ns=start_ns,
            end_ns=end_ns,
            max_height_px=self._task.max_height_px,
            privacy=self._task.privacy,
            asked=self._task.fidelity,
            wanted=self._task.shown,
            released=permitted.fidelity,
            shown=tuple(sorted(permitted.shown)),
            hidden=tuple(sorted(permitted.hidden or ())),
            has_hidden=permitted.hidden is not None,
            session_layer=session_layer,
            slots=layers,
        )
        values = [begins, *gops, *masks, RenderPiece()]
        return [Fed(key=key, payload=encode(value)) for value in values]

    def _read(self, start_ns: Ns, end_ns: Ns) -> list[tuple[GopRef, StreamInfo, list[Packet]]]:
        """From some seconds before until the GOP behind, which says how long the last picture lasts."""
        found: list[tuple[GopRef, StreamInfo, list[Packet]]] = []
        first_ns = Ns(start_ns - BEFORE_NS)
        ref = self._archive.gop_at(first_ns)
        if ref is None or ref.end_ns <= first_ns:
            ref = self._archive.gop_from(first_ns)
        while ref is not None:
            is_own = ref.start_ns <= self._task.end_ns and (ref.start_ns < end_ns)
            try:
                info, packets = self._archive.read(ref)
                found.append((ref, info, packets))
                if is_own and ref.end_ns > start_ns and ref.start_ns > self._seen_ns:
                    self._look(info, packets)
            except _UNREADABLE as error:
                if is_own and ref.end_ns > start_ns and ref.start_ns > self._seen_ns:
                    self._send(note(UNREADABLE_CODE, f"{ref.start_ns}: {error}"))
            if is_own and ref.end_ns > start_ns:
                self._seen_ns = Ns(max(self._seen_ns, ref.start_ns))
            if ref.start_ns >= end_ns:
                break
            ref = self._archive.gop_from(ref.start_ns)
        return found

    def _look(self, info: StreamInfo, packets: Sequence[Packet]) -> None:
        for stretch in self._signatures.add(info, packets):
            self._note(SIGNATURE_CODE, stretch)
        for filled in self._burnt.add(info, packets):
            self._note(ALTERED_CODE, filled)

    def _note(self, code: str, stretch: SignedStretch | FilledStretch) -> None:
        said = asdict(stretch)
        if isinstance(stretch, FilledStretch):
            said = {"what": ALTERED_WORDS, **said}
        self._send(note(code, json.dumps(said)))

    def _masks(self, start_ns: Ns, end_ns: Ns) -> list[MaskFacts]:
        while self._clock.now_ns() < min(end_ns, self._task.end_ns) + SETTLED_NS:
            time.sleep(_HELD_S)  # looks at the last seconds are still on their way
        found, at_ns = list[MaskFacts](), int(start_ns - MASKS_BEFORE_NS)
        while at_ns < end_ns + MASKS_AFTER_NS:
            until_ns = min(at_ns + MASKS_A_QUESTION_NS, end_ns + MASKS_AFTER_NS)
            found.append(MaskFacts(frames=self._ask_masks(Ns(at_ns), Ns(until_ns - 1))))
            at_ns = until_ns
        return found


def piece_is_empty(piece: _Piece) -> bool:
    """Nothing was recorded in it: it is done before anybody works on it."""
    first = next(piece.items, None)
    if first is None:
        piece.is_fed = piece.is_done = True
        return True
    piece.items = _chain(first, piece.items)
    return False


def _chain(first: Fed, rest: Iterator[Fed]) -> Iterator[Fed]:
    yield first
    yield from rest
