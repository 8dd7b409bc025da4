"""Why a request is allowed or refused, and what would have to differ. For people; decides nothing itself.

It asks `policy.decide` about the request and about each neighbour that differs in one respect, so that it cannot
tell another story than the gate.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from custodes.access.policy import ON_CAMERA, Circumstances, Policies, decide
from custodes.types.access import ALL_CAMERAS, ALWAYS, AccessRequest, Action, Decision, Fidelity, PurposeKind, Role
from custodes.units import NS_PER_S, Ns

_EXAMPLE_REFERENCE = "2026-0001"
_PART_OF_HOUR_NS = 3600 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision and the single changes after which the answer would be yes."""

    decision: Decision
    would_help: tuple[str, ...]


def explain(request: AccessRequest, policies: Policies, circumstances: Circumstances) -> Explanation:
    """Decide, and when the answer is no, try every single change. Some twenty decisions, about 3 ms.

    Raises: InvalidArgument as `decide`.
    """
    decision = decide(request, policies, circumstances)
    if decision.is_allowed:
        return Explanation(decision=decision, would_help=())
    helps = tuple(
        words
        for words, other, around in _neighbours(request, circumstances)
        if decide(other, policies, around).is_allowed
    )
    return Explanation(decision=decision, would_help=helps)


def _neighbours(
    request: AccessRequest, circumstances: Circumstances
) -> Iterator[tuple[str, AccessRequest, Circumstances]]:
    person, purpose = request.principal, request.purpose
    for role in Role:
        if role not in person.roles:
            principal = replace(person, roles=person.roles | {role})
            yield (
                f"having the role {role.value.replace('_', ' ')}",
                replace(request, principal=principal),
                circumstances,
            )
    if request.action in ON_CAMERA:
        yield from _looks(request, circumstances)
    if not purpose.reference.strip():
        named = replace(purpose, reference=_EXAMPLE_REFERENCE)
        yield "naming the case, alarm or ticket", replace(request, purpose=named), circumstances


def _looks(request: AccessRequest, circumstances: Circumstances) -> Iterator[tuple[str, AccessRequest, Circumstances]]:
    person, purpose = request.principal, request.purpose
    for kind in PurposeKind:
        if kind is not purpose.kind:
            reference = "" if kind is PurposeKind.LIVE_DUTY else purpose.reference.strip() or _EXAMPLE_REFERENCE
            other = replace(request, purpose=replace(purpose, kind=kind, reference=reference))
            what = kind.value.replace("_", " ")
            around = replace(circumstances, is_in_case=kind is PurposeKind.CASE)
            yield f"looking for {what}{', with its reference' if reference else ''}", other, around
    if request.fidelity is not Fidelity.MASKED:
        yield "looking at masked pictures", replace(request, fidelity=Fidelity.MASKED), circumstances
    if not person.cameras.covers(request.camera_id):
        principal = replace(person, cameras=ALL_CAMERAS)
        yield "having this camera among theirs", replace(request, principal=principal), circumstances
    yield (
        "being on duty at this hour",
        replace(request, principal=replace(person, duty=ALWAYS)),
        circumstances,
    )
    if request.end_ns - request.start_ns > _PART_OF_HOUR_NS:
        shorter = replace(request, end_ns=Ns(request.start_ns + _PART_OF_HOUR_NS))
        yield "asking for an hour at most", shorter, circumstances
    if purpose.kind is PurposeKind.CASE and not circumstances.is_in_case:
        yield "an open case that they work on", request, replace(circumstances, is_in_case=True)
    yield "a request for it that others approve", request, replace(circumstances, is_approved=True)
    if request.action is not Action.EXPORT:
        yield "a break-glass, which others review", request, replace(circumstances, is_break_glass=True)
    if circumstances.is_review_overdue:
        yield "the review of their last break-glass", request, replace(circumstances, is_review_overdue=False)
