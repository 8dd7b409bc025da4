"""Who was seen with whom: tracks of several cameras that stood on one ground at one time. Of one short stretch."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from custodes.geometry.homography import Homography
from custodes.journey.alike import Floats, Likeness, Looked, learn, mean_of
from custodes.journey.fusion import Fusion, Placed, TrackKey
from custodes.journey.handover import Gap, Newcomers, carried, chance
from custodes.journey.likeness import Likeness as Online
from custodes.journey.sighting import placed_of
from custodes.types.event import FrameAnalysed
from custodes.units import NS_PER_S, CameraId, Ns

STEP_NS = NS_PER_S // 5
LEAST_STEPS = 5
"""A second in which both are seen."""
PATH_EVERY_NS = NS_PER_S
AT_NS = 2 * NS_PER_S
"""Around the moment at which a track is known to be somebody's."""
RUN_NS = 2 * NS_PER_S
"""Moments in one dot that are so close are one stay; in between somebody stood in front."""
TOGETHER_STEPS = 10
"""Moments in one dot stand or fall together: two seconds of them count once."""
AT_ONCE_STEPS = 2
"""One moment may show somebody twice."""
LOOKS = 4
LIKELY = 0.7
"""Of several stretches of a track those below say nothing of the others."""
WINDOW_NS = 90 * NS_PER_S
"""What is fused at once to each side of a moment at which the person is known."""
WARM_NS = 10 * NS_PER_S
MOST_WINDOWS = 8
EDGE_NS = 5 * NS_PER_S
Steps = Mapping[int, Mapping[TrackKey, "Placed"]]
See = Callable[[int, int], Sequence[tuple[int, "Placed"]]]
"""All measurements on one ground between two moments, by time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A track that was one with another. `share`: of the moments that showed both; `spans`: from when to when, UTC ns;
    empty where all of it is meant."""

    share: float
    spans: tuple[tuple[float, float], ...] = ()
    look: float | None = None
    """What looks said for it, in nats; None where none were seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """Where one dot was seen in a stretch. `met`: its tracks; `first`, `last`: the first and last moment, with a track
    that saw it then, to go on from."""

    met: Mapping[TrackKey, Met]
    first: tuple[int, TrackKey]
    last: tuple[int, TrackKey]
    held: tuple[float, float] = (1.0, 1.0)
    """How likely it is still the person at the first and at the last of them."""


def placed_in(
    frames: Mapping[CameraId, Sequence[FrameAnalysed]], grounds: Mapping[CameraId, Homography]
) -> list[tuple[int, Placed]]:
    """All measurements of cameras whose ground is known, by time."""
    found = [
        (fact.frame.utc_ns, one)
        for camera_id, facts in frames.items()
        if camera_id in grounds
        for fact in facts
        for one in placed_of(fact.frame, grounds[camera_id])
    ]
    return sorted(found, key=lambda one: one[0])


def company(placed: Sequence[tuple[int, Placed]], key: TrackKey) -> dict[TrackKey, float]:
    """Tracks of other cameras that were one dot with `key`, and in which share of the moments that showed both.

    Args: placed: all that cameras of one floor measured, by time. Shares are pulled towards a half by two moments.
    """
    steps: dict[int, dict[TrackKey, Placed]] = {}
    for utc_ns, one in placed:
        steps.setdefault(utc_ns // STEP_NS, {})[one.key] = one
    fusion, both, same = Fusion(), dict[TrackKey, int](), dict[TrackKey, int]()
    for step in sorted(steps):
        dots = fusion.step(step * STEP_NS, list(steps[step].values()))
        mine = next((dot for dot in dots if key in dot.tracks), None)
        if mine is None:
            continue
        for other in steps[step]:
            if other[0] != key[0]:
                both[other] = both.get(other, 0) + 1
                same[other] = same.get(other, 0) + (other in mine.tracks)
    return {other: (same[other] + 1) / (both[other] + 2) for other in both if both[other] >= LEAST_STEPS}


def stay(
    placed: Sequence[tuple[int, Placed]], key: TrackKey, at_ns: int, learnt: dict[int, Online] | None = None
) -> Stay | None:
    """All tracks of the dot that `key` was at a moment, of any camera, each as long as it was that dot.

    Trackers of single pictures mix people up, so that a whole track is often nobody's; a dot that looks hold together
    is one person's far longer (ADR 134). Args: as `company`, with looks; learnt: what likeness
    says on this ground, learnt on in place. All is gone through twice, first to learn it. Returns: None where it was
    no dot then.
    """
    steps: dict[int, dict[TrackKey, Placed]] = {}
    for utc_ns, one in placed:
        steps.setdefault(utc_ns // STEP_NS, {})[one.key] = one
    learnt = {} if learnt is None else learnt
    teacher = Fusion(likeness=learnt)
    for step in sorted(steps):
        teacher.step(step * STEP_NS, list(steps[step].values()))
    fusion, votes = Fusion(likeness=learnt), Counter[int]()
    shown: list[tuple[int, Mapping[int, tuple[TrackKey, ...]]]] = []
    for step in sorted(steps):
        dots = {dot.number: dot.tracks for dot in fusion.step(step * STEP_NS, list(steps[step].values()))}
        shown.append((step, dots))
        if abs(step * STEP_NS - at_ns) <= AT_NS:
            votes.update(number for number, tracks in dots.items() if key in tracks)
    if not votes:
        return None
    number = votes.most_common(1)[0][0]
    mine = [(step, dots[number]) for step, dots in shown if dots.get(number)]
    seen = {one: _looks(steps, one) for one in {track for present in steps.values() for track in present}}
    likeness = learn([looked for looked in seen.values() if looked is not None])
    pieces = _pieces([(step, tracks, steps[step].keys()) for step, tracks in mine])
    held = _held(pieces, at_ns // STEP_NS, steps, likeness, _newcomers(shown, steps))
    return Stay(
        met={
            track: _met(piece, _alike(track, pieces, steps, likeness), held[track]) for track, piece in pieces.items()
        },
        first=(mine[0][0] * STEP_NS, mine[0][1][0]),
        last=(mine[-1][0] * STEP_NS, mine[-1][1][0]),
        held=(_held_at(mine[0][0], pieces, held), _held_at(mine[-1][0], pieces, held)),
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """Runs of steps in which a track was the dot, and in how many both were seen meanwhile."""

    runs: tuple[tuple[int, ...], ...]
    among: int

    @property
    def steps(self) -> tuple[int, ...]:
        return tuple(step for run in self.runs for step in run)


def _pieces(mine: Sequence[tuple[int, Sequence[TrackKey], Collection[TrackKey]]]) -> dict[TrackKey, _Piece]:
    """Args: mine: steps in which the dot was seen, by which tracks, and all that were seen then."""
    moments: dict[TrackKey, list[int]] = {}
    for step, tracks, _ in mine:
        for track in tracks:
            moments.setdefault(track, []).append(step)
    found = {}
    for track, some in moments.items():
        runs: list[list[int]] = []
        for step in some:
            if runs and (step - runs[-1][-1]) * STEP_NS <= RUN_NS:
                runs[-1].append(step)
            else:
                runs.append([step])
        runs = [run for run in runs if len(run) >= LEAST_STEPS]
        among = sum(track in present and any(run[0] <= step <= run[-1] for run in runs) for step, _, present in mine)
        if runs:
            found[track] = _Piece(tuple(tuple(run) for run in runs), among)
    return found


def _newcomers(shown: Sequence[tuple[int, Mapping[int, object]]], steps: Steps) -> Newcomers:
    """How many dots begin in a stretch, on how much ground."""
    begun: dict[int, int] = {}
    for step, dots in shown:
        for number in dots:
            begun.setdefault(number, step)
    first, last = shown[0][0], shown[-1][0]
    seconds = max((last - first) * STEP_NS, STEP_NS) / NS_PER_S
    late = sum((step - first) * STEP_NS > RUN_NS for step in begun.values())
    low, high = np.percentile([one.place_m for seen in steps.values() for one in seen.values()], [5, 95], axis=0)
    return Newcomers(per_s=(late + 1) / seconds, ground_m2=float(np.prod(high - low)))


def _held(
    pieces: Mapping[TrackKey, _Piece], at: int, steps: Steps, likeness: Likeness, newcomers: Newcomers
) -> dict[TrackKey, float]:
    """How likely each piece's person is still the one of the moment `at`, a step."""
    spans = {one: (float(piece.runs[0][0]), float(piece.runs[-1][-1])) for one, piece in pieces.items()}
    groups = carried(spans)
    if not groups:
        return {}
    ends = [(min(spans[one][0] for one in group), max(spans[one][1] for one in group)) for group in groups]
    middle = min(range(len(groups)), key=lambda index: max(ends[index][0] - at, at - ends[index][1], 0.0))
    chances = [1.0] * len(groups)
    for way in (-1, 1):
        index = middle + way
        while 0 <= index < len(groups):
            before, after = sorted((index - way, index))
            gap = Gap(
                seconds=(ends[after][0] - ends[before][1]) * STEP_NS / NS_PER_S,
                look=_look_over(groups[before], groups[after], pieces, steps, likeness),
                at_once=_are_at_once(groups[before], groups[after], steps),
            )
            chances[index] = chances[index - way] * chance(gap, newcomers)
            index += way
    return {one: known for group, known in zip(groups, chances, strict=True) for one in group}


def _held_at(step: int, pieces: Mapping[TrackKey, _Piece], held: Mapping[TrackKey, float]) -> float:
    """Of the piece nearest to a step."""
    near = min(
        pieces, key=lambda one: max(pieces[one].runs[0][0] - step, step - pieces[one].runs[-1][-1], 0), default=None
    )
    return 1.0 if near is None else held[near]


def _look_over(
    before: Sequence[TrackKey], after: Sequence[TrackKey], pieces: Mapping[TrackKey, _Piece], steps: Steps,
    likeness: Likeness,
) -> float | None:  # fmt: skip
    """What looks say of those before and after a gap: by the same picture if there is one, which tells better."""
    looks = {one: _mean(one, pieces[one], steps) for one in (*before, *after)}
    said: tuple[list[float], list[float]] = ([], [])
    for one in before:
        for other in after:
            first, second = looks[one], looks[other]
            if first is not None and second is not None:
                is_here = one[0] == other[0]
                said[is_here].append(float(likeness.nats(np.array([first @ second]), np.array([is_here]))[0]))
    chosen = said[1] or said[0]
    return sum(chosen) / len(chosen) if chosen else None


def _are_at_once(before: Sequence[TrackKey], after: Sequence[TrackKey], steps: Steps) -> bool:
    """Whether a picture showed one of each at several moments."""
    both = [(one, other) for one in before for other in after if one[0] == other[0]]
    return any(sum(one in seen and other in seen for seen in steps.values()) >= AT_ONCE_STEPS for one, other in both)


def _met(piece: _Piece, look: float | None, held: float) -> Met:
    share = (len(piece.steps) / TOGETHER_STEPS + 1) / (piece.among / TOGETHER_STEPS + 2)
    spans = tuple((run[0] * STEP_NS, (run[-1] + 1) * STEP_NS) for run in piece.runs)
    # That it is alike is why it was bound at all, and counts no second time; that it is not, does.
    odds = share / (1 - share) * math.exp(min(look or 0.0, 0.0))
    return Met(share=held * odds / (1 + odds), spans=spans, look=look)


def _looks(steps: Mapping[int, Mapping[TrackKey, Placed]], key: TrackKey) -> Looked | None:
    """What is known of a track in a stretch, to learn from; cameras are numbered by their names."""
    some = [(step, one.look) for step, seen in steps.items() if (one := seen.get(key)) and one.look is not None]
    if not some:
        return None
    chosen = [some[round(at)] for at in np.linspace(0, len(some) - 1, min(LOOKS, len(some)))]
    vectors = np.array([look for _, look in chosen], np.float32)
    return Looked(camera=hash(key[0]), start_ns=some[0][0] * STEP_NS, end_ns=some[-1][0] * STEP_NS, vectors=vectors)


def _alike(
    key: TrackKey,
    pieces: Mapping[TrackKey, _Piece],
    steps: Mapping[int, Mapping[TrackKey, Placed]],
    likeness: Likeness,
) -> float | None:
    """What looks say for a piece: against the longest other one of its own picture, else of another's."""
    own = _mean(key, pieces[key], steps)
    others = sorted(
        (one for one in pieces if one != key), key=lambda one: (one[0] != key[0], -len(pieces[one].steps), one)
    )
    for other in others:
        look = _mean(other, pieces[other], steps)
        if own is not None and look is not None:
            return round(float(likeness.nats(np.array([own @ look]), np.array([other[0] == key[0]]))[0]), 1)
    return None


def _mean(key: TrackKey, piece: _Piece, steps: Mapping[int, Mapping[TrackKey, Placed]]) -> Floats | None:
    looks = [look for step in piece.steps if (look := steps[step][key].look) is not None]
    return mean_of(np.array(looks)) if looks else None


def stays(see: See, key: TrackKey, at_ns: int) -> dict[TrackKey, Met]:
    """Where the person was for as long as they were seen without a longer break: windows around a moment, and on from
    each end of what was found, `MOST_WINDOWS` each way."""
    found: dict[TrackKey, list[Met]] = {}
    learnt: dict[int, Online] = {}
    middle = stay(see(at_ns - WINDOW_NS, at_ns + WINDOW_NS), key, at_ns, learnt)
    if middle is None:
        return {}
    for way in (-1, 1):
        now: Stay | None = middle
        held = 1.0
        edge_ns = at_ns + way * WINDOW_NS
        for _ in range(MOST_WINDOWS):
            if now is None:
                break
            for one, met in now.met.items():
                found.setdefault(one, []).append(replace(met, share=held * met.share))
            last_ns, last = now.first if way < 0 else now.last
            held *= now.held[0] if way < 0 else now.held[1]
            if abs(last_ns - edge_ns) > EDGE_NS or held < LIKELY:
                break  # they had gone before
            edge_ns = last_ns + way * WINDOW_NS
            low_ns, high_ns = sorted((last_ns - way * WARM_NS, edge_ns))
            now = stay(see(low_ns, high_ns), last, last_ns, learnt)
    return {one: _merged(some) for one, some in found.items()}


def _merged(some: Sequence[Met]) -> Met:
    likely = [met for met in some if met.share >= LIKELY] or some
    spans: list[tuple[float, float]] = []
    for low, high in sorted({span for met in likely for span in met.spans}):
        if spans and low <= spans[-1][1] + RUN_NS:
            spans[-1] = spans[-1][0], max(spans[-1][1], high)
        else:
            spans.append((low, high))
    looks = [met.look for met in likely if met.look is not None]
    return Met(share=min(met.share for met in likely), spans=tuple(spans), look=min(looks, default=None))


def in_seconds(met: Met, origin_ns: int) -> Met:
    """With spans in seconds from a moment, as `trail` wants them."""
    return replace(
        met, spans=tuple(((low - origin_ns) / NS_PER_S, (high - origin_ns) / NS_PER_S) for low, high in met.spans)
    )


def path(placed: Sequence[tuple[int, Placed]], key: TrackKey) -> tuple[tuple[Ns, float, float], ...]:
    """Where a track walked: moment, x and y in metres, means of a second."""
    seconds: dict[int, list[Placed]] = {}
    for utc_ns, one in placed:
        if one.key == key:
            seconds.setdefault(utc_ns // PATH_EVERY_NS, []).append(one)
    points = []
    for second, some in sorted(seconds.items()):
        x_m, y_m = np.mean([one.place_m for one in some], axis=0).tolist()
        points.append((Ns(second * PATH_EVERY_NS), round(x_m, 2), round(y_m, 2)))
    return tuple(points)
