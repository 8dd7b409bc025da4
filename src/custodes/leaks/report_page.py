"""A finding as a page that opens without a network: what was found, what may and may not be concluded. Pure.

Made from `finding.json` alone, which the log proves; names and references in it are text of people, and escaped.
"""

import base64
from html import escape
from typing import Any

from custodes.leaks.case_page import STYLE
from custodes.leaks.finding import clock_time
from custodes.leaks.rule import NAMED_Z, SUPPORTING_Z

_MAX_INLINE_BYTES = 8 * 1024 * 1024
"""A larger picture lies beside the page as `picture`."""

_MAY = {
    "named": (
        "The picture derives from the copy of that camera and those ten seconds that was delivered to the named "
        "session. The log entries beside it prove to which account, for which purpose and when it was let in."
    ),
    "composite": (
        "Parts of the picture, or an average that it was made of, derive from the copies of all named sessions. That "
        "they worked together is one explanation; that somebody had all copies is another."
    ),
    "supported": (
        "There is support for one copy, too little to name it. It may be a reason to look further; no decision about "
        "a person may rest on it."
    ),
    "transplanted": (
        "A mark of a session was found without the mark of the moment. That is what a mark looks like that somebody "
        "took from other pictures. It speaks against a leak by that session as much as for one."
    ),
    "unmarked": (
        "The picture shows that camera's view. Which copy it derives from is not known. The sessions listed were shown"
        " "
        "that moment; that is all that is known of them, and the list is in no order of guilt."
    ),
    "unseen": "The picture shows that camera's view. No session that the log knows was shown the moment.",
    "found": "The picture shows that camera's view. Nobody looked for the copy that it derives from.",
    "not ours": (
        "The picture was not found in what was recorded of these cameras in that time. It may be of another time or "
        "camera, or changed too much."
    ),
}

README = """What a leak trace of custodes found. Open report.html first; it needs no network. To check all of it:

    custodes leak verify THIS.zip --policy KEYS.txt

KEYS.txt are the keys of the site's log, taken on another way than this file; without --policy those in log/policy are
taken. It needs custodes installed, no site and no network. Checked are: that the site's log has the SHA-256 of
finding.json and of report.html; that picture is what was traced; every entry of log/; and that scores come out again
from evidence-N.f32 (36,000 float32, little-endian, what the marks are correlated with) and the slot keys in
finding.json, for the named copies and for as many sessions that never existed. Those keys make one pattern of ten
seconds each, and nothing else.
"""


def report_page(told: dict[str, Any], picture: bytes, media_type: str) -> str:
    """HTML of a finding. Args: told: `finding.json`; media_type: of the picture; "" for what no browser shows."""
    kind = str(told["verdict"])
    sentences = dict.fromkeys(str(told[key]) for key in ("place", "sentence") if told.get(key))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Leak trace</title>'
        f"<style>{STYLE}img{{max-height:24rem;max-width:100%}}</style></head><body>"
        f"<h1>Leak trace, case {escape(str(told['reference']))}</h1>"
        f"<p>{escape(str(told['site']))}, {clock_time(int(told['created_ns']))}, by "
        f"{escape(' and '.join(told['traced_by']))}, {escape(str(told['software']))}</p>"
        f"<h2>What was found</h2>{''.join(f'<p><b>{escape(one)}</b></p>' for one in sentences)}"
        f"{_picture(picture, media_type)}{_named(told)}{_shown_to(told)}"
        f'<h2>What may be concluded</h2><p class="notice">{escape(_MAY.get(kind, _MAY["unseen"]))}</p>'
        f'<h2>What may not be concluded</h2><p class="notice">{escape(str(told["may_not_conclude"]))}</p>'
        f"{_how_sure(told)}{_looked_at(told)}"
        "<h2>How to check this</h2><p>README.txt says how. This page says what finding.json says; the log has the "
        f'SHA-256 of both. Picture: <span class="mono">{escape(str(told["picture_sha256"]))}</span></p>'
        "</body></html>\n"
    )


def _picture(picture: bytes, media_type: str) -> str:
    if not media_type.startswith("image/") or len(picture) > _MAX_INLINE_BYTES:
        return "<p>The picture lies beside this page, as it was found.</p>"
    encoded = base64.b64encode(picture).decode()
    return f'<p><img alt="The picture as it was found" src="data:{escape(media_type)};base64,{encoded}"></p>'


def _named(told: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><td class="mono">{escape(str(one["session"]))}</td><td>{clock_time(int(one["slot_start_ns"]))}</td>'
        f"<td>{one['z']}</td><td>{one['session_layer_z']}</td><td>{escape(str(one['view']))}</td>"
        f"<td>{one['granted_index']}, {one['released_index']}</td></tr>"
        for one in told.get("named") or ()
    )
    if not rows:
        return ""
    return (
        "<table><tr><th>session</th><th>ten seconds from</th><th>z of the ten seconds</th><th>z of the session</th>"
        f"<th>view</th><th>log entries</th></tr>{rows}</table>"
    )


def _shown_to(told: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(str(one['person'] or 'account erased'))}</td><td>{escape(str(one['purpose']))} "
        f"{escape(str(one['reference']))}</td><td>{escape(str(one['fidelity']))}</td>"
        f'<td>{clock_time(int(one["granted_ns"]))}</td><td class="mono">{escape(str(one["session_id"]))}</td>'
        f"<td>{one['granted_index']}</td></tr>"
        for one in told.get("shown_to") or ()
    )
    if not rows:
        return ""
    return (
        "<h2>Sessions that were shown it</h2><p>As the log tells, fixed before anything was compared; in the order of "
        "their grants.</p><table><tr><th>account</th><th>purpose</th><th>view</th><th>let in</th><th>session</th>"
        f"<th>log entry</th></tr>{rows}</table>"
    )


def _how_sure(told: dict[str, Any]) -> str:
    if not told.get("decoys"):
        return ""
    return (
        f"<h2>How sure that is</h2><p>A copy is named from z {NAMED_Z:g} on, from {SUPPORTING_Z:g} on it is "
        "supported. Patterns are secret random signs: of a copy that was not used, the chance of z or more is at most "
        "exp(-z²/2), whatever the picture shows. "
        f"{told['trials']} comparisons were made, and all are counted. {told['decoys']} sessions that never existed "
        f"were scored beside; they reach {float(told['decoy_z_max']):.1f} at most.</p>"
    )


def _looked_at(told: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(str(name))}</td><td>{'yes' if one['found'] else 'no'}</td><td>{one['likeness']}</td>"
        f"<td>{escape(str(one['error']))}</td></tr>"
        for name, one in told["cameras"].items()
    )
    return (
        "<h2>Cameras that were looked at</h2><table><tr><th>camera</th><th>found there</th><th>likeness</th><th></th>"
        f"</tr>{rows}</table>"
    )
