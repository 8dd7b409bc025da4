"""What was done for a case, as the log tells: looks, exports, journeys, traces; each with a way to it.

Who may see a case sees that something was done and by whom. What a link leads to decides for itself whom it lets in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from custodes.access.cases import number_key
from custodes.access.subject import Viewing
from custodes.types.access import Action, AuditKind, LogEntry, Principal, PurposeKind
from custodes.types.cases import Case
from custodes.units import Ns
from custodes.web.asked_names import names_of
from custodes.web.deps import WebDeps
from custodes.web.language.speech import say, translated


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One row, of the log's entry `index`."""

    index: int
    utc_ns: Ns
    person: str
    what: str
    cameras: tuple[str, ...]
    start_ns: Ns
    end_ns: Ns
    """Equal where it is about no stretch of time."""
    href: str


async def deeds_of(deps: WebDeps, who: Principal, case: Case, *, may_look: bool) -> list[Deed]:
    """Oldest first. `may_look`: whether who reads may look at recordings for it. Raises: Unavailable."""
    looks, beside = await deps.looks.everything(case.opened_ns)
    key = number_key(case.number)
    mine = [one for one in beside if _is_for(one, key)]
    people = {one.record.subject for one in mine if one.record.kind is AuditKind.JOURNEY_OPENED}
    names = await names_of(deps, who, people)
    found = [_beside(one, who, names) for one in mine]
    found += [
        _look(one, may_look=may_look)
        for one in looks
        if one.purpose == PurposeKind.CASE.value and number_key(one.reference) == key
    ]
    return sorted(found, key=lambda one: one.index)


def _is_for(entry: LogEntry, key: str) -> bool:
    details = entry.record.details
    if number_key(details.get("reference", "")) != key:
        return False
    # A trace's reference is that of its case; a journey may be for an alarm that has the same number.
    return entry.record.kind is AuditKind.LEAK_TRACED or details.get("purpose") == PurposeKind.CASE.value


def _look(one: Viewing, *, may_look: bool) -> Deed:
    href = ""
    if one.action == Action.EXPORT.value:
        href = "/exports"
    elif one.request_id:
        href = f"/requests/{one.request_id}"
    elif may_look:
        query = {"purpose": PurposeKind.CASE.value, "reference": one.reference, "at": one.start_ns}
        href = f"/cameras/{one.camera_id}?{urlencode(query)}"
    return Deed(
        index=one.index,
        utc_ns=one.utc_ns,
        person=one.person,
        what=f"{one.action.replace('_', ' ')}, {one.fidelity}",
        cameras=(one.camera_id,),
        start_ns=one.start_ns,
        end_ns=one.end_ns,
        href=href,
    )


def _beside(entry: LogEntry, who: Principal, names: Mapping[str, str]) -> Deed:
    record, details = entry.record, entry.record.details
    is_own = details.get("user_id") == who.user_id
    if record.kind is AuditKind.JOURNEY_OPENED:
        what = say("journey of {person}", person=names.get(record.subject, record.subject))
        cameras, place, request = details.get("cameras", "").split(","), "journeys", details.get("request", "")
    else:
        what = translated("a leaked picture traced")
        cameras, place, request = [record.subject], "leaks", details.get("request_id", "")
    return Deed(
        index=entry.index,
        utc_ns=entry.utc_ns,
        person=record.actor,
        what=what,
        cameras=tuple(one for one in cameras if one),
        start_ns=_number(details.get("start_ns", "")),
        end_ns=_number(details.get("end_ns", "")),
        href=f"/{place if is_own else 'requests'}/{request}" if request else "",
    )


def _number(text: str) -> Ns:
    return Ns(int(text)) if text.isdigit() and len(text) < 20 else Ns(0)
