"""The deployment's configuration: what `site.yaml` may say. Nothing in it can run a command or hold a secret.

People edit cameras, zones and accounts in the database; `cameras` here is imported declaratively at start and by
`custodes apply`.
"""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from custodes.config.cluster import RayConfig
from custodes.config.database import DatabaseConfig
from custodes.config.federation import FederationConfig
from custodes.config.leaks import LeakConfig
from custodes.config.outside import HomeConfig, PushConfig, SiemConfig
from custodes.config.recorders import CameraIdField, RecorderConfig
from custodes.config.rules import MAX_RULES, RuleConfig, WebhookConfig
from custodes.config.scene import GroundPointConfig, LineConfig, PrivacyZoneConfig, QueueConfig, RoadConfig
from custodes.config.secret import SecretRef
from custodes.config.server import ServerConfig
from custodes.errors import ConfigError
from custodes.types.message import CameraSpec
from custodes.types.scene import (
    MAX_GROUND_POINTS,
    MAX_LINES,
    MAX_PRIVACY_ZONES,
    MAX_QUEUES,
    MAX_ROADS,
    MIN_GROUND_POINTS,
    CameraScene,
)
from custodes.types.stream import SecondStream, WallStream
from custodes.types.vision import DetectArea, ObjectClass
from custodes.units import CameraId

CAMERA_SCHEMES = ("rtsp", "rtsps", "http", "https", "onvif", "file")
_MAX_YAML_BYTES = 1 << 20
MAX_RETENTION_H = 20 * 366 * 24
"""Twenty years; beyond it somebody mistook the unit."""

_ONVIF_QUERY = re.compile(r"(stream=(main|sub)|profile=[^&]{1,256})?")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_CLASSES = {item.name.lower(): item for item in ObjectClass if item is not ObjectClass.FACE}
AREAS_MAX, CORNERS_MAX = 32, 64
"""Per camera; more were drawn by a program, and each costs time in every look."""


class AreaConfig(_Strict):
    """A part of a camera's picture."""

    polygon: Annotated[
        tuple[tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]], ...],
        Field(min_length=3, max_length=CORNERS_MAX),
    ]
    """Corners as [x, y] in shares of the picture, [0, 0] at the top left."""
    classes: tuple[Literal["person", "bicycle", "car", "motorcycle", "bus", "truck"], ...] = ()
    """Which objects it is about; none means all."""

    def area(self, *, is_mask: bool) -> DetectArea:
        """The value that the analyser uses."""
        classes = tuple(_CLASSES[name] for name in self.classes)
        return DetectArea(polygon=self.polygon, classes=classes, is_mask=is_mask)


class DetectConfig(_Strict):
    """Where objects are tracked and counted, by where they stand. People are masked for viewers everywhere."""

    zones: Annotated[tuple[AreaConfig, ...], Field(max_length=AREAS_MAX)] = ()
    """A class that a zone names counts inside such zones only."""
    masks: Annotated[tuple[AreaConfig, ...], Field(max_length=AREAS_MAX)] = ()
    """Nothing that a mask names counts in it."""


def checked_url(url: str) -> str:
    """A camera's address, without anything secret in it. Raises: ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in CAMERA_SCHEMES:
        raise ValueError(f"scheme {parts.scheme or '(none)'!r} is not one of {', '.join(CAMERA_SCHEMES)}")
    if parts.username or parts.password:
        raise ValueError("credentials do not belong in a URL; use username: and password: env:NAME or file:/path")
    try:
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_complete = False
    if parts.scheme != "file" and not is_complete:
        raise ValueError("a network camera needs a host, and a port from 1 to 65535 if any: rtsp://192.0.2.7:554/1")
    if parts.scheme == "onvif" and not _ONVIF_QUERY.fullmatch(parts.query):
        raise ValueError("an ONVIF camera's address ends with ?stream=main, ?stream=sub, ?profile=TOKEN or its path")
    if parts.scheme == "file" and not parts.path.startswith("/"):
        raise ValueError("a file camera needs an absolute path: file:///path/to/clip.mp4")
    return url


class SecondStreamConfig(_Strict):
    """A second stream, recorded beside the first: a large one as evidence, or a small one to keep longer."""

    url: Annotated[str, StringConstraints(max_length=1024)]
    """With the camera's login and transport."""
    retention_h: Annotated[float, Field(ge=0, le=MAX_RETENTION_H)] = 0.0
    """Hours; 0 takes the first stream's."""
    analyse: bool = False
    """Analyse it, too, while it is recorded: then it can be watched masked. What is counted comes from the first."""
    same_view: bool = False
    """It shows exactly what the first shows: the camera's privacy zones hold in it, and where nobody was in the first,
    nobody was here (`retention.quiet_after_h`)."""
    privacy: Annotated[tuple[PrivacyZoneConfig, ...], Field(max_length=MAX_PRIVACY_ZONES)] = ()
    """Drawn in its own picture."""
    wall: Literal["auto", "first", "second"] = "auto"
    """Which stream the live wall shows; auto: this one where it is analysed and smaller than the first."""

    @model_validator(mode="after")
    def _wall_is_masked_by_itself(self) -> "SecondStreamConfig":
        if self.wall == "second" and not self.analyse:
            raise ValueError("wall: second needs analyse: true, since masks never go from one stream to the other")
        return self

    @field_validator("url")
    @classmethod
    def _no_secret_in_url(cls, url: str) -> str:
        return checked_url(url)

    def stream(self) -> SecondStream:
        """The value that catalog and recorder use."""
        return SecondStream(
            url=self.url,
            retention_h=self.retention_h,
            is_analysed=self.analyse,
            has_same_view=self.same_view,
            privacy=tuple(zone.polygon for zone in self.privacy),
            wall=WallStream(self.wall),
        )


class CameraConfig(_Strict):
    """One camera."""

    id: CameraIdField
    name: Annotated[str, StringConstraints(max_length=80)] = ""
    """What people call it; empty means the id."""
    url: Annotated[str, StringConstraints(max_length=1024)]
    username: Annotated[str, StringConstraints(max_length=128)] = ""
    password: SecretRef = ""
    transport: Literal["tcp", "udp"] = "tcp"
    """What RTSP tries first; the other follows when the camera refuses it or nothing comes over UDP."""
    enabled: bool = True
    loop: bool = False
    retention_h: Annotated[float, Field(ge=0, le=MAX_RETENTION_H)] = 0.0
    """Hours after which this camera's recordings are deleted; 0 takes `retention.max_age_h`."""
    detect: DetectConfig = DetectConfig()
    ground: Annotated[tuple[GroundPointConfig, ...], Field(max_length=MAX_GROUND_POINTS)] = ()
    """Four or more points, no three on a line; tracks then live in metres."""
    lines: Annotated[tuple[LineConfig, ...], Field(max_length=MAX_LINES)] = ()
    roads: Annotated[tuple[RoadConfig, ...], Field(max_length=MAX_ROADS)] = ()
    """Carriageways that are watched: standing and wrong-way vehicles, people, congestion."""
    queues: Annotated[tuple[QueueConfig, ...], Field(max_length=MAX_QUEUES)] = ()
    """Where people wait: how many, and how long, by the hour."""
    privacy: Annotated[tuple[PrivacyZoneConfig, ...], Field(max_length=MAX_PRIVACY_ZONES)] = ()
    """Covered in every picture that is shown, unmasked ones included. What is recorded stays whole, see `burn_in`."""
    burn_in: bool = False
    """Fill `privacy` before anything is stored, in both streams: what lies there is never recorded, and nobody can
    bring it back. The recorder decodes and codes every picture anew, about two thirds of a core for a 1080p camera at
    25 a second; the camera's own signatures are lost. Where it fails, nothing is stored."""
    second: SecondStreamConfig | None = None
    floor: Annotated[str, StringConstraints(max_length=80)] = ""
    """Cameras of one floor measure `ground` from the same point along the same axes; what they see is fused on the
    map."""

    @model_validator(mode="after")
    def _scene_is_whole(self) -> "CameraConfig":
        if 0 < len(self.ground) < MIN_GROUND_POINTS:
            raise ValueError(f"ground needs {MIN_GROUND_POINTS} points or none; {len(self.ground)} given")
        if len({line.name for line in self.lines}) < len(self.lines):
            raise ValueError("two lines have the same name")
        if self.floor and not self.ground:
            raise ValueError("a camera on a floor needs its ground")
        if len({road.name for road in self.roads}) < len(self.roads):
            raise ValueError("two roads have the same name")
        if len({queue.name for queue in self.queues}) < len(self.queues):
            raise ValueError("two queues have the same name")
        if self.burn_in and not self.privacy:
            raise ValueError("burn_in needs a privacy zone to fill; give one, or take burn_in away first")
        if self.privacy and self.second is not None and not (self.second.same_view or self.second.privacy):
            raise ValueError(
                "the second stream needs same_view: true, or privacy zones of its own: "
                "nobody knows where those of the first lie in its picture"
            )
        return self

    @field_validator("url")
    @classmethod
    def _no_secret_in_url(cls, url: str) -> str:
        return checked_url(url)

    def spec(self) -> CameraSpec:
        """The value that catalog and recorder use."""
        return CameraSpec(
            camera_id=CameraId(self.id),
            name=self.name or self.id,
            url=self.url,
            username=self.username,
            password_ref=self.password,
            transport=self.transport,
            is_enabled=self.enabled,
            is_looped=self.loop,
            retention_h=self.retention_h,
            detect_areas=(
                *(zone.area(is_mask=False) for zone in self.detect.zones),
                *(mask.area(is_mask=True) for mask in self.detect.masks),
            ),
            scene=CameraScene(
                ground=tuple(point.point() for point in self.ground),
                lines=tuple(line.line() for line in self.lines),
                roads=tuple(road.road() for road in self.roads),
                privacy=tuple(zone.polygon for zone in self.privacy),
                floor=self.floor,
                queues=tuple(queue.queue() for queue in self.queues),
                burns_in=self.burn_in,
            ),
            second=None if self.second is None else self.second.stream(),
        )


class RetentionConfig(_Strict):
    """When recordings are deleted. Held ones are not, and a segment that is being written never is."""

    max_age_h: Annotated[float, Field(gt=0, le=MAX_RETENTION_H)] = 72.0
    """Hours; a camera's `retention_h` wins."""
    max_gb: Annotated[float, Field(gt=0)] | None = None
    """Of 10^9 bytes, all cameras together: beyond it the oldest go, also before their age."""
    quiet_after_h: Annotated[float, Field(ge=1, le=MAX_RETENTION_H)] | None = None
    """Hours after which segments go in which analysis has proof that nothing was; what was not analysed stays."""


class OffsiteConfig(_Strict):
    """An S3-compatible store that gets a copy of each sealed segment."""

    endpoint: Annotated[str, StringConstraints(pattern=r"^https?://[^@/\s]+$", max_length=255)]
    """https://host:port, nothing else; http only on a network that is trusted with ciphertext and its names."""
    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,64}$")] = "us-east-1"
    access_key: SecretRef
    secret_key: SecretRef
    after_h: Annotated[float, Field(ge=0, le=MAX_RETENTION_H)] = 0.0
    """Hours after its end before a segment is copied."""


class TiersConfig(_Strict):
    """Where recordings go beyond the recorder's disk. They stay readable wherever they are."""

    slow_dir: Path | None = None
    """A folder on a slower or larger disk; it must exist."""
    slow_after_h: Annotated[float, Field(ge=0, le=MAX_RETENTION_H)] = 24.0
    """Hours after which a segment moves there; earlier when the recorder's disk gets full."""
    offsite: OffsiteConfig | None = None


class TamperingConfig(_Strict):
    """What is noticed of cameras that are covered, moved, defocused or replaced by a recording."""

    replays: bool = True
    """Notice a stream that sends the same bytes again; false where cameras are recordings played in a loop."""
    ignore: Annotated[tuple[str, ...], Field(max_length=1024)] = ()
    """Ids of cameras that are not judged: those that turn on purpose and rest for a minute here and there."""


class AnalyserConfig(_Strict):
    """Detection and tracking."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    fps: Annotated[float, Field(ge=0.5, le=30)] = 5.0
    """Frames analysed per second and camera when something moves."""
    detector: str = ""
    """Model name; empty takes the packaged default."""
    runtime: Literal["", "onnx", "openvino"] = ""
    """What runs the model; empty takes the file's own. `custodes models bench` says which is faster."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Inference threads per analyser."""
    gate: bool = True
    """Decode only what packets say is active (and samples); without it every packet of every camera is decoded."""
    tampering: TamperingConfig = TamperingConfig()
    runner: Literal["procs", "ray"] = "procs"
    """procs: `processes` on this machine. ray: cells on the machines of a cluster (`ray`)."""
    ray: RayConfig | None = None
    backfill_tasks: Annotated[int, Field(ge=1, le=64)] = 1
    """Pieces of half an hour of a back-fill that are analysed at the same time, below live work: by as many processes
    of this machine, or cells of the cluster. 1 on this machine: by the job itself, in one go."""

    @model_validator(mode="after")
    def _cluster_is_named(self) -> "AnalyserConfig":
        if self.runner == "ray" and self.ray is None:
            raise ValueError("runner: ray needs ray: with the cluster's address and token_file")
        return self


class FacesConfig(_Strict):
    """Recognition of enrolled people. Off by default: then no process loads a network that makes templates."""

    enabled: bool = False
    embedder: Annotated[str, StringConstraints(max_length=200)] = ""
    """Model name, or several with + between them; empty takes the packaged one. Another one needs new pictures of
    everybody: prepare it with `next_embedder`."""
    next_embedder: Annotated[str, StringConstraints(max_length=200)] = ""
    """A network that is being prepared: pictures that people give make templates of both, `embedder` alone compares.
    The page Enrolled → Networks says who is ready; then this name becomes `embedder`, and going back is as easy."""
    webhook: WebhookConfig | None = None
    """Gets a POST for every sighting: what two people confirmed, without a name, signed by the warden."""


class RedactionConfig(_Strict):
    """How people are masked for everyone without a grant that says otherwise."""

    level: Literal["face", "head", "person", "frame"] = "person"
    margin: Annotated[float, Field(ge=0.0, le=1.0)] = 0.15
    """Added on each side, as a share of the box."""
    look_ahead_s: Annotated[float, Field(ge=0.5, le=5.0)] = 0.6
    plates: bool = True
    """Cover where vehicles carry their number plates: the lower part of each vehicle. false: plates can be read on
    pictures, where the law of the place lets that be."""
    find_faces: Literal["auto", "always"] = "auto"
    """Look for faces by themselves, too, while analysing: who stands so close that the detector of people sees only a
    part of them. auto: at the levels face and head, where it also says where in a person's box the head is. It costs
    two thirds of looking for people again."""

    @property
    def is_finding_faces(self) -> bool:
        """Whether analysers load a detector of faces for masks."""
        return self.find_faces == "always" or self.level in ("face", "head")


class ViewConfig(_Strict):
    """View jobs."""

    max_jobs: Annotated[int, Field(ge=1, le=512)] = 24
    spare_jobs: Annotated[int, Field(ge=0, le=8)] = 2
    deadline_s: Annotated[int, Field(ge=10, le=43200)] = 4 * 3600
    max_height_px: Annotated[int, Field(ge=90, le=2160)] = 720
    export_tasks: Annotated[int, Field(ge=0, le=64)] = 0
    """Pieces of a minute of an export that are rendered at the same time, below live work, in as many processes of
    this machine, or cells of the cluster (`analyser.ray.exports`). 0: by the job itself."""


class WitnessConfig(_Strict):
    """Somebody else who co-signs the log's checkpoints (C2SP tlog-witness)."""

    url: Annotated[
        str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?$", max_length=512)
    ]
    """Submission prefix; `/add-checkpoint` is appended."""
    keys: Annotated[tuple[Annotated[str, StringConstraints(max_length=4096)], ...], Field(min_length=1, max_length=4)]
    """Verifier keys (name+id+base64) as `custodes witness` prints them; signatures of other keys are not kept."""


class TsaConfig(_Strict):
    """A time stamping authority (RFC 3161); needs the extra `custodes[rfc3161]`."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?$")]
    certificates: Path
    """Its root certificates, PEM; a stamp that does not verify under them is not kept."""
    every_s: Annotated[float, Field(ge=1, le=30 * 86_400)] = 86_400.0


class AuditConfig(_Strict):
    """Who outside of the site vouches for its log."""

    witnesses: Annotated[tuple[WitnessConfig, ...], Field(max_length=8)] = ()
    every_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    """How often a checkpoint is taken to the witnesses, when it grew."""
    personal_days: Annotated[int, Field(ge=30, le=20 * 366)] | None = None
    """After this many days the warden erases names and reasons from the log; its entries stay. None: kept for ever."""
    replicas: Annotated[tuple[Annotated[str, StringConstraints(max_length=300)], ...], Field(max_length=4)] = ()
    """Keys of replicas that follow the log live, as `custodes warden init` prints them; one can be promoted."""
    synchronous: bool = False
    """Nothing is released or acknowledged before every replica has its entry: one that is promoted lacks nothing, and
    while one is away nobody looks at anything. Recording goes on."""
    tsa: TsaConfig | None = None
    """Who stamps a checkpoint now and then, so that its time does not rest on our clock."""

    @model_validator(mode="after")
    def _somebody_is_waited_for(self) -> "AuditConfig":
        if self.synchronous and not self.replicas:
            raise ValueError("audit.synchronous needs a replica under audit.replicas")
        return self


class AccessConfig(_Strict):
    """Approvals, and the clock that duty hours are meant in. What roles may do is policy, not configuration."""

    timezone: Annotated[str, StringConstraints(max_length=64)] = "UTC"
    """IANA name, e.g. Europe/Berlin."""
    approvals: Annotated[int, Field(ge=1, le=5)] = 1
    """How many others have to approve unmasking, exports and subject access. The requester never counts."""
    second_factor: Literal["offered", "required"] = "offered"
    """required: a password alone reaches nothing but the page that adds a passkey or a code (ADR 91)."""
    trusted_keys: Annotated[list[Annotated[str, StringConstraints(max_length=40)]], Field(max_length=16)] = []
    """Fingerprints of passkeys that count without anybody vouching for them: the way out when all others are lost."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("is no time zone known here; write it like Europe/Berlin, or UTC") from error
        return timezone

    def minute_of_day(self, utc_ns: int) -> int:
        """Minute of the site's local day, 0 to 1439."""
        local = datetime.fromtimestamp(utc_ns // 1_000_000_000, ZoneInfo(self.timezone))
        return local.hour * 60 + local.minute


class Pkcs11Config(_Strict):
    """A token; its PIN comes from CUSTODES_PKCS11_PIN or CUSTODES_PKCS11_PIN_FILE."""

    module: Path
    """The token's library, e.g. /usr/lib/softhsm/libsofthsm2.so."""
    token: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    label: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "custodes"


class VaultConfig(_Strict):
    """A transit engine; its token comes from CUSTODES_VAULT_TOKEN or CUSTODES_VAULT_TOKEN_FILE."""

    address: Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$")]
    mount: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "transit"
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "custodes"
    ca_file: Path | None = None


class KeyConfig(_Strict):
    """Who guards the site's root secret. Decided at the first start."""

    provider: Literal["file", "keyring", "pkcs11", "vault"] = "file"
    """file: a passphrase (CUSTODES_PASSPHRASE, a file, a systemd credential), else a 0600 file."""
    pkcs11: Pkcs11Config | None = None
    vault: VaultConfig | None = None
    user: Annotated[str, StringConstraints(pattern=r"^$|^[a-z_][a-z0-9_-]{0,31}$")] = ""
    """The Unix user that the warden runs as, when a service of its own starts it (`custodes-warden.service`): then no
    other process of the site can read its files or memory. Empty: `custodes up` starts it, as the site's user."""


class OidcConfig(_Strict):
    """An identity provider (OpenID Connect) for accounts that linked it. It says who, never what they may do."""

    issuer: Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?$")]
    """As the provider spells it; plain http for loopback alone."""
    client_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    client_secret: SecretRef = ""
    label: Annotated[str, StringConstraints(min_length=1, max_length=40)] = "single sign-on"

    @field_validator("issuer")
    @classmethod
    def _encrypted(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("must be https; what a provider says over plain http anybody could have said")
        return issuer


class TrafficConfig(_Strict):
    """Who publishes traffic figures."""

    country: Annotated[str, StringConstraints(pattern=r"^$|^[a-z]{2}$")] = ""
    """ISO 3166-1 alpha-2, in small letters; DATEX II names it, and is not written without it."""


class MapConfig(_Strict):
    """Streets beneath one floor, from a file of this machine; nothing is fetched from anywhere."""

    tiles: Path | None = None
    """An MBTiles file with pictures (PNG, JPEG or WebP); relative to this file."""
    floor: Annotated[str, StringConstraints(max_length=80)] = ""
    """Which floor lies on the streets; empty: each."""
    latitude: Annotated[float, Field(ge=-85, le=85)] = 0.0
    longitude: Annotated[float, Field(ge=-180, le=180)] = 0.0
    """Where the floor's 0, 0 is (WGS 84)."""
    bearing_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    """Which way the floor's y axis points, clockwise from north."""


class PrivacyConfig(_Strict):
    """What those who are filmed are told (GDPR art. 13), on the notice page of each camera, and what is told apart."""

    controller: Annotated[str, StringConstraints(max_length=200)] = ""
    """Who is responsible: name and address."""
    contact: Annotated[str, StringConstraints(max_length=200)] = ""
    """Whom to ask, and the data-protection officer if there is one."""
    purpose: Annotated[str, StringConstraints(max_length=500)] = ""
    legal_basis: Annotated[str, StringConstraints(max_length=200)] = ""
    notice_url: Annotated[str, StringConstraints(pattern=r"^$|^https?://[A-Za-z0-9.:-]+(/[A-Za-z0-9._~/-]*)?$")] = ""
    """Where passers-by reach this page; empty takes the address that the sign is printed from."""
    min_group: Annotated[int, Field(ge=10, le=1000)] = 10
    """Flows tell nothing about fewer people or vehicles in an hour."""
    subject_access_names: bool = True
    """Whether a person who asks for their data is told the names of those who looked, or only what they are here."""
    looks: Literal["none", "dots", "links"] = "links"
    """Whether colours of clothes (without the head) and of bodywork tell objects apart for seconds, in the memory of
    one process, and are overwritten. `none`: never made. `dots`: where cameras see the same ground, so that one person
    stays one dot on the map; gone at most eight seconds after the dot was last seen. `links`: also where one camera is
    left and another one entered, for flows, until 260 seconds after somebody left a picture (ADR 133). Nothing of it
    is stored, searched or sent to another machine."""


class SiteConfig(_Strict):
    """The whole file."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)] = "My site"
    data_dir: Path = Path("./site")
    models_dir: Path | None = None
    """A folder of weights; the environment variable CUSTODES_MODELS wins."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    server: ServerConfig = ServerConfig()
    recorder: RecorderConfig = RecorderConfig()
    rules: Annotated[tuple[RuleConfig, ...], Field(max_length=MAX_RULES)] = ()
    """Who is told of counts, queues and incidents."""
    retention: RetentionConfig = RetentionConfig()
    tiers: TiersConfig = TiersConfig()
    analyser: AnalyserConfig = AnalyserConfig()
    leaks: LeakConfig = LeakConfig()
    faces: FacesConfig = FacesConfig()
    redaction: RedactionConfig = RedactionConfig()
    views: ViewConfig = ViewConfig()
    audit: AuditConfig = AuditConfig()
    keys: KeyConfig = KeyConfig()
    access: AccessConfig = AccessConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    traffic: TrafficConfig = TrafficConfig()
    map: MapConfig = MapConfig()
    oidc: OidcConfig | None = None
    siem: SiemConfig | None = None
    home: HomeConfig | None = None
    push: PushConfig | None = None
    """Notices on people's own devices. None: no device is told anything, and nothing leaves."""
    catalog: DatabaseConfig | None = None
    """A PostgreSQL database instead of the file `catalog.db`; `custodes catalog copy` moves what is there."""
    federation: FederationConfig | None = None
    """A centre that is told of health, counts, flows, fleet and log. None: nobody is told anything."""
    cameras: tuple[CameraConfig, ...] = ()

    @model_validator(mode="after")
    def _recognition_stays(self) -> "SiteConfig":
        if self.analyser.runner == "ray" and self.faces.enabled:
            raise ValueError("faces.enabled needs analyser.runner: procs; what makes templates never leaves the site")
        return self

    @model_validator(mode="after")
    def _several_share_a_database(self) -> "SiteConfig":
        if self.server.is_one_of_several and self.catalog is None:
            several = f"server.processes: {self.server.processes}" if self.server.leads else "server.leads: false"
            raise ValueError(
                f"{several} needs the catalog in PostgreSQL (catalog:); its file "
                "has one server. Move it with: custodes catalog copy --to database"
            )
        return self

    @field_validator("cameras")
    @classmethod
    def _unique_ids(cls, cameras: tuple[CameraConfig, ...]) -> tuple[CameraConfig, ...]:
        seen: set[str] = set()
        for camera in cameras:
            if camera.id in seen:
                raise ValueError(f"camera id {camera.id!r} is used twice")
            seen.add(camera.id)
        return cameras


def load_site_yaml(path: Path) -> SiteConfig:
    """Read and check `site.yaml`; relative paths in it are relative to the file.

    Raises: ConfigError, naming the file, the line or the field, and what was expected.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if len(text) > _MAX_YAML_BYTES:
        raise ConfigError(f"{path} is {len(text)} bytes; a configuration has at most {_MAX_YAML_BYTES}")
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).replace('in "<byte string>", ', "at ").split())
        raise ConfigError(f"{path} is not YAML: {reason}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply for a configuration") from error
    config = _validated({} if tree is None else tree, str(path))
    updates: dict[str, Any] = {"data_dir": (path.parent / config.data_dir).resolve()}
    if config.models_dir is not None:
        updates["models_dir"] = (path.parent / config.models_dir).resolve()
    if config.map.tiles is not None:
        tiles = (path.parent / config.map.tiles).resolve()
        updates["map"] = config.map.model_copy(update={"tiles": tiles})
    if config.tiers.slow_dir is not None:
        slow_dir = (path.parent / config.tiers.slow_dir).resolve()
        updates["tiers"] = config.tiers.model_copy(update={"slow_dir": slow_dir})
    if config.catalog is not None and config.catalog.ca_file is not None:
        ca_file = (path.parent / config.catalog.ca_file).resolve()
        updates["catalog"] = config.catalog.model_copy(update={"ca_file": ca_file})
    for name, outside in (("siem", config.siem), ("home", config.home)):
        if outside is not None:
            updates[name] = outside.beside(path.parent)
    if config.federation is not None:
        nats = config.federation.nats.resolved(path.parent)
        updates["federation"] = config.federation.model_copy(update={"nats": nats})
    return config.model_copy(update=updates)


def write_effective(config: SiteConfig, path: Path) -> None:
    """Write what the processes of this start will read."""
    path.write_text(config.model_dump_json(indent=1), encoding="utf-8")


def load_effective(data_dir: Path) -> SiteConfig:
    """What `write_effective` wrote into this data directory. Raises: ConfigError."""
    path = data_dir / "effective.json"
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}; start the site with `custodes up`") from error
    return _validated(tree, str(path))


def _validated(tree: object, where: str) -> SiteConfig:
    try:
        return SiteConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "top level"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        # Never the value itself: it may be a password in the wrong place.
        raise ConfigError(f"{where}: {field}: {problem_in_words(first)}{more}") from error


_PATTERNS = {
    "id": "must be small letters, digits and hyphens, at most 63, not beginning with a hyphen",
    "country": "must be the two small letters of ISO 3166, such as de",
    "password": "must be env:NAME or file:/path; the password itself does not belong here",
}


def problem_in_words(problem: ErrorDetails) -> str:
    """One of pydantic's complaints, for people who have never heard of it."""
    name = problem["loc"][-1] if problem["loc"] else ""
    if problem["type"] == "extra_forbidden":
        return "is not known here; check the spelling"
    if problem["type"] == "string_pattern_mismatch" and name in _PATTERNS:
        return _PATTERNS[str(name)]
    if problem["type"] in ("model_type", "dict_type"):
        return "should be lines of the form `name: value`"
    return problem["msg"].removeprefix("Value error, ")
