"""What the answers of the API look like. `api_description` puts it into the OpenAPI description. Moments are UTC
nanoseconds (`…_ns`)."""

from typing import Any

# pydantic reads these of Python 3.12 and later, and typing_extensions' before
from typing_extensions import TypedDict


class Session(TypedDict):
    """An answer of the API."""

    name: str
    roles: list[str]
    expires_ns: int
    now_ns: int


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


class LogHead(TypedDict):
    """The log: how many entries, and its newest signed checkpoint."""

    size: int
    checkpoint: str


class SiteHappening(TypedDict):
    """Something that happened to the site or a camera; `end_ns` 0 while it lasts."""

    kind: str
    start_ns: int
    end_ns: int
    cameras: int
    title: str
    words: str


class Status(TypedDict):
    """An answer of the API."""

    now_ns: int
    expires_ns: int
    processes: list[Process]
    cameras: list[CameraState]
    log: LogHead | None
    warnings: list[str]
    events: list[SiteHappening]


class Gap(TypedDict):
    """Nothing was recorded between two moments, and why."""

    start_ns: int
    end_ns: int
    cause: str
    words: str


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
"""One object, followed as long as it was seen; who it is is not known."""


class TrackCounts(TypedDict):
    """Tracks that began, by bins."""

    first_ns: int
    bin_ns: int
    people: list[int]
    vehicles: list[int]
    coverage: list[float]


class LaneHold(TypedDict):
    """Held as evidence."""

    hold_id: str
    start_ns: int
    end_ns: int
    expires_ns: int
    owner: str
    reason: str


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


class Box(TypedDict):
    """Where a track is in the picture, as shares of it: x1, y1, x2, y2."""

    run: str
    track_id: int
    box: list[float]


class Boxes(TypedDict):
    """An answer of the API."""

    at_ns: int
    boxes: list[Box]


class Storage(TypedDict):
    """Room on the disk, in bytes."""

    recordings_bytes: int
    recordings_files: int
    free_bytes: int
    total_bytes: int


class System(TypedDict):
    """An answer of the API."""

    now_ns: int
    processes: list[Process]
    cameras: list[CameraState]
    storage: Storage
    events: list[SiteHappening]
    warnings: list[str]


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


class Checkpoint(TypedDict):
    """The signed head of the log (C2SP tlog-checkpoint)."""

    origin: str
    size: int
    root: str
    note: str


class Log(TypedDict):
    """An answer of the API."""

    entries: list[LogEntry]
    next_before: int | None
    checkpoint: Checkpoint | None
    witnesses: list[dict[str, Any]]


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


class MaskReason(TypedDict):
    """Why something is covered, and how often."""

    words: str
    count: int


class Masks(TypedDict):
    """An answer of the API."""

    at_ns: int
    reasons: list[MaskReason]
    ask: str


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


class Backup(TypedDict):
    """The newest one that the log knows."""

    made_ns: int | None
    since_ns: int | None


class Model(TypedDict):
    """A network, and what runs it."""

    task: str
    name: str
    runtime: str


class Upkeep(TypedDict):
    """An answer of the API."""

    now_ns: int
    storage: StorageForecast | None
    storage_problem: str
    has_slow_disk: bool
    backup: Backup | None
    backup_problem: str
    models: list[Model]


class RecordSection(TypedDict):
    """Of the record of processing (GDPR art. 30)."""

    title: str
    lines: list[str]
    is_open: bool


class Privacy(TypedDict):
    """An answer of the API."""

    sections: list[RecordSection]


class Notices(TypedDict):
    """An answer of the API."""

    notices: list[dict[str, Any]]


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


class AlarmRecord(TypedDict):
    """How well incidents of one kind were told."""

    kind: str
    found: int
    real: int
    false: int
    delay_s: float | None
    false_per_day: float | None
    words: str


class Movement(TypedDict):
    """From one line over another."""

    entry: str
    exit: str
    object_class: str
    count: int


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


class Plan(TypedDict):
    """The plan of the site that somebody drew."""

    version: int
    utc_ns: int
    editor: str
    floors: list[dict[str, Any]]
    cameras: list[dict[str, Any]]
    ways: list[dict[str, Any]]


class SiteMap(TypedDict):
    """An answer of the API."""

    now_ns: int
    floors: list[dict[str, Any]]
    plan: Plan | None
    names: dict[str, str]


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
"""A track that fits."""


class Search(TypedDict):
    """An answer of the API."""

    now_ns: int
    from_ns: int
    searched_to_ns: int
    tracks: list[FoundTrack]
    not_shown: list[str]


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


class Cases(TypedDict):
    """An answer of the API."""

    cases: list[CaseHead]


class CaseNote(TypedDict):
    """A note, or a bookmark with a moment."""

    number: str
    author: str
    utc_ns: int
    text: str
    camera_id: str
    moment_ns: int | None


class WholeCase(TypedDict):
    """An answer of the API."""

    case: CaseHead
    notes: list[CaseNote]


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


class Cameras(TypedDict):
    """An answer of the API."""

    cameras: list[CameraState]


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
"""A track, and whose camera saw it."""


class SiteTracks(TypedDict):
    """An answer of the API."""

    tracks: list[SiteTrack]
    is_truncated: bool
