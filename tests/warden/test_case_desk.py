"""The case register at its own door, without sockets and keys: what each step answers, keeps and logs."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from custodes.access import cases
from custodes.access.policy import load_policies
from custodes.adapters.keys.cases import CaseStore
from custodes.app import warden_cases
from custodes.app.warden_cases import CaseDesk
from custodes.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)
from custodes.testing.cases import opening
from custodes.testing.clock import ManualClock
from custodes.types.access import AuditKind, AuditRecord, Principal, Purpose, PurposeKind, Role
from custodes.types.cases import (
    Case,
    CaseFile,
    CaseNote,
    CaseTable,
    ChangeCase,
    CloseCase,
    NoteOnCase,
    ReadCase,
    ReadCases,
    ReopenCase,
)
from custodes.types.codec import encode
from custodes.units import NS_PER_DAY, CameraId, Ns

ANN = Principal(user_id="u1", name="Ann Miller", roles=frozenset({Role.INVESTIGATOR}))
BEN = Principal(user_id="u2", name="Ben Ude", roles=frozenset({Role.OPERATOR}))
CLEO = Principal(user_id="u3", name="Cleo Ray", roles=frozenset({Role.SUPERVISOR}))


class Desk:
    """A real desk over a real store; its log is a list, which can be made to fail."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.log: list[AuditRecord] = []
        self.is_full = False
        self.path = folder / "cases.db"
        self.open()

    def open(self) -> None:
        self.store = CaseStore(self.path)
        self.desk = CaseDesk(store=self.store, append=self.append, policies=load_policies(), clock=self.clock)

    def reopen(self) -> None:
        self.desk.close()
        self.open()

    async def append(self, record: AuditRecord) -> int:
        if self.is_full:
            raise Unavailable("the disk is full")
        self.log.append(record)
        return len(self.log) - 1

    def ask(self, message: object) -> object:
        return asyncio.run(self.desk.answer(message))

    def case(self, number: str = "7") -> Case:
        answer = self.ask(ReadCase(principal=CLEO, number=number))
        assert isinstance(answer, CaseFile)
        return answer.case

    def erase_due(self) -> int:
        return asyncio.run(self.desk.erase_due(self.clock.now_ns()))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.desk.close()


def note(**changes: object) -> NoteOnCase:
    made = NoteOnCase(principal=ANN, number="7", text=" seen again ", camera_id=CameraId("gate"), moment_ns=Ns(5))
    return replace(made, **changes)


def test_case_when_opened_is_its_openers_with_trimmed_words_and_the_log_says_all_of_it(desk: Desk) -> None:
    asked = replace(opening(ANN, " 7 "), title="  Bicycle ", reason="  reported by its owner  ", keep_days=14)
    opened = desk.ask(asked)
    own = cases.member_of(ANN)
    assert opened == desk.case() == Case(
        number="7",
        title="Bicycle",
        reason="reported by its owner",
        owner=own,
        members=(own,),
        opened_ns=desk.clock.now_ns(),
        keep_days=14,
    )  # fmt: skip
    (entry,) = desk.log
    assert (entry.kind, entry.actor, entry.subject) == (AuditKind.CASE_OPENED, "Ann Miller", "7")
    assert entry.details == {
        "user_id": "u1",
        "title": "Bicycle",
        "reason": "reported by its owner",
        "keep_days": "14",
    }
    desk.reopen()
    assert desk.case() == opened


def test_case_without_a_number_gets_the_next_of_the_year_and_none_is_given_twice(desk: Desk) -> None:
    year = cases.next_number((), desk.clock.now_ns())[:4]
    numbers = [desk.ask(opening(ANN, number)).number for number in ("  ", f"{year}-0007", "", "Theft-A")]
    assert numbers == [f"{year}-0001", f"{year}-0007", f"{year}-0008", "Theft-A"]
    logged = len(desk.log)
    for taken in ("theft-a", " THEFT-A"):
        with pytest.raises(AlreadyExists):
            desk.ask(opening(CLEO, taken))
    with pytest.raises(InvalidArgument):
        desk.ask(opening(ANN, "../x"))
    with pytest.raises(PermissionDenied):
        desk.ask(replace(opening(ANN, "9"), principal=BEN))
    assert len(desk.log) == logged and len(desk.store.cases()) == 4


def test_register_when_it_is_full_takes_no_more(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warden_cases, "MAX_CASES", 2)
    for number in ("1", "2"):
        desk.ask(opening(ANN, number))
    with pytest.raises(ResourceExhausted):
        desk.ask(opening(ANN, "3"))


def test_case_when_the_log_takes_nothing_is_not_kept_either(desk: Desk) -> None:
    desk.is_full = True
    with pytest.raises(Unavailable):
        desk.ask(opening(ANN, "7"))
    assert desk.store.cases() == []
    desk.is_full = False
    desk.ask(opening(ANN, "7"))
    desk.is_full = True
    for message in (note(), CloseCase(principal=ANN, number="7", because="found")):
        with pytest.raises(Unavailable):
            desk.ask(message)
    assert desk.case().closed_ns is None and desk.store.notes("7") == []


def test_case_when_given_to_others_says_who_was_and_who_is_and_carries_their_looks_alone(desk: Desk) -> None:
    desk.ask(opening(ANN, "7"))
    ann, ben, cleo = (cases.member_of(one) for one in (ANN, BEN, CLEO))
    of_case = Purpose(kind=PurposeKind.CASE, reference="7")
    assert desk.desk.carries(of_case, "u1") and not desk.desk.carries(of_case, "u2")
    assert not desk.desk.carries(replace(of_case, kind=PurposeKind.ALARM), "u1")
    assert not desk.desk.carries(replace(of_case, reference="8"), "u1")
    with pytest.raises(NotFound):
        desk.ask(ChangeCase(principal=BEN, number="7", owner=ben, members=()))
    changed = desk.ask(ChangeCase(principal=ANN, number="7", owner=cleo, members=(ben,)))
    assert changed == desk.case() and changed.owner == cleo and set(changed.members) == {ben, cleo}
    assert desk.log[-1].kind is AuditKind.CASE_CHANGED and desk.log[-1].subject == "7"
    assert desk.log[-1].details == {
        "user_id": "u1",
        "owner": "Cleo Ray",
        "members": "Cleo Ray, Ben Ude",
        "was": "Ann Miller",
    }
    assert [desk.desk.carries(of_case, who) for who in ("u1", "u2", "u3")] == [False, True, True]
    with pytest.raises(NotFound):
        desk.ask(ChangeCase(principal=ANN, number="7", owner=ann, members=()))
    with pytest.raises(PermissionDenied):
        desk.ask(CloseCase(principal=BEN, number="7", because="a member leads nothing"))


def test_case_when_closed_and_reopened_says_why_and_carries_nothing_in_between(desk: Desk) -> None:
    desk.ask(opening(ANN, "7"))
    desk.clock.advance(3)
    closed = desk.ask(CloseCase(principal=ANN, number="7", because=" found "))
    assert (closed.closed_ns, closed.closed_because) == (desk.clock.now_ns(), "found")
    assert (desk.log[-1].kind, desk.log[-1].details) == (
        AuditKind.CASE_CLOSED,
        {"user_id": "u1", "because": "found"},
    )
    assert not desk.desk.carries(Purpose(kind=PurposeKind.CASE, reference="7"), "u1")
    with pytest.raises(FailedPrecondition):
        desk.ask(note())
    again = desk.ask(ReopenCase(principal=CLEO, number="7", because=" another one "))
    assert again == desk.case() and again.closed_ns is None
    assert desk.log[-1].kind is AuditKind.CASE_CHANGED
    assert desk.log[-1].details == {"user_id": "u3", "change": "reopened", "because": "another one"}
    assert desk.desk.carries(Purpose(kind=PurposeKind.CASE, reference="7"), "u1")


def test_note_when_written_is_the_writers_now_and_its_hash_alone_is_logged(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ask(opening(ANN, "7"))
    desk.clock.advance(9)
    written = desk.ask(note())
    assert written == CaseNote(
        number="7",
        author="Ann Miller",
        utc_ns=desk.clock.now_ns(),
        text="seen again",
        camera_id=CameraId("gate"),
        moment_ns=Ns(5),
    )
    sha256 = hashlib.sha256(encode(written)).hexdigest()
    assert (desk.log[-1].kind, desk.log[-1].actor, desk.log[-1].subject) == (AuditKind.CASE_NOTED, "Ann Miller", "7")
    assert desk.log[-1].details == {"sha256": sha256, "camera": "gate", "moment_ns": "5"}
    plain = desk.ask(note(camera_id=CameraId(""), moment_ns=Ns(0), text="by word of mouth"))
    assert list(desk.log[-1].details) == ["sha256"]
    assert desk.ask(ReadCase(principal=ANN, number="7")).notes == (written, plain)
    with pytest.raises(PermissionDenied):
        desk.ask(note(principal=CLEO))
    monkeypatch.setattr(warden_cases, "MAX_NOTES", 2)
    with pytest.raises(ResourceExhausted):
        desk.ask(note())
    assert len(desk.store.notes("7")) == 2


def test_list_of_cases_is_ones_own_or_all_newest_first_and_bounded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, owner in (("1", ANN), ("2", CLEO), ("3", ANN)):
        desk.clock.advance(1)
        desk.ask(opening(owner, number))

    def listed(who: Principal, limit: int) -> list[str]:
        answer = desk.ask(ReadCases(principal=who, limit=limit))
        assert isinstance(answer, CaseTable)
        return [one.number for one in answer.cases]

    assert listed(ANN, 10) == ["3", "1"] and listed(BEN, 10) == []
    assert listed(CLEO, 10) == ["3", "2", "1"] and listed(CLEO, 2) == ["3", "2"]
    assert listed(CLEO, 0) == listed(CLEO, -1) == []
    monkeypatch.setattr(warden_cases, "MAX_READ", 1)
    assert listed(CLEO, 10) == ["3"]
    with pytest.raises(NotFound):
        desk.ask(ReadCase(principal=ANN, number="2"))


def test_closed_case_when_its_days_are_over_keeps_number_and_dates_and_goes_once(desk: Desk) -> None:
    for number in ("7", "8"):
        desk.ask(replace(opening(ANN, number), keep_days=1))
    desk.ask(note())
    desk.ask(note(number="8"))
    desk.ask(CloseCase(principal=ANN, number="7", because="found"))
    desk.clock.advance(NS_PER_DAY)
    assert desk.erase_due() == 0
    desk.clock.advance(1)
    assert desk.erase_due() == 1
    assert (desk.log[-1].kind, desk.log[-1].actor, desk.log[-1].subject) == (
        AuditKind.CASE_ERASED,
        "process:warden",
        "7",
    )
    assert desk.log[-1].details == {"keep_days": "1"}
    assert desk.case().is_erased and desk.case().title == "(erased)" and desk.store.notes("7") == []
    assert not desk.case("8").is_erased and len(desk.store.notes("8")) == 1
    assert desk.erase_due() == 0
