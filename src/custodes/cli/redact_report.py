"""The report of `custodes redact`: what was done, by what, and the uncertain moments first."""

from collections.abc import Sequence
from pathlib import Path

from custodes import __version__
from custodes.media.film import FilmInfo
from custodes.redact.moments import SENTENCES, Moment
from custodes.redact.timeline import MaskPolicy
from custodes.review.film import RenderedFilm
from custodes.types.event import FrameAnalysed
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_S

REPORT_VERSION = 1


def report_of(
    *,
    source: Path,
    target: Path,
    info: FilmInfo,
    policy: MaskPolicy,
    facts: Sequence[FrameAnalysed],
    moments: Sequence[Moment],
    rendered: RenderedFilm,
    decode_errors: int,
    models: Sequence[str],
    analysed_s: float,
) -> dict[str, object]:
    """As JSON will have it. Times in seconds of the film, boxes in shares of the picture."""
    return {
        "version": REPORT_VERSION,
        "uncertain": [moment_row(moment) for moment in moments],
        "source": source.name,
        "target": target.name,
        "custodes": __version__,
        "models": list(models),
        "level": policy.level.value,
        "margin": policy.margin,
        "plates": policy.has_plates,
        "zones": len(policy.zones),
        "frames": rendered.frames,
        "frames_covered_whole": rendered.whole_frames,
        "frames_looked_at": len(facts),
        "packets_unreadable": decode_errors,
        "width_px": info.width_px,
        "height_px": info.height_px,
        "fps": round(info.fps, 3),
        "audio": "removed" if info.has_audio else "none",
        "metadata": "removed",
        "tracks": _tracks(facts),
        "masked_share": round(rendered.masked_share, 4),
        "analysis_s": round(analysed_s, 2),
        "writing_s": round(rendered.seconds, 2),
    }


def moment_row(moment: Moment) -> dict[str, object]:
    """One moment for JSON."""
    return {
        "from_s": round(moment.start_ns / NS_PER_S, 3),
        "until_s": round(moment.end_ns / NS_PER_S, 3),
        "doubt": moment.doubt.value,
        "why": SENTENCES[moment.doubt],
        "severity": moment.severity,
        "box": [round(value, 4) for value in moment.box],
    }


def _tracks(facts: Sequence[FrameAnalysed]) -> dict[str, int]:
    """Tracks found forwards, by kind; each is one person or thing, or a part of its way."""
    seen: dict[int, int] = {}
    for fact in facts:
        for track_id, class_id in zip(fact.frame.track_ids.tolist(), fact.frame.class_ids.tolist(), strict=True):
            if 0 <= track_id < 1 << 40:
                seen[track_id] = class_id
    counts: dict[str, int] = {}
    for class_id in seen.values():
        name = ObjectClass(class_id).name.lower()
        counts[name] = counts.get(name, 0) + 1
    return counts
