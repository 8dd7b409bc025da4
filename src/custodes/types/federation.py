"""What a site may tell a centre, and what a centre may answer. Nothing else crosses.

Closed on purpose: numbers, short names and one signed checkpoint. No field can hold a picture, a template, a track, an
address or a sentence (`tests/federation/test_boundary.py` walks them all), and the centre's receipt has no field that
asks for anything. What a centre may ask is in `types.question`; what a site answers is a fact as any other.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

MAX_ROWS = 400
"""Of one fact; more become several facts."""
MAX_NOTE_CHARS = 24_000
"""A checkpoint with its two signatures is 3.8 kB of text, with a witness's two more 7.5 kB."""

Slug = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9._-]*$")]
Word = Annotated[str, Meta(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A name that people gave: of a line, a maker, a model."""
Time = Annotated[int, Meta(ge=0, le=2**62)]
"""UTC nanoseconds."""
Count = Annotated[int, Meta(ge=0, le=2**62)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(ge=0.0, le=1e7)]
Note = Annotated[str, Meta(max_length=MAX_NOTE_CHARS)]


class Topic(StrEnum):
    """What the configuration of a site shares, or not."""

    HEALTH = "health"
    COUNTS = "counts"
    FLOWS = "flows"
    FLEET = "fleet"
    LOG = "log"
    CASES = "cases"
    """Answers to the centre's questions for a case, each decided by the site's own policies."""


class SiteHealth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """How a site does, now and then; the newest counts."""

    utc_ns: Time
    version: Slug
    cameras: Count
    recording: Count
    recorded_bytes: Count
    free_bytes: Count
    facts_dropped: Count
    """Figures that were never sent because the outbox was full."""


class CameraNow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera's state."""

    camera_id: Slug
    state: Slug
    is_recording: bool


REMOVED = "removed"
"""State of a camera that the site no longer has."""


class CamerasChanged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """Cameras whose state is another one than was told."""

    utc_ns: Time
    cameras: Annotated[tuple[CameraNow, ...], Meta(max_length=MAX_ROWS)]


class LineCount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many of one class crossed a line one way; rounded, 0 for fewer than the site's `min_group`."""

    line: Word
    is_forward: bool
    object_class: Slug
    count: Count


class CountsOfQuarter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """A camera's counts over a quarter of an hour."""

    camera_id: Slug
    start_ns: Time
    end_ns: Time
    coverage: Share
    min_group: Annotated[int, Meta(ge=10, le=1000)]
    counts: Annotated[tuple[LineCount, ...], Meta(max_length=MAX_ROWS)]


class FlowBetween(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See `types.flow.FlowCell`."""

    from_camera: Slug
    to_camera: Slug
    count: Count
    median_s: Seconds


class FlowsOfHour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """See `types.flow.FlowHour`; without what tells where in a picture somebody stood."""

    start_ns: Time
    end_ns: Time
    group: Slug
    part: Annotated[int, Meta(ge=0, le=10_000)]
    """A large hour comes in several."""
    min_group: Annotated[int, Meta(ge=10, le=1000)]
    cells: Annotated[tuple[FlowBetween, ...], Meta(max_length=MAX_ROWS)]


class DeviceRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device of the fleet, without address, serial number or login."""

    device: Slug
    maker: Word
    model: Word
    firmware: Word
    worst: Slug
    """Severity of the worst finding; info for none."""
    findings: Count


class FleetAudited(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """What an audit of the devices found; a later audit replaces it whole."""

    judged_ns: Time
    devices: Annotated[tuple[DeviceRow, ...], Meta(max_length=MAX_ROWS)]


class LogGrew(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """A checkpoint of the site's log with the proof that the log only grew: a request to a witness (C2SP)."""

    request: Note
    """`audit.witness.request_body`; what is no such thing is refused there."""


class MovementFound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something of a class was before a camera from `start_ns` to `end_ns`."""

    camera_id: Slug
    object_class: Slug
    start_ns: Time
    end_ns: Time


class CaseAnswered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """The answer to a `types.question.CaseQuestion`: what was found, or that nothing is said, and why.

    Newest first, in parts. `log_index`: of the site's log, durable before anything was looked up.
    """

    question_id: Slug
    utc_ns: Time
    is_allowed: bool
    reason: Word
    log_index: Count
    part: Annotated[int, Meta(ge=0, le=10_000)]
    parts: Annotated[int, Meta(ge=1, le=10_000)]
    answered_from_ns: Time
    """There may be more before this moment, for there was too much to look at; else the question's beginning."""
    cameras: Annotated[int, Meta(ge=0, le=100_000)]
    """How many were looked at."""
    found: Annotated[tuple[MovementFound, ...], Meta(max_length=MAX_ROWS)]


Shared = SiteHealth | CamerasChanged | CountsOfQuarter | FlowsOfHour | FleetAudited | LogGrew | CaseAnswered

TOPICS: dict[type[Shared], Topic] = {
    SiteHealth: Topic.HEALTH,
    CamerasChanged: Topic.HEALTH,
    CountsOfQuarter: Topic.COUNTS,
    FlowsOfHour: Topic.FLOWS,
    FleetAudited: Topic.FLEET,
    LogGrew: Topic.LOG,
    CaseAnswered: Topic.CASES,
}


class Receipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a centre can say to a site: how far it has come, and its signature on the site's checkpoint."""

    site_id: Slug
    seq: Count
    """Every fact up to this one is durable at the centre; 0 for none."""
    tip: Annotated[bytes, Meta(min_length=32, max_length=32)]
    """The chain's value there (`federation.parcel.link`); zeros for none."""
    log_size: Count
    """The size of the site's log that the centre's witness remembers."""
    cosigned: Note
    """That checkpoint with the witness's signatures; empty when there is none."""
