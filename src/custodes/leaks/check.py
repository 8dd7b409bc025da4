"""Checking a leak bundle anywhere: the finding is the one the log has, its scores come out again. Needs no site."""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np

from custodes.errors import DataLoss, InvalidArgument
from custodes.leaks.verdict import decoy_key
from custodes.watermark.pattern import CELLS
from custodes.watermark.score import Evidence, agreement
from custodes_verify import Wrong, parse_policy, verify_proof

MAX_MEMBER_BYTES = 64 * 1024 * 1024
_TOLERANCE = 0.1
"""What another machine's floating point may make of the same sums, generously."""


def check_bundle(path: Path, policy: str | None = None) -> list[str]:
    """What was checked, a sentence each.

    Args: policy: the keys one trusts; None takes the bundle's own.
    Raises: DataLoss when something does not hold; InvalidArgument for what is no such bundle.
    """
    try:
        with zipfile.ZipFile(path) as opened:
            return _check(opened, policy)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, TypeError) as error:
        raise InvalidArgument(f"{path} is no leak bundle, or it is malformed: {error}") from error
    except Wrong as error:
        raise DataLoss(f"NOT GOOD: {error}") from error


def _read(opened: zipfile.ZipFile, name: str) -> bytes:
    if opened.getinfo(name).file_size > MAX_MEMBER_BYTES:
        raise InvalidArgument(f"{name} in the bundle is larger than {MAX_MEMBER_BYTES} bytes")
    return opened.read(name)


def _check(opened: zipfile.ZipFile, policy: str | None) -> list[str]:
    keys = parse_policy(policy if policy is not None else _read(opened, "log/policy").decode())
    raw = _read(opened, "finding.json")
    told = json.loads(raw)
    proven = verify_proof(_read(opened, "log/finding.proof").decode(), keys)
    details = proven.entry["details"]
    if details.get("finding_sha256") != hashlib.sha256(raw).hexdigest():
        raise DataLoss("NOT GOOD: the log has another finding than this")
    report = hashlib.sha256(_read(opened, "report.html")).hexdigest() if "report_sha256" in details else ""
    if details.get("report_sha256", "") != report:
        raise DataLoss("NOT GOOD: report.html is not the page that the log knows")
    picture_sha256 = hashlib.sha256(_read(opened, "picture")).hexdigest()
    if told["picture_sha256"] != picture_sha256:
        raise DataLoss("NOT GOOD: the picture is not the one that was traced")
    lines = [f"the finding is entry {proven.index} of the log", f"the picture is {picture_sha256}"]
    others = [name for name in opened.namelist() if name.endswith(".proof") and name != "log/finding.proof"]
    for name in others:
        verify_proof(_read(opened, name).decode(), keys)
    lines.append(f"{len(others)} more log entries are proven")
    return lines + _check_scores(opened, told, picture_sha256)


def _check_scores(opened: zipfile.ZipFile, told: dict[str, object], picture_sha256: str) -> list[str]:
    names = sorted(name for name in opened.namelist() if name.endswith(".f32"))
    evidence = [Evidence(values=np.frombuffer(_read(opened, name), dtype="<f4", count=CELLS)) for name in names]
    named = told.get("named")
    if not evidence or not isinstance(named, list):
        return []
    for one in evidence:
        if float(np.linalg.norm(one.values)) > 1.001:
            raise DataLoss("NOT GOOD: evidence is longer than 1, so its scores mean nothing")
    lines = []
    for one in named:
        key = bytes.fromhex(one["slot_key"])
        again = float(agreement(evidence, [key]).max())
        if abs(again - float(one["z"])) > _TOLERANCE:
            raise DataLoss(f"NOT GOOD: session {one['session']} scores {again:.2f}, the finding says {one['z']}")
        lines.append(f"session {one['session']} scores z {again:.2f} again")
    count = int(str(told["decoys"]))
    decoys = [decoy_key(picture_sha256, number) for number in range(min(count, 100_000))]
    highest = float(agreement(evidence, decoys).max()) if decoys else 0.0
    if abs(highest - float(str(told["decoy_z_max"]))) > _TOLERANCE:
        raise DataLoss(f"NOT GOOD: decoys reach {highest:.2f}, the finding says {told['decoy_z_max']}")
    lines.append(f"{count} decoys reach z {highest:.2f} at most")
    return lines
