"""Replicas of analysis cells as actors of a Ray cluster: one actor, one cell. The only module that imports ray.

Lots of packets go to an actor and answers come back, as bytes; decoded frames never leave it. Ray restarts no actor:
whoever feeds it rebuilds it from its snapshots (`cells`), on whichever machine has room and the wanted labels. Among
those, the one that is least loaded as measured there, not as booked.

A cluster's machines are trusted like the analyser itself: they see pictures, and hold no key, gallery or catalog.
"""

import contextlib
import os
import socket
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from custodes import __version__
from custodes.errors import CustodesError, FailedPrecondition, Unavailable
from custodes.runtime.cells import CellPlan, Replica

NAMESPACE = "custodes"
_ASK_S = 5.0
_SOME = 0.01
_WORKERS = {"RAY_worker_niceness": "0", "RAY_prestart_worker_first_driver": "0"}
_DRAINED, _CELLS = "custodes/drained/", "custodes/cells/"


def connect(address: str, token_file: Path | None = None) -> Any:
    """The library, with this process a driver of the cluster at `address` (host:port, or `local` for one of its own).

    Raises: FailedPrecondition without the extra `cluster`; Unavailable when nobody answers or the token is refused.
    """
    set_environment(token_file)
    try:
        import ray
    except ImportError as error:
        raise FailedPrecondition("a Ray cluster needs the extra: pip install 'custodes[cluster]'") from error
    own: dict[str, Any] = {"include_dashboard": False, "num_cpus": os.cpu_count()} if address == "local" else {}
    try:
        ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False, **own)
    except Exception as error:
        raise Unavailable(f"the Ray cluster at {address} cannot be joined: {error}") from error
    return ray


def set_environment(token_file: Path | None) -> None:
    """What ray reads when it is imported and when it starts processes: nothing is told to its makers, nobody gets in
    without the token, and live cells have the priority of the process that feeds them.

    Ray's own default for workers is nice 15: on a machine that does anything else, a live cell then took five times as
    long for the same work (`bench.cells`). Tasks over segments lower theirs by themselves. Workers that are started
    before anybody wants them cost a second of a core each, and a site wants one a cell.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.update(_WORKERS)
    if token_file is not None:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token_file)


def check_reachable(address: str) -> None:
    """Asked before `connect`, which tries for a minute. Raises: Unavailable when nobody listens there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ASK_S).close()
    except OSError as error:
        raise Unavailable(f"nobody listens at {address}: {error}") from error


def drain(ray: Any, node_id: str, *, is_drained: bool) -> None:
    """Cells leave the machine and none begins there; or it may be used again. Raises: Unavailable."""
    kv = ray.experimental.internal_kv
    key = f"{_DRAINED}{node_id}".encode()
    with _translated():
        if is_drained:
            kv._internal_kv_put(key, b"1", overwrite=True)
        else:
            kv._internal_kv_del(key)


def drained_nodes(ray: Any) -> frozenset[str]:
    """Ids of machines that are drained. Raises: Unavailable."""
    with _translated():
        keys = ray.experimental.internal_kv._internal_kv_list(_DRAINED.encode())
    return frozenset(key.decode().removeprefix(_DRAINED) for key in keys)


def tell_cells(ray: Any, site: str, rows: bytes) -> None:
    """What is where, for `custodes cluster status`. Raises: Unavailable."""
    with _translated():
        ray.experimental.internal_kv._internal_kv_put(f"{_CELLS}{site}".encode(), rows, overwrite=True)


def told_cells(ray: Any) -> dict[str, bytes]:
    """By site, what each told last. Raises: Unavailable."""
    kv = ray.experimental.internal_kv
    with _translated():
        return {
            key.decode().removeprefix(_CELLS): kv._internal_kv_get(key) or b"[]"
            for key in kv._internal_kv_list(_CELLS.encode())
        }


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except CustodesError:
        raise
    except Exception as error:  # ray raises its own, grpc's and RuntimeError
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Unavailable(f"the Ray cluster does not answer: {reason}") from error


class RayHost:
    """Makes actors on machines with all of `labels`; each books `cpus` of them."""

    def __init__(self, ray: Any, *, labels: Mapping[str, str], cpus: float = 1.0) -> None:
        """`ray`: what `connect` returned."""
        self._ray, self._labels, self._cpus = ray, dict(labels), cpus
        self.drained: frozenset[str] = frozenset()
        """Ids of machines where nothing is to begin; replaced by whoever knows."""

    def start(self, name: str, plan: CellPlan) -> "RayReplica":
        """See `Host`. Raises: Unavailable when no machine has the labels."""
        with _translated():
            return self._start(plan)

    def _start(self, plan: CellPlan) -> "RayReplica":
        node_id, machine = self._least_loaded()
        ray = self._ray
        strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)
        actor = ray.remote(_Actor).options(
            num_cpus=self._cpus, max_restarts=0, max_task_retries=0, scheduling_strategy=strategy
        )
        replica = actor.remote(plan.factory, plan.settings, plan.snapshot_items, __version__)
        return RayReplica(ray, replica, node_id, machine)

    def nodes(self) -> list[dict[str, Any]]:
        """Machines that are up, as Ray describes them."""
        with _translated():
            return [node for node in self._ray.nodes() if node["Alive"]]

    def _least_loaded(self) -> tuple[str, str]:
        """Id and name of the machine to begin on. Raises: Unavailable."""
        fit = [
            node
            for node in self.nodes()
            if node["NodeID"] not in self.drained
            # One that joined with no cores works for nobody, also for who books none.
            and node["Resources"].get("CPU", 0.0) >= max(self._cpus, _SOME)
            and all(node.get("Labels", {}).get(key) == value for key, value in self._labels.items())
        ]
        if not fit:
            wanted = ", ".join(f"{key}={value}" for key, value in self._labels.items()) or "none"
            raise Unavailable(f"no machine of the cluster is up with {self._cpus:g} CPUs and labels: {wanted}")
        loads = self._loads([node["NodeID"] for node in fit])
        best = min(fit, key=lambda node: loads.get(node["NodeID"], float("inf")))
        return best["NodeID"], best["NodeManagerAddress"]

    def _loads(self, node_ids: list[str]) -> dict[str, float]:
        """Share of its cores that each is short of or has to spare, booked and measured; who does not answer is
        missing."""
        ray = self._ray
        ask = ray.remote(_load)
        affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        asked = {
            ask.options(num_cpus=0, max_retries=0, scheduling_strategy=affinity(one, soft=False)).remote(): one
            for one in node_ids
        }
        ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_ASK_S)
        free = ray._private.state.available_resources_per_node()
        loads: dict[str, float] = {}
        for ref in ready:
            node_id = asked[ref]
            with contextlib.suppress(Exception):  # gone since: then nothing is placed there
                cpus = free.get(node_id, {}).get("CPU", 0.0)
                loads[node_id] = float(ray.get(ref)) + (100.0 if cpus < self._cpus else 0.0)
        return loads


class RayReplica:
    """See `ReplicaHandle`."""

    def __init__(self, ray: Any, actor: Any, node_id: str, machine: str) -> None:
        self._ray, self._actor = ray, actor
        self._node_id, self._machine = node_id, machine
        self._answers: deque[Any] = deque()

    @property
    def where(self) -> str:
        """See `ReplicaHandle`."""
        return self._machine

    @property
    def place(self) -> str:
        """See `ReplicaHandle`."""
        return self._node_id

    def send(self, lot: bytes) -> None:
        """See `ReplicaHandle`."""
        self._answers.append(self._actor.take.remote(lot))

    def receive(self, timeout_s: float) -> bytes | None:
        """See `ReplicaHandle`. Raises: FailedPrecondition when the machine has another version of custodes."""
        if not self._answers:
            return None
        with _translated():
            ready, _ = self._ray.wait([self._answers[0]], timeout=timeout_s)
            if not ready:
                return None
            self._answers.popleft()
            packed: bytes = self._ray.get(ready[0])
            return packed

    def kill(self) -> None:
        """See `ReplicaHandle`."""
        with contextlib.suppress(Exception):  # it may be gone, and so may the cluster
            self._ray.kill(self._actor, no_restart=True)
        self._answers.clear()


class _Actor:
    """What runs on the cluster's machine."""

    def __init__(self, factory: str, settings: bytes, snapshot_items: int, version: str) -> None:
        if version != __version__:
            raise FailedPrecondition(
                f"{socket.gethostname()} has custodes {__version__}, the site {version}: install the same there"
            )
        self._replica = Replica(CellPlan(factory=factory, settings=settings, snapshot_items=snapshot_items))

    def take(self, lot: bytes) -> bytes:
        """See `Replica.take`."""
        return self._replica.take(lot)


def _load() -> float:
    """Processes that want a core, per core, over the last minute."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)
