"""Quarters of an hour summed up: hours by the clock, a whole stretch, and the busiest hour with its peak hour factor.

Counts are what was seen; nothing is imputed, and each sum says which share of its time was analysed. Percentiles of
speed come from histograms, linear within their bins of `BIN_KMH`: percentiles of quarters cannot be averaged.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from custodes.traffic.quarter import CAR_UNITS
from custodes.types.traffic import BIN_KMH, ClassCount, LineFigures, LineSum, MovementSum, PeakHour, Quarter
from custodes.types.vision import VEHICLES, ObjectClass
from custodes.units import NS_PER_HOUR, Ns

_QUARTERS = 4
_V85 = 0.85


def hours_of(quarters: Sequence[Quarter]) -> list[LineSum]:
    """One row a line, way and hour by the clock (UTC) in which anything was analysed, by start."""
    return [
        row
        for hour, some in _by_hour(quarters)
        for row in summed(some, Ns(hour * NS_PER_HOUR), Ns((hour + 1) * NS_PER_HOUR))
    ]


def movement_hours_of(quarters: Sequence[Quarter]) -> list[MovementSum]:
    """The same of turning movements: one row for each that anybody made in that hour."""
    return [
        row
        for hour, some in _by_hour(quarters)
        for row in movements_summed(some, Ns(hour * NS_PER_HOUR), Ns((hour + 1) * NS_PER_HOUR))
    ]


def _by_hour(quarters: Sequence[Quarter]) -> list[tuple[int, list[Quarter]]]:
    """Hours since the epoch (UTC), by time, each with its quarters."""
    by_hour: dict[int, list[Quarter]] = {}
    for one in quarters:
        by_hour.setdefault(one.start_ns // NS_PER_HOUR, []).append(one)
    return sorted(by_hour.items())


def summed(quarters: Iterable[Quarter], start_ns: Ns, end_ns: Ns) -> list[LineSum]:
    """One row a line and way over [start, end), of quarters that begin in it."""
    inside, coverage = _inside(quarters, start_ns, end_ns)
    return [
        _sum_of(some, peak_of(inside, *key), coverage, start_ns, end_ns)
        for key, some in sorted(_by_way(inside).items())
    ]


def movements_summed(quarters: Iterable[Quarter], start_ns: Ns, end_ns: Ns) -> list[MovementSum]:
    """One row a turning movement that anybody made over [start, end), the busiest first."""
    inside, coverage = _inside(quarters, start_ns, end_ns)
    found: dict[tuple[str, str], Counter[ObjectClass]] = {}
    for one in (movement for quarter in inside for movement in quarter.movements):
        found.setdefault((one.entry, one.exit), Counter())[one.object_class] += one.count
    rows = [
        MovementSum(
            entry=entry,
            exit=exit_,
            start_ns=start_ns,
            end_ns=end_ns,
            coverage=coverage,
            counts=tuple(ClassCount(object_class=one, count=counts[one]) for one in sorted(counts)),
            vehicles=sum(count for one, count in counts.items() if one in VEHICLES),
            car_units=car_units_of(counts),
            peak=_peak(inside, partial(_movers, entry=entry, exit_=exit_)),
        )
        for (entry, exit_), counts in found.items()
    ]
    return sorted(rows, key=lambda row: (-row.vehicles, row.entry, row.exit))


def car_units_of(counts: Mapping[ObjectClass, int]) -> float:
    """Passenger car units of vehicles; people are none."""
    return round(sum(CAR_UNITS.get(one, 1.0) * count for one, count in counts.items() if one in VEHICLES), 1)


def peak_of(quarters: Sequence[Quarter], line: str, is_forward: bool) -> PeakHour | None:
    """The peak hour of a line and way; see `_peak`."""
    return _peak(quarters, lambda quarter: _vehicles(quarter, line, is_forward))


def _inside(quarters: Iterable[Quarter], start_ns: Ns, end_ns: Ns) -> tuple[list[Quarter], float]:
    """Those that begin in [start, end), and which share of it was analysed."""
    inside = [one for one in quarters if start_ns <= one.start_ns < end_ns]
    seen_ns = sum(one.coverage * (one.end_ns - one.start_ns) for one in inside)
    return inside, round(min(seen_ns / max(end_ns - start_ns, 1), 1.0), 4)


def _peak(quarters: Sequence[Quarter], count: Callable[[Quarter], int]) -> PeakHour | None:
    """The four consecutive quarters with the most vehicles, the first of several; None where no four follow each
    other or nobody drove. Source of the factor: Highway Capacity Manual, 7th edition, equation 4-3."""
    rows = [
        (one.start_ns, one.end_ns, count(one), one.coverage) for one in sorted(quarters, key=lambda one: one.start_ns)
    ]
    best: PeakHour | None = None
    for first in range(len(rows) - _QUARTERS + 1):
        four = rows[first : first + _QUARTERS]
        counts = [row[2] for row in four]
        if any(before[1] != after[0] for before, after in pairwise(four)) or not sum(counts):
            continue
        if best is None or sum(counts) > best.vehicles:
            best = PeakHour(
                start_ns=Ns(four[0][0]),
                vehicles=sum(counts),
                factor=round(sum(counts) / (_QUARTERS * max(counts)), 3),
                coverage=round(sum(row[3] for row in four) / _QUARTERS, 4),
                flow_per_h=_QUARTERS * max(counts),
            )
    return best


def percentile_kmh(histogram: Sequence[int], share: float) -> float | None:
    """The speed that `share` of the vehicles do not exceed; None of none."""
    total = sum(histogram)
    if not total:
        return None
    edges = np.arange(len(histogram) + 1) * float(BIN_KMH)
    reached = np.concatenate([[0.0], np.cumsum(histogram)]) / total
    # Where nobody drove, the share stands still and the speed is not defined: its lower end is taken.
    at = int(np.searchsorted(reached, share, side="left"))
    if at == 0:
        at = int(np.argmax(reached > 0))
    low, high = reached[at - 1], reached[at]
    inside = (share - low) / max(high - low, 1e-12)
    return round(float(edges[at - 1] + inside * BIN_KMH), 1)


def _by_way(quarters: Iterable[Quarter]) -> dict[tuple[str, bool], list[LineFigures]]:
    found: dict[tuple[str, bool], list[LineFigures]] = {}
    for quarter in quarters:
        for line in quarter.lines:
            found.setdefault((line.line, line.is_forward), []).append(line)
    return found


def _vehicles(quarter: Quarter, line: str, is_forward: bool) -> int:
    return sum(one.vehicles for one in quarter.lines if (one.line, one.is_forward) == (line, is_forward))


def _movers(quarter: Quarter, entry: str, exit_: str) -> int:
    return sum(
        one.count
        for one in quarter.movements
        if (one.entry, one.exit) == (entry, exit_) and one.object_class in VEHICLES
    )


def _sum_of(some: Sequence[LineFigures], peak: PeakHour | None, coverage: float, start_ns: Ns, end_ns: Ns) -> LineSum:
    counts: Counter[ObjectClass] = Counter()
    for one in some:
        counts.update({each.object_class: each.count for each in one.counts})
    speeds = [one.speeds for one in some if one.speeds is not None and one.speeds.histogram]
    histogram = _added([one.histogram for one in speeds])
    measured = sum(one.measured for one in speeds)
    limited = [one for one in speeds if one.over_limit is not None]
    over = sum(one.over_limit or 0 for one in limited)
    reach = (_V85 * (1 - _V85) / max(measured, 1)) ** 0.5
    ends = [percentile_kmh(histogram, min(max(_V85 + sign * reach, 0.0), 1.0)) for sign in (-1, 1)]
    return LineSum(
        line=some[0].line,
        is_forward=some[0].is_forward,
        start_ns=start_ns,
        end_ns=end_ns,
        coverage=coverage,
        counts=tuple(ClassCount(object_class=one, count=counts[one]) for one in sorted(counts)),
        vehicles=sum(count for one, count in counts.items() if one in VEHICLES),
        lengths=_added([one.lengths for one in some]),
        measured=measured,
        mean_kmh=round(sum(one.mean_kmh * one.measured for one in speeds) / measured, 1) if measured else None,
        v50_kmh=percentile_kmh(histogram, 0.5),
        v85_kmh=percentile_kmh(histogram, _V85),
        v85_error_kmh=None if ends[0] is None or ends[1] is None else round((ends[1] - ends[0]) / 2, 1),
        over_limit_share=round(over / max(sum(one.measured for one in limited), 1), 4) if limited else None,
        histogram=histogram,
        peak=peak,
        car_units=car_units_of(counts),
    )


def _added(rows: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Column by column; shorter ones as if zeros followed."""
    result = [0] * max((len(row) for row in rows), default=0)
    for row in rows:
        for at, count in enumerate(row):
            result[at] += count
    return tuple(result)
