"""The newest audit for the page, judged anew when its files or the day have changed."""

import asyncio
from dataclasses import replace

from custodes.app.fleet_data import REGISTERS
from custodes.app.fleet_files import (
    KINDS,
    observations_path,
    read_knowledge,
    read_observations,
    read_told,
    read_verdicts,
    write_told,
)
from custodes.app.serving.health import HealthDesk
from custodes.config import SitePaths
from custodes.errors import NotFound
from custodes.fleet.audit import FleetReport, judge_fleet
from custodes.ports.clock import Clock
from custodes.units import NS_PER_DAY


class ToldFindings:
    """`health_watch.Told` in the fleet's folder."""

    def __init__(self, paths: SitePaths) -> None:
        self._paths = paths

    def read(self) -> dict[str, frozenset[str]] | None:
        """Raises: InvalidArgument, StorageFailed."""
        return read_told(self._paths)

    def write(self, told: dict[str, frozenset[str]]) -> None:
        """Raises: StorageFailed."""
        write_told(self._paths, told)


class FleetShelf:
    """Keeps the last report; reads and judges in a thread."""

    def __init__(self, paths: SitePaths, clock: Clock, health: HealthDesk | None = None) -> None:
        self._paths = paths
        self._health = health
        self._clock = clock
        self._kept: tuple[tuple[object, ...], FleetReport] | None = None
        self._lock = asyncio.Lock()

    async def read(self) -> FleetReport:
        """An empty report when there was no audit. Raises: InvalidArgument, StorageFailed, Unavailable."""
        async with self._lock:
            state = await asyncio.to_thread(self._state)
            if self._kept is None or self._kept[0] != state:
                self._kept = (state, await asyncio.to_thread(self._judge))
            report = self._kept[1]
        return replace(report, health=await self._health.read()) if self._health else report

    def _state(self) -> tuple[object, ...]:
        folder = self._paths.fleet_dir
        files = [observations_path(self._paths), folder / "kev.json", folder / "data.json"]
        files += [folder / name for name in (*REGISTERS, *(f"{kind}.json" for kind in KINDS))]
        files += sorted((folder / "rules").glob("*.yaml"))
        states = [(str(path), path.stat().st_mtime_ns) for path in files if path.exists()]
        return (self._clock.now_ns() // NS_PER_DAY, *states)

    def _judge(self) -> FleetReport:
        try:
            observations = read_observations(self._paths)
        except NotFound:
            observations = ()
        return judge_fleet(
            observations,
            read_knowledge(self._paths),
            now_ns=self._clock.now_ns(),
            more=read_verdicts(self._paths),
        )
