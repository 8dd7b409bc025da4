"""Messages between processes. The wire form is `types.codec`; who may send what to whom is in ARCHITECTURE.md.

Every request has exactly one reply; a refused one gets `Failed`. Add fields at the end with defaults; a change
of meaning needs a new class and a new `WIRE_VERSION`.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from custodes.types.access import AccessRequest, AuditRecord, Checkpoint, Decision, Fidelity, Grant, LogEntry, Purpose
from custodes.types.event import FrameAnalysed, GateChanged
from custodes.types.media import Segment, SegmentHeader, StreamInfo
from custodes.types.scene import CameraScene, Point
from custodes.types.stream import WHOLE_PICTURE, SecondStream, second_of
from custodes.types.vision import DetectArea
from custodes.units import CameraId, Ns, RunId, SegmentId, SessionId

# -- any ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ok:
    """Done; nothing to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The peer's CustodesError: `kind` is an ErrorKind value, `error` the class name, `message` for people."""

    kind: str
    error: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Liveness probe; answered by Ok."""


# -- warden, from the server (socket warden-server.sock) ----------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorise:
    """Decide, log, and grant. Answer: Authorised."""

    request: AccessRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorised:
    """`grant` is None exactly when the decision is no; the refusal is logged too."""

    decision: Decision
    grant: Grant | None
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndGrant:
    """The view is over: the grant's token stops working. Answer: Ok."""

    grant_id: str
    frames_shown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Append a record that is not an access decision. Answer: Appended, after it is durable."""

    record: AuditRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """Index of the durable entry."""

    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLog:
    """Entries with index in [start, start+limit), limit ≤ 1000. Answer: LogPage."""

    start: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Entries in order and the newest checkpoint."""

    entries: tuple[LogEntry, ...]
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCheckpoint:
    """Answer: the newest Checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveInclusion:
    """Answer: InclusionProof of entry `index` in the tree of `size`."""

    index: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """RFC 6962 2.1.1 audit path, leaf to root."""

    index: int
    size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveConsistency:
    """Answer: ConsistencyProof that the tree of `old_size` is a prefix of that of `new_size`."""

    old_size: int
    new_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """RFC 6962 2.1.2."""

    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveEntries:
    """Answer: EntryProofs of these entries (at most 64) under published, if possible cosigned checkpoints."""

    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryProofs:
    """C2SP tlog-proof files, in the order asked; personal parts are in them while they are kept."""

    proofs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCosigned:
    """A checkpoint that the warden published, with lines of configured witnesses. Answer: Ok."""

    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTimestamp:
    """An RFC 3161 token over SHA-256 of a checkpoint that the warden published. Answer: Ok."""

    note: str
    token: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCosigned:
    """Answer: CosignedCheckpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignedCheckpoint:
    """The newest checkpoint that a witness signed."""

    witness: str
    size: int
    time_s: int
    """POSIX seconds, as the witness says."""
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignedCheckpoints:
    """One per witness that ever signed, by name."""

    checkpoints: tuple[CosignedCheckpoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishKeys:
    """Make and publish camera-day keys of these cameras for today and the days ahead. Answer: Ok."""

    camera_ids: tuple[CameraId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyKeys:
    """Crypto-shred one camera-day. Answer: Appended (the log entry of the destruction)."""

    camera_id: CameraId
    day: str
    """yyyymmdd, UTC."""


# -- warden, from view jobs (socket warden-jobs.sock) --------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseKeys:
    """Unwrap the data keys of exactly these segments under a grant. Answer: KeysReleased."""

    grant_token: str
    headers: tuple[SegmentHeader, ...]
    """At most 64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseSegments:
    """Give up recordings under a grant to erase: no key of them is released from now on. Answer: Appended."""

    grant_token: str
    segment_ids: tuple[SegmentId, ...]
    """1 to `access.release.MAX_ERASED`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignClaim:
    """Sign a film's content credentials (C2PA); with an empty claim: only the certificates. Answer: ClaimSigned."""

    export_id: str
    claim: bytes
    """What is to be signed, at most 64 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSigned:
    """`signature`: 64 bytes, Ed25519; empty for an empty claim."""

    signature: bytes
    chain_pem: str
    """The signing certificate, then the site's authority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysReleased:
    """`data_keys[i]` opens `headers[i]`. `mark_key`: 32 bytes derived for camera | session; empty for a journey's
    looks, which show nothing."""

    data_keys: tuple[bytes, ...]
    mark_key: bytes
    log_index: int
    fidelity: Fidelity = Fidelity.MASKED
    """What the grant shows; the job obeys this, whatever its task says."""
    shown: tuple[tuple[RunId, int], ...] = ()
    """With UNMASKED: the only people whom the grant shows; empty: everybody."""
    hides: bool = False
    """The site protects somebody: who stays masked is covered from head to foot, and nobody is shown whom no check has
    looked at."""
    covered: tuple[tuple[RunId, int], ...] = ()
    """Tracks that stay masked in what is unmasked."""


# -- recorder's hub: packets for analysers (hub-analysis.sock), sealed packets for views (hub-live.sock) -----


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """First and only message of a subscriber; the hub then streams until either side closes."""

    camera_ids: tuple[CameraId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened:
    """Announces a run; sent before its packets and to a late subscriber before the current GOP."""

    info: StreamInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClosed:
    """The run is over (camera lost, codec change)."""

    camera_id: CameraId
    run: RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraWatched:
    """Whether anybody watches the camera live: told to analysers with the subscription and on each change. What is
    watched is decoded whole, so that masks are never older than a look."""

    camera_id: CameraId
    is_watched: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedStreamOpened:
    """For live views: which segment's key opens the packets that follow. `sealed_info` is the StreamInfo,
    encoded by the codec and encrypted like a packet with seq = -1 (see `sealing.live`)."""

    header: SegmentHeader
    sealed_info: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPacket:
    """One packet for a live view: `sealed` is the codec's form of a Packet, AES-256-GCM under the segment's live
    key. Clear fields are only what the hub needs to drop whole GOPs."""

    camera_id: CameraId
    segment_id: SegmentId
    seq: int
    is_keyframe: bool
    sealed: bytes


# -- view jobs, with the server (socket server-jobs.sock) -----------------------------------------------------


class ViewKind(StrEnum):
    """What a view job renders."""

    LIVE = "live"
    PLAYBACK = "playback"
    STILL = "still"
    EXPORT = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReady:
    """A spare job's first message to the server."""

    job_id: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTask:
    """What a job is to render. Sent once; the job serves this one session until it is stopped or at its deadline."""

    kind: ViewKind
    camera_id: CameraId
    session_id: SessionId
    grant_token: str
    fidelity: Fidelity
    deadline_ns: Ns
    start_ns: Ns
    """For playback and stills: where to begin."""
    speed: float
    max_height_px: int
    """Pictures are scaled down to this height, never up."""
    segments: tuple[Segment, ...]
    """For playback, stills and exports: what covers the interval, by start time; empty for live."""
    end_ns: int = 0
    """For exports: the last moment wanted."""
    privacy: tuple[tuple[tuple[float, float], ...], ...] = ()
    """The camera's privacy zones as polygons: covered whatever the fidelity."""
    shown: tuple[tuple[RunId, int], ...] = ()
    """With UNMASKED: only these people (run, track id) are shown, all others stay masked. Empty: everybody is."""
    tasks: int = 0
    """For exports: pieces that are rendered at the same time; 0: by the job itself. With pieces the job asks for masks
    (`leak.NeedMasks`), and hears of none otherwise but once, when it may begin to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskFacts:
    """Masks known so far, by camera in time order; the server forwards them as they arrive (live) or in bulk
    (playback). Where no FrameAnalysed vouches, the job masks the whole frame."""

    frames: tuple[FrameAnalysed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeekTo:
    """Playback: go on from here. Still: one picture of this moment."""

    utc_ns: Ns
    request_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreSegments:
    """The interval grew (an open segment got longer or a new one began)."""

    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldView:
    """For exports: wait, or go on."""

    is_held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StopView:
    """End the job; it answers with ViewEnded and exits 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInit:
    """fMP4 initialisation segment and its MSE type, e.g. `video/mp4; codecs="avc1.42C01F"`. A new one may follow
    (resolution change): the page starts a new SourceBuffer."""

    mime: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaChunk:
    """One or a few fMP4 fragments. `utc_ns`: capture time of the first frame; `age_ns`: now minus that."""

    utc_ns: Ns
    age_ns: Ns
    frames: int
    is_fully_masked: bool
    """True if any frame in it was masked whole, because nobody vouched for its masks."""
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StillRendered:
    """A JPEG; `utc_ns` is the picture's own time, which may differ from the one asked for."""

    request_id: int
    utc_ns: Ns
    is_fully_masked: bool
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewNote:
    """Something a viewer should be told in words (`gap`, `waiting for analysis`, `end of recording`)."""

    code: str
    message: str
    request_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewEnded:
    """The job's last message."""

    frames_shown: int
    error: str
    """Empty when it ended as asked."""


# -- facts (socket server-facts.sock) --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FactBatch:
    """`facts` are encoded one by one (`types.codec`), at most 512. Answer: FactsStored, after the commit."""

    sender: str
    batch: int
    facts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsStored:
    """Everything up to and with this batch is kept; the sender may forget it."""

    batch: int


# -- supervisor (socket supervisor.sock) -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStatus:
    """Answer: SiteStatus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One supervised process. `state`: starting, running, backoff, degraded, stopped."""

    name: str
    """Unique, e.g. analyser-0; `kind` is the process kind."""
    kind: str
    state: str
    pid: int
    restarts: int
    cpu_s: float
    rss_mb: float
    uptime_s: float
    last_exit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteStatus:
    """The supervisor's view of the processes; cameras and log are the server's to tell."""

    site_id: str
    data_dir: str
    address: str
    processes: tuple[ProcessStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnJob:
    """Server to supervisor: one more job. Answer: Ok, or Failed when the bound of jobs is met."""

    kind: str = "job"
    """`job` is a spare view job, `backfiller` analyses recordings again, `prober` looks at a camera."""
    server: str = "server"
    """Which of the site's servers a view job connects to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce:
    """Server to supervisor: what to print for the person at the terminal. `first_boot_token` is empty once an
    account exists."""

    address: str
    first_boot_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSite:
    """CLI to supervisor: stop everything cleanly. Answer: Ok, then the processes end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceProcess:
    """CLI to supervisor: end this process in order and begin it anew, by the program that is installed now. Answer:
    Ok when the new one is ready."""

    name: str


# -- matcher (socket matcher.sock) --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadGallery:
    """Answer: GalleryStatus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryStatus:
    """How many people and templates the matcher holds in RAM, per embedding contract."""

    people: int
    templates: int
    contracts: tuple[str, ...]


# -- server's control socket for the CLI (server-control.sock, mode 0600) ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCameras:
    """Answer: CameraTable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRow:
    """One camera for `custodes status` and the wall."""

    camera_id: CameraId
    name: str
    state: str
    detail: str
    is_recording: bool
    recorded_s: float
    gaps_s: float
    frames_decoded: int
    frames_analysed: int
    tracks: int
    people: int
    vehicles: int
    live_people: int
    live_vehicles: int
    frames_skipped_rate: int = 0
    """Decoded, not due at the wanted rate; this and the two below since the analyser process started."""
    frames_skipped_quiet: int = 0
    gops_shed: int = 0
    analysis_lag_s: float = 0.0
    """How far the newest moment that was judged lies behind the newest one that came."""
    clock_source: str = "unknown"
    """A ClockSource; of what is recorded now."""
    clock_error_s: float = 0.0
    camera_offset_s: float | None = None
    """See `types.media.ClockReading`."""
    signature: str = ""
    """An Authenticity; empty while nothing is known of the run."""
    signature_detail: str = ""
    frames_undecoded_quiet: int = 0
    """Left undecoded because packets said that nothing moves."""
    frames_undecoded_rate: int = 0
    gate_mode: str = ""
    """A `GateMode`; empty while no analyser speaks of the camera."""
    width_px: int = 0
    """Of what the recorder was last given; 0 while it is not known."""
    gate_reason: str = ""
    gate_since_ns: int = 0
    gate_trials: int = 0
    gate_missed: int = 0
    gate_miss_low: float = 0.0
    gate_miss_high: float = 1.0
    gate_changes: tuple[GateChanged, ...] = ()
    """The latest, oldest first."""
    regions_shed: int = 0
    """Parts of frames that moved, were not examined for want of room, and are masked; since the analyser started."""
    is_scene_known: bool = False
    """Its usual picture is learnt, so that tampering would be noticed."""
    tampered: tuple[str, ...] = ()
    """What lasts: covered, moved, defocused, replayed."""
    scene_agreement: float = 0.0
    """Of the newest picture's edges with the usual ones, 0 to 1."""
    lost_packets: int = 0
    """See `types.event.CameraStatus`."""
    device_events: str = ""
    """See `types.event.CameraStatus`; empty while no recorder speaks of it."""
    device_says: tuple[str, ...] = ()
    """What the camera itself says lasts: motion, tampering, input, storage, with where."""
    second: str = ""
    """State of the second stream; empty for a camera that has none."""
    second_detail: str = ""
    wall: str = "first"
    """Which stream the wall shows: first or second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTable:
    """All cameras and the log's state."""

    cameras: tuple[CameraRow, ...]
    log_size: int
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSpec:
    """A camera as the catalog keeps it and the recorder gets it. No secret in it: see `password_ref`."""

    camera_id: CameraId
    name: str
    url: str
    """rtsp://host/path, http://…, or file:///path; never with credentials in it."""
    username: str
    password_ref: str
    """`env:NAME` or `file:/path`, resolved only in the recorder; empty for none."""
    transport: str
    """tcp or udp."""
    is_enabled: bool
    is_looped: bool
    """File sources only: start again at the end, in real time."""
    retention_h: float = 0.0
    """Hours after which its recordings are deleted; 0 takes the site's. Not told to recorder and analysers."""
    detect_areas: tuple[DetectArea, ...] = ()
    """Where objects are tracked and counted; the recorder takes no notice."""
    scene: CameraScene = field(default_factory=CameraScene)
    """Its ground and the lines that are counted."""
    second: SecondStream | None = None
    is_analysed: bool = True
    """Only a second stream may say no."""

    def streams(self) -> tuple["CameraSpec", ...]:
        """Each stream as a camera, for recorder and analysers; what is drawn on the first is not on the second."""
        first = replace(self, second=None)
        if self.second is None:
            return (first,)
        second = replace(
            first,
            camera_id=second_of(self.camera_id),
            url=self.second.url,
            retention_h=self.second.retention_h or self.retention_h,
            is_analysed=self.second.is_analysed,
            detect_areas=(),
            scene=CameraScene(privacy=self._second_privacy(self.second), burns_in=self.scene.burns_in),
        )
        return first, second

    def drawn_words(self) -> str:
        """How much is drawn into its picture; empty for nothing."""
        masks = sum(area.is_mask for area in self.detect_areas)
        counts = {
            "privacy zones": len(self.scene.privacy),
            "zones": len(self.detect_areas) - masks,
            "masks": masks,
            "lines": len(self.scene.lines),
            "roads": len(self.scene.roads),
            "queues": len(self.scene.queues),
            "ground points": len(self.scene.ground),
        }
        words = [f"{count} {what}" for what, count in counts.items() if count]
        if self.scene.burns_in:
            words.append("privacy zones filled before storing")
        return ", ".join(words)

    def kept_h(self, usual_h: float) -> float:
        """Hours after which nothing of it is left; `usual_h` is the site's."""
        return max(stream.retention_h or usual_h for stream in self.streams())

    def _second_privacy(self, second: SecondStream) -> tuple[tuple[Point, ...], ...]:
        """Where nobody said how the camera's zones lie in its other stream, they cover all of it."""
        if second.has_same_view or not self.scene.privacy:
            return self.scene.privacy + second.privacy
        return second.privacy or (WHOLE_PICTURE,)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutCameras:
    """Create or replace cameras. Answer: Ok. `is_exclusive` disables the others; their recordings stay."""

    cameras: tuple[CameraSpec, ...]
    is_exclusive: bool
    keeps_rest: bool = False
    """A camera that is there already keeps its ground, lines, areas, name and retention; only how it is reached
    changes, as when the device was replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveCamera:
    """Stop recording a camera; what was recorded stays until retention. Answer: Ok."""

    camera_id: CameraId


@dataclass(frozen=True, slots=True, kw_only=True)
class StartExport:
    """Make an evidence bundle as this person, who gives the password. Answer: ExportState."""

    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    purpose: Purpose
    person: str
    password: str
    """Never logged."""
    request_id: str = ""
    """The approved request that it rests on."""
    fidelity: Fidelity = Fidelity.MASKED
    code: str = ""
    """Of the authenticator app, when the account has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadExport:
    """Answer: ExportState."""

    export_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartErasure:
    """Erase recordings as this person, who gives the password. Answer: ErasureDone, when all is done."""

    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    reference: str
    person: str
    password: str
    """Never logged."""
    request_id: str
    """The approved request that it rests on."""
    code: str = ""
    """Of the authenticator app, when the account has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureDone:
    """`path`: the certificate, kept on the site."""

    erasure_id: str
    path: str
    segments: int
    bytes_on_disk: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetExport:
    """Stop it and remove its file. Answer: Ok."""

    export_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportState:
    """`state`: rendering, sealing, ready, failed."""

    export_id: str
    state: str
    detail: str
    """Why it failed."""
    share: float
    """Of the interval, rendered."""
    path: str
    """The bundle, when it is ready."""
