"""The life of a request, model-checked: no bypass, no replay, no race; real signatures over real hashes."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from custodes.access import requests
from custodes.access.assertion import check_assertion
from custodes.errors import AlreadyExists, CustodesError, FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.access import AccessRequest, Action, Fidelity, Principal, Purpose, PurposeKind, Role
from custodes.types.approval import LookRequest, RequestPhase, RequestRecord, Review, Vote
from custodes.units import NS_PER_S, CameraId, Ns, RunId, SessionId

HOUR = 3600 * NS_PER_S
T0 = Ns(1_700_000_000 * NS_PER_S)
CASE = Purpose(kind=PurposeKind.CASE, reference="2026-7")
PEOPLE = ("ann", "ben", "cleo", "dan")


def look(*, needed: int = 1, is_break_glass: bool = False, **changes: object) -> LookRequest:
    asked = LookRequest(
        request_id="r1",
        requester_id="ann",
        requester="Ann",
        action=Action.PLAY_BACK,
        purpose=CASE,
        camera_ids=(CameraId("gate"),),
        start_ns=Ns(T0 - 2 * HOUR),
        end_ns=Ns(T0 - HOUR),
        fidelity=Fidelity.UNMASKED,
        reason="somebody was hurt at the gate",
        is_break_glass=is_break_glass,
        needed=0 if is_break_glass else needed,
        filed_ns=T0,
        decide_by_ns=Ns(T0 + requests.DECIDE_WITHIN_NS),
        lasts_ns=requests.BREAK_GLASS_LASTS_NS if is_break_glass else requests.LASTS_NS,
    )
    return replace(asked, **changes)


def yes(who: str, at_ns: int = T0, credential: bytes = b"") -> Vote:
    return Vote(
        approver_id=who,
        approver=who,
        is_yes=True,
        utc_ns=Ns(at_ns),
        note="",
        credential_id=credential or who.encode(),
        assertion="{}",
    )


def no(who: str) -> Vote:
    return replace(yes(who), is_yes=False, credential_id=b"", assertion="")


def use(**changes: object) -> AccessRequest:
    asked = AccessRequest(
        principal=Principal(user_id="ann", name="Ann", roles=frozenset({Role.INVESTIGATOR})),
        action=Action.PLAY_BACK,
        purpose=CASE,
        camera_id=CameraId("gate"),
        start_ns=Ns(T0 - 2 * HOUR),
        end_ns=Ns(T0 - HOUR),
        fidelity=Fidelity.UNMASKED,
        session_id=SessionId("s"),
        request_id="r1",
    )
    return replace(asked, **changes)


APPROVED = requests.cast(RequestRecord(request=look()), yes("ben"), T0)


def test_request_when_approved_covers_the_look_it_describes_and_nothing_else() -> None:
    assert requests.covers(APPROVED, use(), T0)
    assert requests.covers(APPROVED, use(fidelity=Fidelity.MASKED), T0)
    for other in (
        {"principal": Principal(user_id="eve", name="Ann", roles=frozenset({Role.INVESTIGATOR}))},
        {"action": Action.EXPORT},
        {"purpose": replace(CASE, reference="2026-8")},
        {"purpose": replace(CASE, kind=PurposeKind.ALARM)},
        {"camera_id": CameraId("yard")},
        {"start_ns": Ns(T0 - 2 * HOUR - 1)},
        {"end_ns": Ns(T0 - HOUR + 1)},
        {"request_id": "r2"},
    ):
        assert not requests.covers(APPROVED, use(**other), T0), other
    masked = replace(APPROVED, request=look(fidelity=Fidelity.MASKED))
    assert not requests.covers(masked, use(), T0)


ONE, OTHER = (RunId("0" * 12), 1), (RunId("0" * 12), 2)


@pytest.mark.parametrize(
    ("approved", "asked", "is_covered"),
    [
        ((), (), True),
        ((), (ONE,), True),
        ((ONE,), (ONE,), True),
        ((ONE, OTHER), (OTHER,), True),
        ((ONE,), (), False),
        ((ONE,), (OTHER,), False),
        ((ONE,), (ONE, OTHER), False),
    ],
)
def test_request_when_it_shows_some_people_covers_looks_at_no_others(approved, asked, is_covered) -> None:
    record = requests.cast(RequestRecord(request=look(shown=approved)), yes("ben"), T0)
    assert requests.covers(record, use(shown=asked), T0) is is_covered
    assert requests.covers(record, use(shown=asked, fidelity=Fidelity.MASKED), T0)


def test_request_when_whom_it_shows_changes_is_another_one() -> None:
    hashes = {requests.digest(look(shown=shown)) for shown in ((), (ONE,), (OTHER,), (ONE, OTHER))}
    assert len(hashes) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"shown": (ONE, ONE)},
        {"shown": tuple((RunId("0" * 12), n) for n in range(requests.MAX_SHOWN + 1))},
        {"shown": ((RunId("gate"), 1),)},
        {"shown": ((RunId("0" * 12), -1),)},
        {"shown": (ONE,), "fidelity": Fidelity.MASKED},
    ],
)
def test_request_when_whom_it_shows_makes_no_sense_is_refused(wrong) -> None:
    requests.check_filed(look(shown=(ONE, OTHER)), now_ns=T0)
    with pytest.raises(InvalidArgument):
        requests.check_filed(look(**wrong), now_ns=T0)


@pytest.mark.parametrize(
    ("after_ns", "phase"),
    [(0, "in_force"), (24 * HOUR - 1, "in_force"), (24 * HOUR, "over"), (-1, "over")],
)
def test_request_when_approved_is_in_force_for_its_day(after_ns: int, phase: str) -> None:
    assert requests.phase(APPROVED, Ns(T0 + after_ns)).value == phase


def test_request_when_nobody_decides_lapses() -> None:
    waiting = RequestRecord(request=look())
    assert requests.phase(waiting, Ns(T0 + 72 * HOUR - 1)) is RequestPhase.WAITING
    assert requests.phase(waiting, Ns(T0 + 72 * HOUR)) is RequestPhase.LAPSED
    with pytest.raises(FailedPrecondition):
        requests.cast(waiting, yes("ben"), Ns(T0 + 72 * HOUR))


def test_request_when_two_are_needed_takes_two_people_and_two_passkeys() -> None:
    once = requests.cast(RequestRecord(request=look(needed=2)), yes("ben"), T0)
    assert requests.phase(once, T0) is RequestPhase.WAITING
    with pytest.raises(AlreadyExists):
        requests.cast(once, yes("ben", credential=b"second key"), T0)
    with pytest.raises(AlreadyExists):
        requests.cast(once, yes("cleo", credential=b"ben"), T0)
    twice = requests.cast(once, yes("cleo"), Ns(T0 + HOUR))
    assert requests.ends_ns(twice) == T0 + HOUR + requests.LASTS_NS


def test_request_when_vetoed_in_force_opens_nothing_any_more() -> None:
    vetoed = requests.cast(APPROVED, no("cleo"), T0)
    assert requests.phase(vetoed, T0) is RequestPhase.REFUSED
    assert not requests.covers(vetoed, use(), T0)


def test_request_when_a_passkey_that_approved_it_is_removed_waits_again_and_that_key_never_counts() -> None:
    later = Ns(T0 + HOUR)
    assert requests.without_key(APPROVED, b"other", later) is APPROVED
    without = requests.without_key(APPROVED, b"ben", later)
    assert requests.phase(without, later) is RequestPhase.WAITING
    assert not requests.covers(without, use(), later) and requests.ends_ns(without) == 0
    assert [(vote.approver_id, vote.void_since_ns) for vote in without.votes] == [("ben", later)]
    assert requests.without_key(without, b"ben", Ns(later + 1)) is without, "the moment stays"
    with pytest.raises(AlreadyExists):
        requests.cast(without, yes("ben"), later)
    again = requests.cast(without, yes("ben", credential=b"new phone"), later)
    assert requests.covers(again, use(), later) and requests.ends_ns(again) == later + requests.LASTS_NS


def test_request_when_a_passkey_goes_after_it_is_decided_stays_as_it_was_told() -> None:
    vetoed = requests.cast(APPROVED, no("cleo"), T0)
    assert requests.without_key(vetoed, b"ben", T0) is vetoed
    over = Ns(T0 + requests.LASTS_NS)
    assert requests.without_key(APPROVED, b"ben", over) is APPROVED
    late = Ns(T0 + requests.DECIDE_WITHIN_NS - 1)
    approved_late = requests.cast(RequestRecord(request=look()), yes("ben"), late)
    gone = requests.without_key(approved_late, b"ben", Ns(late + 2))
    assert requests.phase(gone, Ns(late + 2)) is RequestPhase.LAPSED, "nobody can approve it any more"


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": Action.WATCH_LIVE},
        {"purpose": replace(CASE, reference=" ")},
        {"purpose": replace(CASE, kind=PurposeKind.LIVE_DUTY)},
        {"reason": "because"},
        {"reason": "x" * 501},
        {"camera_ids": ()},
        {"camera_ids": (CameraId("gate"),) * 2},
        {"camera_ids": tuple(CameraId(f"c{n}") for n in range(65))},
        {"end_ns": Ns(T0 - 2 * HOUR)},
        {"end_ns": Ns(T0 + 40 * 24 * HOUR)},
        {"start_ns": Ns(T0 + HOUR), "end_ns": Ns(T0 + 2 * HOUR)},
        {"needed": 0},
        {"is_break_glass": True, "needed": 0, "action": Action.EXPORT},
    ],
    ids=str,
)
def test_request_when_it_makes_no_sense_is_not_filed(wrong: dict[str, object]) -> None:
    requests.check_filed(look(), now_ns=T0)
    with pytest.raises(InvalidArgument):
        requests.check_filed(replace(look(), **wrong), now_ns=T0)


def test_break_glass_when_not_reviewed_in_time_shuts_its_person_out() -> None:
    record = RequestRecord(request=look(is_break_glass=True))
    late = Ns(T0 + requests.REVIEW_WITHIN_NS + 1)
    assert requests.phase(record, T0) is RequestPhase.IN_FORCE
    assert not requests.is_review_overdue([record], "ann", Ns(late - 1))
    assert requests.is_review_overdue([record], "ann", late)
    assert not requests.is_review_overdue([record], "ben", late)
    own = Review(reviewer_id="ann", reviewer="Ann", is_justified=True, note="fine", utc_ns=T0)
    with pytest.raises(PermissionDenied):
        requests.review(record, own, late)
    reviewed = requests.review(record, replace(own, reviewer_id="ben"), late)
    assert not requests.is_review_overdue([reviewed], "ann", late)
    with pytest.raises(FailedPrecondition):
        requests.review(reviewed, replace(own, reviewer_id="cleo"), late)


# -- signatures ----------------------------------------------------------------------------------------------


def test_digest_when_nobody_is_named_then_is_what_was_signed_before_journeys() -> None:
    before = "fc191f0781ae04d563ea25bded5b40cc64bdf3a79dec7d8f438ab10f96642e57"
    assert requests.digest(look()).hex() == before
    assert requests.digest(replace(look(), person_id="0123456789abcdef")).hex() != before


def test_digest_when_any_field_differs_then_differs() -> None:
    seen = {requests.digest(look())}
    for change in (
        {"request_id": "r2"},
        {"requester_id": "eve"},
        {"purpose": replace(CASE, reference="2026-77")},
        {"camera_ids": (CameraId("yard"),)},
        {"end_ns": Ns(T0)},
        {"fidelity": Fidelity.MASKED},
        {"reason": "another reason for it"},
        {"needed": 2},
        {"lasts_ns": Ns(1)},
    ):
        seen.add(requests.digest(replace(look(), **change)))
    assert len(seen) == 10


def test_assertion_when_genuine_counts_once_and_for_this_request_alone() -> None:
    authenticator = FakeAuthenticator()
    key = authenticator.enrolled("ben")
    challenge = requests.digest(look())
    signed = authenticator.get(challenge)
    count = check_assertion(signed, key, challenge)
    assert count == 1
    with pytest.raises(PermissionDenied):
        check_assertion(signed, replace(key, sign_count=count), challenge)  # replayed
    with pytest.raises(PermissionDenied):
        check_assertion(signed, key, requests.digest(look(request_id="r2")))
    with pytest.raises(PermissionDenied):
        check_assertion(signed, replace(key, public_key=FakeAuthenticator().public_key), challenge)
    with pytest.raises(PermissionDenied):
        check_assertion(signed, replace(key, origin="http://evil.example"), challenge)
    with pytest.raises(PermissionDenied):
        check_assertion(FakeAuthenticator().get(challenge), key, challenge)
    authenticator.is_user_verified = False
    with pytest.raises(PermissionDenied):
        check_assertion(authenticator.get(challenge), key, challenge)


@pytest.mark.parametrize(
    "garbage", ["", "{}", "[]", "null", '{"rawId": 7}', '{"rawId": ""}', '{"rawId": "AAAA"}', "x" * 9000, "[" * 5000]
)
def test_assertion_when_garbage_is_refused_in_words(garbage: str) -> None:
    key = replace(FakeAuthenticator().enrolled("ben"), credential_id=b"\0\0\0")
    with pytest.raises((InvalidArgument, PermissionDenied)):
        check_assertion(garbage, key, b"c" * 32)


# -- the model -------------------------------------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """Any order of steps by four people at any times. The oracle remembers steps, not records."""

    @initialize(needed=st.integers(1, 3), glass=st.booleans())
    def file(self, needed: int, glass: bool) -> None:
        self.record = RequestRecord(request=look(needed=needed, is_break_glass=glass))
        self.now = int(T0)
        self.yes: dict[str, int] = {}
        self.is_ended = False

    @rule(step_ns=st.integers(0, 30 * HOUR))
    def wait(self, step_ns: int) -> None:
        self.now += step_ns

    def _in_force(self) -> bool:
        asked = self.record.request
        if self.is_ended:
            return False
        if asked.is_break_glass:
            return self.now < T0 + requests.BREAK_GLASS_LASTS_NS
        times = sorted(self.yes.values())
        return len(times) >= asked.needed and self.now < times[asked.needed - 1] + requests.LASTS_NS

    def _waits(self) -> bool:
        asked = self.record.request
        undecided = not asked.is_break_glass and len(self.yes) < asked.needed
        return undecided and not self.is_ended and self.now < asked.decide_by_ns

    @rule(who=st.sampled_from(PEOPLE), key=st.sampled_from(PEOPLE), signed=st.booleans())
    def approve(self, who: str, key: str, signed: bool) -> None:
        vote = yes(who, credential=key.encode())
        if not signed:
            vote = replace(vote, assertion="")
        used = {vote.credential_id for vote in self.record.votes if vote.is_yes}
        may = who != "ann" and self._waits() and signed and who not in self.yes and key.encode() not in used
        try:
            self.record = requests.cast(self.record, vote, Ns(self.now))
            assert may, "approved against the rules"
            self.yes[who] = self.now
        except CustodesError:
            assert not may, "a rightful approval was refused"

    @rule(who=st.sampled_from(PEOPLE))
    def refuse(self, who: str) -> None:
        may = who != "ann" and (self._waits() or self._in_force())
        try:
            self.record = requests.cast(self.record, no(who), Ns(self.now))
            assert may
            self.is_ended = True
        except CustodesError:
            assert not may

    @rule(who=st.sampled_from(PEOPLE))
    def withdraw(self, who: str) -> None:
        may = who == "ann" and (self._waits() or self._in_force())
        try:
            self.record = requests.withdraw(self.record, who, Ns(self.now))
            assert may
            self.is_ended = True
        except CustodesError:
            assert not may

    @rule(key=st.sampled_from(PEOPLE))
    def remove_passkey(self, key: str) -> None:
        if self._waits() or self._in_force():
            mine = [
                vote.approver_id for vote in self.record.votes if vote.counts and vote.credential_id == key.encode()
            ]
            for who in mine:
                del self.yes[who]
        self.record = requests.without_key(self.record, key.encode(), Ns(self.now))

    @rule(who=st.sampled_from(PEOPLE))
    def look_at_it(self, who: str) -> None:
        asked = use(principal=Principal(user_id=who, name=who, roles=frozenset()))
        assert requests.covers(self.record, asked, Ns(self.now)) is (who == "ann" and self._in_force())

    @invariant()
    def approvals_are_by_different_others(self) -> None:
        if not hasattr(self, "record"):
            return
        approved = [vote for vote in self.record.votes if vote.is_yes]
        assert {vote.approver_id for vote in approved if vote.counts} == set(self.yes)
        assert sum(vote.counts for vote in approved) == len(self.yes)
        assert len({vote.credential_id for vote in approved}) == len(approved), "also of those that count no more"
        assert all(vote.approver_id != "ann" and vote.assertion for vote in approved)


def _check_life(schedules: int, steps: int) -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=schedules,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_life_of_a_request_in_a_few_hundred_schedules() -> None:
    _check_life(300, 15)


@pytest.mark.slow
def test_life_of_a_request_in_ten_thousand_schedules() -> None:
    _check_life(10_000, 25)


def test_trace_when_its_purpose_is_another_or_another_act_has_its_purpose_then_refused():
    leak = Purpose(kind=PurposeKind.LEAK_TRACE, reference="2026-7")
    trace = look(action=Action.TRACE_LEAK, purpose=leak, fidelity=Fidelity.MASKED)
    requests.check_filed(trace, now_ns=T0)
    for wrong in (replace(trace, purpose=CASE), look(purpose=leak)):
        with pytest.raises(InvalidArgument, match="leak trace"):
            requests.check_filed(wrong, now_ns=T0)


def test_tracks_that_are_shown_are_bounded_in_number_and_in_size() -> None:
    run = "0" * 12

    def check(*shown: tuple[str, int]) -> None:
        requests.check_filed(look(shown=tuple((RunId(one), track_id) for one, track_id in shown)), now_ns=T0)

    check(*((run, number) for number in range(requests.MAX_SHOWN)))
    check((run, 2**63 - 1))
    for wrong in (
        [(run, number) for number in range(requests.MAX_SHOWN + 1)],
        [(run, 1), (run, 1)],
        [(run, 2**63)],
        [(run, -1)],
        [("0" * 11, 1)],
    ):
        with pytest.raises(InvalidArgument):
            check(*wrong)


def test_end_of_use_is_counted_from_the_approval_and_none_before() -> None:
    assert requests.ends_ns(RequestRecord(request=look())) == 0
    assert requests.ends_ns(APPROVED) == T0 + requests.LASTS_NS


def test_word_on_what_is_decided_counts_only_as_a_no_to_what_is_in_force() -> None:
    with pytest.raises(FailedPrecondition, match="in force"):
        requests.cast(APPROVED, yes("eve"), T0)
    assert requests.phase(requests.cast(APPROVED, no("eve"), T0), T0) is RequestPhase.REFUSED
    lapsed = RequestRecord(request=look())
    for vote in (yes("eve"), no("eve")):
        with pytest.raises(FailedPrecondition, match="lapsed"):
            requests.cast(lapsed, vote, Ns(T0 + requests.DECIDE_WITHIN_NS))


@pytest.mark.parametrize("change", [{"assertion": ""}, {"credential_id": b""}])
def test_approval_without_either_half_of_a_signature_is_none(change: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument, match="signed with a passkey"):
        requests.cast(RequestRecord(request=look()), replace(yes("ben"), **change), T0)


def test_notes_and_reviews_are_bounded() -> None:
    long = "x" * requests.MAX_TEXT_CHARS
    assert requests.cast(RequestRecord(request=look()), replace(no("ben"), note=long), T0).votes[0].note == long
    with pytest.raises(InvalidArgument, match="A note has"):
        requests.cast(RequestRecord(request=look()), replace(no("ben"), note=long + "x"), T0)


def test_request_is_withdrawn_by_who_asked_while_it_waits_or_is_in_force_and_once() -> None:
    for record in (RequestRecord(request=look()), APPROVED):
        gone = requests.withdraw(record, "ann", Ns(T0 + 5))
        assert gone == replace(record, withdrawn_by="ann", withdrawn_ns=Ns(T0 + 5))
        assert requests.phase(gone, T0) is RequestPhase.WITHDRAWN
        with pytest.raises(PermissionDenied, match="Only who asked"):
            requests.withdraw(record, "ben", T0)
        with pytest.raises(FailedPrecondition, match="already"):
            requests.withdraw(gone, "ann", T0)
    with pytest.raises(FailedPrecondition, match="over already"):
        requests.withdraw(APPROVED, "ann", Ns(T0 + requests.LASTS_NS))


def test_review_has_its_moment_and_a_bounded_note() -> None:
    record = RequestRecord(request=look(is_break_glass=True))
    long = "x" * requests.MAX_TEXT_CHARS
    given = Review(reviewer_id="ben", reviewer="Ben", is_justified=True, utc_ns=Ns(0), note=long)
    assert requests.review(record, given, Ns(T0 + 3)).reviews == (replace(given, utc_ns=Ns(T0 + 3)),)
    for note in ("", "  ", long + "x"):
        with pytest.raises(InvalidArgument, match="what you found"):
            requests.review(record, replace(given, note=note), T0)


FOLLOWED = {
    "action": Action.FOLLOW,
    "person_id": "ab" * 8,
    "fidelity": Fidelity.MASKED,
    "start_ns": Ns(T0 - 24 * HOUR),
    "end_ns": Ns(T0),
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"person_id": ""}, "one enrolled person"),
        ({"person_id": "ab" * 8 + "c"}, "one enrolled person"),
        ({"person_id": "AB" * 8}, "one enrolled person"),
        ({"purpose": replace(CASE, kind=PurposeKind.ALARM)}, "for an open case"),
        ({"fidelity": Fidelity.UNMASKED}, "shows no picture"),
        ({"start_ns": Ns(T0 - 24 * HOUR - 1)}, "at most 24 hours"),
    ],
    ids=["good", "nobody", "long", "no id", "alarm", "unmasked", "a day and more"],
)
def test_journey_is_of_one_enrolled_person_for_a_case_without_pictures_of_a_day(change, words) -> None:
    asked = look(**{**FOLLOWED, **change})
    if words is None:
        requests.check_filed(asked, now_ns=T0)
        return
    with pytest.raises(InvalidArgument, match=words):
        requests.check_filed(asked, now_ns=T0)


def test_where_somebody_is_protected_the_approvals_count_from_the_officers_on() -> None:
    record = replace(RequestRecord(request=look(needed=2)), needs_officer=True)
    two = requests.cast(requests.cast(record, yes("ben", T0 + 1), Ns(T0 + 1)), yes("cleo"), Ns(T0 + 2))
    assert requests.phase(two, Ns(T0 + 2)) is RequestPhase.WAITING, "two, but no officer among them"
    officer = replace(yes("dan"), is_officer=True)
    three = requests.cast(two, officer, Ns(T0 + 3))
    assert requests.phase(three, Ns(T0 + 3)) is RequestPhase.IN_FORCE
    assert requests.ends_ns(three) == T0 + 3 + requests.LASTS_NS
