"""The warden's desk for cases: opens, staffs, closes and erases them; each step logged first.

The rules are in `access.cases` (pure), who may do what in the policies. Notes are the register's own; the log keeps
their SHA-256, so that none can be changed or made up later unseen.
"""

import asyncio
import hashlib

from custodes.access import cases
from custodes.access.policy import Policies, decide_anywhere
from custodes.adapters.keys.cases import CaseStore
from custodes.app.warden_log import Append
from custodes.errors import AlreadyExists, NotFound, PermissionDenied, ProtocolError, ResourceExhausted
from custodes.ports.clock import Clock
from custodes.types.access import (
    Action,
    AuditKind,
    AuditRecord,
    Principal,
    Purpose,
    PurposeKind,
)
from custodes.types.cases import (
    Case,
    CaseFile,
    CaseNote,
    CaseTable,
    ChangeCase,
    CloseCase,
    NoteOnCase,
    OpenCase,
    ReadCase,
    ReadCases,
    ReopenCase,
)
from custodes.types.codec import encode
from custodes.units import Ns

MAX_CASES = 10_000
MAX_READ = 500
MAX_NOTES = 1000
"""Of one case."""

CASE_MESSAGES = (OpenCase, ChangeCase, CloseCase, ReopenCase, NoteOnCase, ReadCases, ReadCase)


class CaseDesk:
    """Answers everything about cases. Lives on one event loop; one step at a time."""

    def __init__(self, *, store: CaseStore, append: Append, policies: Policies, clock: Clock) -> None:
        self._store = store
        self._append = append
        self._policies = policies
        self._clock = clock
        self._lock = asyncio.Lock()

    def carries(self, purpose: Purpose, user_id: str) -> bool:
        """Whether a look for this purpose stands on an open case that this person works on."""
        return purpose.kind is PurposeKind.CASE and cases.carries(self._store.case(purpose.reference), user_id)

    async def answer(self, message: object) -> object:
        """The answer. Raises: what the steps raise; ProtocolError for what is not about cases."""
        async with self._lock:
            match message:
                case OpenCase():
                    return await self._open(message)
                case ChangeCase():
                    return await self._change(message)
                case CloseCase():
                    return await self._close(message)
                case ReopenCase():
                    return await self._reopen(message)
                case NoteOnCase():
                    return await self._note(message)
                case ReadCases():
                    known = self._known(message.principal)
                    return CaseTable(cases=tuple(known[::-1][: max(0, min(message.limit, MAX_READ))]))
                case ReadCase():
                    found = self._find(message.number, message.principal)
                    return CaseFile(case=found, notes=tuple(self._store.notes(found.number)))
        raise ProtocolError(f"the case register does not answer {type(message).__name__}")

    async def erase_due(self, now_ns: Ns) -> int:
        """Erase what closed cases collected and nobody may keep any longer; returns how many cases."""
        async with self._lock:
            due = [one for one in self._store.cases() if cases.is_due(one, now_ns)]
            for one in due:
                details = {"keep_days": str(one.keep_days)}
                await self._log(AuditKind.CASE_ERASED, "process:warden", one.number, details)
                self._store.erase_notes(one.number)
                self._store.put(cases.erased(one))
            return len(due)

    # -- steps -------------------------------------------------------------------------------------------------

    async def _open(self, message: OpenCase) -> Case:
        if not self._may(message.principal, Action.OPEN_CASE):
            raise PermissionDenied("Opening a case takes the role of an investigator or a supervisor.")
        now_ns = self._clock.now_ns()
        known = self._store.cases()
        if len(known) >= MAX_CASES:
            raise ResourceExhausted(f"the register holds {MAX_CASES} cases")
        owner = cases.member_of(message.principal)
        number = message.number.strip() or cases.next_number((cases.number_key(one.number) for one in known), now_ns)
        opened = Case(
            number=number,
            title=message.title.strip(),
            reason=message.reason.strip(),
            owner=owner,
            members=(owner,),
            opened_ns=now_ns,
            keep_days=message.keep_days,
        )
        cases.check_opened(opened)
        if self._store.case(number) is not None:
            raise AlreadyExists(f"There is a case {number} already.")
        details = {"title": opened.title, "reason": opened.reason, "keep_days": str(opened.keep_days)}
        return await self._take(AuditKind.CASE_OPENED, message.principal, opened, details)

    async def _change(self, message: ChangeCase) -> Case:
        case = self._lead(message.number, message.principal)
        changed = cases.staff(case, message.owner, message.members)
        details = {
            "owner": changed.owner.name,
            "members": ", ".join(one.name for one in changed.members)[:1000],
            "was": ", ".join(one.name for one in case.members)[:1000],
        }
        return await self._take(AuditKind.CASE_CHANGED, message.principal, changed, details)

    async def _close(self, message: CloseCase) -> Case:
        case = self._lead(message.number, message.principal)
        changed = cases.close(case, message.because, self._clock.now_ns())
        return await self._take(AuditKind.CASE_CLOSED, message.principal, changed, {"because": changed.closed_because})

    async def _reopen(self, message: ReopenCase) -> Case:
        case = self._lead(message.number, message.principal)
        changed = cases.reopen(case, message.because)
        details = {"change": "reopened", "because": message.because.strip()}
        return await self._take(AuditKind.CASE_CHANGED, message.principal, changed, details)

    async def _note(self, message: NoteOnCase) -> CaseNote:
        case = self._find(message.number, message.principal)
        note = CaseNote(
            number=case.number,
            author=message.principal.name,
            utc_ns=self._clock.now_ns(),
            text=message.text.strip(),
            camera_id=message.camera_id,
            moment_ns=message.moment_ns,
        )
        cases.check_note(case, note, message.principal.user_id)
        if self._store.count_notes(case.number) >= MAX_NOTES:
            raise ResourceExhausted(f"the case has {MAX_NOTES} notes; open another one")
        details = {"sha256": hashlib.sha256(encode(note)).hexdigest()}
        if note.camera_id:
            details |= {"camera": note.camera_id, "moment_ns": str(note.moment_ns)}
        await self._log(AuditKind.CASE_NOTED, message.principal.name, case.number, details)
        self._store.add_note(note)
        return note

    async def _take(self, kind: AuditKind, who: Principal, case: Case, details: dict[str, str]) -> Case:
        """Log durably, then keep. A crash in between loses the step, never the entry; nothing opens by that."""
        await self._log(kind, who.name, case.number, {"user_id": who.user_id, **details})
        self._store.put(case)
        return case

    async def _log(self, kind: AuditKind, actor: str, number: str, details: dict[str, str]) -> None:
        await self._append(AuditRecord(kind=kind, actor=actor, subject=number, details=details))

    def _find(self, number: str, principal: Principal) -> Case:
        """Somebody who may not know of a case gets the answer for one that is not there."""
        case = self._store.case(number)
        if case is None or not self._may_read(principal, case):
            raise NotFound("There is no such case, or it is not yours to see.")
        return case

    def _known(self, principal: Principal) -> list[Case]:
        own, sees_all = principal.user_id, self._may(principal, Action.READ_CASES)
        return [one for one in self._store.cases() if sees_all or cases.is_member(one, own)]

    def _lead(self, number: str, principal: Principal) -> Case:
        case = self._find(number, principal)
        cases.require_lead(case, principal, may_lead=self._may(principal, Action.LEAD_CASES))
        return case

    def _may_read(self, principal: Principal, case: Case) -> bool:
        return cases.is_member(case, principal.user_id) or self._may(principal, Action.READ_CASES)

    def _may(self, principal: Principal, action: Action) -> bool:
        return decide_anywhere(principal, action, self._policies, self._clock.now_ns()).is_allowed

    def close(self) -> None:
        """Close the store."""
        self._store.close()
