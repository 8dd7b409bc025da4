"""Where tasks over segments are worked on: processes of this machine, or the cluster that analyses for the site."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from custodes.config import SiteConfig
from custodes.runtime.cell_process import ProcessHost
from custodes.runtime.cells import CellPlan, CellRunner, Host
from custodes.runtime.ray_cells import RayHost, check_reachable, connect


@contextmanager
def task_runners(
    config: SiteConfig, name: str, plan: CellPlan, count: int, *, is_local: bool = False
) -> Iterator[Sequence[CellRunner]]:
    """`count` runners, ended with the block; what they run lowers its own priority, and books no core.

    Args: is_local: on this machine, wherever the site analyses.

    Raises: Unavailable when the cluster is away; FailedPrecondition without the extra `cluster`.
    """
    host, shut_down = (ProcessHost(), _nothing) if is_local else _host(config)
    runners = [CellRunner(host, f"{name}-{n}", plan) for n in range(count)]
    try:
        yield runners
    finally:
        for runner in runners:
            runner.close()
        shut_down()


def _nothing() -> None:
    """Processes end with their runners."""


def _host(config: SiteConfig) -> tuple[Host, Callable[[], None]]:
    cluster = config.analyser.ray
    if config.analyser.runner != "ray" or cluster is None:
        return ProcessHost(), _nothing
    check_reachable(cluster.address)
    ray = connect(cluster.address, cluster.token_file)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ray took it for itself
    # No core is booked: live cells find theirs free, and the kernel gives this what they leave.
    return RayHost(ray, labels=cluster.labels, cpus=0.0), ray.shutdown
