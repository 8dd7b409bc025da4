"""Archived frames for a trace: keyframes over an interval, every frame around moments. Nothing leaves from here."""

from collections.abc import Iterator
from dataclasses import dataclass

from custodes.errors import DataLoss, KeyMissing, MediaError
from custodes.redact.fill import fill_boxes
from custodes.redact.timeline import MaskTimeline
from custodes.review.archive import Archive, GopRef
from custodes.review.decoding import GopFrames
from custodes.types.media import Frame
from custodes.units import Ns

UNREADABLE = (DataLoss, KeyMissing, MediaError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFrame:
    """One decoded frame and where it lies."""

    gop: GopRef
    frame: Frame


def gops_between(archive: Archive, start_ns: Ns, end_ns: Ns, *, limit: int) -> list[GopRef]:
    """Where GOPs begin, thinned evenly to at most `limit`; the one that holds `start_ns` first."""
    found: list[GopRef] = []
    first = archive.gop_at(start_ns)
    if first is not None and first.end_ns > start_ns:
        found.append(first)
    at = start_ns
    while (gop := archive.gop_from(at)) is not None and gop.start_ns <= end_ns:
        found.append(gop)
        at = gop.start_ns
    step = max(-(-len(found) // limit), 1)
    return found[::step]


def keyframes(archive: Archive, gops: list[GopRef]) -> Iterator[ArchivedFrame]:
    """The first picture of each; those that cannot be read are left out."""
    for gop in gops:
        try:
            frame = GopFrames(*archive.read(gop)).frame_at(gop.start_ns)
        except UNREADABLE:
            continue
        if frame is not None and not frame.is_corrupt:
            yield ArchivedFrame(gop=gop, frame=frame)


def all_frames(archive: Archive, gop: GopRef) -> Iterator[ArchivedFrame]:
    """Every picture of one GOP, or those before the first that cannot be read."""
    try:
        info, packets = archive.read(gop)
        frames = GopFrames(info, packets)
        for packet in sorted(packets, key=lambda one: one.utc_ns):
            frame = frames.frame_at(packet.utc_ns)
            if frame is not None and frame.utc_ns == packet.utc_ns and not frame.is_corrupt:
                yield ArchivedFrame(gop=gop, frame=frame)
    except UNREADABLE:
        return


def as_masked(frame: Frame, timeline: MaskTimeline) -> Frame | None:
    """The frame as a viewer without further rights was shown it; None where everything was filled or nobody was."""
    masks = timeline.masks_at(frame.utc_ns, frame.run)
    return None if masks is None or not len(masks) else fill_boxes(frame, masks)
