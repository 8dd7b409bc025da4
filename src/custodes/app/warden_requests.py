"""The warden's desk for requests: approvals by passkey, withdrawals, break-glass and reviews; each step logged first.

The rules are in `access.requests` (pure), who may do what in the policies. Here they meet store, log and clock: one
step at a time, so that no two approvals, withdrawals or uses race.
"""

import asyncio
import secrets
from dataclasses import replace
from typing import Protocol

from custodes.access import protection, requests
from custodes.access.assertion import check_assertion, credential_of
from custodes.access.policy import FOOTAGE, Circumstances, Policies, decide, decide_anywhere
from custodes.adapters.keys.requests import RequestStore
from custodes.app.warden_cases import CASE_MESSAGES, CaseDesk
from custodes.app.warden_keys import KEY_MESSAGES, KeyDesk, pieces, require_vouched
from custodes.app.warden_log import Append
from custodes.app.warden_records import request_record
from custodes.config import AccessConfig
from custodes.errors import NotFound, PermissionDenied, ProtocolError, ResourceExhausted, Unavailable
from custodes.ports.clock import Clock
from custodes.types.access import (
    AccessRequest,
    Action,
    AuditKind,
    Decision,
    Principal,
    Purpose,
    PurposeKind,
)
from custodes.types.approval import (
    CastVote,
    FileRequest,
    LookRequest,
    ReadRequests,
    RequestPhase,
    RequestRecord,
    RequestTable,
    Review,
    ReviewBreakGlass,
    Vote,
    WithdrawRequest,
)
from custodes.units import Ns, SegmentId, SessionId


class Protection(Protocol):
    """What the desk for protected persons says (`app.warden_protection`)."""

    def roster(self) -> str:
        """Empty where nobody is protected."""
        ...

    def is_ready(self, request: LookRequest) -> bool:
        """Whether a request was compared with everybody who is protected."""
        ...


MAX_WAITING = 500
MAX_WAITING_PER_PERSON = 20
PREPARING = "What was approved is being prepared. Try again in a few minutes."


class RequestDesk:
    """Answers everything about requests. Lives on one event loop."""

    def __init__(
        self,
        *,
        store: RequestStore,
        cases: CaseDesk,
        append: Append,
        policies: Policies,
        clock: Clock,
        rules: AccessConfig,
        protection: Protection,
    ) -> None:
        self._protection = protection
        self._store = store
        self._cases = cases
        self._append = append
        self._policies = policies
        self._clock = clock
        self._rules = rules
        self._lock = asyncio.Lock()
        self._keys = KeyDesk(
            store=store,
            append=append,
            lock=self._lock,
            clock=clock,
            may=self._may,
            trusted=frozenset(rules.trusted_keys),
        )

    async def answer(self, message: object) -> object:
        """The answer. Raises: what the steps raise; ProtocolError for what is not about requests."""
        match message:
            case FileRequest():
                return await self._file(message)
            case ReadRequests():
                newest = self._store.records()[::-1]
                return RequestTable(records=tuple(newest[: max(0, min(message.limit, requests.MAX_READ))]))
            case CastVote():
                return await self._cast(message)
            case WithdrawRequest():
                return await self._withdraw(message)
            case ReviewBreakGlass():
                return await self._review(message)
        if isinstance(message, KEY_MESSAGES):
            return await self._keys.answer(message)
        if isinstance(message, CASE_MESSAGES):
            return await self._cases.answer(message)
        raise ProtocolError(f"the warden does not answer {type(message).__name__} from the server")

    def around(self, asked: AccessRequest) -> Circumstances:
        """What the policies are told beside the request: from our own store and clock alone."""
        now_ns = self._clock.now_ns()
        record = self._store.record(asked.request_id) if asked.request_id else None
        is_covered = record is not None and requests.covers(record, asked, now_ns)
        if is_covered and record is not None:
            self._require_ready(record.request)
        is_break_glass = is_covered and record is not None and record.request.is_break_glass
        return Circumstances(
            minute_of_day=self._rules.minute_of_day(now_ns),
            is_approved=is_covered and not is_break_glass,
            is_break_glass=is_break_glass,
            is_review_overdue=requests.is_review_overdue(self._store.records(), asked.principal.user_id, now_ns),
            is_in_case=self._cases.carries(asked.purpose, asked.principal.user_id),
        )

    def latest_use_ns(self, asked: AccessRequest) -> Ns | None:
        """Until when a grant that rests on a request may last; None when it rests on none."""
        record = self._store.record(asked.request_id) if asked.request_id else None
        return None if record is None else requests.ends_ns(record)

    def is_in_force(self, request_id: str) -> bool:
        """Whether it still carries what rests on it; asked again before each release of keys."""
        record = self._store.record(request_id)
        return record is not None and requests.phase(record, self._clock.now_ns()) is RequestPhase.IN_FORCE

    def asked(self, request_id: str, principal: Principal) -> LookRequest:
        """A request of this person's own. Raises: NotFound, with the same words for another's."""
        record = self._store.record(request_id)
        if record is None or record.request.requester_id != principal.user_id:
            raise NotFound("There is no such request of yours.")
        return record.request

    def check_still(self, asked: AccessRequest) -> None:
        """What can change while a grant lives: its request is vetoed, its case closed or given to others.

        Raises: PermissionDenied.
        """
        if asked.request_id and not self.is_in_force(asked.request_id):
            raise PermissionDenied("the request that this rests on is not in force any more")
        record = self._store.record(asked.request_id) if asked.request_id else None
        if record is not None:
            self._require_ready(record.request)
        is_for_case = asked.purpose.kind is PurposeKind.CASE and asked.action in FOOTAGE
        if is_for_case and not self._cases.carries(asked.purpose, asked.principal.user_id):
            raise PermissionDenied("the case that this rests on is closed, or the person works on it no longer")

    def check_not_erased(self, segment_ids: tuple[SegmentId, ...]) -> None:
        """Raises: PermissionDenied for what was given up, also when a copy of it is there again."""
        if gone := self._store.erased(segment_ids):
            raise PermissionDenied(f"segment {min(gone)} was erased for a person who asked for it")

    def put_erased(self, segment_ids: tuple[SegmentId, ...], entry: int) -> None:
        """See `RequestStore.put_erased`."""
        self._store.put_erased(segment_ids, entry)

    def _require_ready(self, request: LookRequest) -> None:
        """Raises: Unavailable, PermissionDenied; in the same words whoever is in the pictures."""
        is_guarded = protection.is_compared(request.action, request.fidelity) and bool(self._protection.roster())
        if is_guarded and not request.is_break_glass and request.needed < protection.APPROVALS:
            raise PermissionDenied(f"This site wants {protection.APPROVALS} approvals by now. Ask again.")
        if not self._protection.is_ready(request):
            raise Unavailable(PREPARING)

    # -- steps -------------------------------------------------------------------------------------------------

    async def _file(self, message: FileRequest) -> RequestRecord:
        async with self._lock:
            self._require(message.principal, Action.FILE_REQUEST)
            now_ns = self._clock.now_ns()
            is_guarded = protection.is_compared(message.action, message.fidelity) and bool(self._protection.roster())
            least = protection.APPROVALS if is_guarded else 1
            asked = LookRequest(
                request_id=secrets.token_hex(8),
                requester_id=message.principal.user_id,
                requester=message.principal.name,
                action=message.action,
                purpose=Purpose(kind=message.purpose.kind, reference=message.purpose.reference.strip()),
                camera_ids=message.camera_ids,
                start_ns=message.start_ns,
                end_ns=message.end_ns,
                fidelity=message.fidelity,
                reason=message.reason.strip(),
                is_break_glass=message.is_break_glass,
                needed=0 if message.is_break_glass else max(self._rules.approvals, least),
                filed_ns=now_ns,
                decide_by_ns=Ns(now_ns + requests.DECIDE_WITHIN_NS),
                lasts_ns=requests.BREAK_GLASS_LASTS_NS if message.is_break_glass else requests.LASTS_NS,
                shown=message.shown,
                person_id=message.person_id,
            )
            requests.check_filed(asked, now_ns=now_ns)
            if is_guarded:
                protection.check_span(asked, now_ns)
            self._check_room(asked, now_ns)
            self._check_possible(message.principal, asked)
            record = RequestRecord(request=asked, needs_officer=is_guarded and not asked.is_break_glass)
            kind = AuditKind.BREAK_GLASS if asked.is_break_glass else AuditKind.REQUEST_FILED
            return await self._take(kind, message.principal, record, {})

    def _check_room(self, asked: LookRequest, now_ns: Ns) -> None:
        open_ = [
            one
            for one in self._store.records()
            if requests.phase(one, now_ns) is RequestPhase.WAITING or requests.awaits_review(one)
        ]
        own = sum(one.request.requester_id == asked.requester_id for one in open_)
        if len(open_) >= MAX_WAITING or own >= MAX_WAITING_PER_PERSON:
            raise ResourceExhausted(f"{own} requests of yours and {len(open_)} in all wait for others already")

    def _check_possible(self, principal: Principal, asked: LookRequest) -> None:
        """Whether it would open anything: others are not asked to approve what the policies refuse all the same."""
        around = Circumstances(
            minute_of_day=self._rules.minute_of_day(self._clock.now_ns()),
            is_approved=not asked.is_break_glass,
            is_break_glass=asked.is_break_glass,
            is_review_overdue=requests.is_review_overdue(
                self._store.records(), principal.user_id, self._clock.now_ns()
            ),
            is_in_case=self._cases.carries(asked.purpose, principal.user_id),
        )
        for camera_id in asked.camera_ids:
            wanted = AccessRequest(
                principal=principal,
                action=asked.action,
                purpose=asked.purpose,
                camera_id=camera_id,
                start_ns=asked.start_ns,
                end_ns=asked.end_ns,
                fidelity=asked.fidelity,
                session_id=SessionId("request"),
                shown=asked.shown,
            )
            decision = decide(wanted, self._policies, around)
            if not decision.is_allowed:
                raise PermissionDenied(" ".join(decision.reasons))

    async def _cast(self, message: CastVote) -> RequestRecord:
        async with self._lock:
            self._require(message.principal, Action.APPROVE)
            record = self._find(message.request_id)
            now_ns = self._clock.now_ns()
            key = self._store.key(credential_of(message.assertion)) if message.is_yes else None
            if message.is_yes and (key is None or key.user_id != message.principal.user_id):
                raise PermissionDenied("That passkey is not one of yours that the warden knows.")
            vote = Vote(
                approver_id=message.principal.user_id,
                approver=message.principal.name,
                is_yes=message.is_yes,
                utc_ns=now_ns,
                note=message.note,
                credential_id=key.credential_id if key else b"",
                assertion=message.assertion if message.is_yes else "",
                is_officer=self._may(message.principal, Action.PROTECT),
            )
            if key is not None:
                require_vouched(key)
            changed = requests.cast(record, vote, now_ns)
            details: dict[str, str] = {}
            if key is not None:
                count = check_assertion(message.assertion, key, requests.digest(record.request))
                # Before the log, so that not even a crash lets the same assertion count twice.
                self._store.put_key(replace(key, sign_count=count))
                details = {"credential": key.credential_id.hex()[:128], **pieces(message.assertion)}
            if message.note:
                details["note"] = message.note
            kind = AuditKind.REQUEST_APPROVED if message.is_yes else AuditKind.REQUEST_REFUSED
            return await self._take(kind, message.principal, changed, details)

    async def _withdraw(self, message: WithdrawRequest) -> RequestRecord:
        async with self._lock:
            record = self._find(message.request_id)
            changed = requests.withdraw(record, message.principal.user_id, self._clock.now_ns())
            return await self._take(AuditKind.REQUEST_WITHDRAWN, message.principal, changed, {})

    async def _review(self, message: ReviewBreakGlass) -> RequestRecord:
        async with self._lock:
            self._require(message.principal, Action.REVIEW)
            now_ns = self._clock.now_ns()
            given = Review(
                reviewer_id=message.principal.user_id,
                reviewer=message.principal.name,
                is_justified=message.is_justified,
                note=message.note,
                utc_ns=now_ns,
            )
            changed = requests.review(self._find(message.request_id), given, now_ns)
            details = {"justified": "yes" if message.is_justified else "no", "note": message.note}
            return await self._take(AuditKind.BREAK_GLASS_REVIEWED, message.principal, changed, details)

    async def _take(
        self, kind: AuditKind, who: Principal, record: RequestRecord, details: dict[str, str]
    ) -> RequestRecord:
        """Log durably, then keep. A crash in between loses the step, never the entry; nothing opens by that."""
        await self._append(request_record(kind, who, record, requests.digest(record.request), details))
        self._store.put(record)
        return record

    def _find(self, request_id: str) -> RequestRecord:
        record = self._store.record(request_id)
        if record is None:
            raise NotFound("There is no such request.")
        return record

    def _require(self, principal: Principal, action: Action) -> None:
        decision = self._decide(principal, action)
        if not decision.is_allowed:
            raise PermissionDenied(" ".join(decision.reasons))

    def _may(self, principal: Principal, action: Action) -> bool:
        return self._decide(principal, action).is_allowed

    def _decide(self, principal: Principal, action: Action) -> Decision:
        return decide_anywhere(principal, action, self._policies, self._clock.now_ns())

    def close(self) -> None:
        """Close both stores."""
        self._store.close()
        self._cases.close()

    async def erase_due_cases(self, now_ns: Ns) -> int:
        """See `CaseDesk.erase_due`."""
        return await self._cases.erase_due(now_ns)
