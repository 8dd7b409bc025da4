"""Footage that a centre wishes for: kept until a person of the site gives an export of their own for it, or refuses.

A wish opens nothing. Who gives makes an ordinary export first, under a request that others of the site approved, with
the wish's number as its reference: so the film is marked, the recordings in the bundle stay sealed, and the log has
the grant. Here only the log's word counts: what the bundle is, for what it was granted, and to whom.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from custodes.app.serving.answer_book import AnswerBook
from custodes.config.durable import replace_file
from custodes.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from custodes.federation.parcel import encode_fact
from custodes.ports.clock import Clock
from custodes.ports.outbox import Outbox
from custodes.ports.warden import Warden
from custodes.types.access import Action, AuditKind, AuditRecord, Principal, Role
from custodes.types.federation import CaseAnswered
from custodes.types.question import CaseQuestion
from custodes.types.wish import GiveFootage, RefuseWish, Wish, Wishes
from custodes.units import CameraId, Ns

MAX_WISHES = 200
GIVEN = "given, manifest "
"""Before the SHA-256 in a `CaseAnswered.reason`: 80 characters together."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FILE = msgspec.json.Decoder(list[Wish])


class WishBook:
    """In a file of the data directory. Used on one event loop."""

    def __init__(self, path: Path, *, outbox: Outbox, warden: Warden, clock: Clock, book: AnswerBook) -> None:
        """`book`: gets what was answered. Raises: DataLoss when the file is not what was written."""
        self._book = book
        self._path, self._outbox, self._warden, self._clock = path, outbox, warden, clock
        self._wishes: dict[str, Wish] = {}
        if path.exists():
            try:
                self._wishes = {one.question_id: one for one in _FILE.decode(path.read_bytes())}
            except msgspec.MsgspecError as error:
                raise DataLoss(f"{path} cannot be read: {error}; remove it, and the centre asks again") from error

    async def take(self, question: CaseQuestion, centre: str) -> str:
        """A wish that waits from now on; why not, else. Raises: what the warden raises."""
        if question.question_id in self._wishes:
            return ""
        if len(self.waiting()) >= MAX_WISHES:
            return f"{MAX_WISHES} wishes wait already"
        wish = Wish(
            question_id=question.question_id,
            asker=f"{question.asker} at {centre}",
            case_id=question.case_id,
            reason=question.reason,
            camera_id=CameraId(question.cameras[0]),
            start_ns=Ns(question.start_ns),
            end_ns=Ns(question.end_ns),
            expires_ns=Ns(question.expires_ns),
            log_index=0,
        )
        index = await self._note("asked", wish.asker, wish, reason=wish.reason)
        self._wishes[wish.question_id] = replace(wish, log_index=index)
        await self._keep()
        return ""

    def waiting(self) -> Sequence[Wish]:
        """Those that are still good."""
        now_ns = self._clock.now_ns()
        return [one for one in self._wishes.values() if one.expires_ns > now_ns]

    async def answer(self, request: GiveFootage | RefuseWish, person: Principal) -> None:
        """Tell the centre. Raises: NotFound, PermissionDenied, FailedPrecondition, InvalidArgument; the warden's."""
        wish = self._wishes.get(request.question_id)
        if wish is None or wish.expires_ns <= self._clock.now_ns():
            raise NotFound(f"no wish {request.question_id} waits")
        if isinstance(request, GiveFootage):
            await self._check(request, wish, person)
            said = f"{GIVEN}{request.manifest}"
            index = await self._note("given", person.name, wish, manifest=request.manifest)
        else:
            if not person.roles & {Role.INVESTIGATOR, Role.SUPERVISOR, Role.PRIVACY_OFFICER}:
                raise PermissionDenied("a wish is refused by an investigator, a supervisor or a privacy officer")
            said = request.reason.strip()
            if not 0 < len(said) <= 80 or not said.isprintable():
                raise InvalidArgument("a reason has 1 to 80 characters, in one line")
            index = await self._note("refused", person.name, wish, reason=said)
        is_given = isinstance(request, GiveFootage)
        fact = answer_to(wish, said, index, self._clock.now_ns(), is_allowed=is_given, cameras=1)
        await asyncio.to_thread(self._outbox.put, [encode_fact(fact)])
        await asyncio.to_thread(self._book.put_wish, wish, fact)
        del self._wishes[wish.question_id]
        await self._keep()

    async def _check(self, request: GiveFootage, wish: Wish, person: Principal) -> None:
        """By the log: this bundle was sealed here, of this camera and time, for this wish, for this person."""
        if not _DIGEST.fullmatch(request.manifest):
            raise InvalidArgument("the manifest's SHA-256 is 64 hexadecimal digits")
        sealed = await self._entry(request.sealed_index)
        if sealed.kind is not AuditKind.EVIDENCE_SEALED or sealed.details.get("manifest") != request.manifest:
            raise FailedPrecondition("the log knows no such bundle of this site")
        granted = await self._entry(request.grant_index)
        details = granted.details
        if (granted.kind, details.get("action"), details.get("grant_id")) != (
            AuditKind.ACCESS_GRANTED,
            Action.EXPORT.value,
            sealed.details.get("grant_id"),
        ):
            raise FailedPrecondition("that is not the grant under which the bundle was made")
        if details.get("user_id") != person.user_id:
            raise PermissionDenied("a bundle is given by who made it")
        if wish.question_id not in details.get("reference", ""):
            raise FailedPrecondition(f"the export was not made for it: its reference has to name {wish.question_id}")
        start_ns, end_ns = int(details["start_ns"]), int(details["end_ns"])
        if granted.subject != wish.camera_id or start_ns < wish.start_ns or end_ns > wish.end_ns:
            raise FailedPrecondition(f"the wish is of {wish.camera_id}, and of no more than its time")

    async def _entry(self, index: int) -> AuditRecord:
        found = (await self._warden.read_log(index, 1)).entries if index >= 0 else ()
        if not found or found[0].index != index:
            raise FailedPrecondition(f"the log has no entry {index}")
        return found[0].record

    async def _note(self, what: str, actor: str, wish: Wish, **more: str) -> int:
        details = {
            "what": what,
            "question": wish.question_id,
            "asker": wish.asker,
            "reference": wish.case_id,
            "start_ns": str(wish.start_ns),
            "end_ns": str(wish.end_ns),
            **more,
        }
        return await self._warden.append(
            AuditRecord(kind=AuditKind.CENTRE_WISH, actor=actor[:200], subject=wish.camera_id, details=details)
        )

    async def _keep(self) -> None:
        await asyncio.to_thread(replace_file, self._path, msgspec.json.encode(list(self.waiting())))

    def table(self) -> Wishes:
        """For the command."""
        return Wishes(wishes=tuple(self.waiting()))


def answer_to(
    asked: CaseQuestion | Wish, reason: str, log_index: int, now_ns: int, *, is_allowed: bool, cameras: int
) -> CaseAnswered:
    """The fact that tells the centre in a word, without movements. `cameras`: how many it is about."""
    return CaseAnswered(
        question_id=asked.question_id,
        utc_ns=now_ns,
        is_allowed=is_allowed,
        reason=reason,
        log_index=log_index,
        part=0,
        parts=1,
        answered_from_ns=asked.start_ns,
        cameras=cameras,
        found=(),
    )
