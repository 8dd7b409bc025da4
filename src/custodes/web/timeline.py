"""A camera's recorded past as numbers for a picture: stretches, gaps with causes, lanes, counts per bin. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from custodes.ports.catalog import Coverage, Hold
from custodes.types.event import FrameAnalysed, GateHour, LineCrossed
from custodes.types.media import Gap, Segment
from custodes.types.vision import VEHICLES, ObjectClass, Tracklet
from custodes.units import NS_PER_S, CameraId, Ns
from custodes.web.words import CAUSE_WORDS, CLASS_WORDS

MAX_SPAN_NS = 25 * 3600 * NS_PER_S
"""The widest zoom is a day; an hour of slack for the day that is longer."""
_JOIN_NS = NS_PER_S
"""Segments of one run follow each other within a frame or two; less than a second apart is drawn as one."""
_MAX_BINS = 360


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """[start_ns, end_ns] in UTC nanoseconds."""

    start_ns: Ns
    end_ns: Ns


_WAYS = ("forward", "backward")


def merged(stretches: Sequence[tuple[int, int]], *, join_ns: int = 0) -> list[Stretch]:
    """Overlapping, touching, or nearly touching (≤ join_ns apart) stretches become one. O(n log n)."""
    result: list[Stretch] = []
    for start, end in sorted(stretches):
        if result and start <= result[-1].end_ns + join_ns:
            last = result.pop()
            result.append(Stretch(start_ns=last.start_ns, end_ns=Ns(max(last.end_ns, end))))
        else:
            result.append(Stretch(start_ns=Ns(start), end_ns=Ns(end)))
    return result


def recorded(segments: Sequence[Segment]) -> list[Stretch]:
    """Where there is video."""
    return merged([(segment.header.start_ns, segment.end_ns) for segment in segments], join_ns=_JOIN_NS)


def gap_rows(gaps: Sequence[Gap]) -> list[dict[str, object]]:
    """Gaps with their cause in words."""
    return [
        {"start_ns": gap.start_ns, "end_ns": gap.end_ns, "cause": gap.cause.value, "words": CAUSE_WORDS[gap.cause]}
        for gap in gaps
    ]


BOX_REACH_NS = 2 * NS_PER_S
"""How far from a moment the look may be whose boxes stand for it."""


def track_rows(tracks: Sequence[Tracklet]) -> list[dict[str, object]]:
    """Tracks for lanes and table."""
    return [
        {
            "track_id": track.track_id,
            "run": track.run,
            "class": track.object_class.name.lower(),
            "words": CLASS_WORDS[track.object_class],
            "lane": lane_of(track.object_class),
            "start_ns": track.start_ns,
            "end_ns": track.end_ns,
            "frames": track.frames,
            "mean_score": round(track.mean_score, 3),
            "quality": round(track.quality, 3),
        }
        for track in tracks
    ]


def box_rows(frames: Sequence[FrameAnalysed], at_ns: Ns) -> list[dict[str, object]]:
    """Tracked people of the look nearest to a moment; of each its box as shares of the picture, x1 y1 x2 y2."""
    if not frames:
        return []
    frame = min(frames, key=lambda fact: abs(fact.frame.utc_ns - at_ns)).frame
    rows = zip(frame.track_ids.tolist(), frame.class_ids.tolist(), frame.boxes_norm.tolist(), strict=True)
    return [
        {"run": frame.run, "track_id": track_id, "box": [round(edge, 4) for edge in box]}
        for track_id, class_id, box in rows
        if track_id >= 0 and class_id == ObjectClass.PERSON
    ]


def lane_of(object_class: ObjectClass) -> str:
    """`people`, `vehicles`, or `other`."""
    if object_class is ObjectClass.PERSON:
        return "people"
    return "vehicles" if object_class in VEHICLES else "other"


def bin_ns_for(start_ns: Ns, end_ns: Ns) -> int:
    """A minute, or the shortest multiple of a minute that leaves at most 360 bins."""
    minute = 60 * NS_PER_S
    span = max(end_ns - start_ns, 1)
    return minute * max(1, -(-span // (minute * _MAX_BINS)))


def counts(tracks: Sequence[Tracklet], coverage: Sequence[Coverage], *, start_ns: Ns, end_ns: Ns) -> dict[str, object]:
    """Tracks that began in each bin, and the share of the bin that was analysed (a count without it means nothing).

    Bins are aligned to the clock. `coverage` is 0 to 1 per bin, as long as `people` and `vehicles`.
    """
    bin_ns = bin_ns_for(start_ns, end_ns)
    first_ns = start_ns - start_ns % bin_ns
    bins = max(1, -(-(end_ns - first_ns) // bin_ns))
    lanes = {"people": [0] * bins, "vehicles": [0] * bins}
    for track in tracks:
        index = (track.start_ns - first_ns) // bin_ns
        lane = lanes.get(lane_of(track.object_class))
        if lane is not None and 0 <= index < bins:
            lane[index] += 1
    covered = [0] * bins
    for stretch in merged([(one.start_ns, one.end_ns) for one in coverage]):
        for index in range(max(0, (stretch.start_ns - first_ns) // bin_ns), bins):
            low = first_ns + index * bin_ns
            if low >= stretch.end_ns:
                break
            covered[index] += max(0, min(stretch.end_ns, low + bin_ns) - max(stretch.start_ns, low))
    shares = [round(min(1.0, part / bin_ns), 3) for part in covered]
    return {"first_ns": first_ns, "bin_ns": bin_ns, **lanes, "coverage": shares}


def gate_rows(hours: Sequence[GateHour]) -> list[dict[str, object]]:
    """How well packets told motion, hour by hour."""
    return [
        {
            "start_ns": one.start_ns,
            "mode": one.mode.value,
            "trials": one.trials,
            "missed": one.missed,
            "miss_low": one.miss_low,
            "miss_high": one.miss_high,
        }
        for one in hours
    ]


def line_rows(crossings: Sequence[LineCrossed]) -> list[dict[str, object]]:
    """How many crossed each line, by way and lane: `forward` and `backward` of `people`, `vehicles`, `other`."""
    lines: dict[str, dict[str, dict[str, int]]] = {}
    for one in crossings:
        ways = lines.setdefault(one.line, {way: dict.fromkeys(("people", "vehicles", "other"), 0) for way in _WAYS})
        ways[_WAYS[0] if one.is_forward else _WAYS[1]][lane_of(one.object_class)] += 1
    return [{"line": line, **ways} for line, ways in sorted(lines.items())]


def hold_rows(holds: Iterable[Hold], camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[dict[str, object]]:
    """Evidence holds of one camera that touch the interval, by start."""
    mine = [one for one in holds if one.camera_id == camera_id and one.start_ns <= end_ns and one.end_ns >= start_ns]
    return [
        {
            "hold_id": one.hold_id,
            "start_ns": one.start_ns,
            "end_ns": one.end_ns,
            "expires_ns": one.expires_ns,
            "owner": one.owner,
            "reason": one.reason,
        }
        for one in sorted(mine, key=lambda one: one.start_ns)
    ]
