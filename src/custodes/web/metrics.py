"""What monitoring asks: Prometheus metrics of cameras, processes, disk and log. Nobody's trace is in them.

Prometheus sends an API token (`authorization: Bearer …`); it sees the cameras of the account that made the token.
`deploy/monitoring` has a dashboard and alerts over these names.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from custodes import __version__
from custodes.errors import Unavailable
from custodes.types.looks import Drops
from custodes.types.message import CameraRow, CosignedCheckpoint, ProcessStatus
from custodes.types.servers import Standing
from custodes.units import NS_PER_S
from custodes.web.deps import WebDeps, deps_of, present
from custodes.web.standing import lag_of
from custodes.web.storage import StorageUse
from custodes.web.words import STATE_WORDS

router = APIRouter(prefix="/api/v1")

_EVENTS = 50
_Value = Callable[[CameraRow], float]
_CAMERA_GAUGES: tuple[tuple[str, str, _Value], ...] = (
    ("recording", "1 while this camera is recorded.", lambda row: row.is_recording),
    ("recorded_seconds", "Length of what is recorded and not deleted yet.", lambda row: row.recorded_s),
    ("gap_seconds", "Length of what is missing within it.", lambda row: row.gaps_s),
    ("people", "People in view now.", lambda row: row.live_people),
    ("vehicles", "Vehicles in view now.", lambda row: row.live_vehicles),
    ("clock_error_seconds", "How far the times of what is recorded may be off.", lambda row: row.clock_error_s),
    ("gate_miss_share_low", "Share of motion that the activity gate misses, at least.", lambda row: row.gate_miss_low),
    (
        "gate_miss_share_high",
        "Share of motion that the activity gate misses, at most.",
        lambda row: row.gate_miss_high,
    ),
)
_CAMERA_COUNTERS: tuple[tuple[str, str, _Value], ...] = (
    ("lost_packets", "RTP packets that never came over UDP, at least.", lambda row: row.lost_packets),
    ("frames_decoded", "Frames decoded for analysis.", lambda row: row.frames_decoded),
    ("frames_analysed", "Frames that were examined.", lambda row: row.frames_analysed),
    ("gops_shed", "Groups of pictures left out for want of time.", lambda row: row.gops_shed),
    ("regions_shed", "Moving parts of frames left out for want of room, and masked.", lambda row: row.regions_shed),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the site says of itself at one moment; None where a part does not answer."""

    cameras: Sequence[CameraRow]
    processes: Sequence[ProcessStatus] | None
    storage: StorageUse | None
    log_size: int | None
    cosigned: Sequence[CosignedCheckpoint]
    standing: Standing | None
    """None where one server does everything, without replicas."""
    events: int
    """Events of the site that last, such as a full disk."""
    drops: Drops


class _Collected(Collector):
    """For `generate_latest`, which asks a registry."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        yield from families(self._reading)


@router.get("/metrics", response_class=Response, responses={200: {"content": {CONTENT_TYPE_LATEST: {}}}})
async def metrics(request: Request) -> Response:
    """Every number of the site for a monitoring system, in the text format of Prometheus."""
    deps = deps_of(request)
    reading = await _read(deps, deps.visible_cameras(present(request).principal))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(reading))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def _read(deps: WebDeps, cameras: Sequence[CameraRow]) -> Reading:
    """What does not answer is left out: a missing family is what alerts look for."""
    processes: Sequence[ProcessStatus] | None = None
    storage: StorageUse | None = None
    log_size: int | None = None
    cosigned: Sequence[CosignedCheckpoint] = ()
    with contextlib.suppress(Unavailable):
        processes = (await deps.live.site_status()).processes
    with contextlib.suppress(Unavailable):
        storage = await deps.storage.measure()
    with contextlib.suppress(Unavailable):
        log_size = (await deps.warden.read_checkpoint()).size
        cosigned = await deps.warden.read_cosigned()
    lasting = sum(not one.end_ns for one in await deps.catalog.site_events(_EVENTS))
    return Reading(
        cameras=cameras,
        processes=processes,
        storage=storage,
        log_size=log_size,
        cosigned=cosigned,
        standing=await deps.standing() if deps.standing is not None else None,
        events=lasting,
        drops=deps.drops(),
    )


def families(reading: Reading) -> Iterator[Metric]:
    """The metrics, in the order in which people read them."""
    yield InfoMetricFamily("custodes_build", "What runs.", {"version": __version__})
    yield from _of_cameras(reading.cameras)
    yield GaugeMetricFamily(
        "custodes_site_events", "Events that last, such as a full disk or a covered camera.", reading.events
    )
    yield from _of_drops(reading.drops)
    if reading.processes is not None:
        yield from _of_processes(reading.processes)
    if reading.storage is not None:
        yield from _of_storage(reading.storage)
    yield GaugeMetricFamily("custodes_warden_up", "1 while the warden answers.", float(reading.log_size is not None))
    if reading.log_size is not None:
        yield CounterMetricFamily("custodes_log_entries", "Entries of the audit log.", reading.log_size)
    yield from _of_witnesses(reading.cosigned)
    if reading.standing is not None:
        yield from _of_standing(reading.standing)


def _of_cameras(rows: Sequence[CameraRow]) -> Iterable[Metric]:
    states = GaugeMetricFamily(
        "custodes_camera_state", "1 for the state that a camera is in.", labels=["camera", "state"]
    )
    for row in rows:
        for state in sorted({*STATE_WORDS, row.state}):
            states.add_metric([row.camera_id, state], float(state == row.state))
    yield states
    for name, words, value in _CAMERA_GAUGES:
        gauge = GaugeMetricFamily(f"custodes_camera_{name}", words, labels=["camera"])
        for row in rows:
            gauge.add_metric([row.camera_id], value(row))
        yield gauge
    for name, words, total in _CAMERA_COUNTERS:
        counter = CounterMetricFamily(f"custodes_camera_{name}", words, labels=["camera"])
        for row in rows:
            counter.add_metric([row.camera_id], total(row))
        yield counter


def _of_drops(drops: Drops) -> Iterable[Metric]:
    for name, words, value in (
        (
            "map_measurements_dropped",
            "Places of people and vehicles that the map had no room for.",
            drops.map_measurements,
        ),
        ("map_looks_dropped", "Looks that the map had no room for, or no place in time.", drops.map_looks),
        ("links_dropped", "Looks and tracks that found no place among the links of flows.", drops.links),
    ):
        yield CounterMetricFamily(f"custodes_{name}", words, value)


def _of_processes(processes: Sequence[ProcessStatus]) -> Iterable[Metric]:
    up = GaugeMetricFamily("custodes_process_up", "1 while the process runs.", labels=["process", "kind"])
    rss = GaugeMetricFamily("custodes_process_resident_bytes", "Memory that it has.", labels=["process", "kind"])
    cpu = CounterMetricFamily("custodes_process_cpu_seconds", "Since it was started.", labels=["process", "kind"])
    starts = CounterMetricFamily("custodes_process_restarts", "How often it had to be.", labels=["process", "kind"])
    for one in processes:
        labels = [one.name, one.kind]
        up.add_metric(labels, float(one.state == "running"))
        rss.add_metric(labels, one.rss_mb * 2**20)
        cpu.add_metric(labels, one.cpu_s)
        starts.add_metric(labels, one.restarts)
    return up, rss, cpu, starts


def _of_storage(use: StorageUse) -> Iterable[Metric]:
    for name, words, value in (
        ("recordings_bytes", "Size of the recordings on the first disk.", use.recordings_bytes),
        ("recordings_files", "Files of recordings on the first disk.", use.recordings_files),
        ("disk_free_bytes", "Free on the disk of the data directory.", use.free_bytes),
        ("disk_size_bytes", "Size of the disk of the data directory.", use.total_bytes),
    ):
        yield GaugeMetricFamily(f"custodes_{name}", words, value)


def _of_standing(standing: Standing) -> Iterable[Metric]:
    leads = GaugeMetricFamily("custodes_server_leads", "Epoch of the server that leads.", labels=["server"])
    if standing.leader:
        leads.add_metric([standing.leader], standing.epoch)
    yield leads
    table = standing.replicas
    connected = GaugeMetricFamily("custodes_replica_connected", "1 while it follows the log.", labels=["replica"])
    behind = GaugeMetricFamily("custodes_replica_lag_entries", "Log entries that it lacks.", labels=["replica"])
    seen = GaugeMetricFamily(
        "custodes_replica_seen_timestamp_seconds", "When it last said that it is there.", labels=["replica"]
    )
    for one in table.rows if table is not None else ():
        connected.add_metric([one.name], float(one.is_connected))
        seen.add_metric([one.name], one.seen_ns / NS_PER_S)
        if (lag := lag_of(table, one)) is not None:
            behind.add_metric([one.name], lag)
    yield from (connected, behind, seen)


def _of_witnesses(cosigned: Sequence[CosignedCheckpoint]) -> Iterable[Metric]:
    size = GaugeMetricFamily("custodes_witnessed_entries", "Log entries that a witness signed.", labels=["witness"])
    when = GaugeMetricFamily(
        "custodes_witnessed_timestamp_seconds", "When a witness signed last, by its clock.", labels=["witness"]
    )
    for one in cosigned:
        size.add_metric([one.witness], one.size)
        when.add_metric([one.witness], float(one.time_s))
    return size, when
