"""The life of an enrolment: invited, consent signed, samples given, active; withdrawn, expired, review overdue.

Pure. There is one way in: a person signs the text themselves and gives their own pictures. Footage is no source.
"""

import hashlib
from dataclasses import replace

from custodes.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.types.face import Consent, EnrolmentPhase, FaceEnrolment, LegalBasis
from custodes.units import NS_PER_DAY, Ns

SAMPLES_WANTED = 3
"""Different looks of one person; a gallery score is the best of them."""
SAMPLES_OF_THE_MISSING = 1
"""A guardian has what is on the telephone."""
SAMPLES_MAX = 8
INVITATION_LASTS_NS = Ns(14 * NS_PER_DAY)
LASTS_MAX_NS = Ns(3 * 366 * NS_PER_DAY)
"""BIPA 15(a): destroyed at the latest three years after the last contact."""
MISSING_MAX_NS = Ns(3 * NS_PER_DAY)
"""Whoever is not found by then is looked for by others; the guardian may enrol anew."""
REVIEW_EVERY_NS = Ns(366 * NS_PER_DAY)

CONSENT_VERSION = "2026-11-26"
CONSENT_TEXT = """I agree that {site} makes biometric templates of my face from the pictures that I give here.

What for: {purpose}.
Where: only in these zones, each of them marked on site: {zones}. Nowhere else, and not from recordings.
How: my face is compared automatically. Nothing follows from a comparison alone: two trained people have to agree
first, each without knowing what the other says.
How long: until {expires}, or until I take my agreement back.
Taking it back: at any time, with the link that I get when I sign, without giving a reason and without any
disadvantage. I am not recognised any more within seconds, and what is stored of me can never be read again.
My choice: I need not agree. There is another way: {alternatives}.
My rights: I may see what is stored of me, have it corrected, deleted or given to me, and complain to a supervisory
authority. Responsible: {controller}."""
"""Version `CONSENT_VERSION`. A change of a word is a new version."""

FOLLOW_TEXT = """Following: I also agree that, for an open case and when others approved it with their signatures,
it may be worked out in which cameras I was before and after two people confirmed me. That is worked out from where
and when somebody walked, not from faces; for a day at most at a time; it is kept nowhere but in the case it was taken
for."""
"""Added to the text of who agrees to that."""

MISSING_TEXT = """I have parental authority or am the legal guardian of {name}, who is missing, and I ask {site} to
look for them.

What for: {purpose}.
How: {site} makes a biometric template of their face from the picture that I give here, and compares it only in these
zones, each of them marked on site: {zones}. Not in recordings. Nothing follows from a comparison alone: two trained
people have to agree first, each without knowing what the other says. Then where and when they were confirmed last is
told to those who look for them{following}.
How long: until {expires} at the latest, and at once when they are found: then the template is destroyed and can never
be read again. The same happens with the link that I get when I sign, whenever I want, without giving a reason.
Rights: I may see what is stored, have it corrected, deleted or given to me, and complain to a supervisory authority.
Responsible: {controller}."""
"""What a guardian signs, for a child or patient who cannot."""
MISSING_FOLLOWING = ", and in which cameras they were before and after, worked out from where and when somebody walked"


def token_hash(token: str) -> bytes:
    """What is kept of a link's secret."""
    return hashlib.sha256(b"custodes.enrolment-token.v1\n" + token.encode()).digest()


def text_sha256(text: str) -> str:
    """Names the text that was signed, with what was filled in."""
    return hashlib.sha256(text.encode()).hexdigest()


def phase(enrolment: FaceEnrolment, now_ns: Ns) -> EnrolmentPhase:
    """Where it stands."""
    if enrolment.withdrawn_ns is not None:
        return EnrolmentPhase.WITHDRAWN
    if now_ns >= enrolment.expires_ns:
        return EnrolmentPhase.EXPIRED
    if enrolment.consent is None:
        is_open = enrolment.created_ns <= now_ns < enrolment.created_ns + INVITATION_LASTS_NS
        return EnrolmentPhase.INVITED if is_open else EnrolmentPhase.EXPIRED
    if enrolment.issued_ns is not None:
        return EnrolmentPhase.ISSUED
    if enrolment.templates < samples_wanted(enrolment):
        return EnrolmentPhase.CONSENTED
    if enrolment.recorded is not None and enrolment.reviewed_ns is None:
        return EnrolmentPhase.REVIEW_OVERDUE
    reviewed_ns = enrolment.reviewed_ns or enrolment.consent.signed_ns
    return EnrolmentPhase.ACTIVE if now_ns < reviewed_ns + REVIEW_EVERY_NS else EnrolmentPhase.REVIEW_OVERDUE


def samples_wanted(enrolment: FaceEnrolment) -> int:
    """Pictures before anybody is compared."""
    return SAMPLES_OF_THE_MISSING if enrolment.is_missing else SAMPLES_WANTED


def check_invited(enrolment: FaceEnrolment, name: str, now_ns: Ns) -> None:
    """Raises: InvalidArgument in words for who invites."""
    if not name.strip() or len(name) > 120:
        raise InvalidArgument("Say whom you invite, in at most 120 characters.")
    if not 10 <= len(enrolment.purpose.strip()) <= 500:
        raise InvalidArgument("Say what for, in 10 to 500 characters.")
    if not now_ns < enrolment.expires_ns <= now_ns + LASTS_MAX_NS:
        raise InvalidArgument("An enrolment ends at a day, within three years.")
    if len(set(enrolment.zone_ids)) != len(enrolment.zone_ids) or len(enrolment.zone_ids) > 64:
        raise InvalidArgument("Name at most 64 different zones.")
    if enrolment.protects and enrolment.zone_ids:
        raise InvalidArgument("Who asks for protection is compared in no zone.")
    if enrolment.protects and (enrolment.may_follow or enrolment.is_missing):
        raise InvalidArgument("Who asks for protection is not looked for, and not followed.")
    if (enrolment.may_follow or enrolment.is_missing) and not enrolment.zone_ids:
        raise InvalidArgument("Name the zones: where nobody is compared, nobody is found or followed.")
    if enrolment.is_missing and enrolment.expires_ns > now_ns + MISSING_MAX_NS:
        raise InvalidArgument("A missing person is looked for during three days at most; enrol anew after that.")


def check_recorded(enrolment: FaceEnrolment, basis: LegalBasis) -> None:
    """Whether a basis may be written down instead of signed. Raises: InvalidArgument."""
    if enrolment.protects or enrolment.is_missing or enrolment.may_follow:
        raise InvalidArgument("Whoever is protected, looked for or followed signs for it; nothing else counts.")
    if not enrolment.zone_ids:
        raise InvalidArgument("A card for a checkpoint is its holder's: they sign for it themselves.")
    if not 10 <= len(basis.reference.strip()) <= 300:
        raise InvalidArgument("Say where the basis lies (paper, law, agreement), in 10 to 300 characters.")


def may_review(enrolment: FaceEnrolment, user_id: str, now_ns: Ns) -> None:
    """Raises: FailedPrecondition when there is nothing to review, PermissionDenied for whoever recorded the basis."""
    if phase(enrolment, now_ns) not in (EnrolmentPhase.ACTIVE, EnrolmentPhase.REVIEW_OVERDUE):
        raise FailedPrecondition("There is nothing to review.")
    if enrolment.recorded is not None and enrolment.reviewed_ns is None and user_id == enrolment.created_by_id:
        raise PermissionDenied("Somebody else than who imported this person looks at the basis first.")


def sign(enrolment: FaceEnrolment, consent: Consent, withdraw_hash: bytes, now_ns: Ns) -> FaceEnrolment:
    """Raises: FailedPrecondition when it is not open."""
    if phase(enrolment, now_ns) is not EnrolmentPhase.INVITED:
        raise FailedPrecondition("This invitation is not open any more.")
    return replace(enrolment, consent=consent, withdraw_hash=withdraw_hash)


def may_give(enrolment: FaceEnrolment, now_ns: Ns, given: int) -> None:
    """Whether a picture may become a template now. `given`: how many that network has of the person.

    Raises: PermissionDenied without a signature in force, FailedPrecondition.
    """
    now = phase(enrolment, now_ns)
    if now not in (EnrolmentPhase.CONSENTED, EnrolmentPhase.ACTIVE):
        raise PermissionDenied(f"No picture is taken: the enrolment is {now.value.replace('_', ' ')}.")
    if given >= SAMPLES_MAX:
        raise FailedPrecondition(f"There are {SAMPLES_MAX} pictures already, which is enough.")


def issue(enrolment: FaceEnrolment, now_ns: Ns) -> FaceEnrolment:
    """The template goes to its holder. Raises: FailedPrecondition."""
    if enrolment.protects:
        raise FailedPrecondition("Who is protected carries no token: the pictures are needed here.")
    if enrolment.zone_ids:
        raise FailedPrecondition("Who is compared in a zone carries no token; a checkpoint needs an own enrolment.")
    if phase(enrolment, now_ns) is not EnrolmentPhase.ACTIVE:
        raise FailedPrecondition("Pictures are missing, or the enrolment is over.")
    return replace(enrolment, issued_ns=now_ns, templates=0)


def withdraw(enrolment: FaceEnrolment, now_ns: Ns) -> FaceEnrolment:
    """Idempotent; nothing personal stays."""
    return replace(
        enrolment,
        withdrawn_ns=enrolment.withdrawn_ns or now_ns,
        sealed_name=b"",
        consent=replace(enrolment.consent, sealed_signature=b"") if enrolment.consent else None,
        templates=0,
    )


def is_compared(enrolment: FaceEnrolment, now_ns: Ns) -> bool:
    """Whether the matcher may know this person now."""
    return bool(enrolment.zone_ids) and phase(enrolment, now_ns) is EnrolmentPhase.ACTIVE


def is_followed(enrolment: FaceEnrolment, now_ns: Ns) -> bool:
    """Whether journeys of this person may be told now: they agreed, and the agreement is in force."""
    return enrolment.may_follow and is_compared(enrolment, now_ns)
