"""Where somebody must have been when the detector says otherwise, or nothing: one track's path through a film. Pure.

Two mends, both found on what leaked (ADR 51). Where two people overlap, the detector gives one box for both, and the
track of the one in front jumps onto whom they hide: `steadied` adds where a track was by the looks around. And whom
something hides comes out of it again as another track: `bridged` joins the two.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from custodes.pipeline.film_looks import Look
from custodes.redact.samples import MAX_FILL_NS
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_MS, NS_PER_S

STEADY_NS = 600 * NS_PER_MS
"""Half of the window whose median is where somebody is: people who walk past each other overlap for less than it."""

_STEADY_LOOKS = 5
"""Fewer looks in the window have no majority."""

_OFF = 0.06
"""Of the height: half a head. A median nearer than this is the same mask."""

_BRIDGE_REACH, _BRIDGE_SPEED = 0.6, 0.6
"""How many heights somebody may come out from where they were lost, and more for each second: slow walking."""

_BRIDGE_SIZE = 0.6
_EDGE = 0.01
"""Who ends at the picture's edge left it."""

_END_LOOKS = 3
"""Median of so many at an end: the last box before something hides a person is often cut."""

Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class FilmPath:
    """One track in one direction: rows of the looks' columns."""

    looks: list[int] = field(default_factory=list)
    boxes: list[npt.NDArray[np.float32]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    measured: list[bool] = field(default_factory=list)

    def add(self, look: int, box: npt.NDArray[np.float32], score: float, class_id: int, *, is_measured: bool) -> None:
        """One row more."""
        self.looks.append(look)
        self.boxes.append(box)
        self.scores.append(score)
        self.classes.append(class_id)
        self.measured.append(is_measured)

    def trimmed(self) -> range:
        """Positions from the first to the last measured one: a prediction with nothing behind it is a guess."""
        seen = [position for position, is_seen in enumerate(self.measured) if is_seen]
        return range(seen[0], seen[-1] + 1) if seen else range(0)


def steadied(paths: Mapping[int, FilmPath], looks: Sequence[Look]) -> list[FilmPath]:
    """Where each track was by the median of the looks around, wherever that is another place than its box.

    Each stretch is a path of its own. O(rows × looks in the window).
    """
    found: list[FilmPath] = []
    for track_id, path in paths.items():
        if track_id >= 0:
            found += _steadied(path, looks)
    return found


def _steadied(path: FilmPath, looks: Sequence[Look]) -> Iterator[FilmPath]:
    at = np.array(path.trimmed(), int)
    if len(at) < _STEADY_LOOKS:
        return
    times = np.array([looks[path.looks[position]].utc_ns for position in at], np.float64)
    boxes = np.array([path.boxes[position] for position in at], np.float64)
    # Middle, top, width, height: a cut box keeps its top, where the head is.
    parts = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 1], *(boxes[:, 2:] - boxes[:, :2]).T])
    run: FilmPath | None = None
    for row, position in enumerate(at.tolist()):
        near = _window(np.abs(times - times[row]), min(abs(times[row] - times[0]), abs(times[-1] - times[row])))
        middle, top, width, height = np.median(parts[:, near], axis=1)
        aspect = looks[path.looks[position]].size_px[0] / looks[path.looks[position]].size_px[1]
        off = max(abs(top - parts[1, row]), abs(middle - parts[0, row]) * aspect)
        if near.sum() < _STEADY_LOOKS or off <= _OFF * parts[3, row]:
            if run is not None:
                yield run
            run = None
            continue
        run = run or FilmPath()
        box = np.array([middle - width / 2, top, middle + width / 2, top + height], np.float32)
        run.add(path.looks[position], box, path.scores[position], path.classes[position], is_measured=True)
    if run is not None:
        yield run


def _window(distances_ns: Floats, to_end_ns: float) -> npt.NDArray[np.bool_]:
    """As far on either side: a median of more on one side would lag behind who walks."""
    window: npt.NDArray[np.bool_] = distances_ns <= min(STEADY_NS, to_end_ns) + 1
    return window


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ends:
    """First and last look of a track and its boxes there."""

    path: FilmPath
    first: int
    last: int
    first_box: Floats
    last_box: Floats


def bridged(paths: Mapping[int, FilmPath], looks: Sequence[Look]) -> list[FilmPath]:
    """Straight ways from where a person was lost inside the picture to where one is found near it within
    `MAX_FILL_NS`; each begins and ends with a measured box. O(tracks²)."""
    people = [
        ends
        for track_id, path in paths.items()
        if track_id >= 0 and (ends := _ends_of(path)) and path.classes[-1] == ObjectClass.PERSON
    ]
    found = []
    for lost in people:
        if _is_at_edge(lost.last_box):
            continue
        costs = [
            (cost, number) for number, other in enumerate(people) if (cost := _cost(lost, other, looks)) is not None
        ]
        if costs:
            found.append(_bridge(lost, people[min(costs)[1]]))
    return found


def _ends_of(path: FilmPath) -> _Ends | None:
    at = path.trimmed()
    if len(at) < _END_LOOKS:
        return None
    boxes = np.array([path.boxes[position] for position in at], np.float64)
    return _Ends(
        path=path,
        first=path.looks[at[0]],
        last=path.looks[at[-1]],
        first_box=np.median(boxes[:_END_LOOKS], axis=0),
        last_box=np.median(boxes[-_END_LOOKS:], axis=0),
    )


def _cost(lost: _Ends, other: _Ends, looks: Sequence[Look]) -> float | None:
    """Seconds and heights between the two; None when it cannot be the same person."""
    if other.first <= lost.last or _is_at_edge(other.first_box):
        return None
    gap_ns = abs(looks[other.first].utc_ns - looks[lost.last].utc_ns)
    heights = sorted(box[3] - box[1] for box in (lost.last_box, other.first_box))
    if gap_ns > MAX_FILL_NS or heights[0] < _BRIDGE_SIZE * heights[1]:
        return None
    width, height = looks[lost.last].size_px
    across = (lost.last_box[0] + lost.last_box[2] - other.first_box[0] - other.first_box[2]) / 2 * width / height
    distance = float(np.hypot(across, lost.last_box[1] - other.first_box[1]) / heights[1])
    gap_s = gap_ns / NS_PER_S
    return distance + gap_s if distance <= _BRIDGE_REACH + _BRIDGE_SPEED * gap_s else None


def _bridge(lost: _Ends, other: _Ends) -> FilmPath:
    bridge = FilmPath()
    for look in range(lost.last, other.first + 1):
        share = (look - lost.last) / (other.first - lost.last)
        box = ((1 - share) * lost.last_box + share * other.first_box).astype(np.float32)
        score = min(lost.path.scores[-1], other.path.scores[0])
        is_end = look in (lost.last, other.first)
        bridge.add(look, box, score, int(ObjectClass.PERSON), is_measured=is_end)
    return bridge


def _is_at_edge(box: Floats) -> bool:
    return bool(box[0] < _EDGE or box[1] < _EDGE or box[2] > 1 - _EDGE or box[3] > 1 - _EDGE)
