"""Which recordings are to be deleted now. Pure: values in, values out; `app.serving.retention` deletes.

Three reasons, in this order: they are older than their camera keeps them, all together take more than the site
allows, the disk has no room for what is being recorded. Held recordings, and those still being written, stay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from custodes.ports.catalog import Hold
from custodes.types.media import Segment
from custodes.types.stream import camera_of
from custodes.units import NS_PER_S, CameraId, Ns

REST_NS = 10 * NS_PER_S
"""A segment that ended just now stays, whatever the reason: news of its growth may still be on their way."""


class Reason(StrEnum):
    """Why something is deleted; the words stand in the audit log."""

    AGE = "older than its retention"
    SIZE = "more than retention.max_gb"
    ROOM = "the disk is full"
    QUIET = "analysis saw nothing in it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a site keeps. Ages count from a segment's end."""

    max_age_ns: int
    camera_age_ns: Mapping[CameraId, int] = field(default_factory=dict)
    """Cameras with an age of their own."""
    max_bytes: int | None = None

    def age_ns(self, camera_id: CameraId) -> int:
        """How long this camera's recordings are kept."""
        return self.camera_age_ns.get(camera_id, self.max_age_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What goes, oldest first. `has_more`: the batch was full."""

    doomed: tuple[tuple[Segment, Reason], ...]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Analysis looked at a picture, and knows what was in all of [from_ns, to_ns]: `tracks` things."""

    from_ns: Ns
    to_ns: Ns
    tracks: int


def is_proven_quiet(start_ns: Ns, end_ns: Ns, looks: Iterable[Look]) -> bool:
    """Whether analysis looked at every moment of a stretch and never saw anything. Without proof it is not quiet.

    Args: looks: all that touch it, in any order. O(n log n).
    """
    reached_ns = start_ns
    for look in sorted(looks, key=lambda look: look.from_ns):
        if look.to_ns < start_ns or look.from_ns > end_ns:
            continue
        if look.tracks:
            return False
        if look.from_ns > reached_ns:
            return False  # a hole that nobody looked into
        reached_ns = max(reached_ns, look.to_ns)
    return end_ns > start_ns and reached_ns >= end_ns


def is_held(segment: Segment, holds: Iterable[Hold], now_ns: Ns) -> bool:
    """Whether an unexpired hold touches it; one of a camera holds both its streams."""
    header = segment.header
    return any(
        hold.camera_id in (header.camera_id, camera_of(header.camera_id))
        and hold.start_ns <= segment.end_ns
        and hold.end_ns >= header.start_ns
        and hold.expires_ns > now_ns
        for hold in holds
    )


def plan(
    segments: Sequence[Segment],
    holds: Sequence[Hold],
    *,
    now_ns: Ns,
    limits: Limits,
    stored_bytes: int,
    wanted_bytes: int,
    batch: int,
) -> Plan:
    """Choose.

    Args:
        segments: candidates in any order; must hold each camera's oldest unheld ones.
        stored_bytes: of all recordings of the site, for `max_bytes`.
        wanted_bytes: room to be made on the disk; 0 when there is enough.
        batch: at most so many are chosen.
    O(n log n + n · holds).
    """
    free = [
        segment
        for segment in sorted(segments, key=lambda one: (one.header.start_ns, one.header.segment_id))
        if segment.is_sealed and segment.end_ns <= now_ns - REST_NS and not is_held(segment, holds, now_ns)
    ]
    old = {
        segment.header.segment_id
        for segment in free
        if segment.end_ns <= now_ns - limits.age_ns(segment.header.camera_id)
    }
    freed = sum(segment.bytes_on_disk for segment in free if segment.header.segment_id in old)
    excess = 0 if limits.max_bytes is None else max(stored_bytes - limits.max_bytes, 0)
    doomed: list[tuple[Segment, Reason]] = []
    for segment in free:
        if segment.header.segment_id in old:
            doomed.append((segment, Reason.AGE))
        elif freed < max(excess, wanted_bytes):
            doomed.append((segment, Reason.SIZE if freed < excess else Reason.ROOM))
            freed += segment.bytes_on_disk
    return Plan(doomed=tuple(doomed[:batch]), has_more=len(doomed) > batch)
