"""An evidence bundle that goes from a site to its centre: what it says of itself, and whether it is what was given."""

import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from custodes.app.serving.wishes import GIVEN
from custodes.errors import AlreadyExists, DataLoss, FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.types.federation import CaseAnswered
from custodes.types.question import CaseQuestion
from custodes.units import NS_PER_MS
from custodes_verify import Wrong, parse_policy, read_file, read_member, verify_evidence

_INDEX = re.compile(r"^index ([0-9]{1,18})$", re.M | re.ASCII)
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleHead:
    """What a bundle's manifest says, unchecked."""

    manifest_sha256: str
    camera_id: str
    reference: str
    start_ns: int
    end_ns: int
    grant_index: int
    sealed_index: int


def read_head(bundle: Path) -> BundleHead:
    """Raises: InvalidArgument when it is no evidence bundle."""
    try:
        with zipfile.ZipFile(bundle) as opened:
            raw = read_member(opened, "manifest.json")
            proof = read_member(opened, "manifest.tlog-proof").decode()
        manifest: dict[str, Any] = json.loads(raw)
        index = _INDEX.search(proof)
        if not str(manifest["format"]).startswith("custodes-evidence/") or index is None:
            raise ValueError(f"its format is {manifest['format']!r}")
        return BundleHead(
            manifest_sha256=hashlib.sha256(raw).hexdigest(),
            camera_id=str(manifest["camera_id"]),
            reference=str(manifest["reference"]),
            start_ns=_ns(manifest["start_utc"]),
            end_ns=_ns(manifest["end_utc"]),
            grant_index=int(manifest["grant"]["index"]),
            sealed_index=int(index[1]),
        )
    except (Wrong, zipfile.BadZipFile, OSError, *_MALFORMED) as error:
        raise InvalidArgument(f"{bundle} is no evidence bundle: {error}") from error


def check_bundle(bundle: Path, policy: Path | None) -> list[str]:
    """`custodes evidence verify` against a site's pinned keys. Raises: DataLoss, FailedPrecondition without keys."""
    if policy is None:
        raise FailedPrecondition("the site has no `log:` in centre.yaml: its bundles cannot be checked")
    try:
        return ["good", *verify_evidence(bundle, parse_policy(read_file(policy).decode()))]
    except Wrong as error:
        raise DataLoss(f"NOT GOOD: {error}") from error
    except _MALFORMED as error:
        raise InvalidArgument(f"NOT GOOD: {bundle} is malformed ({type(error).__name__})") from error


def take_bundle(
    folder: Path, question: CaseQuestion, answers: Sequence[CaseAnswered], bundle: Path, policy: Path | None
) -> Path:
    """Keep it in the centre's folder, if it is what the site signed for. Returns where.

    Raises: PermissionDenied when the site gave none or another; DataLoss when it does not verify; InvalidArgument.
    """
    given = [one.reason.removeprefix(GIVEN) for one in answers if one.is_allowed and one.reason.startswith(GIVEN)]
    if not question.wants_footage or not given:
        raise PermissionDenied("the site gave no footage for this question")
    head = read_head(bundle)
    if head.manifest_sha256 not in given:
        raise PermissionDenied("that is another bundle than the one that the site gave")
    check_bundle(bundle, policy)
    # A manifest says its times by the millisecond.
    is_within = question.start_ns - NS_PER_MS <= head.start_ns and head.end_ns <= question.end_ns + NS_PER_MS
    if (head.camera_id,) != question.cameras or not is_within or question.question_id not in head.reference:
        raise PermissionDenied("the bundle is not of what was asked for")
    target = folder / "footage" / f"{question.question_id}.zip"
    if target.exists():
        raise AlreadyExists(f"{target} is there already")
    target.parent.mkdir(mode=0o700, exist_ok=True)
    target.touch(mode=0o600)
    shutil.copyfile(bundle, target)
    return target


def _ns(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    return round(moment.timestamp() * 1000) * NS_PER_MS
