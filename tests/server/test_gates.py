"""What the gates did outlives the server."""

import asyncio
from dataclasses import replace

from tests.server.conftest import ScriptedSupervisor, Site
from tests.server.test_live_state import analyser_status

from custodes.app.serving.gates import GateHistory
from custodes.app.serving.live_state import ServerLiveState
from custodes.runtime.clock import SystemClock
from custodes.testing.catalog import RUN, make_spec
from custodes.types.event import GateChanged, GateMode
from custodes.units import NS_PER_HOUR, CameraId, Ns

CAMERA = CameraId("gate")


def test_gates_when_the_server_starts_again_are_as_they_were(site: Site) -> None:
    clock = SystemClock()
    supervisor = ScriptedSupervisor(site.paths.socket("server-jobs"))
    change = GateChanged(
        camera_id=CAMERA, run=RUN, utc_ns=clock.now_ns(), mode_before=GateMode.LEARNING, mode=GateMode.PACKETS,
        reason="ten quiet GOPs",
    )  # fmt: skip

    async def main() -> None:
        async with site.catalog() as catalog:
            await catalog.put_cameras([make_spec(CAMERA)], is_exclusive=False)
            live = ServerLiveState(catalog, supervisor, clock)
            await live.refresh()
            history = GateHistory(catalog, live, clock)
            live.take_gate_change(change)
            for trials in (40, 41):
                status = analyser_status(clock, 100)
                live.take_analyser(
                    replace(status, camera_id=CAMERA, gate_mode=GateMode.PACKETS, gate_trials=trials, gate_missed=1,
                            gate_miss_low=0.004, gate_miss_high=0.13)
                )  # fmt: skip
                await history.write()
            (hour, *more) = await catalog.gate_hours(CAMERA, Ns(0), clock.now_ns())
            assert not more or more[0].start_ns == hour.start_ns + NS_PER_HOUR  # the hour may have turned
            newest = (more or [hour])[-1]
            assert (newest.mode, newest.trials, newest.missed, newest.miss_high) == (GateMode.PACKETS, 41, 1, 0.13)
        async with site.catalog() as catalog:
            live = ServerLiveState(catalog, supervisor, clock)
            await live.refresh()
            await GateHistory(catalog, live, clock).recover()
            assert live.gate_changes() == [change]
            assert not live.take_gate_change(change)

    asyncio.run(main())
