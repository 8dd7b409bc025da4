"""What a trace found, as it is told and as it is handed over."""

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from custodes import __version__
from custodes.audit.checkpoint import log_keys
from custodes.audit.export import policy_text
from custodes.errors import InvalidArgument
from custodes.leaks.finding import MAY_NOT_CONCLUDE, Delivered, place_sentence, verdict_sentence
from custodes.leaks.found_file import media_type_of
from custodes.leaks.report_page import README, report_page
from custodes.leaks.verdict import Verdict
from custodes.sealing.published import read_pinned
from custodes.types.access import Principal
from custodes.types.leak import CandidateScore, PictureTraced, TraceOrder
from custodes.types.mark import SLOT_NS
from custodes.types.stream import camera_of
from custodes.units import CameraId


def told_of(
    request: TraceOrder,
    first: Principal,
    second: Principal,
    best: PictureTraced | None,
    answers: Sequence[PictureTraced],
    names: dict[CameraId, str],
    verdict: Verdict,
    delivered: dict[str, Delivered],
    *,
    site: str,
    now_ns: int,
) -> dict[str, object]:
    """The finding, as it is hashed into the log."""
    told: dict[str, object] = {
        "format": "custodes-leak-finding/1",
        "software": f"custodes {__version__}",
        "site": site,
        "reference": request.reference,
        "traced_by": [first.name, second.name],
        "approved_request": request.request_id,
        "created_ns": now_ns,
        "picture_sha256": hashlib.sha256(request.picture).hexdigest(),
        "may_not_conclude": MAY_NOT_CONCLUDE,
        "cameras": {
            str(one.camera_id): {"found": one.is_found, "likeness": round(one.likeness, 3), "error": one.error}
            for one in answers
        },
    }
    if best is None:
        reasons = sorted({one.error for one in answers if one.error})
        told |= {
            "verdict": "not ours",
            "sentence": "The picture is not a view of these cameras in that time."
            + (f" Not looked at: {'; '.join(reasons)}." if reasons else ""),
        }
        return told
    told |= {
        "camera": str(best.camera_id),
        "place": place_sentence(best, names.get(camera_of(best.camera_id), "")),
        "utc_ns": best.utc_ns,
        "earliest_ns": best.earliest_ns,
        "latest_ns": best.latest_ns,
        "by_content_ns": list(best.by_content_ns),
        "likeness": round(best.likeness, 4),
        "matrix": list(best.matrix),
        "is_mirrored": best.is_mirrored,
        "view": None if best.fidelity is None else best.fidelity.value,
        "reference_sha256": best.reference_sha256,
        "background_since_ns": best.background_ns,
        "error": best.error,
    }
    if not request.is_attributing:
        return told | {"verdict": "found", "sentence": told["place"]}
    return told | {
        "verdict": verdict.kind,
        "sentence": verdict_sentence(verdict, best, delivered),
        "false_accusation_bound": verdict.bound,
        "log10_likelihood_ratio_capped": round(verdict.log10_ratio, 2),
        "trials": best.trials,
        "decoys": best.decoys,
        "decoy_z_max": round(best.decoy_z_max, 3),
        "marks_log_index": best.marks_log_index,
        "named": [_scored(one) for one in verdict.sessions],
        # Without a name there is no ranking: by the time they were let in.
        "shown_to": [asdict(one) for one in sorted(delivered.values(), key=lambda one: one.granted_ns)],
    }


def report_of(finding: str, picture: bytes) -> str:
    """The finding as a page; its hash goes into the log beside the finding's."""
    try:
        media_type = media_type_of(picture)
    except InvalidArgument:
        media_type = ""
    return report_page(json.loads(finding), picture, media_type)


def bundle_of(
    warden_key: Path,
    picture: bytes,
    finding: str,
    report: str,
    best: PictureTraced | None,
    proofs: dict[int, str],
    index: int,
) -> bytes:
    """The finding with all that proves it: a ZIP. Args: index: of the finding's log entry, in `proofs`."""
    pinned = read_pinned(warden_key)
    policy = policy_text(log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key), [])
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("picture", picture)
        opened.writestr("finding.json", finding)
        opened.writestr("report.html", report)
        opened.writestr("README.txt", README)
        opened.writestr("log/policy", policy)
        for number, values in enumerate(best.evidence if best is not None else ()):
            opened.writestr(f"evidence-{number}.f32", values)
        for at, proof in proofs.items():
            opened.writestr(f"log/{'finding' if at == index else at}.proof", proof)
    return stream.getvalue()


def _scored(one: CandidateScore) -> dict[str, object]:
    return {
        "session": str(one.session_id),
        "z": round(one.z, 3),
        "session_layer_z": round(one.session_z, 3),
        "slot": one.slot,
        "slot_start_ns": one.slot * SLOT_NS,
        "slot_key": one.slot_key.hex(),
        "view": one.fidelity.value,
        "granted_index": one.granted_index,
        "released_index": one.released_index,
    }
