"""Answers a centre's questions for a case: checked, decided by this site's policies, logged, looked up, told.

A question is believed by the centre's key alone. The warden decides it as it decides what a person of the site asks,
and its entry is durable before anything is looked up; an answer, a refusal too, is a fact in the outbox and goes to
the centre as all facts do: signed, numbered, exactly once. Metadata only: which class, before which camera, when.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence

import structlog

from custodes.access.grants import granted_from
from custodes.app.serving.answer_book import AnswerBook
from custodes.app.serving.wishes import WishBook, answer_to
from custodes.audit.note import NoteVerifier
from custodes.config.federation import AnswersConfig
from custodes.errors import CustodesError, PermissionDenied, ProtocolError
from custodes.federation.parcel import encode_fact, open_question
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.outbox import Outbox
from custodes.ports.warden import Warden
from custodes.types.access import (
    ALL_CAMERAS,
    AccessRequest,
    Action,
    CameraScope,
    Fidelity,
    Principal,
    Purpose,
    PurposeKind,
)
from custodes.types.federation import MAX_ROWS, CaseAnswered, MovementFound
from custodes.types.question import CLASSES, CaseQuestion
from custodes.types.search import TrackQuestion
from custodes.types.vision import Tracklet
from custodes.units import NS_PER_DAY, NS_PER_HOUR, CameraId, Ns, SessionId

MAX_FOUND = 2000
"""Of an answer: five facts. Who needs more asks for less time."""

MAX_WAITING = 16
MAX_REMEMBERED = 4096
RETRY_S = 5.0
"""The warden or the catalog is away: then the question waits, as long as it is good."""

CENTRE_USER = "centre"
"""The policies' name for the centre; accounts have random ids."""


class Answerer:
    """One centre's questions, one after the other. Used on one event loop."""

    def __init__(
        self,
        *,
        site_id: str,
        centre: NoteVerifier,
        config: AnswersConfig,
        outbox: Outbox,
        catalog: AsyncCatalog,
        warden: Warden,
        clock: Clock,
        wishes: WishBook,
        book: AnswerBook,
    ) -> None:
        self.wishes, self.book = wishes, book
        self._site_id, self._centre, self._config = site_id, centre, config
        self._outbox, self._catalog, self._warden, self._clock = outbox, catalog, warden, clock
        self._waiting: asyncio.Queue[CaseQuestion] = asyncio.Queue(MAX_WAITING)
        self._known: OrderedDict[str, None] = OrderedDict()
        """Questions that are answered or wait."""
        self._recent: deque[int] = deque()

    async def take(self, sealed: bytes) -> None:
        """What came over the wire; of anybody but the centre it is dropped. What finds no room is sent again."""
        try:
            question = open_question(sealed, site_id=self._site_id, key=self._centre)
        except ProtocolError as error:
            structlog.get_logger().warning("a question that is none", error=str(error))
            return
        is_known = question.question_id in self._known
        if self.book.knows(question.question_id) and not self.book.untold(question.question_id):
            is_known = True  # answered, maybe before the site was begun anew
        if is_known or self._waiting.full():
            return
        self._known[question.question_id] = None
        while len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        self._waiting.put_nowait(question)

    async def run(self) -> None:
        """For ever."""
        while True:
            question = await self._waiting.get()
            while self._clock.now_ns() < question.expires_ns:
                try:
                    await self.answer(question)
                    break
                except CustodesError as error:
                    structlog.get_logger().warning("a centre's question waits", error=str(error))
                    await asyncio.sleep(RETRY_S)

    async def answer(self, question: CaseQuestion) -> None:
        """Decide, look up, put the answer into the outbox. Raises: what warden and catalog raise."""
        if self.book.knows(question.question_id):
            await self._tell(question.question_id)
            return
        facts = await self._answer(question)
        if not facts:  # a wish, which people answer
            return
        encoded = [encode_fact(one) for one in facts]
        await asyncio.to_thread(self.book.put, question, self._centre.name, facts, encoded)
        await self._tell(question.question_id)
        structlog.get_logger().info(
            "a centre's question",
            question=question.question_id,
            is_allowed=facts[0].is_allowed,
            found=sum(len(one.found) for one in facts),
            log_index=facts[0].log_index,
        )

    async def _tell(self, question_id: str) -> None:
        """What the book has and the outbox may not. Twice is harmless: the centre keeps one by its number."""
        if facts := self.book.untold(question_id):
            await asyncio.to_thread(self._outbox.put, list(facts))
            await asyncio.to_thread(self.book.told, question_id)

    async def _answer(self, question: CaseQuestion) -> Sequence[CaseAnswered]:
        known = [spec.camera_id for spec in await self._catalog.cameras()]
        asked = [one for one in known if not question.cameras or one in question.cameras]
        if not asked:
            return [self._told(question, "none of these cameras is here")]
        if question.wants_footage:
            reason = await self._wish(question)
            return [self._told(question, reason)] if reason else []
        request = self._request(question, tuple(sorted(asked)))
        answered = await self._warden.authorise(request)
        try:
            granted = granted_from(request, answered)
        except PermissionDenied as error:
            return [self._told(question, str(error), log_index=answered.log_index)]
        try:
            if reason := self._too_much(question):
                return [self._told(question, reason, log_index=answered.log_index)]
            found = await self._catalog.find_tracks(
                granted.scope,
                TrackQuestion(
                    start_ns=Ns(question.start_ns),
                    end_ns=Ns(question.end_ns),
                    classes=frozenset(CLASSES[one] for one in question.classes),
                ),
                MAX_FOUND,
            )
        finally:
            await self._warden.end_grant(granted.grant.grant_id, 0)
        lots = [found.tracks[at : at + MAX_ROWS] for at in range(0, len(found.tracks), MAX_ROWS)] or [()]
        return [
            CaseAnswered(
                question_id=question.question_id,
                utc_ns=self._clock.now_ns(),
                is_allowed=True,
                reason="",
                log_index=answered.log_index,
                part=part,
                parts=len(lots),
                answered_from_ns=found.searched_to_ns,
                cameras=len(granted.scope.camera_ids),
                found=tuple(map(_movement, lot)),
            )
            for part, lot in enumerate(lots)
        ]

    async def _wish(self, question: CaseQuestion) -> str:
        """Kept for the site's people; why not, else."""
        if not self._config.footage:
            return "this site gives no footage to a centre"
        if len(question.cameras) != 1 or (self._config.cameras and question.cameras[0] not in self._config.cameras):
            return "a wish names one camera, of those that the centre may ask about"
        if reason := self._too_much(question):
            return reason
        return await self.wishes.take(question, self._centre.name)

    def _request(self, question: CaseQuestion, cameras: tuple[CameraId, ...]) -> AccessRequest:
        """As the centre, for its case. Who asks and why is in the reference, and so in the log's entry."""
        only = frozenset(CameraId(one) for one in self._config.cameras)
        scope = CameraScope(is_all=False, camera_ids=only) if only else ALL_CAMERAS
        about = f"{question.case_id}: {question.reason}"
        reference = f"{about[:150]} (question {question.question_id}, entry {question.entry})"
        return AccessRequest(
            principal=Principal(
                user_id=CENTRE_USER,
                name=f"{question.asker} at {self._centre.name}"[:200],
                roles=frozenset(),
                cameras=scope,
            ),
            action=Action.READ_METADATA,
            purpose=Purpose(kind=PurposeKind.CASE, reference=reference),
            camera_id=CameraId(""),
            start_ns=Ns(question.start_ns),
            end_ns=Ns(max(question.start_ns, question.end_ns)),
            fidelity=Fidelity.MASKED,
            session_id=SessionId(question.question_id),
            camera_ids=cameras,
        )

    def _too_much(self, question: CaseQuestion) -> str:
        """Why the site does not answer what its policies allow; empty when it does."""
        now_ns = self._clock.now_ns()
        while self._recent and self._recent[0] < now_ns - NS_PER_HOUR:
            self._recent.popleft()
        if len(self._recent) >= self._config.per_hour:
            return f"more than {self._config.per_hour} questions within an hour"
        self._recent.append(now_ns)
        if not question.start_ns < question.end_ns <= question.start_ns + self._config.max_days * NS_PER_DAY:
            return f"a question covers more than nothing and at most {self._config.max_days} days"
        unknown = [one for one in question.classes if one not in CLASSES]
        return f"nothing is known of the class {unknown[0]}"[:80] if unknown else ""

    def _told(self, question: CaseQuestion, reason: str, *, log_index: int = 0) -> CaseAnswered:
        now_ns = self._clock.now_ns()
        return answer_to(question, _word(reason), log_index, now_ns, is_allowed=False, cameras=0)


def _movement(track: Tracklet) -> MovementFound:
    return MovementFound(
        camera_id=track.camera_id,
        object_class=track.object_class.name.lower(),
        start_ns=track.start_ns,
        end_ns=track.end_ns,
    )


def _word(text: str) -> str:
    """A refusal in at most 80 characters."""
    plain = "".join(one if one.isprintable() else " " for one in text)
    return plain if len(plain) <= 80 else f"{plain[:79]}…"
