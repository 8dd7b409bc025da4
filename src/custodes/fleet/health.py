"""Uptime, bitrate and storage from what the catalog knows of recordings. Pure.

A bitrate that moved far from the camera's usual one is a reason to look at the picture, not a verdict: night, rain and
an empty street do it, too. It is compared with the camera's own last day, so nothing is tuned to a scene.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from custodes.types.media import Gap, Segment
from custodes.types.message import CameraSpec
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId, Ns

MIN_UPTIME = 0.99
"""A quarter of an hour a day may be missing before somebody is told."""
MANY_GAPS = 24
"""One an hour: a bad cable or network rather than one outage."""
MIN_HOURS = 6
"""So many earlier hours make a usual bitrate."""
FELL_TO, ROSE_TO = 0.33, 3.0
"""Hours of one fixed camera spread by less than a factor of three between day and night, judged; see the module."""
MANY_DAMAGED, DAMAGED_SHARE = 10, 0.001
"""One picture in a thousand: over TCP none is damaged, so that any share is a network's or a camera's."""
GROWTH_STEPS = 60
"""Points of the plot."""
CAMERA_COVERED_HOUR = 0.9
"""An hour counts that was recorded for this share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraHealth:
    """One camera over the report's time."""

    camera_id: CameraId
    name: str
    uptime_share: float
    """Of the time that it should have been recorded; 0 to 1."""
    gaps: int
    longest_gap_s: float
    main_cause: str
    """Of the gaps, by their length; empty without one."""
    bytes_per_s: float
    """Of the last whole hour."""
    usual_bytes_per_s: float
    """Median of the hours before; 0 while too few are known."""
    problems: tuple[str, ...]
    damaged_share: float | None = None
    """Of the pictures decoded since the analyser started, those that came with parts missing; None: none was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamNeed:
    """What one stream takes, as measured over the last day, and how long it is to be kept."""

    camera_id: CameraId
    bytes_per_day: int
    kept_h: float
    measured_s: float = 86_400.0
    """Over so many seconds; a stream of an hour counts as if it went on like that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageForecast:
    """What the recordings need, once the oldest begin to be deleted, and what there is."""

    bytes_per_day: int
    needed_bytes: int
    available_bytes: int
    """Free, without the reserve, and what recordings take already."""
    full_in_days: float | None
    """None: they fit."""
    reach_days: float
    """How old the oldest recordings get: the longest retention where they fit, else what room is for."""
    growth: tuple[tuple[float, int], ...] = ()
    """Days from now, bytes of recordings then, until nothing grows any more; not cut where the disk is full."""
    streams: tuple[StreamNeed, ...] = ()
    """The largest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """Cameras, the worst first."""

    start_ns: Ns
    end_ns: Ns
    cameras: tuple[CameraHealth, ...]
    storage: StorageForecast


def camera_health(
    spec: CameraSpec,
    segments: Sequence[Segment],
    gaps: Sequence[Gap],
    *,
    start_ns: Ns,
    end_ns: Ns,
    damage: tuple[int, int] = (0, 0),
) -> CameraHealth:
    """`segments`, `gaps`: of this camera, any that touch the time. `damage`: (damaged, decoded) pictures."""
    cut = [(max(one.start_ns, start_ns), min(one.end_ns, end_ns), one.cause.value) for one in gaps]
    cut = [(start, end, cause) for start, end, cause in cut if end > start]
    rates = _hourly(segments, start_ns, end_ns)
    now, usual = _last(rates, end_ns), _usual(rates, end_ns)
    causes: dict[str, int] = defaultdict(int)
    for start, end, cause in cut:
        causes[cause] += end - start
    begin_ns = min((one.header.start_ns for one in segments), default=start_ns)
    begin_ns = min([begin_ns, *(one.start_ns for one in gaps)]) if segments or gaps else start_ns
    wanted_ns = end_ns - max(begin_ns, start_ns)
    recorded_ns = _covered(segments, start_ns, end_ns)
    uptime = min(recorded_ns / wanted_ns, 1.0) if wanted_ns > 0 else 0.0
    return CameraHealth(
        camera_id=spec.camera_id,
        name=spec.name,
        uptime_share=uptime,
        gaps=len(cut),
        longest_gap_s=max((end - start for start, end, _ in cut), default=0) / NS_PER_S,
        main_cause=max(causes, key=lambda cause: causes[cause]) if causes else "",
        bytes_per_s=now,
        usual_bytes_per_s=usual,
        problems=(*_problems(uptime, len(cut), now, usual, has_any=bool(segments)), *_losses(*damage)),
        damaged_share=damage[0] / damage[1] if damage[1] else None,
    )


def _problems(uptime: float, gaps: int, now: float, usual: float, *, has_any: bool) -> list[str]:
    if not has_any:
        return ["nothing was recorded"]
    found = []
    if uptime < MIN_UPTIME:
        found.append(f"recorded {uptime:.1%} of the time")
    if gaps >= MANY_GAPS:
        found.append(f"{gaps} interruptions: cable, network or power?")
    if usual and now and now <= usual * FELL_TO:
        found.append(f"its bitrate fell to {now / usual:.0%} of the usual: covered, defocused, or nothing to see?")
    if usual and now >= usual * ROSE_TO:
        found.append(f"its bitrate rose to {now / usual:.0%} of the usual: moved, noise at night, or another setting?")
    return found


def _losses(damaged: int, decoded: int) -> list[str]:
    if damaged < MANY_DAMAGED or damaged < DAMAGED_SHARE * decoded:
        return []
    return [f"{damaged / decoded:.1%} of its pictures came damaged: packets are lost on the way"]


def _covered(segments: Sequence[Segment], start_ns: int, end_ns: int) -> int:
    """Recorded time; overlaps count once."""
    total, reached = 0, start_ns
    for one in sorted(segments, key=lambda one: one.header.start_ns):
        begin, end = max(one.header.start_ns, reached), min(one.end_ns, end_ns)
        if end > begin:
            total += end - begin
            reached = end
    return total


def _hourly(segments: Sequence[Segment], start_ns: int, end_ns: int) -> dict[int, float]:
    """Bytes a second by the hour (number since 1970), for hours that were recorded nearly whole."""
    sizes: dict[int, float] = defaultdict(float)
    lengths: dict[int, int] = defaultdict(int)
    for one in segments:
        begin, length = one.header.start_ns, one.end_ns - one.header.start_ns
        if length <= 0 or one.end_ns <= start_ns or begin >= end_ns:
            continue
        hour = begin // NS_PER_HOUR
        sizes[hour] += one.bytes_on_disk
        lengths[hour] += length
    return {
        hour: sizes[hour] * NS_PER_S / lengths[hour]
        for hour in sizes
        if lengths[hour] >= NS_PER_HOUR * CAMERA_COVERED_HOUR
    }


def _last(rates: dict[int, float], end_ns: int) -> float:
    return rates.get(end_ns // NS_PER_HOUR - 1, 0.0)


def _usual(rates: dict[int, float], end_ns: int) -> float:
    before = [rate for hour, rate in rates.items() if hour < end_ns // NS_PER_HOUR - 1]
    return statistics.median(before) if len(before) >= MIN_HOURS else 0.0


def forecast(
    streams: Sequence[StreamNeed],
    *,
    recorded_bytes: int,
    free_bytes: int,
    reserve_bytes: int,
    max_bytes: int | None = None,
) -> StorageForecast:
    """Recordings grow by what each stream takes, until its retention deletes as much.

    How old the recordings of each stream are now is not asked: all are taken to be of one age, cut by their retention.

    Args:
        reserve_bytes: of the disk, that recordings leave free.
        max_bytes: what recordings may take by configuration.
    """
    needed = _filled(streams, math.inf)
    available = max(free_bytes - reserve_bytes, 0) + recorded_bytes
    if max_bytes is not None:
        available = min(available, max_bytes)
    now_days = _age_of(streams, recorded_bytes)
    reach_days = _age_of(streams, available)
    longest = max((one.kept_h / 24 for one in streams), default=0.0)
    horizon = max(longest - now_days, 0.0)
    growth = [(horizon * step / GROWTH_STEPS) for step in range(GROWTH_STEPS + 1)]
    return StorageForecast(
        bytes_per_day=sum(one.bytes_per_day for one in streams),
        needed_bytes=needed,
        available_bytes=available,
        full_in_days=max(reach_days - now_days, 0.0) if needed > available else None,
        reach_days=reach_days,
        growth=tuple((days, _filled(streams, now_days + days)) for days in growth),
        streams=tuple(sorted(streams, key=lambda one: (-one.bytes_per_day, one.camera_id))),
    )


def _filled(streams: Sequence[StreamNeed], age_days: float) -> int:
    """Bytes of recordings of which the oldest are that old."""
    return int(sum(one.bytes_per_day * min(age_days, one.kept_h / 24) for one in streams))


def _age_of(streams: Sequence[StreamNeed], size: int) -> float:
    """Days that so many bytes reach back; the longest retention where more than all would fit. O(n²)."""
    longest = 0.0
    for days in sorted({one.kept_h / 24 for one in streams}):
        if _filled(streams, days) >= size:
            # between `longest` and `days` the bytes grow evenly
            grown = sum(one.bytes_per_day for one in streams if one.kept_h / 24 > longest)
            return longest + max(size - _filled(streams, longest), 0) / grown if grown else days
        longest = days
    return longest
