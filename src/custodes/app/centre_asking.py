"""Questions of a centre on their way: logged, sent until they are answered or too old, and what came back.

Commands and the page put questions into the database, signed by who asks (`centre_people`); the running centre alone
logs and sends them.
"""

from collections.abc import Sequence

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.adapters.sql.centre import CentreStore
from custodes.app import centre_log
from custodes.app.centre_people import is_signed
from custodes.audit.log import AuditLog
from custodes.federation.parcel import seal_question
from custodes.ports.clock import Clock
from custodes.types.federation import CaseAnswered

MAX_OPEN = 200
"""Of all sites: each is sent again every five seconds."""


class Asking:
    """One thread at a time."""

    def __init__(self, store: CentreStore, log: AuditLog, key: Ed25519PrivateKey, clock: Clock) -> None:
        self._store, self._log, self._key, self._clock = store, log, key, clock

    def due(self) -> list[tuple[str, bytes]]:
        """What is to be sent now: site and sealed question. What is answered or too old is closed, with an entry.

        Raises: what database and log raise; then nothing is sent.
        """
        found = []
        now_ns = self._clock.now_ns()
        for person in self._store.people.unlogged():
            centre_log.person_changed(self._log, person, now_ns)
            self._store.people.mark_logged(person.name)
        for question in self._store.open_questions(MAX_OPEN):
            answers = self._store.answers(question.site_id, question.question_id)
            if is_whole(answers):
                centre_log.answered(self._log, question, answers, now_ns)
                self._store.close_question(question.question_id)
                structlog.get_logger().info("a site answered", site=question.site_id, question=question.question_id)
                continue
            if now_ns >= question.expires_ns:
                centre_log.answered(self._log, question, [], now_ns)
                self._store.close_question(question.question_id)
                structlog.get_logger().warning("no answer", site=question.site_id, question=question.question_id)
                continue
            if not self._store.is_logged(question.question_id):
                if not is_signed(self._store, question):
                    centre_log.unsigned(self._log, question, now_ns)
                    self._store.close_question(question.question_id)
                    structlog.get_logger().error("a question that nobody signed", question=question.question_id)
                    continue
                entry = centre_log.asked(self._log, question, now_ns)
                question = msgspec.structs.replace(question, entry=entry)
                self._store.put_question(question, is_logged=True)
            found.append((question.site_id, seal_question(self._key, question)))
        return found


def is_whole(answers: Sequence[CaseAnswered]) -> bool:
    """Whether all parts are here."""
    return bool(answers) and {one.part for one in answers} >= set(range(answers[0].parts))
