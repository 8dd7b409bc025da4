"""Reads the API of a custodes site. Made from its description by `make client`: not written by hand.

One file without dependencies: take it along. An API token is made on one's own page of the site; it has some of one's
roles, reads, and changes nothing.

    site = Client("https://cameras.example", token)
    for camera in site.cameras()["cameras"]:
        print(camera["name"], camera["words"])
"""

import json
import ssl
from collections.abc import Mapping, Sequence
from http.client import HTTPResponse
from typing import Any, Literal, TypedDict, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

MAX_ANSWER_BYTES = 64 << 20
"""The largest lists of the API are some megabytes."""


class ApiError(Exception):
    """The site refused, in its words. `status` is HTTP's, `kind` a stable name (RFC 9457's `kind` of ours)."""

    def __init__(self, status: int, kind: str, detail: str) -> None:
        """With the answer's problem details."""
        super().__init__(f"{status} {kind}: {detail}")
        self.status, self.kind, self.detail = status, kind, detail


class AlarmRecord(TypedDict):
    """How well incidents of one kind were told."""

    kind: str
    found: int
    real: int
    false: int
    delay_s: float | None
    false_per_day: float | None
    words: str


class Backfill(TypedDict):
    """An analysis of recordings anew."""

    version: int
    camera_id: str
    stream: str
    start_ns: int
    end_ns: int
    state: str
    words: str
    percent: int
    left_s: float | None
    detail: str
    model: str
    person: str
    purpose: str
    reference: str
    is_ended: bool


class Backfills(TypedDict):
    """An answer of the API."""

    backfills: list[Backfill]


class Backup(TypedDict):
    """The newest one that the log knows."""

    made_ns: int | None
    since_ns: int | None


class Box(TypedDict):
    """Where a track is in the picture, as shares of it: x1, y1, x2, y2."""

    run: str
    track_id: int
    box: list[float]


class Boxes(TypedDict):
    """An answer of the API."""

    at_ns: int
    boxes: list[Box]


class CameraState(TypedDict):
    """A camera and how it is; `…_words` are sentences."""

    camera_id: str
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
    frames_skipped_rate: int
    frames_skipped_quiet: int
    gops_shed: int
    analysis_lag_s: float
    clock_source: str
    clock_error_s: float
    camera_offset_s: float | None
    signature: str
    signature_detail: str
    frames_undecoded_quiet: int
    frames_undecoded_rate: int
    gate_mode: str
    width_px: int
    gate_reason: str
    gate_since_ns: int
    gate_trials: int
    gate_missed: int
    gate_miss_low: float
    gate_miss_high: float
    gate_changes: list[dict[str, Any]]
    regions_shed: int
    is_scene_known: bool
    tampered: list[str]
    scene_agreement: float
    lost_packets: int
    device_events: str
    device_says: list[str]
    second: str
    second_detail: str
    wall: str
    second_words: str
    words: str
    clock_words: str
    signature_words: str
    gate_words: str
    detail_words: str


class Cameras(TypedDict):
    """An answer of the API."""

    cameras: list[CameraState]


class Member(TypedDict):
    """A person who works on a case."""

    user_id: str
    name: str


class CaseHead(TypedDict):
    """A case."""

    number: str
    title: str
    reason: str
    owner: Member
    members: list[Member]
    opened_ns: int
    keep_days: int
    closed_ns: int | None
    closed_because: str
    is_erased: bool


class CaseNote(TypedDict):
    """A note, or a bookmark with a moment."""

    number: str
    author: str
    utc_ns: int
    text: str
    camera_id: str
    moment_ns: int | None


class Cases(TypedDict):
    """An answer of the API."""

    cases: list[CaseHead]


class Checkpoint(TypedDict):
    """The signed head of the log (C2SP tlog-checkpoint)."""

    origin: str
    size: int
    root: str
    note: str


class Export(TypedDict):
    """Evidence that is being made or waits."""

    export_id: str
    state: str
    words: str
    detail: str
    percent: int
    camera_id: str
    stream: str
    start_ns: int
    end_ns: int
    reference: str
    fidelity: str


class Exports(TypedDict):
    """An answer of the API."""

    exports: list[Export]


class TimeBand(TypedDict):
    """How many took so long on the way; `to_s` null: or longer. Never fewer than the minimum group."""

    from_s: float
    to_s: float | None
    count: int


class FlowCell(TypedDict):
    """How many went from one camera to another, never fewer than the minimum group."""

    from_camera: str
    to_camera: str
    count: int
    median_s: float
    coverage: float
    times: list[TimeBand]
    by_links: float


FlowGroup = Literal["people", "vehicles"]


class PlaceFigures(TypedDict):
    """How many were there, and how long."""

    camera_id: str
    coverage: float
    mean_present: float
    peak_present: int
    dwell_median_s: float | None
    dwell_p90_s: float | None
    heat: list[Any]


class FlowHour(TypedDict):
    """A whole hour."""

    camera_id: str
    start_ns: int
    end_ns: int
    group: str
    min_group: int
    cells: list[FlowCell]
    places: list[PlaceFigures]
    queues: list[dict[str, Any]]
    linked: float | None


class Flows(TypedDict):
    """An answer of the API."""

    from_ns: int
    to_ns: int
    now_ns: int
    hours: list[FlowHour]


#
FoundTrack = TypedDict(
    "FoundTrack",
    {
        "camera_id": str,
        "name": str,
        "track_id": int,
        "run": str,
        "class": str,
        "words": str,
        "lane": str,
        "start_ns": int,
        "end_ns": int,
        "frames": int,
        "mean_score": float,
        "quality": float,
        "heading": str,
    },
)


class Gap(TypedDict):
    """Nothing was recorded between two moments, and why."""

    start_ns: int
    end_ns: int
    cause: str
    words: str


Heading = Literal["left", "right", "towards", "away"]


class Hold(TypedDict):
    """What is not deleted before it expires."""

    hold_id: str
    owner: str
    reason: str
    start_ns: int
    end_ns: int
    expires_ns: int


class Holds(TypedDict):
    """An answer of the API."""

    holds: list[Hold]


class LaneHold(TypedDict):
    """Held as evidence."""

    hold_id: str
    start_ns: int
    end_ns: int
    expires_ns: int
    owner: str
    reason: str


class Lane(TypedDict):
    """One camera of a review: pairs of UTC nanoseconds."""

    name: str
    camera_id: str
    newest_ns: int
    recorded: list[list[int]]
    analysed: list[list[int]]
    seen: list[list[int]]
    gaps: list[Gap]
    holds: list[LaneHold]
    tracks: list[list[int]]
    crossings: list[list[Any]]


class Lanes(TypedDict):
    """An answer of the API."""

    from_ns: int
    to_ns: int
    now_ns: int
    width_ns: int
    lanes: list[Lane]
    not_shown: list[str]
    is_close: bool
    is_truncated: bool


class LayoutRow(TypedDict):
    """A layout as it is offered."""

    layout_id: str
    name: str
    cameras: list[str]
    tiles: int
    is_shared: bool
    is_own: bool
    owner: str


class LayoutTable(TypedDict):
    """Own ones first, then what others share, each by name."""

    layouts: list[LayoutRow]


class LineFigures(TypedDict):
    """One line and way in a quarter of an hour."""

    line: str
    is_forward: bool
    counts: dict[str, int]
    vehicles_per_h: float | None
    speeds: dict[str, Any] | None
    headway_s: float | None
    occupancy: float | None
    density_per_km: float | None
    level_of_service: str
    lengths: list[int]
    vehicles: int


class PeakHour(TypedDict):
    """The busiest hour of a line and way, with its peak hour factor."""

    start_ns: int
    vehicles: int
    factor: float
    coverage: float


class LineSum(TypedDict):
    """One line and way over an hour, or over the whole stretch."""

    line: str
    is_forward: bool
    start_ns: int
    end_ns: int
    coverage: float
    counts: dict[str, int]
    vehicles: int
    lengths: list[int]
    measured: int
    mean_kmh: float | None
    v50_kmh: float | None
    v85_kmh: float | None
    v85_error_kmh: float | None
    over_limit_share: float | None
    histogram: list[int]
    peak: PeakHour | None


class LogEntry(TypedDict):
    """Who did what."""

    index: int
    utc_ns: int
    utc: str
    kind: str
    sentence: str
    actor: str
    subject: str
    details: dict[str, str]
    leaf_hash: str


class Log(TypedDict):
    """An answer of the API."""

    entries: list[LogEntry]
    next_before: int | None
    checkpoint: Checkpoint | None
    witnesses: list[dict[str, Any]]


class LogHead(TypedDict):
    """The log: how many entries, and its newest signed checkpoint."""

    size: int
    checkpoint: str


class MaskReason(TypedDict):
    """Why something is covered, and how often."""

    words: str
    count: int


class Masks(TypedDict):
    """An answer of the API."""

    at_ns: int
    reasons: list[MaskReason]
    ask: str


class Model(TypedDict):
    """A network, and what runs it."""

    task: str
    name: str
    runtime: str


class Movement(TypedDict):
    """From one line over another."""

    entry: str
    exit: str
    object_class: str
    count: int


class Notices(TypedDict):
    """An answer of the API."""

    notices: list[dict[str, Any]]


class Plan(TypedDict):
    """The plan of the site that somebody drew."""

    version: int
    utc_ns: int
    editor: str
    floors: list[dict[str, Any]]
    cameras: list[dict[str, Any]]
    ways: list[dict[str, Any]]


class RecordSection(TypedDict):
    """Of the record of processing (GDPR art. 30)."""

    title: str
    lines: list[str]
    is_open: bool


class Privacy(TypedDict):
    """An answer of the API."""

    sections: list[RecordSection]


class Process(TypedDict):
    """One of the site's processes."""

    name: str
    kind: str
    state: str
    pid: int
    restarts: int
    cpu_s: float
    rss_mb: float
    uptime_s: float
    last_exit: str


class Proof(TypedDict):
    """An answer of the API."""

    index: int
    leaf_hash: str
    tree_size: int
    root_hash: str
    path: list[str]
    checkpoint: str
    entry: LogEntry
    how: str


class Quarter(TypedDict):
    """A quarter of an hour of one camera."""

    camera_id: str
    start_ns: int
    end_ns: int
    coverage: float
    is_calibrated: bool
    lines: list[LineFigures]
    movements: list[Movement]
    queue: dict[str, Any] | None


class Search(TypedDict):
    """An answer of the API."""

    now_ns: int
    from_ns: int
    searched_to_ns: int
    tracks: list[FoundTrack]
    not_shown: list[str]


class Session(TypedDict):
    """An answer of the API."""

    name: str
    roles: list[str]
    expires_ns: int
    now_ns: int


class SiteHappening(TypedDict):
    """Something that happened to the site or a camera; `end_ns` 0 while it lasts."""

    kind: str
    start_ns: int
    end_ns: int
    cameras: int
    title: str
    words: str


class SiteMap(TypedDict):
    """An answer of the API."""

    now_ns: int
    floors: list[dict[str, Any]]
    plan: Plan | None
    names: dict[str, str]


#
SiteTrack = TypedDict(
    "SiteTrack",
    {
        "camera_id": str,
        "track_id": int,
        "run": str,
        "class": str,
        "words": str,
        "lane": str,
        "start_ns": int,
        "end_ns": int,
        "frames": int,
        "mean_score": float,
        "quality": float,
    },
)


class SiteTracks(TypedDict):
    """An answer of the API."""

    tracks: list[SiteTrack]
    is_truncated: bool


class Status(TypedDict):
    """An answer of the API."""

    now_ns: int
    expires_ns: int
    processes: list[Process]
    cameras: list[CameraState]
    log: LogHead | None
    warnings: list[str]
    events: list[SiteHappening]


class Storage(TypedDict):
    """Room on the disk, in bytes."""

    recordings_bytes: int
    recordings_files: int
    free_bytes: int
    total_bytes: int


class StreamForecast(TypedDict):
    """What one stream takes."""

    camera_id: str
    name: str
    bytes_per_day: int
    kept_h: float
    measured_s: float


class StorageForecast(TypedDict):
    """Whether what is to be kept fits."""

    bytes_per_day: int
    needed_bytes: int
    available_bytes: int
    full_ns: int
    reach_days: float
    growth: list[list[int]]
    streams: list[StreamForecast]


class Viewing(TypedDict):
    """Somebody was shown something."""

    index: int
    utc_ns: int
    person: str
    roles: str
    camera_id: str
    action: str
    fidelity: str
    purpose: str
    reference: str
    start_ns: int
    end_ns: int
    request_id: str
    shown: str
    frames_shown: str


class SubjectAccess(TypedDict):
    """An answer of the API."""

    viewings: list[Viewing]


class System(TypedDict):
    """An answer of the API."""

    now_ns: int
    processes: list[Process]
    cameras: list[CameraState]
    storage: Storage
    events: list[SiteHappening]
    warnings: list[str]


#
Track = TypedDict(
    "Track",
    {
        "track_id": int,
        "run": str,
        "class": str,
        "words": str,
        "lane": str,
        "start_ns": int,
        "end_ns": int,
        "frames": int,
        "mean_score": float,
        "quality": float,
    },
)


class TrackCounts(TypedDict):
    """Tracks that began, by bins."""

    first_ns: int
    bin_ns: int
    people: list[int]
    vehicles: list[int]
    coverage: list[float]


class Timeline(TypedDict):
    """An answer of the API."""

    camera_id: str
    from_ns: int
    to_ns: int
    now_ns: int
    recorded: list[list[int]]
    stream: str
    gaps: list[Gap]
    holds: list[LaneHold]
    coverage: list[list[int]]
    tracks: list[Track]
    is_truncated: bool
    counts: TrackCounts
    gate: list[dict[str, Any]]
    lines: list[dict[str, Any]]


class Tracks(TypedDict):
    """An answer of the API."""

    tracks: list[Track]
    is_truncated: bool


class Traffic(TypedDict):
    """An answer of the API."""

    camera_id: str
    from_ns: int
    to_ns: int
    now_ns: int
    quarters: list[Quarter]
    hours: list[LineSum]
    sums: list[LineSum]
    incidents: list[dict[str, Any]]
    alarms: list[AlarmRecord]


class Upkeep(TypedDict):
    """An answer of the API."""

    now_ns: int
    storage: StorageForecast | None
    storage_problem: str
    has_slow_disk: bool
    backup: Backup | None
    backup_problem: str
    models: list[Model]


Way = Literal["forward", "backward"]


class WholeCase(TypedDict):
    """An answer of the API."""

    case: CaseHead
    notes: list[CaseNote]


class _StaysHere(HTTPRedirectHandler):
    """A redirection would carry the token elsewhere; the API has none."""

    def redirect_request(self, *_: Any) -> None:
        """None of it."""


class Client:
    """One site, read with one token."""

    def __init__(
        self, address: str, token: str, *, timeout_s: float = 30.0, tls: ssl.SSLContext | None = None
    ) -> None:
        """Args:
        address: "https://cameras.example" or "http://127.0.0.1:8400", without a path.
        tls: for a certificate authority of one's own; the system's otherwise.

        Raises: ValueError when the address is none.
        """
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
            raise ValueError(f"expected an address like https://cameras.example, got {address!r}")
        self._address = f"{parts.scheme}://{parts.netloc}"
        self._token = token
        self._timeout_s = timeout_s
        self._opener = build_opener(_StaysHere(), HTTPSHandler(context=tls))

    def _read(self, path: str, query: Mapping[str, object]) -> Any:
        """The answer's JSON, or its text. Raises: ApiError, OSError (urllib's URLError is one)."""
        asked = {
            name: value if isinstance(value, (list, tuple)) else str(value)
            for name, value in query.items()
            if value is not None
        }
        address = f"{self._address}{path}" + (f"?{urlencode(asked, doseq=True)}" if asked else "")
        headers = {"authorization": f"Bearer {self._token}", "accept": "application/json, */*;q=0.5"}
        try:
            with self._opener.open(Request(address, headers=headers), timeout=self._timeout_s) as answer:  # noqa: S310
                return _content(answer)
        except HTTPError as error:
            raise _refusal(error) from error

    def backfills(self) -> Backfills:
        """How far they are, newest first; of cameras that this person may see."""
        return cast("Backfills", self._read("/api/v1/backfills", {}))

    def cameras(self) -> Cameras:
        """All configured cameras with their newest state."""
        return cast("Cameras", self._read("/api/v1/cameras", {}))

    def boxes(self, camera_id: str, *, at_ns: int) -> Boxes:
        """Where tracked people are in the picture of a moment: as much as its masks tell, with run and track."""
        return cast("Boxes", self._read(f"/api/v1/cameras/{quote(str(camera_id), safe='')}/boxes", {"at": at_ns}))

    def holds(self, camera_id: str) -> Holds:
        """Holds of this camera that have not expired, by start."""
        return cast("Holds", self._read(f"/api/v1/cameras/{quote(str(camera_id), safe='')}/holds", {}))

    def masks(self, camera_id: str, *, at_ns: int, stream: Literal["first", "second"] | None = None) -> Masks:
        """What a masked picture of that moment covers, and why, most frequent first; and where to ask for
        more."""
        return cast(
            "Masks",
            self._read(f"/api/v1/cameras/{quote(str(camera_id), safe='')}/masks", {"at": at_ns, "stream": stream}),
        )

    def timeline(
        self, camera_id: str, *, start_ns: int, end_ns: int, stream: Literal["first", "second"] | None = None
    ) -> Timeline:
        """What was recorded, missed, analysed and seen between two moments at most 25 hours apart."""
        return cast(
            "Timeline",
            self._read(
                f"/api/v1/cameras/{quote(str(camera_id), safe='')}/timeline",
                {"from": start_ns, "to": end_ns, "stream": stream},
            ),
        )

    def tracks(self, camera_id: str, *, start_ns: int, end_ns: int, limit: int | None = None) -> Tracks:
        """Finished tracks that overlap the interval, by start."""
        return cast(
            "Tracks",
            self._read(
                f"/api/v1/cameras/{quote(str(camera_id), safe='')}/tracks",
                {"from": start_ns, "to": end_ns, "limit": limit},
            ),
        )

    def traffic(
        self,
        camera_id: str,
        *,
        start_ns: int,
        end_ns: int,
        format: Literal["json", "csv", "csv-hours", "csv-incidents", "datex"] | None = None,
    ) -> Traffic | str:
        """Figures by quarters of an hour that began between two moments at most 32 days apart, each with its
        coverage; their sums by hour and over the whole stretch, with speeds, peak hour and its factor, of
        lines and of movements; incidents and how well they were told."""
        return cast(
            "Traffic | str",
            self._read(
                f"/api/v1/cameras/{quote(str(camera_id), safe='')}/traffic",
                {"from": start_ns, "to": end_ns, "format": format},
            ),
        )

    def cases(self) -> Cases:
        """Cases that I work on, or all when I oversee them; newest first."""
        return cast("Cases", self._read("/api/v1/cases", {}))

    def case(self, number: str) -> WholeCase:
        """One case with its notes."""
        return cast("WholeCase", self._read(f"/api/v1/cases/{quote(str(number), safe='')}", {}))

    def exports(self) -> Exports:
        """My exports and how far they are, newest first."""
        return cast("Exports", self._read("/api/v1/exports", {}))

    def fleet(self, *, device: str | None = None) -> dict[str, Any]:
        """The report of the last audit; with `device`, of that one alone."""
        return cast("dict[str, Any]", self._read("/api/v1/fleet", {"device": device}))

    def flows(
        self,
        *,
        start_ns: int,
        end_ns: int,
        format: Literal["json", "csv", "csv-times", "csv-places", "csv-queues"] | None = None,
    ) -> Flows | str:
        """Hours that began between two moments at most 32 days apart, of the cameras that this person may see."""
        return cast("Flows | str", self._read("/api/v1/flows", {"from": start_ns, "to": end_ns, "format": format}))

    def layouts(self) -> LayoutTable:
        """Mine and those that others share, with the cameras of them that I may see."""
        return cast("LayoutTable", self._read("/api/v1/layouts", {}))

    def leaks(self) -> dict[str, Any]:
        """Traces that I know of and how far they are, newest first; what was found is on their pages."""
        return cast("dict[str, Any]", self._read("/api/v1/leaks", {}))

    def log(
        self,
        *,
        before: int | None = None,
        limit: int | None = None,
        kind: str | None = None,
        camera: str | None = None,
        person: str | None = None,
        routine: bool | None = None,
    ) -> Log:
        """Entries with index below `before`, newest first. `next_before` continues; null at the log's
        beginning."""
        return cast(
            "Log",
            self._read(
                "/api/v1/log",
                {
                    "before": before,
                    "limit": limit,
                    "kind": kind,
                    "camera": camera,
                    "person": person,
                    "routine": routine,
                },
            ),
        )

    def proof(self, index: int) -> Proof:
        """Audit path (RFC 6962 2.1.1) of one entry to the newest checkpoint, to keep and to check without us."""
        return cast("Proof", self._read(f"/api/v1/log/{quote(str(index), safe='')}/proof", {}))

    def site_map(self) -> SiteMap:
        """Floors as they are now, of the cameras that this person may see, and what is drawn of these."""
        return cast("SiteMap", self._read("/api/v1/map", {}))

    def heat(self, *, group: FlowGroup | None = None, hours: int | None = None) -> Any:
        """Where people or vehicles stood in the last whole hours, on the ground of each floor; never about
        fewer than the minimum group."""
        return cast("Any", self._read("/api/v1/map/heat", {"group": group, "hours": hours}))

    def metrics(self) -> str | str:
        """Every number of the site for a monitoring system, in the text format of Prometheus."""
        return cast("str | str", self._read("/api/v1/metrics", {}))

    def notices(self) -> Notices:
        """Unusual looking, newest first."""
        return cast("Notices", self._read("/api/v1/notices", {}))

    def privacy(self) -> Privacy:
        """The same as data."""
        return cast("Privacy", self._read("/api/v1/privacy", {}))

    def lanes(self, *, camera: Sequence[str], start_ns: int, end_ns: int, bins: int | None = None) -> Lanes:
        """A lane for each camera that this person may see: recorded, missed, analysed, held, and where tracks
        began."""
        return cast(
            "Lanes", self._read("/api/v1/review", {"camera": camera, "from": start_ns, "to": end_ns, "bins": bins})
        )

    def search(
        self,
        *,
        camera: Sequence[str],
        start_ns: int,
        end_ns: int,
        class_: Sequence[Literal["person", "bicycle", "car", "motorcycle", "bus", "truck"]] | None = None,
        line: str | None = None,
        way: Way | None = None,
        heading: Sequence[Heading] | None = None,
        x1: float | None = None,
        y1: float | None = None,
        x2: float | None = None,
        y2: float | None = None,
        limit: int | None = None,
    ) -> Search:
        """Finished tracks that began in [from, to) and fit, newest first."""
        return cast(
            "Search",
            self._read(
                "/api/v1/search",
                {
                    "camera": camera,
                    "from": start_ns,
                    "to": end_ns,
                    "class": class_,
                    "line": line,
                    "way": way,
                    "heading": heading,
                    "x1": x1,
                    "y1": y1,
                    "x2": x2,
                    "y2": y2,
                    "limit": limit,
                },
            ),
        )

    def session(self) -> Session:
        """Who is logged in, and until when at the latest."""
        return cast("Session", self._read("/api/v1/session", {}))

    def status(self) -> Status:
        """Cameras, processes and log in the form of `custodes status --json`, with words and warnings."""
        return cast("Status", self._read("/api/v1/status", {}))

    def subject_access(self, *, camera: str, start_ns: int, end_ns: int) -> SubjectAccess:
        """Who saw this camera's pictures of that time, as the log tells."""
        return cast(
            "SubjectAccess", self._read("/api/v1/subject-access", {"camera": camera, "from": start_ns, "to": end_ns})
        )

    def system(self) -> System:
        """Processes with what they use, storage, cameras, warnings."""
        return cast("System", self._read("/api/v1/system", {}))

    def all_tracks(self, *, start_ns: int, end_ns: int, limit: int | None = None) -> SiteTracks:
        """Finished tracks of all cameras that this person may see, newest first; at most 25 hours at once."""
        return cast("SiteTracks", self._read("/api/v1/tracks", {"from": start_ns, "to": end_ns, "limit": limit}))

    def upkeep(self) -> Upkeep:
        """Storage forecast, last backup, and the network that detects; each with its problem where it cannot
        be told."""
        return cast("Upkeep", self._read("/api/v1/upkeep", {}))


def _content(answer: HTTPResponse) -> Any:
    raw = answer.read(MAX_ANSWER_BYTES + 1)
    if len(raw) > MAX_ANSWER_BYTES:
        raise ApiError(answer.status, "too_large", f"the answer has more than {MAX_ANSWER_BYTES} bytes")
    is_json = "json" in answer.headers.get("content-type", "")
    return json.loads(raw) if is_json else raw.decode("utf-8", "replace")


def _refusal(error: HTTPError) -> ApiError:
    try:
        problem = json.loads(error.read(1 << 16))
        return ApiError(error.code, str(problem["kind"]), str(problem["detail"]))
    except (ValueError, KeyError, TypeError):
        return ApiError(error.code, "http", str(error.reason))
