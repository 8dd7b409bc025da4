"""Decisions: an AccessRequest against the site's Cedar policies, default deny, with reasons in plain words.

Grants and what they release belong to `grants` and `release`.
"""

import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any

import cedarpy

from custodes.errors import ConfigError, InvalidArgument
from custodes.types.access import AccessRequest, Action, Decision

_FOOTAGE = frozenset({Action.WATCH_LIVE, Action.PLAY_BACK})
_ON_CAMERA = _FOOTAGE | {Action.READ_METADATA}
_SITE_RESOURCE = "site"
_CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_REFERENCE_CHARS = 200
MAX_NAME_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyText:
    """What a policy says of itself in its annotations."""

    policy_id: str
    reason: str


class Policies:
    """A parsed, validated policy set. Immutable; share it."""

    def __init__(self, texts: tuple[str, ...], schema: str) -> None:
        """Raises: ConfigError when a policy does not parse, does not fit the schema, or lacks @id or @reason."""
        joined = "\n".join(texts)
        try:
            self.handle = cedarpy.PolicySet.from_str(joined)
            validation = cedarpy.validate_policies(joined, schema)
        except ValueError as error:
            raise ConfigError(f"access policies do not parse: {error}") from error
        if not validation.validation_passed:
            problems = "; ".join(str(problem) for problem in validation.errors)
            raise ConfigError(f"access policies do not fit the schema: {problems}")
        self.texts = _annotations(joined)


def _annotations(joined: str) -> dict[str, PolicyText]:
    texts: dict[str, PolicyText] = {}
    seen: set[str] = set()
    for position, policy in json.loads(cedarpy.policies_to_json_str(joined))["staticPolicies"].items():
        annotations = policy.get("annotations", {})
        policy_id, reason = annotations.get("id"), annotations.get("reason")
        if not policy_id or not reason or policy_id in seen:
            raise ConfigError(f"access policy {policy_id or position!r} needs an @id of its own and a @reason")
        seen.add(policy_id)
        texts[position] = PolicyText(policy_id=policy_id, reason=reason)
    return texts


def load_policies() -> Policies:
    """The shipped policies, from `policies/*.cedar`. About 2 ms; once per process. Raises: ConfigError."""
    folder = resources.files("custodes.access") / "policies"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".cedar")), key=lambda f: f.name)
    texts = tuple(f.read_text(encoding="utf-8") for f in files)
    return Policies(texts, (folder / "custodes.cedarschema").read_text(encoding="utf-8"))


def check_request(request: AccessRequest) -> None:
    """Refuse what no policy should have to think about. Raises: InvalidArgument."""
    principal = request.principal
    if not principal.user_id or max(len(principal.user_id), len(principal.name)) > MAX_NAME_CHARS:
        raise InvalidArgument("a principal has an id, and id and name are short")
    if len(request.purpose.reference) > MAX_REFERENCE_CHARS:
        raise InvalidArgument(f"a purpose's reference has at most {MAX_REFERENCE_CHARS} characters")
    if request.action in _ON_CAMERA and not request.camera_id:
        raise InvalidArgument(f"{request.action.value} needs a camera")
    if request.camera_id and not _CAMERA_ID.fullmatch(request.camera_id):
        raise InvalidArgument("that is not a camera id")
    if request.action in _FOOTAGE and not _SESSION_ID.fullmatch(request.session_id):
        raise InvalidArgument(f"{request.action.value} needs a session id of letters, digits, - and _")
    if not 0 <= request.start_ns <= request.end_ns:
        raise InvalidArgument(f"interval from {request.start_ns} to {request.end_ns} ns")


def _cedar_request(request: AccessRequest) -> dict[str, Any]:
    if request.action in _ON_CAMERA:
        resource = {"type": "Camera", "id": str(request.camera_id)}
    else:
        resource = {"type": "Site", "id": _SITE_RESOURCE}
    return {
        "principal": {"type": "User", "id": request.principal.user_id},
        "action": {"type": "Action", "id": request.action.value},
        "resource": resource,
        "context": {
            "purpose": request.purpose.kind.value,
            # A reference of blanks is no reference.
            "reference": request.purpose.reference.strip(),
            "fidelity": request.fidelity.value,
        },
    }


def _cedar_entities(request: AccessRequest) -> list[dict[str, Any]]:
    parents = [{"type": "Role", "id": role.value} for role in sorted(request.principal.roles)]
    return [{"uid": {"type": "User", "id": request.principal.user_id}, "attrs": {}, "parents": parents}]


def _why_not(request: AccessRequest) -> str:
    roles = ", ".join(sorted(role.value.replace("_", " ") for role in request.principal.roles)) or "no role"
    what = request.action.value.replace("_", " ")
    purpose = request.purpose.kind.value.replace("_", " ")
    reference = "with a reference" if request.purpose.reference.strip() else "without a reference"
    return f"No policy lets {roles} {what}, {request.fidelity.value}, for {purpose} {reference}."


def decide(request: AccessRequest, policies: Policies) -> Decision:
    """Decide a request. About 0.12 ms (bench.gate, `decision_ms_p95`).

    A policy that fails to evaluate denies everything: Cedar skips it, and a skipped `forbid` would permit.

    Raises: InvalidArgument for a request that is malformed (see `check_request`).
    """
    check_request(request)
    try:
        answer = cedarpy.is_authorized(_cedar_request(request), policies.handle, _cedar_entities(request))
    except ValueError as error:
        raise InvalidArgument(f"request cannot be decided: {error}") from error
    if answer.diagnostics.errors:
        return Decision(is_allowed=False, reasons=("A policy could not be evaluated.",), policy_ids=())
    found = sorted((policies.texts[position] for position in answer.diagnostics.reasons), key=lambda t: t.policy_id)
    if not found:
        return Decision(is_allowed=False, reasons=(_why_not(request),), policy_ids=())
    return Decision(
        is_allowed=bool(answer.allowed),
        reasons=tuple(text.reason for text in found),
        policy_ids=tuple(text.policy_id for text in found),
    )
