"""What of a site's figures may leave it. Pure.

A count leaves as a flow does (`journey.flows.released`): rounded to five, and 0 for fewer than `min_group`. Incidents
stay: each is about one vehicle or person.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from custodes.fleet.audit import FleetReport
from custodes.journey.flows import released
from custodes.types.federation import (
    MAX_ROWS,
    CountsOfQuarter,
    DeviceRow,
    FleetAudited,
    FlowBetween,
    FlowsOfHour,
    LineCount,
    Shared,
    Topic,
)
from custodes.types.flow import FlowHour
from custodes.types.traffic import Figure, Quarter

T = TypeVar("T")


def shared_figure(figure: Figure, topics: frozenset[Topic], *, min_group: int) -> list[Shared]:
    """The facts that a figure becomes; none for what is not shared."""
    match figure:
        case Quarter() if Topic.COUNTS in topics:
            return [_quarter(figure, min_group)]
        case FlowHour() if Topic.FLOWS in topics:
            return list(_flows(figure))
        case _:
            return []


def _quarter(figure: Quarter, min_group: int) -> CountsOfQuarter:
    counts = [
        LineCount(
            line=_word(line.line),
            is_forward=line.is_forward,
            object_class=one.object_class.name.lower(),
            count=released(one.count, min_group),
        )
        for line in figure.lines
        for one in line.counts
    ]
    return CountsOfQuarter(
        camera_id=figure.camera_id,
        start_ns=figure.start_ns,
        end_ns=figure.end_ns,
        coverage=min(max(figure.coverage, 0.0), 1.0),
        min_group=min_group,
        counts=tuple(counts[:MAX_ROWS]),
    )


def _flows(hour: FlowHour) -> Iterator[FlowsOfHour]:
    cells = [
        FlowBetween(
            from_camera=cell.from_camera, to_camera=cell.to_camera, count=cell.count, median_s=max(cell.median_s, 0.0)
        )
        for cell in hour.cells
    ]
    for part, some in enumerate(_lots(cells) or [()]):
        yield FlowsOfHour(
            start_ns=hour.start_ns,
            end_ns=hour.end_ns,
            group=hour.group.value,
            part=part,
            min_group=hour.min_group,
            cells=some,
        )


def shared_fleet(report: FleetReport, judged_ns: int) -> list[FleetAudited]:
    """A whole audit; none where nobody made one."""
    rows = [
        DeviceRow(
            device=one.seen.device_id[:64],
            maker=_word(one.identity.maker),
            model=_word(one.identity.model),
            firmware=_word(one.identity.firmware),
            worst=one.worst.value,
            findings=len(one.findings),
        )
        for one in report.devices
    ]
    return [FleetAudited(judged_ns=judged_ns, devices=some) for some in _lots(rows)]


def _lots(rows: Sequence[T]) -> list[tuple[T, ...]]:
    return [tuple(rows[start : start + MAX_ROWS]) for start in range(0, len(rows), MAX_ROWS)]


def _word(text: str) -> str:
    """What a device says of itself may be anything."""
    return "".join(ch for ch in text if ch.isprintable())[:80]
