"""What a centre asked and what this site said, kept over restarts: nothing is decided twice, and people can read it.

A file of the data directory. An answer is in here, whole, before it goes into the outbox, so a site that is killed in
between tells what it decided and decides nothing anew; the centre keeps one answer by its question's number.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from custodes.config.durable import replace_file
from custodes.errors import DataLoss
from custodes.ports.clock import Clock
from custodes.types.federation import CaseAnswered
from custodes.types.question import CaseQuestion
from custodes.types.wish import AskedByCentre, Wish
from custodes.units import CameraId, Ns

MAX_KEPT = 1000
"""The oldest go; a question is sent again for two weeks at most, and `per_hour` bounds how many there are."""

_FILE = msgspec.json.Decoder(list[AskedByCentre])


class AnswerBook:
    """Used on one event loop; `put` and `told` block for a small file."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        """Raises: DataLoss when the file is not what was written."""
        self._path, self._clock = path, clock
        self._rows: dict[str, AskedByCentre] = {}
        if path.exists():
            try:
                self._rows = {one.question_id: one for one in _FILE.decode(path.read_bytes())}
            except msgspec.MsgspecError as error:
                raise DataLoss(f"{path} cannot be read: {error}; remove it, the log has all of it") from error

    def knows(self, question_id: str) -> bool:
        """Whether it was answered."""
        return question_id in self._rows

    def untold(self, question_id: str) -> Sequence[bytes]:
        """The answer to it, if it may not be in the outbox yet."""
        row = self._rows.get(question_id)
        return () if row is None else row.facts

    def put(self, asked: CaseQuestion, centre: str, answers: Sequence[CaseAnswered], facts: Sequence[bytes]) -> None:
        """Before the outbox has it. Args: answers: in parts. facts: the same, encoded."""
        first = answers[0]
        self._keep(
            AskedByCentre(
                question_id=asked.question_id,
                asker=f"{asked.asker} at {centre}",
                case_id=asked.case_id,
                reason=asked.reason,
                cameras=tuple(CameraId(one) for one in asked.cameras),
                classes=asked.classes,
                start_ns=Ns(asked.start_ns),
                end_ns=Ns(asked.end_ns),
                expires_ns=Ns(asked.expires_ns),
                answered_ns=self._clock.now_ns(),
                wants_footage=asked.wants_footage,
                is_allowed=first.is_allowed,
                said=first.reason,
                found=sum(len(one.found) for one in answers),
                log_index=first.log_index,
                facts=tuple(facts),
            )
        )

    def put_wish(self, wish: Wish, answer: CaseAnswered) -> None:
        """A wish that people gave or refused, and the centre was told."""
        self._keep(
            AskedByCentre(
                question_id=wish.question_id,
                asker=wish.asker,
                case_id=wish.case_id,
                reason=wish.reason,
                cameras=(wish.camera_id,),
                classes=(),
                start_ns=wish.start_ns,
                end_ns=wish.end_ns,
                expires_ns=wish.expires_ns,
                answered_ns=self._clock.now_ns(),
                wants_footage=True,
                is_allowed=answer.is_allowed,
                said=answer.reason,
                found=0,
                log_index=answer.log_index,
            )
        )

    def told(self, question_id: str) -> None:
        """The outbox has it."""
        self._keep(replace(self._rows[question_id], facts=()))

    def rows(self) -> list[AskedByCentre]:
        """Newest first."""
        return list(self._rows.values())[::-1]

    def _keep(self, row: AskedByCentre) -> None:
        self._rows[row.question_id] = row
        while len(self._rows) > MAX_KEPT:
            del self._rows[next(iter(self._rows))]
        replace_file(self._path, msgspec.json.encode(list(self._rows.values())))
