"""Where a film's masks rest on thin ground, the worst first: what a person should look at before it leaves.

Judged from the facts alone. Showing the moments is `review`'s.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from custodes.redact.levels import Box
from custodes.types.event import FrameAnalysed
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_MS, NS_PER_S

GAP_NS = 400 * NS_PER_MS
"""A person not measured for longer is worth a look."""

MAX_MOMENTS = 500
_EDGE = 0.02
_START_NS = NS_PER_S // 2
_WEAK_SCORE = 0.45
_NEAR_NS = NS_PER_S
_MERGE_WINDOW = 64
"""How many earlier moments of its kind one is compared with: as many places as a film has at a time."""
_PEOPLE = frozenset({int(ObjectClass.PERSON), int(ObjectClass.FACE)})


class Doubt(StrEnum):
    """Why a moment is uncertain."""

    APPEARED = "appeared"
    VANISHED = "vanished"
    GAP = "gap"
    WEAK = "weak"
    ONCE = "once"
    FOLLOWED = "followed"
    MOVED = "moved"
    WHOLE = "whole"


SENTENCES = {
    Doubt.APPEARED: "Somebody is first seen inside the picture, not at its edge: look whether they show before.",
    Doubt.VANISHED: "Somebody is last seen inside the picture: look whether they show afterwards.",
    Doubt.GAP: "Somebody was not seen for a while and is covered where they should be.",
    Doubt.WEAK: "The detector is not sure of somebody who is covered here.",
    Doubt.ONCE: "Something was taken for a person in a single look.",
    Doubt.FOLLOWED: "Something moved where somebody is first or last seen, and is covered as theirs.",
    Doubt.MOVED: "Something moved that no mask covers.",
    Doubt.WHOLE: "The pictures cannot be read here and are covered whole.",
}

_WEIGHT = {
    Doubt.APPEARED: 1.0, Doubt.VANISHED: 0.8, Doubt.GAP: 0.9, Doubt.MOVED: 0.7, Doubt.WEAK: 0.5, Doubt.ONCE: 0.3,
    Doubt.FOLLOWED: 0.4, Doubt.WHOLE: 0.1,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One stretch of the film to look at. `severity`: 0 to 1; larger people and longer doubts weigh more."""

    doubt: Doubt
    start_ns: int
    end_ns: int
    box: Box
    severity: float


@dataclass(slots=True)
class _Seen:
    times_ns: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    measured: list[bool] = field(default_factory=list)


def uncertain_moments(facts: Sequence[FrameAnalysed], others: Sequence[Moment] = ()) -> list[Moment]:
    """The moments, worst first, at most `MAX_MOMENTS`; near ones of one kind and place are one.

    Args: facts: of the whole film in order of time. others: moments found elsewhere (motion, corrupt stretches).
    """
    if not facts:
        return sorted(others, key=lambda moment: -moment.severity)[:MAX_MOMENTS]
    tracks: dict[int, _Seen] = defaultdict(_Seen)
    lone: list[tuple[int, Box, Doubt]] = []
    for fact in facts:
        frame = fact.frame
        for track_id, class_id, box, score, is_measured in zip(
            frame.track_ids.tolist(), frame.class_ids.tolist(), frame.boxes_norm.tolist(), frame.scores.tolist(),
            frame.is_measured.tolist(), strict=True,
        ):  # fmt: skip
            if class_id not in _PEOPLE:
                continue
            if track_id < 0:
                lone.append((frame.utc_ns, tuple(box), Doubt.ONCE if is_measured else Doubt.FOLLOWED))
                continue
            seen = tracks[track_id]
            seen.times_ns.append(frame.utc_ns)
            seen.boxes.append(tuple(box))
            seen.scores.append(score)
            seen.measured.append(is_measured)
    first_ns, last_ns = facts[0].frame.utc_ns, facts[-1].frame.utc_ns
    known = list(tracks.values())
    moments = [moment for seen in known for moment in _of_track(seen, first_ns, last_ns, known)]
    moments += [_moment(doubt, at_ns, at_ns, box) for at_ns, box, doubt in lone]
    merged = _merged([*moments, *others])
    return sorted(merged, key=lambda moment: (-moment.severity, moment.start_ns))[:MAX_MOMENTS]


def _of_track(seen: _Seen, first_ns: int, last_ns: int, tracks: Sequence[_Seen]) -> list[Moment]:
    found: list[Moment] = []
    begin_ns, end_ns = seen.times_ns[0], seen.times_ns[-1]

    def is_followed(at_ns: int, box: Box) -> bool:
        return _is_at_edge(box) or any(other is not seen and _covers(other, at_ns, box) for other in tracks)

    if begin_ns - first_ns > _START_NS and not is_followed(begin_ns - _START_NS, seen.boxes[0]):
        found.append(_moment(Doubt.APPEARED, begin_ns - NS_PER_S, begin_ns, seen.boxes[0]))
    if last_ns - end_ns > _START_NS and not is_followed(end_ns + _START_NS, seen.boxes[-1]):
        found.append(_moment(Doubt.VANISHED, end_ns, end_ns + NS_PER_S, seen.boxes[-1]))
    last_seen = begin_ns
    for time_ns, box, is_measured in zip(seen.times_ns, seen.boxes, seen.measured, strict=True):
        if is_measured:
            if time_ns - last_seen > GAP_NS:
                found.append(_moment(Doubt.GAP, last_seen, time_ns, box))
            last_seen = time_ns
    if sum(seen.scores) / len(seen.scores) < _WEAK_SCORE:
        found.append(_moment(Doubt.WEAK, begin_ns, end_ns, seen.boxes[len(seen.boxes) // 2]))
    return found


def _covers(seen: _Seen, at_ns: int, box: Box) -> bool:
    """Whether another track was there then: the other direction's, mostly."""
    if not seen.times_ns[0] <= at_ns <= seen.times_ns[-1]:
        return False
    nearest = min(range(len(seen.times_ns)), key=lambda index: abs(seen.times_ns[index] - at_ns))
    return _are_near(seen.boxes[nearest], box)


def _are_near(first: Box, second: Box) -> bool:
    width = max(first[2] - first[0], second[2] - second[0])
    height = max(first[3] - first[1], second[3] - second[1])
    return (
        abs(first[0] + first[2] - second[0] - second[2]) < 2 * width
        and abs(first[1] + first[3] - second[1] - second[3]) < 2 * height
    )


def _is_at_edge(box: Box) -> bool:
    return box[0] < _EDGE or box[1] < _EDGE or box[2] > 1 - _EDGE or box[3] > 1 - _EDGE


def _moment(doubt: Doubt, start_ns: int, end_ns: int, box: Box) -> Moment:
    height = min(1.0, box[3] - box[1])
    length = min(1.0, (end_ns - start_ns) / NS_PER_S)
    return Moment(
        doubt=doubt, start_ns=max(0, start_ns), end_ns=end_ns, box=box,
        severity=round(_WEIGHT[doubt] * (0.4 + 0.4 * height**0.5 + 0.2 * length), 4),
    )  # fmt: skip


def moment_of(doubt: Doubt, start_ns: int, end_ns: int, box: Box) -> Moment:
    """A moment that another judge found, weighed like the others."""
    return _moment(doubt, start_ns, end_ns, box)


def _merged(moments: Sequence[Moment]) -> list[Moment]:
    """Of those of one kind that touch in time and place, one: from the first to the last, as grave as the gravest."""
    merged: list[Moment] = []
    for moment in sorted(moments, key=lambda item: (item.doubt, item.start_ns)):
        for at in range(len(merged) - 1, max(-1, len(merged) - _MERGE_WINDOW), -1):
            known = merged[at]
            is_near = known.doubt is moment.doubt and moment.start_ns - known.end_ns <= _NEAR_NS
            if is_near and _are_near(known.box, moment.box):
                merged[at] = Moment(
                    doubt=known.doubt, start_ns=known.start_ns, end_ns=max(known.end_ns, moment.end_ns),
                    box=known.box if known.severity >= moment.severity else moment.box,
                    severity=max(known.severity, moment.severity),
                )  # fmt: skip
                break
        else:
            merged.append(moment)
    return merged
