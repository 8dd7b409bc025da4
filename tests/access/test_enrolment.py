"""The life of an enrolment: each phase at its edge, what is refused, and what a withdrawal leaves."""

import hashlib
from dataclasses import replace

import pytest

from custodes.access import enrolment as rules
from custodes.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.types.face import Consent, EnrolmentPhase, FaceEnrolment
from custodes.units import NS_PER_DAY, Ns

T0 = Ns(1_700_000_000 * 10**9)
SIGNED = Consent(version="2026-11", text_sha256="ab" * 32, signed_ns=T0, sealed_signature=b"Ann")
INVITED = FaceEnrolment(
    person_id="p1",
    purpose="to open the gate for the night shift",
    zone_ids=("z1",),
    expires_ns=Ns(T0 + 1000 * NS_PER_DAY),
    created_ns=T0,
    created_by="u1",
    sealed_name=b"sealed",
    invite_hash=b"h",
)
CONSENTED = replace(INVITED, consent=SIGNED)
ACTIVE = replace(CONSENTED, templates=3)
YEAR = 366 * NS_PER_DAY


@pytest.mark.parametrize(
    ("enrolment", "after_ns", "phase"),
    [
        (INVITED, -1, EnrolmentPhase.EXPIRED),
        (INVITED, 0, EnrolmentPhase.INVITED),
        (INVITED, 14 * NS_PER_DAY - 1, EnrolmentPhase.INVITED),
        (INVITED, 14 * NS_PER_DAY, EnrolmentPhase.EXPIRED),
        (CONSENTED, 15 * NS_PER_DAY, EnrolmentPhase.CONSENTED),
        (replace(CONSENTED, templates=2), 0, EnrolmentPhase.CONSENTED),
        (ACTIVE, 0, EnrolmentPhase.ACTIVE),
        (ACTIVE, YEAR - 1, EnrolmentPhase.ACTIVE),
        (ACTIVE, YEAR, EnrolmentPhase.REVIEW_OVERDUE),
        (replace(ACTIVE, reviewed_ns=Ns(T0 + YEAR)), 2 * YEAR - 1, EnrolmentPhase.ACTIVE),
        (replace(ACTIVE, reviewed_ns=Ns(T0 + YEAR)), 2 * YEAR, EnrolmentPhase.REVIEW_OVERDUE),
        (ACTIVE, 1000 * NS_PER_DAY - 1, EnrolmentPhase.REVIEW_OVERDUE),
        (ACTIVE, 1000 * NS_PER_DAY, EnrolmentPhase.EXPIRED),
        (replace(ACTIVE, issued_ns=T0), 0, EnrolmentPhase.ISSUED),
        (replace(ACTIVE, withdrawn_ns=T0), 2000 * NS_PER_DAY, EnrolmentPhase.WITHDRAWN),
    ],
)
def test_phase_at_each_edge(enrolment, after_ns, phase):
    now_ns = Ns(T0 + after_ns)
    assert rules.phase(enrolment, now_ns) is phase
    assert rules.is_compared(enrolment, now_ns) is (phase is EnrolmentPhase.ACTIVE)
    assert not rules.is_compared(replace(enrolment, zone_ids=()), now_ns)


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ({}, " ", "whom you invite"),
        ({}, "n" * 121, "at most 120"),
        ({"purpose": "too short"}, "Ann", "what for"),
        ({"purpose": "p" * 501}, "Ann", "10 to 500"),
        ({"expires_ns": T0}, "Ann", "ends at a day"),
        ({"expires_ns": Ns(T0 + 3 * YEAR + 1)}, "Ann", "three years"),
        ({"zone_ids": ("z1", "z1")}, "Ann", "different zones"),
        ({"zone_ids": tuple(f"z{n}" for n in range(65))}, "Ann", "at most 64"),
        ({"protects": True}, "Ann", "in no zone"),
    ],
)
def test_invitation_when_something_is_missing_is_refused_in_words(change, name, words):
    with pytest.raises(InvalidArgument, match=words):
        rules.check_invited(replace(INVITED, **change), name, T0)


@pytest.mark.parametrize(
    "change",
    [
        {"purpose": "p" * 10},
        {"purpose": "p" * 500},
        {"expires_ns": Ns(T0 + 1)},
        {"expires_ns": Ns(T0 + 3 * YEAR)},
        {"zone_ids": tuple(f"z{n}" for n in range(64))},
        {"zone_ids": (), "protects": True},
    ],
)
def test_invitation_at_its_bounds_is_good(change):
    rules.check_invited(replace(INVITED, **change), "n" * 120, T0)


def test_signature_when_the_invitation_is_open_is_kept_and_later_refused():
    signed = rules.sign(INVITED, SIGNED, b"way back", T0)
    assert (signed.consent, signed.withdraw_hash) == (SIGNED, b"way back")
    for late in (signed, replace(INVITED, withdrawn_ns=T0)):
        with pytest.raises(FailedPrecondition, match="not open any more"):
            rules.sign(late, SIGNED, b"other", T0)
    with pytest.raises(FailedPrecondition):
        rules.sign(INVITED, SIGNED, b"other", Ns(T0 + 14 * NS_PER_DAY))


@pytest.mark.parametrize("enrolment", [INVITED, replace(ACTIVE, issued_ns=T0), replace(ACTIVE, withdrawn_ns=T0)])
def test_picture_without_a_signature_in_force_is_not_taken(enrolment):
    with pytest.raises(PermissionDenied, match="No picture is taken"):
        rules.may_give(enrolment, T0, 0)


def test_picture_when_signed_is_taken_eight_times():
    for count in range(8):
        rules.may_give(replace(CONSENTED, templates=count), T0, count)
    with pytest.raises(FailedPrecondition, match="8 pictures already"):
        rules.may_give(CONSENTED, T0, 8)
    with pytest.raises(PermissionDenied, match="review overdue"):
        rules.may_give(ACTIVE, Ns(T0 + YEAR), 3)


def test_template_when_issued_is_with_its_holder_alone():
    carried = rules.issue(replace(ACTIVE, zone_ids=()), Ns(T0 + 5))
    assert (carried.issued_ns, carried.templates) == (T0 + 5, 0)
    for enrolment, words in (
        (ACTIVE, "in a zone"),
        (replace(ACTIVE, zone_ids=(), protects=True), "protected"),
        (replace(CONSENTED, zone_ids=()), "Pictures are missing"),
        (carried, "is over"),
    ):
        with pytest.raises(FailedPrecondition, match=words):
            rules.issue(enrolment, T0)


def test_withdrawal_leaves_nothing_personal_and_its_first_moment():
    gone = rules.withdraw(ACTIVE, Ns(T0 + 7))
    assert (gone.withdrawn_ns, gone.sealed_name, gone.templates) == (T0 + 7, b"", 0)
    assert gone.consent == replace(SIGNED, sealed_signature=b"")
    assert rules.withdraw(gone, Ns(T0 + 9)) == gone
    assert rules.withdraw(INVITED, T0).consent is None


def test_hashes_are_of_token_and_text():
    assert rules.token_hash("a") != hashlib.sha256(b"a").digest(), "a hash of its own kind"
    assert rules.token_hash("a") == hashlib.sha256(b"custodes.enrolment-token.v1\na").digest()
    assert rules.text_sha256("\u00e4") == hashlib.sha256("\u00e4".encode()).hexdigest()
