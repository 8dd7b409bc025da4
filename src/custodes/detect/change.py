"""What changed between two looks at a camera, apart from what is known to stand there: the labels of the packet gate.

Somebody who stands and sways changes the picture all the time, and is masked by the track that stands there already:
decoding every frame of it would tell nothing new. Pixel motion for the detector is `detect.motion`'s.
"""

from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from custodes.errors import DataLoss
from custodes.geometry.boxes import grow, iou_matrix
from custodes.geometry.cells import beside_another, cell_means, clear_boxes, distance_from
from custodes.types.vision import TrackedFrame
from custodes.units import NS_PER_MS, NS_PER_S

_CELLS_ACROSS = 64
_CELL_MIN_PX = 8
"""Smaller cells of a small picture would be single drops of rain."""

_SAMPLES = 3
"""Per cell and direction."""

_THRESHOLD = 9.0
"""Grey levels of a cell's mean. Keyframes of cameras at low bit rates "pump" by 2 to 5."""

_NOISE_FACTOR = 2.5
_NOISE_CLIP = 10.0
_NOISE_LEARN = 0.01
"""A cell that changes all the time, by rain or leaves, has to change by more: up to 25 grey levels, learnt over 100
looks. Who walks through it changes it by 40."""

_MIN_CELLS = 3
_GROW = 0.25
"""Of a standing track's box, to each side: sway and swinging arms are its own."""

_STANDS_NS = NS_PER_S
_STANDS_IOU = 0.7
"""A box that overlapped itself so much over `_STANDS_NS` stands. A walker leaves .5 behind in half a second."""

_FRESH_NS = 1500 * NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`is_active`: something changed that no standing track explains, or a track moves. `is_occupied`: somebody is
    there. `has_lost_sight`: who stood there at the look before is not seen now, though nothing moved."""

    is_active: bool
    is_occupied: bool
    has_lost_sight: bool = False


@dataclass(slots=True)
class _Stand:
    since_ns: int
    seen_ns: int
    box: tuple[float, ...]
    stands: bool


class ChangeWatch:
    """Looks of one run, in order. Not thread-safe."""

    def __init__(self) -> None:
        self._grid: npt.NDArray[np.float32] | None = None
        self._noise: npt.NDArray[np.float32] | None = None
        self._stands: dict[int, _Stand] = {}

    def look(self, luma: npt.NDArray[np.uint8], tracked: TrackedFrame) -> Change:
        """Compare with the look before. luma: (h, w) uint8. The first look is active. About 0.1 ms."""
        across = max(1, min(_CELLS_ACROSS, luma.shape[1] // _CELL_MIN_PX))
        grid, _ = cell_means(luma, across=across, samples=_SAMPLES)
        before, self._grid = self._grid, grid
        stood = {track_id for track_id, stand in self._stands.items() if stand.stands}
        seen = set(tracked.track_ids[tracked.is_measured].tolist())
        is_moving = self._follow(tracked)
        is_occupied = bool((tracked.track_ids >= 0).any())
        if before is None or self._noise is None or before.shape != grid.shape:
            self._noise = np.zeros_like(grid)
            return Change(is_active=True, is_occupied=is_occupied)
        distance = distance_from(grid, before)
        changed = distance > np.maximum(_THRESHOLD, _NOISE_FACTOR * self._noise)
        self._noise += _NOISE_LEARN * (np.minimum(distance, _NOISE_CLIP) - self._noise)
        standing = [stand.box for stand in self._stands.values() if stand.stands]
        if standing and changed.any():
            clear_boxes(changed, grow(np.array(standing, np.float32), _GROW))
        is_active = beside_another(changed) >= _MIN_CELLS or (is_moving and bool(changed.any()))
        return Change(is_active=is_active, is_occupied=is_occupied, has_lost_sight=not stood <= seen)

    def _follow(self, tracked: TrackedFrame) -> bool:
        """Learn which tracks stand; True when one moves, or is too new to tell."""
        is_moving = False
        now_ns = tracked.utc_ns
        for track_id, box in zip(tracked.track_ids.tolist(), tracked.boxes_norm.tolist(), strict=True):
            if track_id < 0:
                continue
            stand = self._stands.get(track_id)
            if stand is None:
                self._stands[track_id] = _Stand(now_ns, now_ns, tuple(box), stands=False)
                is_moving = True
                continue
            stand.seen_ns = now_ns
            if now_ns - stand.since_ns >= _STANDS_NS:
                pair = np.array([stand.box, box], np.float32)
                stand.stands = bool(iou_matrix(pair[:1], pair[1:])[0, 0] >= _STANDS_IOU)
                stand.since_ns, stand.box = now_ns, tuple(box)
            is_moving |= not stand.stands
        for track_id in [key for key, stand in self._stands.items() if not 0 <= now_ns - stand.seen_ns <= _FRESH_NS]:
            del self._stands[track_id]
        return is_moving

    def snapshot(self) -> bytes:
        """The last look and who stood."""
        plane = None
        if self._grid is not None and self._noise is not None:
            plane = (*self._grid.shape, self._grid.tobytes(), self._noise.tobytes())
        stands = [(key, s.since_ns, s.seen_ns, s.box, s.stands) for key, s in self._stands.items()]
        return msgspec.msgpack.encode((plane, stands))

    def restore(self, state: bytes) -> None:
        """Go on as the one that wrote `state`. Raises: DataLoss."""
        try:
            plane, stands = _STATE.decode(state)
            grid = noise = None
            if plane is not None:
                height, width, *raw = plane
                grid, noise = (np.frombuffer(part, np.float32).reshape(height, width).copy() for part in raw)
        except (msgspec.MsgspecError, ValueError) as error:
            raise DataLoss(f"change snapshot cannot be read: {error}") from error
        self._grid, self._noise = grid, noise
        self._stands = {key: _Stand(since, seen, box, flag) for key, since, seen, box, flag in stands}


_STATE = msgspec.msgpack.Decoder(
    tuple[tuple[int, int, bytes, bytes] | None, list[tuple[int, int, int, tuple[float, ...], bool]]]
)
