"""The process that takes the analysers' place where a Ray cluster analyses: packets to cells, facts to the server.

Recorder, server, keys and log are not on Ray: without a cluster a site records on, and analysis begins again when the
cluster is back. Which camera is in which cell is decided here; on which machine a cell is, by `runtime.ray_cells`.
"""

import argparse
import contextvars
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import structlog

from custodes.adapters.ipc.facts import FactSender
from custodes.app.analyser import LEARNT_EVERY_NS, STATUS_NS, Intake, cell_settings
from custodes.app.analysis_cell import FACTORY
from custodes.app.checkpoints import Checkpoints
from custodes.config import SiteConfig, SitePaths, load_effective
from custodes.errors import CustodesError, DeadlineExceeded, Unavailable
from custodes.ports.clock import Clock
from custodes.runtime.cells import CellPlan, CellRunner, Fed
from custodes.runtime.clock import SystemClock
from custodes.runtime.memory import hide_memory
from custodes.runtime.parent import die_with_parent
from custodes.runtime.ray_cells import RayHost, check_reachable, connect, drained_nodes, tell_cells
from custodes.runtime.stopping import StopSignals
from custodes.telemetry import logs
from custodes.types.cell import CellCamera, CellReport, CellScene, CellState, CellWaiting
from custodes.types.codec import decode, encode
from custodes.types.event import Fact
from custodes.types.media import Packet
from custodes.types.scene import CameraScene
from custodes.types.stream import is_second
from custodes.units import NS_PER_S, CameraId

TURN_S = 0.02
"""How long packets are gathered: what a lot costs is paid fifty times a second at most."""

TURN_ITEMS = 16
"""Of a camera in a lot, so that one that has much waiting does not fill it."""

LOT_ITEMS = 128
WATCH_NS = 2 * NS_PER_S
STOP_S = 2.5
"""For the ends of all tracks; the supervisor waits a second longer."""

_BACKLOG_STEP_NS = NS_PER_S // 20


def plan_of(config: SiteConfig) -> CellPlan:
    """How a cell on another machine is made."""
    return CellPlan(factory=FACTORY, settings=cell_settings(config))


class Cells:
    """All cells of a site. Owned by one thread."""

    def __init__(
        self,
        intake: Intake,
        sender: FactSender,
        make_runner: Callable[[str], CellRunner],
        config: SiteConfig,
        *,
        clock: Clock,
        tracks: Checkpoints,
        learnt: Checkpoints,
        cameras_per_cell: int,
    ) -> None:
        """`tracks`, `learnt`: what outlives cells and this process, as for an analyser on this machine."""
        self._intake, self._sender, self._make_runner, self._config = intake, sender, make_runner, config
        self._clock, self._tracks, self._learnt = clock, tracks, learnt
        self._per_cell = cameras_per_cell
        self._cells: dict[str, CellRunner] = {}
        self._cell_of: dict[CameraId, str] = {}
        self._told: dict[CameraId, CellScene] = {}
        self._backlog_ns: dict[CameraId, int] = {}
        self._unreported: set[CameraId] = set()
        self._reported_ns = clock.monotonic_ns()
        self._learnt_ns: dict[CameraId, int] = {}
        self._errors: dict[CameraId, int] = {}

    @property
    def cells(self) -> Sequence[CellRunner]:
        """All that were begun."""
        return tuple(self._cells.values())

    def cameras_of(self, cell: str) -> list[CameraId]:
        """Those that are in it."""
        return sorted(camera_id for camera_id, name in self._cell_of.items() if name == cell)

    def turn(self) -> None:
        """Gather what waits for some milliseconds, feed the cells, pass on what they answer."""
        lots: dict[str, list[Fed]] = {}
        put_back: list[CameraId] = []
        if self._clock.monotonic_ns() - self._reported_ns >= STATUS_NS:
            self._reported_ns = self._clock.monotonic_ns()
            self._unreported = {one for one in self._cell_of if one in self._intake.cameras}
        for _ in range(len(self._intake.cameras) + 1):
            camera_id = self._intake.next_camera(TURN_S if not put_back and not lots else 0.0)
            if camera_id is None:
                break
            cell = self._cell(camera_id)
            lot = lots.setdefault(cell.name, [])
            if not cell.is_full and len(lot) < LOT_ITEMS:
                self._gather(camera_id, lot)
            put_back.append(camera_id)
        for camera_id in put_back:
            self._intake.end_turn(camera_id)
        for name, cell in self._cells.items():
            lot = lots.get(name, [])
            if not cell.is_full:
                due = [one for one in self.cameras_of(name) if one in self._unreported]
                self._unreported.difference_update(due)
                lot += map(self._ask, due)
                if lot:
                    cell.feed(lot)
            self._pass_on(cell.take(TURN_S if cell.is_full else 0.0))

    def end(self) -> None:
        """Tracks end and are told; a cell that does not answer keeps its checkpoints for the next start."""
        for name, cell in self._cells.items():
            try:
                self._pass_on(cell.flush(STOP_S / len(self._cells)))
                for camera_id in self.cameras_of(name):
                    self._tracks.write(camera_id, b"")
            except DeadlineExceeded as error:
                structlog.get_logger().warning("a cell did not end its tracks", cell=name, reason=str(error))
            cell.close()

    # -- towards a cell --------------------------------------------------------------------------------

    def _cell(self, camera_id: CameraId) -> CellRunner:
        """Where the camera is; a new one goes where there is room, to the cell that worked least for each of its."""
        name = self._cell_of.get(camera_id)
        if name is None:
            with_room = [one for one in self._cells.values() if len(self.cameras_of(one.name)) < self._per_cell]
            best = min(with_room, key=lambda one: one.busy_ns, default=None)
            if best is None:
                best = self._make_runner(f"cell-{len(self._cells)}")
                self._cells[best.name] = best
            name = self._cell_of[camera_id] = best.name
        return self._cells[name]

    def _gather(self, camera_id: CameraId, lot: list[Fed]) -> None:
        for value in self._news(camera_id):
            lot.append(Fed(key=camera_id, payload=encode(value)))
        for _ in range(TURN_ITEMS):
            popped = self._intake.pop(camera_id)
            if popped is None:
                return
            item, shed, backlog_ns = popped
            if shed or abs(backlog_ns - self._backlog_ns.get(camera_id, 0)) > _BACKLOG_STEP_NS:
                self._backlog_ns[camera_id] = backlog_ns
                waiting = CellWaiting(camera_id=camera_id, shed=shed, backlog_ns=backlog_ns)
                lot.append(Fed(key=camera_id, payload=encode(waiting)))
            is_cut = isinstance(item, Packet) and item.is_keyframe
            lot.append(Fed(key=camera_id, payload=encode(item), is_cut=is_cut))

    def _news(self, camera_id: CameraId) -> Sequence[CellCamera | CellScene]:
        """What the cell does not know of the camera yet."""
        scene = CellScene(
            camera_id=camera_id,
            areas=self._intake.areas.get(camera_id, ()),
            scene=self._intake.scenes.get(camera_id, CameraScene()),
        )
        told, self._told[camera_id] = self._told.get(camera_id), scene
        if told == scene:
            return ()
        if told is not None:
            return (scene,)
        tampering = self._config.analyser.tampering
        return (
            CellCamera(
                camera_id=camera_id,
                fps=self._config.analyser.fps,
                has_gate=self._config.analyser.gate,
                watches_tampering=camera_id not in tampering.ignore and not is_second(camera_id),
                watches_replay=camera_id not in self._intake.files and tampering.replays,
                areas=scene.areas,
                scene=scene.scene,
                tracks=self._tracks.read(camera_id),
                learnt=self._learnt.read(camera_id),
                now_ns=self._clock.now_ns(),
            ),
        )

    def _ask(self, camera_id: CameraId) -> Fed:
        asked = CellReport(camera_id=camera_id, now_ns=self._clock.now_ns())
        return Fed(key=camera_id, payload=encode(asked), is_kept=False)

    # -- from a cell -----------------------------------------------------------------------------------

    def _pass_on(self, outputs: Sequence[tuple[str, bytes]]) -> None:
        for _, output in outputs:
            value = decode(output)
            if isinstance(value, CellState):
                self._keep(value)
            else:
                self._sender.put(cast(Fact, value))  # refused there if it is none

    def _keep(self, state: CellState) -> None:
        camera_id, now_ns = state.camera_id, self._clock.monotonic_ns()
        self._tracks.write(camera_id, state.tracks)
        if state.learnt and now_ns - self._learnt_ns.get(camera_id, 0) >= LEARNT_EVERY_NS:
            self._learnt_ns[camera_id] = now_ns
            self._learnt.write(camera_id, state.learnt)
        if state.detector_errors > self._errors.get(camera_id, 0):
            structlog.get_logger().error(
                "the detector failed; the camera is masked whole", camera_id=camera_id, errors=state.detector_errors
            )
        self._errors[camera_id] = state.detector_errors


class Machines:
    """Moves cells off machines that are drained, and tells the cluster what is where."""

    def __init__(self, ray: Any, host: RayHost, cells: Cells, site: str) -> None:
        self._ray, self._host, self._cells, self._site = ray, host, cells, site

    def look(self) -> None:
        """Raises: Unavailable when the cluster is gone."""
        self._host.drained = drained_nodes(self._ray)
        for cell in self._cells.cells:
            if cell.place in self._host.drained:
                structlog.get_logger().info(
                    "a cell leaves a machine that is drained", cell=cell.name, from_=cell.where
                )
                cell.move()
        rows = [
            {
                "cell": cell.name,
                "machine": cell.where,
                "node": cell.place,
                "cameras": self._cells.cameras_of(cell.name),
                "busy_s": round(cell.busy_ns / NS_PER_S, 1),
                "losses": cell.losses,
                "left_out": cell.skipped,
            }
            for cell in self._cells.cells
        ]
        tell_cells(self._ray, self._site, msgspec.json.encode(rows))


def run(paths: SitePaths, name: str, config: SiteConfig, stopped: threading.Event, signals: StopSignals) -> None:
    """Until `stopped`, which `signals` set.

    Raises: FailedPrecondition without the extra; Unavailable when the cluster is gone.
    """
    cluster = config.analyser.ray
    assert cluster is not None
    clock = SystemClock()
    ray = connect(cluster.address, cluster.token_file)
    signals.listen()  # ray took SIGTERM for itself
    host = RayHost(ray, labels=cluster.labels, cpus=cluster.cpus)
    sender = FactSender(paths.socket("server-facts"), name)
    intake = Intake(paths, sender.put, index=0, processes=1, recorders=config.recorder.names)
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(body,), name=body.__name__, daemon=True)
        for body in (intake.read_forever, sender.run)
    ]
    for thread in threads:
        thread.start()
    plan = plan_of(config)
    cells = Cells(
        intake,
        sender,
        lambda cell: CellRunner(host, cell, plan),
        config,
        clock=clock,
        tracks=Checkpoints(paths.run_dir),
        learnt=Checkpoints(paths.run_dir, "gate"),
        cameras_per_cell=cluster.cameras_per_cell,
    )
    machines, looked_ns = Machines(ray, host, cells, config.name), 0
    structlog.get_logger().info("cells work", cluster=cluster.address, labels=cluster.labels)
    while not stopped.is_set():
        cells.turn()
        if clock.monotonic_ns() - looked_ns >= WATCH_NS:
            looked_ns = clock.monotonic_ns()
            machines.look()
    intake.stop()
    cells.end()
    sender.stop()
    for thread in threads:
        thread.join(STOP_S / 2)


def main() -> None:
    """Entry point of the process."""
    die_with_parent()
    hide_memory()
    parser = argparse.ArgumentParser(prog="custodes.app.cluster")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="analyser-0")
    arguments = parser.parse_args()
    paths = SitePaths(arguments.data.resolve())
    stopped = threading.Event()
    signals = StopSignals(stopped.set)
    try:
        config = load_effective(paths.data_dir)
        logs.configure(arguments.name, log_dir=paths.log_dir, level=config.log_level)
        _until_there(paths, arguments.name, config, stopped, signals)
    except CustodesError as error:
        structlog.get_logger().error("cells cannot run", error=str(error), error_kind=error.kind.value)
        sys.exit(f"cluster: {error}")
    # Ray's own threads may wait for a cluster that is gone; nothing of ours is open any more.
    sys.stdout.flush()
    os._exit(0)


def _until_there(
    paths: SitePaths, name: str, config: SiteConfig, stopped: threading.Event, signals: StopSignals
) -> None:
    """A cluster that is away is waited for: the site records meanwhile. Once it was there, a new process begins."""
    cluster, is_told = config.analyser.ray, False
    assert cluster is not None, "the configuration asks for it"
    while not stopped.is_set():
        try:
            check_reachable(cluster.address)
        except Unavailable as error:
            if not is_told:
                structlog.get_logger().warning("no analysis: the cluster is away", reason=str(error))
                is_told = True
            stopped.wait(2.0)
            continue
        run(paths, name, config, stopped, signals)
        return


if __name__ == "__main__":
    main()
