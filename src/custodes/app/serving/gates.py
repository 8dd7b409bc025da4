"""What the activity gates did, kept: changes and the miss rate by the hour, from the live state into the catalog."""

import asyncio

import structlog

from custodes.app.serving.live_state import GATE_CHANGES_KEPT, ServerLiveState
from custodes.errors import CustodesError
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.types.event import GateHour, GateMode
from custodes.units import NS_PER_HOUR, Ns

EVERY_S = 10.0
"""How much a server that is killed may forget of an hour; a change is in its log all the same."""


class GateHistory:
    """Used on the event loop only."""

    def __init__(self, catalog: AsyncCatalog, live: ServerLiveState, clock: Clock) -> None:
        self._catalog = catalog
        self._live = live
        self._clock = clock
        self._written: tuple[object, ...] = ()

    async def recover(self) -> None:
        """What was known before the server started, for the cameras' pages."""
        for row in self._live.camera_rows():
            for change in await self._catalog.gate_changes(row.camera_id, GATE_CHANGES_KEPT):
                self._live.take_gate_change(change)

    async def run(self) -> None:
        """Write for ever. What cannot be written now is written the next time: it is the newest then too."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.write()
            except CustodesError as error:
                structlog.get_logger().warning("what the gates did cannot be stored", error=str(error))

    async def write(self) -> None:
        """Everything that is new since the last time, in one transaction."""
        start_ns = Ns(self._clock.now_ns() // NS_PER_HOUR * NS_PER_HOUR)
        rows = self._live.camera_rows()
        changes = self._live.gate_changes()
        hours = [
            GateHour(
                camera_id=row.camera_id,
                start_ns=start_ns,
                mode=GateMode(row.gate_mode),
                trials=row.gate_trials,
                missed=row.gate_missed,
                miss_low=row.gate_miss_low,
                miss_high=row.gate_miss_high,
            )
            for row in rows
            if row.gate_mode
        ]
        news = (*changes, *hours)
        if news != self._written:
            await self._catalog.put_gates(changes, hours)
            self._written = news
