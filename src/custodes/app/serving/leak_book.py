"""Leak traces asked for on a page: filed with the picture, approved by another's passkey, run, kept for both.

`leaks/<request id>/` (0700) holds the picture, `trace.json`, and the bundle when there is one. The request in the
warden's register names the picture by its SHA-256, so the approver's passkey signs for this very picture. What was
found is told to who asked and to those who approved, to nobody else, and neither before the other. Who may approve
sees the picture before, and nothing else.
"""

import asyncio
import functools
import hashlib
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import structlog

from custodes.access import requests as rules
from custodes.access.cases import is_member
from custodes.config.durable import make_folder, replace_file
from custodes.errors import (
    CustodesError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
)
from custodes.leaks.found_file import media_type_of
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.leaks import LeakTrace, TraceState
from custodes.ports.warden import Warden
from custodes.types.access import Action, AuditKind, AuditRecord, Fidelity, Principal, Purpose, PurposeKind, Role
from custodes.types.approval import FileRequest, ReadRequests, RequestPhase, RequestRecord, RequestTable
from custodes.types.cases import CaseFile, NoteOnCase, ReadCase
from custodes.types.leak import LeakTraced, TraceOrder
from custodes.units import NS_PER_S, CameraId, Ns
from custodes.web.auth.people import principal_of

MAX_PICTURE_BYTES = 32 * 1024 * 1024
MAX_KEPT = 200
KEEP_NS = 90 * 24 * 3600 * NS_PER_S
"""A case that takes longer takes its bundle away."""

_READ_REQUESTS = 200
_WHO_APPROVE = frozenset({Role.SUPERVISOR, Role.PRIVACY_OFFICER})

TraceOf = Callable[[TraceOrder, Principal, Principal, Callable[[float], None]], Awaitable[LeakTraced]]
"""The last is told how much is looked through, 0 to 1."""


class LeakBook:
    """`ports.leaks.LeakTraces`. Used on the event loop only; one trace runs at a time."""

    def __init__(self, folder: Path, *, catalog: AsyncCatalog, warden: Warden, clock: Clock, trace: TraceOf) -> None:
        self._folder = folder
        self._catalog = catalog
        self._warden = warden
        self._clock = clock
        self._trace = trace
        self._running: dict[str, asyncio.Task[None]] = {}
        self._shares: dict[str, float] = {}
        self._starting = asyncio.Lock()

    async def file(
        self,
        who: Principal,
        *,
        picture: bytes,
        reference: str,
        camera_ids: tuple[CameraId, ...],
        start_ns: Ns,
        end_ns: Ns,
        reason: str,
    ) -> LeakTrace:
        """See the port. The case has to be open, and theirs."""
        if not 0 < len(picture) <= MAX_PICTURE_BYTES:
            raise InvalidArgument(f"Choose a picture of at most {MAX_PICTURE_BYTES >> 20} MB.")
        media_type = media_type_of(picture)
        await self._require_case(who, reference)
        if len(await self._all()) >= MAX_KEPT:
            raise ResourceExhausted(f"{MAX_KEPT} traces are on the desk; throw one of yours away first.")
        digest = hashlib.sha256(picture).hexdigest()
        record = await self._warden.about_requests(
            FileRequest(
                principal=who,
                action=Action.TRACE_LEAK,
                purpose=Purpose(kind=PurposeKind.LEAK_TRACE, reference=reference),
                camera_ids=camera_ids,
                start_ns=start_ns,
                end_ns=end_ns,
                fidelity=Fidelity.MASKED,
                reason=f"{reason.strip()} [picture {digest}]",
                is_break_glass=False,
            )
        )
        assert isinstance(record, RequestRecord)
        filed = LeakTrace(
            request_id=record.request.request_id,
            owner_id=who.user_id,
            owner=who.name,
            reference=record.request.purpose.reference,
            camera_ids=camera_ids,
            start_ns=start_ns,
            end_ns=end_ns,
            picture_sha256=digest,
            media_type=media_type,
            filed_ns=self._clock.now_ns(),
        )
        await asyncio.to_thread(self._put_new, filed, picture)
        return filed

    async def known_to(self, who: Principal) -> list[LeakTrace]:
        """See the port."""
        records = await self._records()
        found = [one for one in await self._all() if _is_known(one, records.get(one.request_id), who)]
        return sorted(found, key=lambda one: -one.filed_ns)

    async def read(self, request_id: str, who: Principal) -> LeakTrace:
        """See the port."""
        return (await self._known(request_id, who))[0]

    async def start(self, request_id: str, who: Principal) -> None:
        """See the port. The answer is kept even when the page is left."""
        async with self._starting:
            await self._start(request_id, who)

    async def _start(self, request_id: str, who: Principal) -> None:
        trace, record = await self._known(request_id, who)
        if trace.owner_id != who.user_id:
            raise FailedPrecondition("Who put the picture on the desk has it traced.")
        if record is None or rules.phase(record, self._clock.now_ns()) is not RequestPhase.IN_FORCE:
            raise FailedPrecondition("Somebody else has to approve it first, with a passkey.")
        if not record.request.reason.endswith(f"[picture {trace.picture_sha256}]"):
            raise PermissionDenied("What was approved is another picture.")
        if trace.state is TraceState.DONE:
            raise FailedPrecondition("It was traced already.")
        if self._running:
            raise ResourceExhausted("Another picture is being traced; try again when it is through.")
        second = next(vote for vote in record.votes if vote.counts)
        account = await self._catalog.account(second.approver_id)
        if account is None or account.is_disabled:
            raise FailedPrecondition("Who approved it has no account any more; ask again.")
        trace = replace(trace, state=TraceState.TRACING, error="")
        await asyncio.to_thread(self._put, trace)
        work = self._run(trace, who, principal_of(account))
        self._running[request_id] = asyncio.get_running_loop().create_task(work, name=f"leak-{request_id}")

    async def pause(self, request_id: str, who: Principal) -> None:
        """See the port. Its job ends; sketches that it made stay in the content index."""
        trace, _ = await self._known(request_id, who)
        task = self._running.get(request_id)
        if trace.owner_id != who.user_id or task is None:
            raise FailedPrecondition("Who put it on the desk can pause it, while it is traced.")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def picture(self, request_id: str, who: Principal) -> Path:
        """See the port."""
        return self._at((await self.read(request_id, who)).request_id) / "picture"

    async def bundle(self, request_id: str, who: Principal) -> Path:
        """See the port."""
        trace = await self.read(request_id, who)
        if trace.state is not TraceState.DONE:
            raise FailedPrecondition("There is no bundle yet.")
        details = {"user_id": who.user_id, "reference": trace.reference, "trace": trace.request_id}
        await self._warden.append(
            AuditRecord(
                kind=AuditKind.EVIDENCE_FETCHED,
                actor=who.name,
                subject=", ".join(trace.camera_ids)[:200],
                details=details,
            )
        )
        return self._at(trace.request_id) / "bundle.zip"

    async def forget(self, request_id: str, who: Principal) -> None:
        """See the port."""
        trace = await self.read(request_id, who)
        if trace.owner_id != who.user_id or request_id in self._running:
            raise FailedPrecondition("Who put it on the desk can take it off, when no trace runs.")
        await asyncio.to_thread(shutil.rmtree, self._at(request_id))

    async def stop(self) -> None:
        """Pause what runs."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    # -- inside --------------------------------------------------------------------------------------------------

    async def _require_case(self, who: Principal, number: str) -> None:
        found = await self._warden.about_cases(ReadCase(principal=who, number=number[:64]))
        assert isinstance(found, CaseFile)
        if found.case.closed_ns is not None or not is_member(found.case, who.user_id):
            raise InvalidArgument("A trace needs an open case that you work on.")

    async def _run(self, trace: LeakTrace, who: Principal, second: Principal) -> None:
        place = self._at(trace.request_id)
        try:
            order = TraceOrder(
                picture=await asyncio.to_thread((place / "picture").read_bytes),
                reference=trace.reference,
                camera_ids=trace.camera_ids,
                start_ns=trace.start_ns,
                end_ns=trace.end_ns,
                request_id=trace.request_id,
            )
            if hashlib.sha256(order.picture).hexdigest() != trace.picture_sha256:
                raise FailedPrecondition("the picture on the disk is not the one that was filed")
            told = functools.partial(self._shares.__setitem__, trace.request_id)
            answer = await self._trace(order, who, second, told)
            await asyncio.to_thread(replace_file, place / "bundle.zip", answer.bundle)
            trace = replace(trace, state=TraceState.DONE, finding=answer.finding)
            await self._note(trace, who, second)
        except CustodesError as error:
            trace = replace(trace, state=TraceState.FAILED, error=str(error))
            structlog.get_logger().warning("leak trace failed", request_id=trace.request_id, error=str(error))
        except asyncio.CancelledError:
            # Written here, not in a thread that a second cancellation would leave alone.
            self._put(replace(trace, state=TraceState.PAUSED, share=self._shares.get(trace.request_id, 0.0)))
            raise
        finally:
            if trace.state is not TraceState.TRACING:
                await asyncio.to_thread(self._put, trace)
            self._shares.pop(trace.request_id, None)
            del self._running[trace.request_id]

    async def _note(self, trace: LeakTrace, who: Principal, second: Principal) -> None:
        """In the case's file, for all who work on it: that it was traced, never what was found."""
        digest = hashlib.sha256(trace.finding.encode()).hexdigest()
        text = (
            f"Picture {trace.picture_sha256[:16]}… was traced (request {trace.request_id}). What was found is known "
            f"to {who.name} and {second.name}; its SHA-256 is {digest}."
        )
        note = NoteOnCase(principal=who, number=trace.reference, text=text, camera_id=CameraId(""), moment_ns=Ns(0))
        try:
            await self._warden.about_cases(note)
        except CustodesError as error:  # closed meanwhile: the log has the trace all the same
            structlog.get_logger().warning("the case has no note of a trace", error=str(error))

    async def _known(self, request_id: str, who: Principal) -> tuple[LeakTrace, RequestRecord | None]:
        trace = next((one for one in await self._all() if one.request_id == request_id), None)
        record = (await self._records()).get(request_id)
        if trace is None or not _is_known(trace, record, who):
            raise NotFound("There is no such trace, or it is not yours to see.")
        return trace, record

    async def _records(self) -> dict[str, RequestRecord]:
        table = await self._warden.about_requests(ReadRequests(limit=_READ_REQUESTS))
        assert isinstance(table, RequestTable)
        return {one.request.request_id: one for one in table.records}

    async def _all(self) -> list[LeakTrace]:
        return await asyncio.to_thread(self._read_all)

    def _read_all(self) -> list[LeakTrace]:
        found = []
        for path in sorted(self._folder.glob("*/trace.json")):
            try:
                trace = msgspec.json.decode(path.read_bytes(), type=LeakTrace)
            except (OSError, msgspec.MsgspecError) as error:
                structlog.get_logger().warning("a trace cannot be read", path=path.parent.name, error=str(error))
                continue
            if self._clock.now_ns() - trace.filed_ns > KEEP_NS and trace.request_id not in self._running:
                shutil.rmtree(path.parent, ignore_errors=True)
                continue
            if trace.state is TraceState.TRACING and trace.request_id not in self._running:
                trace = replace(trace, state=TraceState.PAUSED)
            elif trace.state is TraceState.TRACING:
                trace = replace(trace, share=self._shares.get(trace.request_id, 0.0))
            found.append(trace)
        return found

    def _put_new(self, trace: LeakTrace, picture: bytes) -> None:
        make_folder(self._at(trace.request_id), mode=0o700)
        replace_file(self._at(trace.request_id) / "picture", picture)
        self._put(trace)

    def _put(self, trace: LeakTrace) -> None:
        replace_file(self._at(trace.request_id) / "trace.json", msgspec.json.encode(trace))

    def _at(self, request_id: str) -> Path:
        assert request_id.isalnum()
        return self._folder / request_id


def _is_known(trace: LeakTrace, record: RequestRecord | None, who: Principal) -> bool:
    """To its owner and its approvers; to who may approve it as long as nothing was looked for."""
    if trace.state is TraceState.FILED and who.roles & _WHO_APPROVE:
        return True
    approvers = {vote.approver_id for vote in record.votes if vote.is_yes} if record is not None else set()
    return who.user_id == trace.owner_id or who.user_id in approvers
