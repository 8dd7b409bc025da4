"""Values of recognition: zones, permits, enrolments, templates, candidates, verifications, sightings.

The rules between them are in `access.zones`, `access.enrolment` and `access.candidates`; messages are in
`types.face_message`. A name of an enrolled person and every vector travel sealed or between two processes only.
"""

from dataclasses import dataclass
from enum import StrEnum

from custodes.types.approval import Vote
from custodes.units import CameraId, Ns, RunId

Corners = tuple[tuple[float, float], ...]
"""x and y in shares of the frame, at least three."""


class BasisKind(StrEnum):
    """On what a zone's use of biometric data rests (GDPR art. 6 and 9)."""

    EXPLICIT_CONSENT = "explicit_consent"
    """Art. 9(2)(a): everybody who enters the zone chose to, and has another way."""
    SUBSTANTIAL_PUBLIC_INTEREST = "substantial_public_interest"
    """Art. 9(2)(g), by the law that `reference` names."""
    EMPLOYMENT_LAW = "employment_law"
    """Art. 9(2)(b), by the law or agreement that `reference` names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalBasis:
    """Why it is allowed. `reference`: the law, agreement or consent text; never empty."""

    kind: BasisKind
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a zone is on, in the site's local time; past midnight when it ends before it begins."""

    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """0 is Monday; the day on which a window begins."""
    from_minute: int = 0
    until_minute: int = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What a data protection impact assessment has to say (GDPR art. 35(7)), in the site's words."""

    necessity: str
    risks: str
    measures: str
    consulted: str
    """Who was asked: data-protection officer, works council, those concerned."""


class ZoneKind(StrEnum):
    """What is compared in a zone."""

    FACES = "faces"
    PLATES = "plates"
    """Of vehicles, against the operator's own list (`access.plates`); no face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneDraft:
    """What people are asked to approve. Never changes: its hash is what their passkeys sign."""

    zone_id: str
    name: str
    camera_id: CameraId
    polygon: Corners
    schedule: Schedule
    basis: LegalBasis
    purpose: str
    notice: str
    """What the sign at the zone says, or where it hangs."""
    alternative: str
    """How somebody gets by without being recognised."""
    impact: Impact
    px_per_m: float
    """Picture pixels per metre at the zone; from the camera's calibration, else as measured by a person."""
    is_px_measured: bool
    """From the calibration."""
    fpir: float
    """Wanted share of strangers' tracks that give a candidate all the same: 1e-5 to 0.05."""
    samples: int
    """Looks at a face that are fused before it is compared, 1 to 16."""
    tracks_per_day: int
    """Strangers expected in the zone per day; with `fpir` the false alerts to expect."""
    author_id: str
    author: str
    drafted_ns: Ns
    kind: ZoneKind = ZoneKind.FACES


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRecord:
    """A zone and what happened to it."""

    draft: ZoneDraft
    votes: tuple[Vote, ...] = ()
    stopped_by: str = ""
    stopped_ns: Ns | None = None
    """Stopped for good: going on takes a new draft and two new people."""


class ZonePhase(StrEnum):
    """Where a zone stands."""

    WAITING = "waiting"
    ACTIVE = "active"
    REFUSED = "refused"
    STOPPED = "stopped"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePermit:
    """The warden's word that faces may be compared in a part of a picture for the next minutes. Signed in a file."""

    site_id: str
    zone_id: str
    camera_id: CameraId
    polygon: Corners
    samples: int
    digest: bytes
    """Of the draft that two people approved."""
    from_ns: Ns
    until_ns: Ns
    kind: ZoneKind = ZoneKind.FACES


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePermit:
    """The warden's word that one picture, given for an enrolment or shown at a checkpoint, may become a template."""

    site_id: str
    subject: str
    """The enrolment, or the checkpoint's token."""
    until_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPermit:
    """Encoded `ZonePermit` or `SamplePermit` and the site key's Ed25519 signature over domain and body."""

    body: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceQuality:
    """Components of one face picture, each 0 (useless) to 1 (as good as it gets), after ISO/IEC 29794-5."""

    inter_eye_px: float
    """Distance of the eyes in the picture it was taken from."""
    size: float
    pose: float
    sharpness: float
    light: float
    whole: float
    """1: nothing of the face is cut off or covered, as far as can be told."""
    score: float
    """The worst component pulled down by the others; weights a sample in fusion."""


class Side(StrEnum):
    """Whither somebody at a checkpoint was asked to turn their head; theirs, not the picture's."""

    NONE = ""
    LEFT = "left"
    RIGHT = "right"


class Speaks(StrEnum):
    """What a signal speaks for."""

    FACE = "for a face"
    FAKE = "for a picture of one"
    NOTHING = "nothing can be said"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One hint for the person at the desk whether a living face was shown (`face.presentation`); never decisive."""

    speaks: Speaks
    words: str


class EnrolmentPhase(StrEnum):
    """Where an enrolment stands."""

    INVITED = "invited"
    CONSENTED = "consented"
    """Signed; samples may be given."""
    ACTIVE = "active"
    """Enough samples; compared in its zones."""
    ISSUED = "issued"
    """The person carries the template themselves; none is here."""
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    REVIEW_OVERDUE = "review_overdue"
    """Not compared until somebody has looked whether it is still right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The signature under the text. Who signed is sealed with the person's key."""

    version: str
    text_sha256: str
    signed_ns: Ns
    sealed_signature: bytes
    """The typed name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceEnrolment:
    """One person, for one purpose, in some zones, until a day."""

    person_id: str
    purpose: str
    zone_ids: tuple[str, ...]
    expires_ns: Ns
    created_ns: Ns
    created_by: str
    sealed_name: bytes
    invite_hash: bytes
    """SHA-256 of the invitation's token."""
    withdraw_hash: bytes = b""
    consent: Consent | None = None
    templates: int = 0
    reviewed_ns: Ns | None = None
    withdrawn_ns: Ns | None = None
    issued_ns: Ns | None = None
    """When the template went to its holder, for an enrolment without zones."""
    protects: bool = False
    """Asked for protection: compared only with what somebody asks to see or follow (`access.protection`)."""
    may_follow: bool = False
    """The text that was signed says so: for a case, others may approve that this person's journey is told."""
    is_missing: bool = False
    """A guardian enrolled a child or patient who is being looked for: hours, not years."""
    destroyed_index: int | None = None
    """Log entry that says that the key is gone, once it is."""
    recorded: BasisKind | None = None
    """The basis was written down by who imported the person, instead of signed on the page; counts once another one
    has looked at it."""
    created_by_id: str = ""
    """Of `created_by`; empty in enrolments of before it was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Somebody is competent to verify candidates (AI Act art. 14) until a day."""

    user_id: str
    name: str
    given_by: str
    given_ns: Ns
    until_ns: Ns


class CandidatePhase(StrEnum):
    """Where a candidate stands."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    """Two people said, blind to each other: the same person. The only way to a sighting."""
    REJECTED = "rejected"
    DISPUTED = "disputed"
    """They disagree; kept as such."""
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A comparison above the threshold. Never changes: its hash and a verdict are what verifiers sign."""

    candidate_id: str
    zone_id: str
    camera_id: CameraId
    run: RunId
    track_id: int
    start_ns: Ns
    end_ns: Ns
    """When the face was seen."""
    person_id: str
    score: float
    """Normalised comparison score; see `face.calibration`."""
    threshold: float
    likelihood: float
    """log10 of how much likelier this score is from the same person than from another."""
    quality: float
    samples: int
    gallery_size: int
    """Templates it was compared with."""
    gallery_version: int
    contract: str
    probe_sha256: str
    """Of the face picture that led to it."""
    filed_ns: Ns
    decide_by_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One trained person's word, with the passkey's assertion over candidate and verdict."""

    user_id: str
    user: str
    is_same: bool
    utc_ns: Ns
    credential_id: bytes
    assertion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRecord:
    """A candidate and the words on it."""

    candidate: Candidate
    verdicts: tuple[Verdict, ...] = ()
