"""What a person who asked for their data gets beside the film (GDPR art. 15): the papers of a subject access.

Pure. Who saw the pictures comes from the log (`web.looks`); here it becomes a page that anybody can read, and data.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from custodes.units import NS_PER_S, Ns

PAGE, TABLE = "subject-access.html", "viewers.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewing:
    """Somebody was permitted to see a camera over an interval."""

    index: int
    utc_ns: Ns
    person: str
    roles: str
    """With commas between, as they were then."""
    camera_id: str
    action: str
    fidelity: str
    purpose: str
    reference: str
    start_ns: Ns
    end_ns: Ns
    request_id: str
    shown: str
    """The only tracks that were unmasked, `run/track` with blanks between; empty: all, if it was unmasked."""
    frames_shown: str
    """Empty while nobody has told the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFacts:
    """What the papers say beside the list."""

    site_name: str
    camera_name: str
    start_ns: Ns
    end_ns: Ns
    reference: str
    tracks: tuple[str, ...]
    """`run/track`: the person who is shown; empty when nobody is."""
    controller: str
    contact: str
    purpose: str
    legal_basis: str
    retention_h: float
    has_names: bool
    """Whether viewers are named, or only what they are (`privacy.subject_access_names`)."""
    reaches_back: bool
    """Whether the log was read back to the beginning of the interval."""


def papers(facts: SubjectFacts, viewings: Sequence[Viewing]) -> dict[str, bytes]:
    """The page and the table, by file name. Names of viewers are left out where `facts.has_names` is false."""
    rows = [_row(facts, one) for one in viewings]
    table = {
        "camera": facts.camera_name,
        "from": _utc(facts.start_ns),
        "to": _utc(facts.end_ns),
        "shown": list(facts.tracks),
        "is_complete": facts.reaches_back,
        "viewings": rows,
    }
    return {
        PAGE: _page(facts, rows).encode(),
        TABLE: json.dumps(table, indent=1, ensure_ascii=False).encode(),
    }


def how_seen(viewing: Viewing, tracks: Sequence[str]) -> str:
    """Whether this person was masked in that viewing, in words."""
    if viewing.fidelity != "unmasked":
        return "masked"
    if not viewing.shown:
        return "without masks"
    named = set(viewing.shown.split())
    return "without a mask" if named & set(tracks) else "masked; somebody else was shown"


def _row(facts: SubjectFacts, viewing: Viewing) -> dict[str, str | int]:
    return {
        "when": _utc(viewing.utc_ns),
        "who": viewing.person if facts.has_names else viewing.roles.replace("_", " ") or "a person of the site",
        "what": viewing.action.replace("_", " "),
        "how": how_seen(viewing, facts.tracks),
        "from": _utc(viewing.start_ns),
        "to": _utc(viewing.end_ns),
        "why": f"{viewing.purpose.replace('_', ' ')} {viewing.reference}".strip(),
        "pictures": viewing.frames_shown or "not told",
        "entry": viewing.index,
    }


_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1f23; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ccc; }
dt { font-weight: 600; } @media (prefers-color-scheme: dark) { body { background: #14181c; color: #e6e6e6; } }"""
_COLUMNS = (
    ("when", "When (UTC)"),
    ("who", "Who"),
    ("what", "What"),
    ("how", "You were"),
    ("from", "Pictures from"),
    ("to", "to"),
    ("why", "Why"),
    ("pictures", "Pictures"),
    ("entry", "Log entry"),
)


def _page(facts: SubjectFacts, rows: Sequence[dict[str, str | int]]) -> str:
    shown = (
        f"The film shows you ({len(facts.tracks)} {'piece' if len(facts.tracks) == 1 else 'pieces'} of track); "
        "everybody else in it is masked."
        if facts.tracks
        else "Everybody in the film is masked."
    )
    about = (
        ("Camera", facts.camera_name),
        ("Time", f"{_utc(facts.start_ns)} to {_utc(facts.end_ns)} (UTC)"),
        ("Your request", facts.reference),
        ("Who is responsible", facts.controller or "not given"),
        ("Whom to ask", facts.contact or "not given"),
        ("Why there is a camera", facts.purpose or "not given"),
        ("Legal basis", facts.legal_basis or "not given"),
        ("How long recordings are kept", f"{facts.retention_h:g} hours, unless they are held as evidence"),
        ("Where the pictures come from", "from this camera; nothing was added"),
        ("Your rights", "to have this corrected or erased, to object, and to complain to the supervisory authority"),
    )
    head = "".join(f"<th>{label}</th>" for _, label in _COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(row[key]))}</td>" for key, _ in _COLUMNS) + "</tr>" for row in rows
    )
    seen = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else "<p>Nobody.</p>"
    notes = ""
    if not facts.has_names:
        notes += "<p>People of the site are named by what they do there; ask if you need their names.</p>"
    if not facts.reaches_back:
        notes += "<p><strong>The log is longer than what was read of it; there may be more.</strong></p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Your data</title>'
        f"<style>{_STYLE}</style></head><body><h1>Your data at {escape(facts.site_name)}</h1><p>{shown}</p><dl>"
        + "".join(f"<dt>{label}</dt><dd>{escape(text)}</dd>" for label, text in about)
        + f"</dl><h2>Who was permitted to see these pictures</h2>{notes}{seen}"
        "<p>The list is from the site's log, which nobody can rewrite unseen; README.txt says how to check it.</p>"
        "</body></html>\n"
    )


def _utc(utc_ns: Ns) -> str:
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S")
