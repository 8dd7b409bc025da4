"""The recorder process: cameras in, sealed segments, journal and packets out. It can write and never read back.

The main thread watches the assignment file, the camera threads and the signals. Nothing here waits for the server, an
analyser or a viewer.
"""

import argparse
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from custodes.adapters.blob.disk import Disk
from custodes.adapters.camera import open_camera
from custodes.adapters.camera.burning import BurningCamera
from custodes.adapters.camera.rtsp import CONNECT_BOUND_S
from custodes.adapters.camera.source import MAX_KEYFRAME_WAIT_NS
from custodes.adapters.ipc.hub import Hub
from custodes.app.recorder_camera import HANG_MARGIN_NS, CameraWorker, disabled_status
from custodes.app.recorder_devices import DeviceListeners
from custodes.app.recorder_facts import LatestFacts
from custodes.app.recorder_tenure import Tenure, TenureKeeper, take_lock
from custodes.config import SiteConfig, SitePaths, load_effective, read_assignment, read_identity
from custodes.config.durable import make_folder
from custodes.errors import ConfigError, CustodesError, DataLoss, FailedPrecondition, StorageFailed, StorageFull
from custodes.media.losses import LOSSES
from custodes.ports.camera import CameraSource
from custodes.ports.clock import Clock
from custodes.record.compaction import compact, current
from custodes.record.journal import JournalWriter, open_journal
from custodes.record.reconcile import JournalState, adopt_later, reached_ns, reconcile, unknown_among
from custodes.record.recording import CameraRecording, RecordingPolicy
from custodes.record.scratch import Scratch
from custodes.runtime.clock import SystemClock
from custodes.runtime.memory import hide_memory
from custodes.runtime.parent import die_with_parent
from custodes.runtime.stopping import StopSignals
from custodes.sealing.published import PublishedKey, latest_usable, read_pinned
from custodes.telemetry import logs
from custodes.types.event import JournalRecord, OpenSegment
from custodes.types.media import GapCause
from custodes.types.message import CameraSpec
from custodes.types.recorders import GivenCamera
from custodes.types.stream import camera_of
from custodes.units import NS_PER_S, CameraId, Ns

POLL_S = 0.5
"""How often the assignment file is looked at."""

STATUS_POLLS = 2
"""A status per camera and second; the server counts one as stale after six."""

OPEN_BOUND_NS = int(CONNECT_BOUND_S * NS_PER_S) + MAX_KEYFRAME_WAIT_NS
"""All attempts to connect, then the wait for a first keyframe."""

MAX_ABANDONED = 8
"""Threads left hanging in FFmpeg; then the process ends and the supervisor starts a clean one."""

PEERS_SETTLE_S = 30.0
"""A file is made, then told to the journal, within one GOP; a disk may take seconds for it."""

GC_THRESHOLDS = (20_000, 20, 50)
"""CPython's defaults (700, 10, 10) collect every 350 packets: each packet of a GOP that fills is two objects."""

EXIT_BOUND_S = 4.0
"""After SIGTERM; the supervisor kills later."""


class SharedJournal:
    """One journal for all camera threads."""

    def __init__(self, journal: JournalWriter) -> None:
        self._journal = journal
        self._lock = threading.Lock()

    def append(self, record: JournalRecord) -> bool:
        """See `record.journal.JournalWriter`."""
        with self._lock:
            return self._journal.append(record)

    def flush(self) -> None:
        """Try what the disk refused before."""
        with self._lock:
            self._journal.flush()

    def close(self) -> None:
        """Last try."""
        with self._lock:
            self._journal.close()


class PublishedKeys:
    """Finds the key to seal to; verified keys of the wanted day are kept in memory. Thread-safe."""

    def __init__(self, paths: SitePaths) -> None:
        self._paths = paths
        self._known: dict[CameraId, PublishedKey] = {}

    def find(self, camera_id: CameraId, day: str) -> PublishedKey:
        """See `sealing.published.latest_usable`; only the newest per camera is kept."""
        known = self._known.get(camera_id)
        if known is not None and known.day == day:
            return known
        key = latest_usable(self._paths.public_keys, camera_id, day, read_pinned(self._paths.warden_key))
        self._known[camera_id] = key
        return key


class Recorder:
    """All cameras of one recorder process. Used by the main thread."""

    def __init__(
        self,
        data_dir: Path,
        config: SiteConfig,
        *,
        name: str = "recorder",
        clock: Clock | None = None,
        environ: Mapping[str, str] = os.environ,
        news: threading.Event | None = None,
    ) -> None:
        """Reconcile what a crash left, open journal and hubs. `news`: set when `poll` has something to do at once.

        Raises: FailedPrecondition, AlreadyExists, StorageFull, StorageFailed, Unavailable.
        """
        self._paths = SitePaths(data_dir)
        self._config = config
        self._clock: Clock = clock or SystemClock()
        self._environ = environ
        self._log = structlog.get_logger()
        identity = read_identity(self._paths.identity)
        if identity is None:
            raise FailedPrecondition(f"{self._paths.identity} is not there; the supervisor writes it")
        self._storage = Disk(anchor=self._paths.identity)
        self._policy = RecordingPolicy(
            site_id=identity.site_id,
            data_dir=data_dir,
            segment_ns=int(config.recorder.segment_s * NS_PER_S),
            min_free_bytes=config.recorder.min_free_mb * 2**20,
        )
        if name not in config.recorder.names:
            raise FailedPrecondition(
                f"no recorder {name!r} is configured; there are {', '.join(config.recorder.names)}"
            )
        self._has_peers = config.recorder.processes > 1
        make_folder(self._paths.journal_dir, mode=0o700)
        self._lock_held = take_lock(self._paths.recorder_lock(name))
        self._tenure, self._keeper = self._open_tenure(name, news or threading.Event())
        self._was_in_doubt = False
        self._keys = PublishedKeys(self._paths)
        self._scratch = Scratch()
        known = JournalState()
        journal_path = self._journal_path(name)
        self._journal = SharedJournal(self._open_journal(journal_path, known))
        self._last_end_ns = self._reconcile(known, journal_path.name)
        self._analysis = Hub(self._paths.hub("hub-analysis", name), tells_watched=True)
        self._live = Hub(self._paths.hub("hub-live", name), on_watched=self._analysis.set_watched)
        self._facts = LatestFacts(self._paths.socket("server-facts"), sender=name)
        self._devices = DeviceListeners(config.recorder.device_events, clock=self._clock, environ=environ)
        self._workers: dict[CameraId, CameraWorker] = {}
        self._disabled: dict[CameraId, CameraSpec] = {}
        self._assigned: tuple[int, int] | None = None
        self._given: Mapping[CameraId, GivenCamera] | None = None
        self._polls = 0
        self.abandoned = 0

    def start(self) -> None:
        """Open hubs and facts; cameras follow with the first `poll`."""
        self._analysis.start()
        self._live.start()
        self._facts.start()
        if self._keeper is not None:
            self._keeper.start()
        if self._unadopted:
            threading.Thread(target=self._adopt, name="adopt", daemon=True).start()

    def poll(self) -> None:
        """Take over a changed assignment, replace dead and hung threads, tell the server how the cameras are."""
        self._take_assignment()
        self._mind_doubt()
        for worker in list(self._workers.values()):
            # Without a tenure threads wait, as after a pause that no thread's hanging explains.
            if worker.is_dead or (worker.is_hung and (self._tenure is None or self._tenure.is_current)):
                self._replace(worker)
        self._journal.flush()
        self._polls += 1
        if self._polls % STATUS_POLLS:
            return
        statuses = [self._devices.tell(worker.tick()) for worker in self._workers.values()]
        statuses += [disabled_status(spec, self._clock.now_ns()) for spec in self._disabled.values()]
        if statuses:
            self._facts.put(*statuses)  # together: each call wakes the sending thread

    def stop(self) -> None:
        """Seal everything and close. Bounded: a camera thread that hangs in FFmpeg is left behind."""
        self._devices.follow(())
        for worker in self._workers.values():
            worker.ask_to_stop()
        for worker in self._workers.values():
            worker.finish()
        if self._keeper is not None:
            self._keeper.leave()
        self._facts.stop()
        self._analysis.stop()
        self._live.stop()
        self._journal.close()

    def _journal_path(self, name: str) -> Path:
        """Written anew before it is opened, when most of it is outdated."""
        folder = self._paths.journal_dir
        try:
            path = compact(self._storage, folder, name)
        except DataLoss:
            return current(folder, name)  # put aside when it is opened
        if path.name != f"{name}.journal":
            self._log.info("journal", file=path.name, bytes=path.stat().st_size if path.exists() else 0)
        return path

    def _open_journal(self, path: Path, known: JournalState) -> JournalWriter:
        writer, aside = open_journal(self._storage, path, self._clock.now_ns(), known)
        if aside is not None:
            self._log.error("journal put aside; only its gaps are lost", journal=path.name, aside=aside.name)
        return writer

    def _reconcile(self, known: JournalState, read_already: str) -> dict[CameraId, Ns]:
        found = reconcile(
            self._paths.data_dir,
            self._storage,
            self._journal,
            site_id=self._policy.site_id,
            state=known,
            read_already=read_already,
            is_brief=True,
            has_peers=self._has_peers,
        )
        self._unadopted = found.later
        if found.sealed or found.adopted or found.lost or found.unborn or found.unreadable:
            self._log.warning(
                "an earlier recorder did not end in order",
                sealed=found.sealed,
                adopted=found.adopted,
                lost=found.lost,
                unborn=found.unborn,
                cut_bytes=found.cut_bytes,
                unreadable=list(found.unreadable[:20]),
            )
        return found.last_end_ns

    def _open_tenure(self, name: str, news: threading.Event) -> tuple[Tenure | None, TenureKeeper | None]:
        """Of several recorders each asks what is its own; a site's only one has everything."""
        if not self._has_peers:
            return None, None
        tenure = Tenure()
        keeper = TenureKeeper(
            self._paths.socket("server-leases"),
            self._paths.recorder_memory(name),
            recorder=name,
            lease_ns=int(self._config.recorder.lease_s * NS_PER_S),
            tenure=tenure,
            news=news,
        )
        return tenure, keeper

    def _mind_doubt(self) -> None:
        """What is recorded while nobody answers is a segment of its own, so that it can be judged apart."""
        is_in_doubt = self._tenure is not None and self._tenure.is_in_doubt
        if is_in_doubt and not self._was_in_doubt:
            for worker in self._workers.values():
                worker.cut()
        self._was_in_doubt = is_in_doubt

    def _adopt(self) -> None:
        """Files that no journal knows, however many: recording does not wait for them."""
        try:
            unadopted: Sequence[str] = self._unadopted
            if self._has_peers:
                time.sleep(PEERS_SETTLE_S)  # a peer that had just made one has told its journal by now, or is dead
                unadopted = unknown_among(self._paths.journal_dir, unadopted)
            done = adopt_later(
                self._paths.data_dir, self._storage, self._journal, unadopted, site_id=self._policy.site_id
            )
        except (StorageFull, StorageFailed) as error:
            self._log.error("files that no journal knows wait for the next start", reason=str(error))
            return
        self._log.warning(
            "files that no journal knows",
            adopted=done.adopted,
            unborn=done.unborn,
            unreadable=list(done.unreadable[:20]),
        )

    def _take_assignment(self) -> None:
        try:
            status = self._paths.assignment.stat()
        except FileNotFoundError:
            return
        given = self._keeper.given if self._keeper is not None else None
        if self._keeper is not None and given is None:
            return  # nobody has said yet what is to be recorded here
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._assigned and given is self._given:
            return
        self._assigned, self._given = stamp, given
        try:
            assignment = read_assignment(self._paths.assignment)
        except ConfigError as error:
            self._log.error("assignment cannot be used; cameras stay as they are", reason=str(error))
            return
        # What people draw into the picture, and whether it is analysed, is the analysers' business: it must not make a
        # camera reconnect. But for zones that are filled before storing: a changed one makes a new worker, so that no
        # picture is filled by halves.
        wanted = {
            spec.camera_id: replace(spec, detect_areas=(), scene=spec.scene.for_recorder(), is_analysed=True)
            for spec in assignment.cameras
            if given is None or not spec.is_enabled or camera_of(spec.camera_id) in given
        }
        self._disabled = {camera_id: spec for camera_id, spec in wanted.items() if not spec.is_enabled}
        for camera_id, worker in list(self._workers.items()):
            if wanted.get(camera_id) != worker.spec or worker.lease_epoch != _epoch_of(camera_id, given):
                del self._workers[camera_id]
                self._finish(worker, keeps_story=camera_id in wanted and camera_id not in self._disabled)
                self._log.info("camera stopped", camera=camera_id)
        for camera_id, spec in wanted.items():
            if spec.is_enabled and camera_id not in self._workers:
                self._take_story(spec, given)
                self._begin(spec, lease_epoch=_epoch_of(camera_id, given))
        if self._keeper is not None:
            self._keeper.hold({camera_of(one): worker.lease_epoch for one, worker in self._workers.items()}, given)
        self._devices.follow([spec for spec in wanted.values() if spec.is_enabled])

    def _take_story(self, spec: CameraSpec, given: Mapping[CameraId, GivenCamera] | None) -> None:
        """Where a camera's recording ends that a peer had until now: its gap begins there."""
        if given is None:
            return
        known = dict(given[camera_of(spec.camera_id)].story).get(spec.camera_id)
        ends = [known, reached_ns(self._paths.data_dir, spec.camera_id), self._last_end_ns.get(spec.camera_id)]
        found = [end_ns for end_ns in ends if end_ns is not None]
        if found:
            self._last_end_ns[spec.camera_id] = max(found)

    def _begin(self, spec: CameraSpec, *, lease_epoch: int = 0, down_cause: GapCause = GapCause.RECORDER_DOWN) -> None:
        sink: list[CameraWorker] = []
        recording = CameraRecording(
            spec.camera_id,
            policy=self._policy,
            storage=self._storage,
            journal=self._journal,
            find_key=self._keys.find,
            scratch=self._scratch,
            last_end_ns=self._last_end_ns.get(spec.camera_id),
            lease_epoch=lease_epoch,
            down_cause=down_cause,
            on_opening=lambda opening: sink[-1].on_opening(opening),
            on_segment=lambda segment: self._facts.put(OpenSegment(segment=segment)),
        )
        worker = self._worker(spec, recording, lease_epoch)
        sink.append(worker)
        self._workers[spec.camera_id] = worker
        worker.start()

    def _worker(self, spec: CameraSpec, recording: CameraRecording, lease_epoch: int) -> CameraWorker:
        return CameraWorker(
            spec,
            make_source=self._source,
            recording=recording,
            analysis_hub=self._analysis,
            live_hub=self._live,
            clock=self._clock,
            hang_ns=OPEN_BOUND_NS + int(self._config.recorder.stall_s * NS_PER_S) + HANG_MARGIN_NS,
            tenure=self._tenure,
            lease_epoch=lease_epoch,
        )

    def _source(self, spec: CameraSpec, wait: Callable[[float], object]) -> CameraSource:
        source = open_camera(
            spec, self._clock, stall_s=self._config.recorder.stall_s, environ=self._environ, wait=wait
        )
        if not spec.scene.burns_in:
            return source
        return BurningCamera(source, camera_id=spec.camera_id, scene=spec.scene, clock=self._clock)

    def _replace(self, worker: CameraWorker) -> None:
        """A new thread and a new recording; the old ones are sealed and left."""
        self.abandoned += 1
        self._log.error(
            "camera thread replaced",
            camera=worker.camera_id,
            reason="hangs in FFmpeg" if worker.is_hung else "ended by a defect",
        )
        self._finish(worker, keeps_story=True)
        self._begin(worker.spec, lease_epoch=worker.lease_epoch, down_cause=GapCause.STALLED)

    def _finish(self, worker: CameraWorker, *, keeps_story: bool) -> None:
        """Seal; with `keeps_story` the time until the next worker records is a gap, without it nobody wanted video."""
        worker.finish()
        covered_ns = worker.recording.covered_ns
        if keeps_story and covered_ns is not None:
            self._last_end_ns[worker.camera_id] = covered_ns
        else:
            self._last_end_ns.pop(worker.camera_id, None)


def _epoch_of(stream: CameraId, given: Mapping[CameraId, GivenCamera] | None) -> int:
    one = None if given is None else given.get(camera_of(stream))
    return 0 if one is None else one.epoch


def _run(recorder: Recorder, stopping: threading.Event, news: threading.Event) -> None:
    recorder.start()
    # Packets make no cycles: without this the collector walks all that was imported, again and again.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    while not stopping.is_set() and recorder.abandoned <= MAX_ABANDONED:
        recorder.poll()
        news.wait(POLL_S)
        news.clear()


def _ask_to_stop(stopping: threading.Event, news: threading.Event) -> None:
    stopping.set()
    news.set()


def main() -> None:
    """`python -m custodes.app.recorder --data DIR [--name NAME]`."""
    die_with_parent()
    hide_memory()
    parser = argparse.ArgumentParser(description="custodes recorder; started by the supervisor")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="recorder")
    arguments = parser.parse_args()
    stopping, news = threading.Event(), threading.Event()
    StopSignals(partial(_ask_to_stop, stopping, news))
    # A write beyond RLIMIT_FSIZE is an error to handle (StorageFull), not a death.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    data_dir = arguments.data.resolve()
    try:
        config = load_effective(data_dir)
        logs.configure(arguments.name, log_dir=SitePaths(data_dir).log_dir, level=config.log_level)
        LOSSES.start()
        recorder = Recorder(data_dir, config, name=arguments.name, news=news)
    except CustodesError as error:
        print(f"recorder: {error}", file=sys.stderr)  # noqa: T201 - the supervisor keeps it as the reason
        sys.exit(1)
    log = structlog.get_logger()
    log.info("recorder started", pid=os.getpid())
    _run(recorder, stopping, news)
    # Should a disk hang in fsync, the process still ends in time; what is not sealed is reconciled at the next start.
    last_resort = threading.Timer(EXIT_BOUND_S, os._exit, args=(1,))
    last_resort.daemon = True
    last_resort.start()
    recorder.stop()
    log.info("recorder stopped", pid=os.getpid())
    logging.shutdown()
    # Not sys.exit: a daemon thread inside FFmpeg must not be torn down by the interpreter's finalisation.
    os._exit(0 if stopping.is_set() else 1)


if __name__ == "__main__":
    main()
