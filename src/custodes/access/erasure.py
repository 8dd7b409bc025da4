"""The certificate of an erasure (GDPR art. 17): what was erased, which keys are gone, what is left, and where.

Pure. The server gathers the facts (`app.serving.erasure`); `custodes_verify` checks what the log proves of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape

from custodes.access.subject import Viewing
from custodes.types.media import Segment
from custodes.units import NS_PER_S, Ns

FORMAT = "custodes-erasure/1"
PAGE = "certificate.html"
README = """This certificate says which recordings a site running custodes erased. To check it without custodes:

    python3 custodes_verify.py erasure CERTIFICATE.zip --policy KEYS.txt

custodes_verify.py is one file that needs Python 3.11 and the package "cryptography"; take it and KEYS.txt from the
site on another way than this file. What a log proves: who erased, with whose approval, when, and which recordings,
each named by the hash under which it had been recorded; that keys were destroyed. What no log can prove: that nobody
had made a copy. Copies that left with a name on them are listed.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureFacts:
    """What the certificate is about; becomes its head."""

    erasure_id: str
    site_id: str
    site_name: str
    camera_id: str
    camera_name: str
    start_ns: Ns
    end_ns: Ns
    reference: str
    request_id: str
    erased_by: str
    created_ns: Ns
    software: str
    controller: str
    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedSegment:
    """A recording that is gone, and the proof of the entry that had recorded its root; empty if the log had none."""

    segment: Segment
    proof: str


def certificate(
    facts: ErasureFacts,
    *,
    segments: Sequence[ErasedSegment],
    left: Sequence[str],
    keys_destroyed: Mapping[str, str],
    keys_kept: Sequence[str],
    copies: Sequence[Viewing],
    exports_removed: int,
    entries: Mapping[str, int],
) -> dict[str, object]:
    """The certificate as data.

    Args: left: ids of recordings of the stretch that could not be erased. keys_destroyed: by key, the file of its
    proof. keys_kept: those that other recordings of their day still need. copies: exports that were permitted.
    entries: log index of the grant and of the erasure.
    """
    return {
        "format": FORMAT,
        **asdict(facts),
        "start_utc": _utc(facts.start_ns),
        "end_utc": _utc(facts.end_ns),
        "created_utc": _utc(facts.created_ns),
        "grant": {"index": entries["grant"], "proof": "log/grant.tlog-proof"},
        "erased": {"index": entries["erased"], "proof": "log/erased.tlog-proof"},
        "segments": [_row(one) for one in segments],
        "not_erased": list(left),
        "keys_destroyed": [{"key_id": key_id, "proof": proof} for key_id, proof in keys_destroyed.items()],
        "keys_kept": list(keys_kept),
        "exports_removed": exports_removed,
        "copies_that_left": [
            {"entry": one.index, "when": _utc(one.utc_ns), "by": one.person, "for": f"{one.purpose} {one.reference}"}
            for one in copies
        ],
        "remains": remains(keys_kept, copies),
    }


def remains(keys_kept: Sequence[str], copies: Sequence[Viewing]) -> list[str]:
    """What is left in the world after the erasure, said plainly."""
    said = [
        "The log keeps that there was a recording, its hash, who saw it and that it was erased: no picture of anybody."
    ]
    if keys_kept:
        said.append(
            "The key of a camera's day is destroyed with its last recording. Until then a sealed copy in a backup "
            f"could be opened with the site's keys; this site refuses to: {', '.join(keys_kept)}."
        )
    if copies:
        said.append(
            f"Pictures of this stretch left the site {len(copies)} times before; those who have them are to be told."
        )
    return said


def page(said: Mapping[str, object], facts: ErasureFacts) -> bytes:
    """The certificate for a person to read; HTML without scripts."""
    segments, keys = said["segments"], said["keys_destroyed"]
    assert isinstance(segments, list) and isinstance(keys, list)
    rows = "".join(
        f"<tr><td>{_utc(one['start_ns'])}</td><td>{_utc(one['end_ns'])}</td><td>{one['bytes']}</td>"
        f"<td><code>{escape(str(one['root']))}</code></td></tr>"
        for one in segments
    )
    about = {
        "Site": f"{facts.site_name} ({facts.site_id})",
        "Camera": facts.camera_name,
        "Asked to erase": f"{_utc(facts.start_ns)} to {_utc(facts.end_ns)} (UTC)",
        "Your request": facts.reference,
        "Erased by": f"{facts.erased_by}, approved under request {facts.request_id}",
        "Done": f"{_utc(facts.created_ns)} (UTC)",
        "Recordings erased": str(len(segments)),
        "Keys destroyed": ", ".join(str(one["key_id"]) for one in keys) or "none yet, see below",
        "Who is responsible": facts.controller or "not given",
        "Whom to ask": facts.contact or "not given",
    }
    left, remaining = said["not_erased"], said["remains"]
    assert isinstance(left, list) and isinstance(remaining, list)
    warning = f"<p><strong>{len(left)} recordings could not be erased.</strong></p>" if left else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Certificate of erasure</title><style>'
        "body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; } "
        "table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem .6rem; } "
        "dt { font-weight: 600; } code { overflow-wrap: anywhere; }</style></head><body>"
        + "<h1>Certificate of erasure</h1><dl>"
        + "".join(f"<dt>{label}</dt><dd>{escape(text)}</dd>" for label, text in about.items())
        + f"</dl>{warning}<h2>What remains</h2><ul>"
        + "".join(f"<li>{escape(str(one))}</li>" for one in remaining)
        + "</ul><h2>What was erased</h2><table><thead><tr><th>From</th><th>To</th><th>Bytes</th>"
        + f"<th>Its hash in the log</th></tr></thead><tbody>{rows}</tbody></table>"
        + "<p>README.txt says how to check this.</p></body></html>\n"
    ).encode()


def _row(erased: ErasedSegment) -> dict[str, object]:
    segment, header = erased.segment, erased.segment.header
    return {
        "segment_id": header.segment_id,
        "start_ns": header.start_ns,
        "end_ns": segment.end_ns,
        "bytes": segment.bytes_on_disk,
        "root": segment.root.hex(),
        "fragments": segment.fragments,
        "key_id": header.key_id,
        "proof": f"log/{header.segment_id}.tlog-proof" if erased.proof else "",
    }


def _utc(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S")
