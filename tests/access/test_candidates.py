"""Two trained people, blind to each other: only their agreement makes a sighting."""

from dataclasses import fields, replace
from hashlib import sha256

import pytest

from custodes.access import candidates as rules
from custodes.errors import AlreadyExists, FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.types.codec import encode
from custodes.types.face import Candidate, CandidatePhase, CandidateRecord, Training, Verdict
from custodes.units import Ns

T0 = Ns(1_700_000_000 * 10**9)
HALF_HOUR = 1800 * 10**9
CANDIDATE = Candidate(
    candidate_id="c1",
    zone_id="z1",
    camera_id="gate",
    run="0123456789ab",
    track_id=7,
    start_ns=T0,
    end_ns=T0,
    person_id="p1",
    score=0.7,
    threshold=0.6,
    likelihood=4.0,
    quality=0.8,
    samples=4,
    gallery_size=30,
    gallery_version=2,
    contract="c",
    probe_sha256="ab" * 32,
    filed_ns=T0,
    decide_by_ns=Ns(T0 + HALF_HOUR),
)
WAITS = CandidateRecord(candidate=CANDIDATE)
TRAINING = [
    Training(user_id=who, name=who, given_by="joe", given_ns=T0, until_ns=Ns(T0 + HALF_HOUR))
    for who in ("ann", "ben", "eve")
]


def word(who, *, is_same=True, key=b"", assertion="signed"):
    return Verdict(
        user_id=who, user=who, is_same=is_same, utc_ns=Ns(0), credential_id=key or who.encode(), assertion=assertion
    )


def decided(*words):
    return replace(WAITS, verdicts=tuple(word(who, is_same=is_same) for who, is_same in words))


@pytest.mark.parametrize(
    ("record", "after_ns", "phase"),
    [
        (WAITS, -1, CandidatePhase.LAPSED),
        (WAITS, 0, CandidatePhase.WAITING),
        (WAITS, HALF_HOUR - 1, CandidatePhase.WAITING),
        (WAITS, HALF_HOUR, CandidatePhase.LAPSED),
        (decided(("ann", True)), 0, CandidatePhase.WAITING),
        (decided(("ann", True)), HALF_HOUR, CandidatePhase.LAPSED),
        (decided(("ann", True), ("ben", True)), 10 * HALF_HOUR, CandidatePhase.CONFIRMED),
        (decided(("ann", False), ("ben", False)), 0, CandidatePhase.REJECTED),
        (decided(("ann", True), ("ben", False)), 0, CandidatePhase.DISPUTED),
        (decided(("ann", False), ("ben", True)), 0, CandidatePhase.DISPUTED),
        (decided(("ann", True), ("ben", False), ("eve", True)), 0, CandidatePhase.DISPUTED),
    ],
)
def test_phase_is_that_of_the_first_two_words(record, after_ns, phase):
    assert rules.phase(record, Ns(T0 + after_ns)) is phase


def test_word_when_given_has_its_moment_and_two_decide():
    once = rules.give(WAITS, word("ann"), TRAINING, Ns(T0 + 1))
    twice = rules.give(once, word("ben"), TRAINING, Ns(T0 + 2))
    assert [one.utc_ns - T0 for one in twice.verdicts] == [1, 2]
    assert rules.phase(twice, T0) is CandidatePhase.CONFIRMED
    with pytest.raises(FailedPrecondition, match="is confirmed"):
        rules.give(twice, word("eve"), TRAINING, T0)


@pytest.mark.parametrize(
    ("said", "after_ns", "error"),
    [
        (word("joe"), 0, PermissionDenied),
        (word("ben"), -1, PermissionDenied),
        (word("ben"), HALF_HOUR, PermissionDenied),
        (word("ben", assertion=""), 0, InvalidArgument),
        (replace(word("ben"), credential_id=b""), 0, InvalidArgument),
        (word("ann", key=b"other"), 0, AlreadyExists),
        (word("ben", key=b"ann"), 0, AlreadyExists),
    ],
    ids=["untrained", "trained later", "training over", "unsigned", "no key", "same person", "same passkey"],
)
def test_word_that_is_not_of_a_second_trained_person_does_not_count(said, after_ns, error):
    once = rules.give(WAITS, word("ann"), TRAINING, T0)
    with pytest.raises(error):
        rules.give(once, said, TRAINING, Ns(T0 + after_ns))


def test_others_words_are_hidden_until_it_is_decided():
    once = decided(("ann", True))
    assert rules.blind(once, "ben", T0).verdicts == ()
    assert rules.blind(once, "ann", T0) == once
    done = decided(("ann", True), ("ben", False))
    assert rules.blind(done, "eve", T0) == done
    assert rules.blind(once, "ben", Ns(T0 + HALF_HOUR)) == once, "nothing is decided by it any more"


def test_hash_that_a_passkey_signs_is_over_candidate_and_word_but_not_the_person():
    same, different = (rules.digest(CANDIDATE, is_same=is_same) for is_same in (True, False))
    assert same != different and len(same) == 32
    assert rules.digest(replace(CANDIDATE, person_id="somebody else"), is_same=True) == same
    for name in {one.name for one in fields(Candidate)} - {"person_id"}:
        value = getattr(CANDIDATE, name)
        other = replace(CANDIDATE, **{name: f"{value}x" if isinstance(value, str) else value + 1})
        assert rules.digest(other, is_same=True) != same, name


@pytest.mark.parametrize(("is_same", "said"), [(True, b"same\n"), (False, b"different\n")])
def test_hash_stays_what_it_was_so_that_old_verdicts_can_be_checked(is_same, said):
    bare = encode(replace(CANDIDATE, person_id=""))
    assert rules.digest(CANDIDATE, is_same=is_same) == sha256(b"custodes.face-verdict.v1\n" + said + bare).digest()
