"""Decisions: an AccessRequest against the site's Cedar policies, default deny, with reasons in plain words.

Grants and what they release belong to `grants` and `release`.
"""

import json
import re
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Final

import cedarpy

from custodes.errors import ConfigError, InvalidArgument
from custodes.types.access import AccessRequest, Action, Decision, Fidelity, Principal, Purpose, PurposeKind
from custodes.units import NS_PER_S, CameraId, Ns, SessionId

FOOTAGE = frozenset({Action.WATCH_LIVE, Action.PLAY_BACK, Action.EXPORT, Action.TRACE_LEAK, Action.ANALYSE})
ON_CAMERA = FOOTAGE | {Action.ERASE, Action.FOLLOW, Action.READ_METADATA, Action.PLACE_HOLD, Action.RELEASE_HOLD}
_SITE_RESOURCE = "site"
_CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_REFERENCE_CHARS = 200
MAX_NAME_CHARS = 200
MAX_LIST_CAMERAS = 1024
"""Each costs a decision, so a tenth of a second at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the warden knows beside the request. Nothing of it comes from whoever asks."""

    minute_of_day: int = 0
    """Of the site's local day, 0 to 1439."""
    is_approved: bool = False
    is_break_glass: bool = False
    is_review_overdue: bool = False
    is_in_case: bool = False
    """The reference is an open case of the register that the person works on."""


ORDINARY: Final = Circumstances()


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
    if request.action in ON_CAMERA and not request.camera_id:
        raise InvalidArgument(f"{request.action.value} needs a camera")
    if request.camera_id and not _CAMERA_ID.fullmatch(request.camera_id):
        raise InvalidArgument("that is not a camera id")
    if request.action in FOOTAGE and not _SESSION_ID.fullmatch(request.session_id):
        raise InvalidArgument(f"{request.action.value} needs a session id of letters, digits, - and _")
    if not 0 <= request.start_ns <= request.end_ns:
        raise InvalidArgument(f"interval from {request.start_ns} to {request.end_ns} ns")


def _cedar_request(request: AccessRequest, circumstances: Circumstances) -> dict[str, Any]:
    if request.action in ON_CAMERA:
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
            "span_s": (request.end_ns - request.start_ns) // NS_PER_S,
            "minute": circumstances.minute_of_day,
            "approved": circumstances.is_approved,
            "break_glass": circumstances.is_break_glass,
            "review_overdue": circumstances.is_review_overdue,
            "in_case": circumstances.is_in_case,
        },
    }


def _cedar_entities(principal: Principal) -> list[dict[str, Any]]:
    parents = [{"type": "Role", "id": role.value} for role in sorted(principal.roles)]
    cameras = [{"__entity": {"type": "Camera", "id": str(one)}} for one in sorted(principal.cameras.camera_ids)]
    attributes = {
        "all_cameras": principal.cameras.is_all,
        "cameras": cameras,
        "duty_from": principal.duty.from_minute,
        "duty_until": principal.duty.until_minute,
    }
    return [{"uid": {"type": "User", "id": principal.user_id}, "attrs": attributes, "parents": parents}]


def _why_not(request: AccessRequest) -> str:
    roles = ", ".join(sorted(role.value.replace("_", " ") for role in request.principal.roles)) or "no role"
    what = request.action.value.replace("_", " ")
    purpose = request.purpose.kind.value.replace("_", " ")
    reference = "with a reference" if request.purpose.reference.strip() else "without a reference"
    return f"No policy lets {roles} {what}, {request.fidelity.value}, for {purpose} {reference}."


def decide(request: AccessRequest, policies: Policies, circumstances: Circumstances = ORDINARY) -> Decision:
    """Decide a request. About 0.12 ms (bench.gate, `decision_ms_p95`).

    A policy that fails to evaluate denies everything: Cedar skips it, and a skipped `forbid` would permit.

    Raises: InvalidArgument for a request that is malformed (see `check_request`).
    """
    check_request(request)
    try:
        answer = cedarpy.is_authorized(
            _cedar_request(request, circumstances), policies.handle, _cedar_entities(request.principal)
        )
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


def decide_anywhere(principal: Principal, action: Action, policies: Policies, now_ns: Ns) -> Decision:
    """Whether somebody may do what concerns no camera: cases, requests, faces. Raises: InvalidArgument as `decide`."""
    asked = AccessRequest(
        principal=principal,
        action=action,
        purpose=Purpose(kind=PurposeKind.LIVE_DUTY, reference=""),
        camera_id=CameraId(""),
        start_ns=now_ns,
        end_ns=now_ns,
        fidelity=Fidelity.MASKED,
        session_id=SessionId("anywhere"),
    )
    return decide(asked, policies)


def decide_list(
    request: AccessRequest, policies: Policies, circumstances: Circumstances
) -> tuple[Decision, tuple[CameraId, ...]]:
    """Which of `request.camera_ids` the very request would be allowed on: what a list over cameras may show.

    The second part becomes `Granted.scope`, and in SQL a WHERE. Refused when it would be empty. 0.12 ms per camera.

    Raises: InvalidArgument as `decide`, and for anything but metadata: footage is opened camera by camera.
    """
    if request.action is not Action.READ_METADATA or not request.camera_ids:
        raise InvalidArgument(f"{request.action.value} is not asked for several cameras at once")
    if len(request.camera_ids) > MAX_LIST_CAMERAS:
        raise InvalidArgument(f"a list over {len(request.camera_ids)} cameras; at most {MAX_LIST_CAMERAS}")
    answers = {
        one: decide(replace(request, camera_id=one, camera_ids=()), policies, circumstances)
        for one in request.camera_ids
    }
    allowed = tuple(one for one, answer in answers.items() if answer.is_allowed)
    first = answers[allowed[0]] if allowed else next(iter(answers.values()))
    return first, allowed
