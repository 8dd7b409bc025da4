"""Which frames show the faces of a recording's people best, and where in them. Pure; nothing is decoded."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from custodes.types.event import FrameAnalysed
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_MS, Ns, RunId

LOOKS_PER_TRACK = 12
"""Each costs about 50 ms. Half are where the person is largest, half spread over the time, because nobody knows when
a face is turned to the camera."""

APART_NS = 300 * NS_PER_MS
_PEOPLE = frozenset({int(ObjectClass.PERSON), int(ObjectClass.FACE)})
"""A face that was found by itself is somebody, too."""

Box = tuple[float, float, float, float]
TrackKey = tuple[RunId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLook:
    """One track in one frame. `part`: where to look for the face, shares of the frame; `at`: where it should be."""

    run: RunId
    track_id: int
    utc_ns: Ns
    part: Box
    at: tuple[float, float]


def plan_looks(frames: Sequence[FrameAnalysed], *, per_track: int = LOOKS_PER_TRACK) -> list[PlannedLook]:
    """At most `per_track` looks at each person, or face, with a track, in order of run and time."""
    seen: dict[TrackKey, dict[Ns, Box]] = defaultdict(dict)
    faces: set[TrackKey] = set()
    for fact in frames:
        frame = fact.frame
        rows = zip(
            frame.track_ids.tolist(),
            frame.class_ids.tolist(),
            frame.boxes_norm.tolist(),
            frame.is_measured.tolist(),
            strict=True,
        )
        for track_id, class_id, box, is_measured in rows:
            if track_id >= 0 and class_id in _PEOPLE and is_measured:
                seen[(frame.run, track_id)][frame.utc_ns] = tuple(box)
                if class_id == int(ObjectClass.FACE):
                    faces.add((frame.run, track_id))
    looks = [
        _look_at(run, track_id, utc_ns, boxes[utc_ns], is_face=(run, track_id) in faces)
        for (run, track_id), boxes in seen.items()
        for utc_ns in _chosen(boxes, per_track)
    ]
    return sorted(looks, key=lambda look: (look.utc_ns, look.run, look.track_id))


def _look_at(run: RunId, track_id: int, utc_ns: Ns, box: Box, *, is_face: bool) -> PlannedLook:
    if not is_face:
        return PlannedLook(run=run, track_id=track_id, utc_ns=utc_ns, part=_part(box), at=_head(box))
    width, height = box[2] - box[0], box[3] - box[1]
    around = (max(box[0] - width, 0.0), max(box[1] - height, 0.0), min(box[2] + width, 1.0), min(box[3] + height, 1.0))
    centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return PlannedLook(run=run, track_id=track_id, utc_ns=utc_ns, part=around, at=centre)


def _chosen(boxes: dict[Ns, Box], per_track: int) -> list[Ns]:
    times = sorted(boxes)
    largest = sorted(times, key=lambda utc_ns: -(boxes[utc_ns][3] - boxes[utc_ns][1]))
    step = max(len(times) // max(per_track // 2, 1), 1)
    spread = times[step // 2 :: step]
    chosen: list[Ns] = []
    for wanted, limit in ((largest, per_track - per_track // 2), (spread, per_track), (largest, per_track)):
        for utc_ns in wanted:
            if len(chosen) >= limit:
                break
            if all(abs(utc_ns - other) >= APART_NS for other in chosen):
                chosen.append(utc_ns)
    return chosen


def _head(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, box[1] + 0.1 * (box[3] - box[1])


def _part(box: Box) -> Box:
    """The upper half of a person and a way around it: a face may be beside a box that is cut or bent."""
    width, height = box[2] - box[0], box[3] - box[1]
    return (
        max(box[0] - width / 3, 0.0),
        max(box[1] - height / 8, 0.0),
        min(box[2] + width / 3, 1.0),
        min(box[1] + height / 2, 1.0),
    )
