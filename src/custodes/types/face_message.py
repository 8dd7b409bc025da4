"""Messages about recognition: on `warden-server.sock`, `warden-faces.sock`, `matcher-probes.sock`, `enroller.sock`."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from custodes.types.access import Principal
from custodes.types.face import (
    CandidateRecord,
    EnrolmentPhase,
    FaceEnrolment,
    FaceQuality,
    LegalBasis,
    Side,
    Signal,
    SignedPermit,
    Speaks,
    Training,
    ZoneDraft,
    ZonePhase,
    ZoneRecord,
)
from custodes.types.trial import WalkWindow
from custodes.units import CameraId, Ns, RunId

# -- zones: server to warden ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftZone:
    """Answer: ZoneRecord. Id, author and time of the draft are the warden's to fill."""

    principal: Principal
    draft: ZoneDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideZone:
    """Answer: ZoneRecord. A yes carries the passkey's assertion over the draft's hash."""

    principal: Principal
    zone_id: str
    is_yes: bool
    note: str
    assertion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopZone:
    """The stop button: at once, for good, by anybody who works with zones. Answer: ZoneRecord."""

    principal: Principal
    zone_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadZones:
    """Answer: ZoneTable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRow:
    """A zone as it stands."""

    record: ZoneRecord
    phase: ZonePhase
    is_on: bool
    """Active, and its schedule says now."""
    people: int
    """Enrolled for it and compared now; of a zone for plates, vehicles."""
    confirmed: int = 0
    """Of the candidates that are kept: two people said that it was the person."""
    doubted: int = 0
    """One or both said that it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTable:
    """Newest first."""

    zones: tuple[ZoneRow, ...]


# -- enrolment: server to warden -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteEnrolment:
    """Answer: EnrolmentInvited."""

    principal: Principal
    name: str
    purpose: str
    zone_ids: tuple[str, ...]
    expires_ns: Ns
    protects: bool = False
    """At the person's own request to be protected; without zones."""
    may_follow: bool = False
    """The text says that journeys may be told."""
    is_missing: bool = False
    """For a child or patient who is being looked for; the guardian signs."""
    basis: LegalBasis | None = None
    """Recorded instead of a signature on the page: a paper, a law, an agreement. Not compared before another person
    has looked at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentInvited:
    """`token` opens the invitation's page; shown once, and so is `withdraw_token` where nobody has to sign."""

    enrolment: FaceEnrolment
    token: str
    withdraw_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadInvitation:
    """By the invitation's token. Answer: InvitationShown."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCount:
    """`contract`: network and hash, as in `SealedTemplate`."""

    contract: str
    templates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationShown:
    """What its page says."""

    name: str
    enrolment: FaceEnrolment
    phase: EnrolmentPhase
    zones: tuple[ZoneDraft, ...]
    samples_wanted: int
    counts: tuple[ContractCount, ...] = ()
    """Pictures by network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignConsent:
    """Answer: ConsentSigned."""

    token: str
    signature: str
    text_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentSigned:
    """`withdraw_token` opens the page that takes it back; shown once, and on request sent by the person's own
    means."""

    withdraw_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawConsent:
    """By the token of the person, who needs no account. Answer: Withdrawn."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWithdrawn:
    """By the same token, afterwards. Answer: Withdrawn; FailedPrecondition while the enrolment is in force."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndEnrolment:
    """By who enrols, at the person's word. Answer: Withdrawn."""

    principal: Principal
    person_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """Key destroyed, file purged; `log_index` of the entry that says so."""

    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewEnrolment:
    """Somebody looked whether it is still right: good for a year. Answer: FaceEnrolment."""

    principal: Principal
    person_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RekeyGallery:
    """Turn all templates by a new secret: what was copied before links to nothing any more. Answer: Rekeyed."""

    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeyed:
    """How many templates were turned, and the log entry."""

    templates: int
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewInvitation:
    """A new link for somebody who signed already, to give other pictures. Answer: EnrolmentInvited."""

    principal: Principal
    person_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadModels:
    """Which network each enrolled person gave pictures to. Answer: ModelTable."""

    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """Of somebody who signed and was not ended."""

    person_id: str
    name: str
    """Empty of whom the asker may not read."""
    is_protected: bool
    counts: tuple[ContractCount, ...]
    wanted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTable:
    """Oldest enrolment first."""

    people: tuple[ModelRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetNetwork:
    """Destroy the templates of a former network, once everybody has enough under `kept`. Answer: NetworkForgotten."""

    principal: Principal
    network: str
    """A network's name: a contract up to its colon."""
    kept: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkForgotten:
    """How many templates went, and the log entry."""

    templates: int
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEnrolments:
    """Answer: EnrolmentTable."""

    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRow:
    """One enrolment, its name opened."""

    enrolment: FaceEnrolment
    phase: EnrolmentPhase
    name: str
    reference: str = ""
    """Where the basis lies, of an enrolment that was imported; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentTable:
    """Newest first."""

    enrolments: tuple[EnrolmentRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveTraining:
    """Answer: TrainingTable."""

    principal: Principal
    user_id: str
    name: str
    days: int
    """0 takes it away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTraining:
    """Answer: TrainingTable."""

    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTable:
    """By name."""

    training: tuple[Training, ...]


# -- candidates: server to warden ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCandidates:
    """Answer: CandidateTable, blind: of a waiting candidate only the asker's own word is in it."""

    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateTable:
    """Newest first."""

    records: tuple[CandidateRecord, ...]
    hindrance: str = ""
    """Why who asks may say no word on any of them; empty if they may, or their roles say nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFaces:
    """The two pictures of a candidate, for a trained person. Logged first. Answer: FacesOpened."""

    principal: Principal
    candidate_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FacesOpened:
    """JPEGs; which is which is not a secret, who it is stays one."""

    probe: bytes
    enrolled: bytes
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveVerdict:
    """Answer: CandidateRecord, blind like the table."""

    principal: Principal
    candidate_id: str
    is_same: bool
    assertion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TellSighting:
    """What others may be told of a candidate that two people confirmed, and of no other. Answer: SightingNotice."""

    candidate_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingNotice:
    """`notice`: JSON without a name; `signature`: the site key's over `custodes.sighting-notice.v1`, LF, notice."""

    notice: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSightings:
    """Answer: SightingTable."""

    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedSighting:
    """An enrolled person was there: two people said so."""

    candidate_id: str
    zone_id: str
    camera_id: CameraId
    run: RunId
    track_id: int
    person_id: str
    name: str
    start_ns: Ns
    end_ns: Ns
    verified_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingTable:
    """Newest first."""

    sightings: tuple[ConfirmedSighting, ...]


# -- samples: server to enroller, enroller to warden ---------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveSample:
    """Server to enroller: a picture that the person gave. Answer: SampleJudged."""

    token: str
    picture: bytes
    """JPEG, PNG or WebP, at most 4 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleJudged:
    """Whether it was taken, and if not, what to do about it."""

    is_taken: bool
    problem: str
    """The component that failed, in words; empty when taken."""
    quality: FaceQuality | None
    templates: int
    wanted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginSample:
    """Enroller to warden, before a picture becomes a vector. Answer: SampleAllowed."""

    token: str
    contracts: tuple[str, ...] = ()
    """Of the networks that would make one: that in force, and one that is being prepared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleAllowed:
    """The permit, and what the sample is for."""

    permit: SignedPermit
    subject: str
    contracts: tuple[str, ...] = ()
    """Of those asked for, the ones of which the person has not too many yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTemplate:
    """Enroller to warden. Answer: TemplateKept."""

    token: str
    contract: str
    vector: npt.NDArray[np.float32]
    quality: float
    picture: bytes
    """The aligned face as JPEG: what verifiers compare with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateKept:
    """How many there are, how many are wanted."""

    templates: int
    wanted: int


# -- matcher to warden (warden-faces.sock) -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadGalleryChanges:
    """What changed after `version`; from 0 for all. `roster`: the list of members one has. Answer: GalleryChanges."""

    version: int
    limit: int
    roster: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedTemplate:
    """A template as it lies on the disk, and the key that opens it."""

    template_id: str
    person_id: str
    contract: str
    sealed: bytes
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryMember:
    """Somebody to compare with, and where."""

    person_id: str
    zone_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRule:
    """What decides in a zone."""

    zone_id: str
    camera_id: CameraId
    fpir: float
    samples: int
    walk: WalkWindow | None = None
    """A volunteer walks there just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryChanges:
    """New templates after the asked version, and all who count now: whoever is missing is dropped and zeroed.

    `members` is empty when the asker has this `roster` already.
    """

    version: int
    """Ask again from here."""
    is_complete: bool
    templates: tuple[SealedTemplate, ...]
    members: tuple[GalleryMember, ...]
    rules: tuple[ZoneRule, ...]
    roster: int = 0
    rotation: bytes = b""
    """The site's secret by which its templates are turned; with another one everything is read anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCandidate:
    """A comparison above the threshold. Answer: Appended. The probe's picture is sealed at once."""

    zone_id: str
    camera_id: CameraId
    run: RunId
    track_id: int
    start_ns: Ns
    end_ns: Ns
    person_id: str
    score: float
    threshold: float
    likelihood: float
    quality: float
    samples: int
    gallery_size: int
    gallery_version: int
    contract: str
    picture: bytes


# -- analyser to matcher (matcher-probes.sock) ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One track's fused vector. Answered by Ok whatever came of it; never stored, never sent again.

    `track_id`: the person's, as masks and journeys know it; -1 where no body was seen around the face.
    """

    zone_id: str
    camera_id: CameraId
    run: RunId
    track_id: int
    start_ns: Ns
    end_ns: Ns
    contract: str
    vector: npt.NDArray[np.float32]
    quality: float
    samples: int
    picture: bytes
    """The best look as JPEG, dropped with the vector when it matches nobody."""


# -- server to matcher ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadZoneLoads:
    """Answer: ZoneLoads."""


class ScoreSource(StrEnum):
    """What a zone's threshold rests on."""

    NETWORK = "network"
    """On the network's scores elsewhere: nobody knows yet how strangers score here."""
    GALLERY = "gallery"
    """On the scores between the enrolled."""
    PROBES = "probes"
    """On what tracks in the zone score with people whom they are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneLoad:
    """A zone's gallery, its solved threshold, and what was compared since the matcher started."""

    zone_id: str
    people: int
    templates: int
    threshold: float
    """The cosine that a typical probe needs; above 1 nobody can be recognised."""
    source: ScoreSource
    is_drifting: bool
    """What strangers score has changed: a new lamp, a turned camera, another public."""
    camera_id: CameraId
    probes: int
    candidates: int
    foreign: int = 0
    """Probes that could be compared with nobody, because the enrolled gave their pictures to another network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneLoads:
    """All zones."""

    zones: tuple[ZoneLoad, ...]


# -- checkpoint ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueToken:
    """Server to warden: by the invitation's token, once samples are there. Answer: HolderToken."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderToken:
    """What the QR code carries: the template, sealed to this site; no copy stays here."""

    text: str
    expires_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenToken:
    """Enroller to warden. Answer: TokenOpened."""

    text: str
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOpened:
    """The template that the holder brought, for this one comparison."""

    permit: SignedPermit
    contract: str
    vector: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyHolder:
    """Server to enroller: token and picture. Answer: HolderVerified."""

    text: str
    picture: bytes
    operator: str
    turning: tuple[bytes, ...] = ()
    """What the camera showed after it, while the holder was asked to turn; for signals alone, never compared."""
    asked: Side = Side.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderVerified:
    """The answer of a checkpoint. Nothing of it is stored but that it happened."""

    is_same: bool
    likelihood: float
    """log10."""
    problem: str
    """Why the picture could not be compared; empty otherwise."""
    quality: FaceQuality | None
    signals: tuple[Signal, ...]
    """Whether it was a face or a picture of one; for the person at the desk, never decisive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteVerification:
    """Enroller to warden: it happened. Answer: Appended."""

    subject: str
    operator: str
    is_same: bool
    likelihood: float
    problem: str
    presentation: Speaks = Speaks.NOTHING
    """The gravest of the signals."""
