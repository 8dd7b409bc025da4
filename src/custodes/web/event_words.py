"""Plain words for what happens to the site and its cameras as such, in the language of the request. No markup, no
decisions."""

from collections.abc import Mapping

from custodes.types.access import AuditKind, AuditRecord
from custodes.types.event import HEARD, DeviceWord, SiteEvent, SiteEventKind
from custodes.types.message import CameraRow
from custodes.units import CameraId
from custodes.web.language.reported import reported
from custodes.web.language.speech import ENGLISH, Words, say, say_count, spoken, translated

OF_THE_DISK = frozenset({SiteEventKind.DISK_FULL, SiteEventKind.DISK_ERROR})
"""Told of as the number of cameras that are not recorded; the others name one camera."""

SITE_EVENT_WORDS: Words[str] = Words(
    {
        SiteEventKind.DISK_FULL.value: "The disk is full",
        SiteEventKind.DISK_ERROR.value: "The disk fails",
        SiteEventKind.CAMERA_DOWN.value: "A camera is down",
        SiteEventKind.CAMERA_COVERED.value: "A camera is covered, or sees no light",
        SiteEventKind.CAMERA_MOVED.value: "A camera is turned away from its place",
        SiteEventKind.CAMERA_DEFOCUSED.value: "A camera is out of focus",
        SiteEventKind.CAMERA_REPLAYED.value: "A camera is sending a recording",
        SiteEventKind.DEVICE_MOTION.value: "A camera itself says that something moves",
        SiteEventKind.DEVICE_TAMPERING.value: "A camera itself says that it is tampered with",
        SiteEventKind.DEVICE_INPUT.value: "An input of a camera is on",
        SiteEventKind.DEVICE_STORAGE.value: "The storage inside a camera fails",
        SiteEventKind.CLOCK_DRIFT.value: "A camera's clock is wrong",
        SiteEventKind.RECOGNITION_DRIFT.value: "Strangers score otherwise in a recognition zone",
        SiteEventKind.DISK_FORECAST.value: "The disk is too small for what is to be kept",
        SiteEventKind.FLEET_FINDING.value: "An audit has found something new",
    }
)


_OF_A_CAMERA: Words[str] = Words(
    {
        SiteEventKind.CAMERA_DOWN.value: "down",
        SiteEventKind.CAMERA_COVERED.value: "covered, or sees no light",
        SiteEventKind.CAMERA_MOVED.value: "turned away from its place",
        SiteEventKind.CAMERA_DEFOCUSED.value: "out of focus",
        SiteEventKind.CAMERA_REPLAYED.value: "sending a recording, not what it sees",
        SiteEventKind.DEVICE_MOTION.value: "says itself that something moves",
        SiteEventKind.DEVICE_TAMPERING.value: "says itself that it is tampered with",
        SiteEventKind.DEVICE_INPUT.value: "one of its inputs is on",
        SiteEventKind.DEVICE_STORAGE.value: "the storage inside it fails",
        SiteEventKind.CLOCK_DRIFT.value: "its clock is wrong",
        SiteEventKind.RECOGNITION_DRIFT.value: "strangers score otherwise in its recognition zone",
        SiteEventKind.FLEET_FINDING.value: "an audit has found something new",
    }
)
"""Behind the name of the camera."""

DEVICE_WORDS: Words[str] = Words(
    {
        DeviceWord.MOTION.value: "motion",
        DeviceWord.TAMPERING.value: "tampering",
        DeviceWord.INPUT.value: "an input is on",
        DeviceWord.STORAGE.value: "its storage fails",
    }
)
"""What a camera itself says, in a list."""


def site_event_title(event: SiteEvent, names: Mapping[CameraId, str]) -> str:
    """An event in a few words: `Main gate: out of focus`.

    Args:
        names: of cameras by id; one that is not in it is called by its id.
    """
    if event.kind.value not in _OF_A_CAMERA or not event.camera_ids:
        return SITE_EVENT_WORDS[event.kind.value]
    return f"{names.get(event.camera_ids[0], event.camera_ids[0])}: {_OF_A_CAMERA[event.kind.value]}"


def site_event_words(event: SiteEvent, names: Mapping[CameraId, str]) -> str:
    """An event in a sentence; the page says when. `names` as in `site_event_title`."""
    if event.kind not in OF_THE_DISK:
        return f"{site_event_title(event, names)}{f' ({reported(event.detail)})' if event.detail else ''}."
    count, what = len(event.camera_ids), _event_words(event)
    if event.end_ns:
        return say_count(
            count,
            "{what}: {count} camera missed some recording, and all record again.",
            "{what}: {count} cameras missed some recording, and all record again.",
            what=what,
        )
    detail = f" ({reported(event.detail)})" if event.detail else ""
    return say_count(
        count, "{what}: {count} camera not recorded{detail}.", "{what}: {count} cameras not recorded{detail}.",
        what=what, detail=detail,
    )  # fmt: skip


def _event_words(event: SiteEvent) -> str:
    what = SITE_EVENT_WORDS[event.kind.value]
    if event.end_ns and spoken() is ENGLISH:
        # other languages leave the tense to the times beside it
        what = what.replace(" is ", " was ", 1).replace(" fails", " failed")
    return what


def trouble_sentence(record: AuditRecord) -> str:
    """A log entry about the disk or a camera's health."""
    event, is_over = record.details.get("event", ""), record.details.get("state") == "over"
    if record.kind is AuditKind.STORAGE_EVENT:
        why = SITE_EVENT_WORDS.get(event, "Trouble with the disk")
        return f"{why}: {'over, recording goes on' if is_over else 'recording stopped'}."
    return f"{SITE_EVENT_WORDS.get(event, 'Trouble')}: {record.subject or 'the site'}{', over' if is_over else ''}."


def scene_words(row: CameraRow) -> str:
    """Whether tampering would be noticed now."""
    if not row.gate_mode:
        return translated("No analyser speaks of this camera: tampering is not noticed.")
    if not row.is_scene_known:
        return translated(
            "Its usual picture is being learnt, or it turns too often to have one: tampering is not noticed."
        )
    return say(
        "Its usual picture is known; {share} of its edges are in their place.", share=f"{row.scene_agreement:.0%}"
    )


def loss_words(row: CameraRow) -> str:
    """What was lost on the way; empty while nothing is known of it."""
    if not row.lost_packets:
        return ""
    return say_count(
        row.lost_packets,
        "{count} packet was lost between camera and recorder since it was started or changed.",
        "{count} packets were lost between camera and recorder since it was started or changed.",
    )


def device_words(row: CameraRow) -> str:
    """What the camera itself says; empty where nobody asked."""
    if row.device_events in ("", HEARD):
        said = "; ".join(map(_saying, row.device_says)) or translated("nothing to report")
        return say("Its own events are heard: {said}.", said=said) if row.device_events else ""
    return say("Its own events are not heard: {why}.", why=reported(row.device_events))


def _saying(said: str) -> str:
    """`motion (VideoSource 1)` with its first word translated."""
    word, _, of = said.partition(" ")
    return f"{DEVICE_WORDS.get(word, word)} {of}".strip()
