"""Who was shown a moment, read off a log that is written by hand: whose, when, how, and where it stops."""

import hashlib
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from tests.warden.conftest import GATE, HOUR, VAULT

from custodes.access.release import LEAD_IN_NS, MAX_GRANT_NS, MAX_HEADERS, LiveGrant
from custodes.app import warden_marks
from custodes.app.warden_marks import Shown, check_marks, marks_record, who_was_shown
from custodes.app.warden_records import is_charged, refusal, shown_text, who_opened
from custodes.audit.log import AuditLog
from custodes.errors import InvalidArgument, PermissionDenied, ResourceExhausted
from custodes.testing.audit import open_test_log
from custodes.types.access import (
    AccessRequest,
    Action,
    AuditKind,
    AuditRecord,
    Fidelity,
    Principal,
    Purpose,
    PurposeKind,
)
from custodes.types.leak import CandidateMark, ReleaseMarks
from custodes.types.message import ReleaseKeys
from custodes.units import CameraId, Ns, RunId, SegmentId, SessionId

T0 = 1_700_000_000_000_000_000
START, END = T0 + HOUR, T0 + 2 * HOUR


class Diary:
    """A real log, in which somebody writes who was let in and what they were given."""

    def __init__(self, folder: Path) -> None:
        self.log: AuditLog = open_test_log(folder / "log.db")
        self._grants = itertools.count(1)

    def _append(self, kind: AuditKind, at_ns: int, camera_id: CameraId, details: dict[str, str]) -> int:
        record = AuditRecord(kind=kind, actor="Ann", subject=camera_id, details=details)
        return self.log.append([(record, Ns(at_ns))])[0].index

    def granted(self, at_ns: int = START, *, action: str = "play_back", fidelity: str = "masked", camera=GATE) -> str:
        name = f"g{next(self._grants)}"
        self._append(
            AuditKind.ACCESS_GRANTED, at_ns, camera, {"grant_id": name, "action": action, "fidelity": fidelity}
        )
        return name

    def released(self, grant: str, session: str, *segments: str, at_ns: int = START, camera=GATE) -> int:
        names = {f"segment_{n}": one for n, one in enumerate(segments)}
        return self._append(AuditKind.KEYS_RELEASED, at_ns, camera, {"grant_id": grant, "session": session, **names})


@pytest.fixture
def diary(tmp_path):
    made = Diary(tmp_path)
    yield made
    made.log.close()


def request(start_ns: int = START, end_ns: int = END, action: Action = Action.TRACE_LEAK) -> AccessRequest:
    return AccessRequest(
        principal=Principal(user_id="u1", name="Ann", roles=frozenset()),
        action=action,
        purpose=Purpose(kind=PurposeKind.LEAK_TRACE, reference="leak 1"),
        camera_id=GATE,
        start_ns=Ns(start_ns),
        end_ns=Ns(end_ns),
        fidelity=Fidelity.MASKED,
        session_id=SessionId("trace"),
    )


def live(asked: AccessRequest, expires_ns: int = END) -> LiveGrant:
    return LiveGrant(grant_id="g", token_hash=b"", request=asked, expires_ns=Ns(expires_ns), log_index=3)


def named(diary: Diary, *segments: str, asked: AccessRequest | None = None) -> list[tuple[str, str, int, int]]:
    found = who_was_shown(diary.log, asked or request(), tuple(SegmentId(one) for one in segments))
    assert all(one.starts_ns == () for one in found)
    return [(one.session_id, one.fidelity.value, one.granted_index, one.released_index) for one in found]


def between(diary: Diary, asked: AccessRequest | None = None) -> dict[str, tuple[int, ...]]:
    return {one.session_id: one.starts_ns for one in who_was_shown(diary.log, asked or request(), ())}


def test_session_is_told_once_with_its_first_release_its_grant_and_how_it_saw(diary: Diary) -> None:
    masked, plain = diary.granted(), diary.granted(fidelity="unmasked")
    diary.released(masked, "other moment", "b")
    diary.released(plain, "s2", "b", "a")
    diary.released(masked, "s1", "a")
    diary.released(masked, "s1", "a")
    diary.released("never granted", "s3", "c", "a")
    assert named(diary, "a", "z") == [
        ("s2", "unmasked", 1, 3),
        ("s1", "masked", 0, 4),
        ("s3", "masked", -1, 6),
    ]
    assert named(diary, "z") == []


def test_other_cameras_and_what_shows_nothing_to_anybody_are_left_out(diary: Diary) -> None:
    for action in ("trace_leak", "analyse"):
        diary.released(diary.granted(action=action), action, "a", f"{START}-r-1")
    diary.released(diary.granted(camera=VAULT), "elsewhere", "a", f"{START}-r-1", camera=VAULT)
    for action in ("watch_live", "play_back", "export"):
        diary.released(diary.granted(action=action), action, "a", f"{START}-r-1")
    assert [one[0] for one in named(diary, "a")] == ["watch_live", "play_back", "export"]
    assert list(between(diary)) == ["watch_live", "play_back", "export"]


def test_without_segments_it_is_whoever_was_given_any_of_the_time_and_when_each_piece_began(diary: Diary) -> None:
    grant = diary.granted()
    first, last = START - LEAD_IN_NS, END
    diary.released(grant, "s1", f"{last}-r-2", f"{first}-r-1")
    diary.released(grant, "s1", f"{first}-r-1", f"{START + 5}-r-3")
    diary.released(grant, "early", f"{first - 1}-r-1")
    diary.released(grant, "late", f"{last + 1}-r-1")
    diary.released(grant, "nameless", "x-r-1", "", f"{START}x-r-1", f"-{START}", "²-r")
    diary.released(grant, "s2", f"{START}-r-4", f"{last + 1}-r-5")
    assert between(diary) == {"s1": (first, START + 5, last), "s2": (START,)}
    (one, _) = who_was_shown(diary.log, request(), ())
    assert (one.fidelity, one.granted_index, one.released_index) == (Fidelity.MASKED, 0, 1)
    mark = one.with_key(b"k" * 32)
    assert mark == CandidateMark(
        session_id=SessionId("s1"),
        mark_key=b"k" * 32,
        fidelity=Fidelity.MASKED,
        granted_index=0,
        released_index=1,
        starts_ns=one.starts_ns,
    )


@pytest.mark.parametrize("segments", [("a",), ()], ids=["named", "by time"])
def test_log_is_read_from_half_a_day_before_on_and_over_pages(diary: Diary, monkeypatch, segments) -> None:
    monkeypatch.setattr(warden_marks, "_PAGE", 2)
    since = START - MAX_GRANT_NS
    old = diary.granted(at_ns=since - 1, fidelity="unmasked")
    diary.released(old, "before", "a", f"{START}-r-1", at_ns=since - 1)
    young = diary.granted(at_ns=since, fidelity="unmasked")
    for session, grant in (("s1", young), ("s2", old), ("s3", young)):
        diary.released(grant, session, "a", f"{START}-r-1", at_ns=END + 99 * HOUR)
    found = who_was_shown(diary.log, request(), tuple(SegmentId(one) for one in segments))
    assert [(one.session_id, one.fidelity.value, one.granted_index) for one in found] == [
        ("s1", "unmasked", 2),
        ("s2", "masked", -1),
        ("s3", "unmasked", 2),
    ]


@pytest.mark.parametrize("segments", [("a",), ()], ids=["named", "by time"])
def test_more_sessions_than_are_compared_are_said_not_cut(diary: Diary, monkeypatch, segments) -> None:
    monkeypatch.setattr(warden_marks, "MAX_CANDIDATES", 2)
    wanted = tuple(SegmentId(one) for one in segments)
    grant = diary.granted()
    for session in ("s1", "s2", "s1"):
        diary.released(grant, session, "a", f"{START}-r-1")
    assert len(who_was_shown(diary.log, request(), wanted)) == 2
    diary.released(grant, "s3", "a", f"{START}-r-1")
    with pytest.raises(ResourceExhausted, match="ask for less time"):
        who_was_shown(diary.log, request(), wanted)


def test_more_pieces_than_are_compared_are_said_and_the_same_piece_counts_once(diary: Diary, monkeypatch) -> None:
    monkeypatch.setattr(warden_marks, "MAX_STARTS", 3)
    grant = diary.granted()
    for _ in range(2):
        diary.released(grant, "s1", f"{START}-r-1", f"{START + 1}-r-1")
    diary.released(grant, "s2", f"{START}-r-1")
    assert between(diary) == {"s1": (START, START + 1), "s2": (START,)}
    diary.released(grant, "s2", f"{START + 2}-r-1")
    with pytest.raises(ResourceExhausted):
        between(diary)


def test_marks_open_under_a_grant_to_trace_until_it_expires_and_for_so_many_segments() -> None:
    wanted = ReleaseMarks(grant_token="t", segment_ids=(SegmentId("a"),) * MAX_HEADERS)
    check_marks(live(request()), wanted, Ns(END - 1))
    with pytest.raises(PermissionDenied, match="expired"):
        check_marks(live(request()), wanted, Ns(END))
    with pytest.raises(InvalidArgument, match="at most"):
        check_marks(live(request()), replace(wanted, segment_ids=(SegmentId("a"),) * (MAX_HEADERS + 1)), Ns(0))
    for action in set(Action) - {Action.TRACE_LEAK}:
        with pytest.raises(PermissionDenied, match=action.value):
            check_marks(live(request(action=action)), wanted, Ns(0))


def test_record_of_marks_fixes_the_list_by_its_hash_before_anything_is_compared() -> None:
    shown = tuple(
        Shown(
            session_id=SessionId(name), fidelity=Fidelity.MASKED, granted_index=0, released_index=at, starts_ns=starts
        )
        for name, at, starts in (("s1", 4, (5, 6)), ("s2", 7, ()))
    )
    wanted = ReleaseMarks(grant_token="t", segment_ids=(SegmentId("a"), SegmentId("b")))
    record = marks_record(live(request()), wanted, shown)
    assert (record.kind, record.actor, record.subject) == (AuditKind.MARKS_RELEASED, "Ann", "gate")
    assert record.details == {
        "user_id": "u1",
        "grant_id": "g",
        "session": "trace",
        "reference": "leak 1",
        "candidates": "2",
        "candidates_sha256": hashlib.sha256(b"s1 4 5 6\ns2 7").hexdigest(),
        "segments": "2",
    }


def test_refusal_names_nobody_when_the_token_is_unknown_and_its_words_are_bounded() -> None:
    asked = ReleaseKeys(grant_token="t", headers=())
    unknown = refusal(None, asked, PermissionDenied("x" * 500))
    assert (unknown.kind, unknown.actor, unknown.subject) == (AuditKind.KEYS_REFUSED, "process:job", "")
    assert unknown.details == {"reason": "x" * 400, "segments": "0"}
    known = refusal(live(request()), asked, PermissionDenied("no"))
    assert (known.actor, known.subject) == ("Ann", "gate")
    assert known.details == {"user_id": "u1", "grant_id": "g", "session": "trace", "reason": "no", "segments": "0"}


@pytest.mark.parametrize(
    ("kind", "details", "counts"),
    [
        (AuditKind.KEYS_RELEASED, {"action": "play_back"}, True),
        (AuditKind.KEYS_RELEASED, {}, True),
        (AuditKind.KEYS_RELEASED, {"action": "watch_live"}, False),
        (AuditKind.KEYS_REFUSED, {"action": "play_back"}, False),
    ],
)
def test_release_counts_against_a_quota_when_it_opened_what_was_recorded(kind, details, counts) -> None:
    named = {"user_id": "u1", "segment_0": "a", "session": "s", "segment_1": "b"}
    record = AuditRecord(kind=kind, actor="Ann", subject="gate", details=details | named)
    assert is_charged(record) is counts
    assert who_opened(record) == ("u1", ("a", "b"))
    assert who_opened(replace(record, details={})) == ("", ())


def test_people_who_alone_are_shown_are_named_as_far_as_they_fit_and_the_rest_is_counted() -> None:
    run = RunId("0" * 12)
    assert shown_text(()) == ""
    assert shown_text(((run, 1), (run, 20))) == f"{run}/1 {run}/20"
    many = shown_text(tuple((run, 100_000 + n) for n in range(60)))
    names, _, more = many.partition(" and ")
    assert len(names) <= 1000 < len(names) + 1 + len(f"{run}/100000") + 1
    assert more == f"{60 - len(names.split())} more" and names.split() == [f"{run}/{100_000 + n}" for n in range(50)]
