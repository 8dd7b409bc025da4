"""What several recorders need of a server, on a real catalog, in a thread of its own: for tests and benches.

Who records what, news of now, and journals into the catalog; no page, no warden, no views.
"""

import asyncio
import threading

from custodes.adapters.ipc.framing import serve
from custodes.adapters.ipc.supervisor import SupervisorClient
from custodes.adapters.ipc.warden import WardenClient
from custodes.adapters.sql import SqlCatalog, sqlite_catalog
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.facts import FactsService
from custodes.app.serving.journal import JournalFollower
from custodes.app.serving.live_state import ServerLiveState
from custodes.app.serving.recorders import RecorderDesk
from custodes.config import load_effective
from custodes.record.journal import read_from
from custodes.runtime.clock import SystemClock
from custodes.testing.ending import joined
from custodes.testing.recorder import SITE_ID, RecorderSite
from custodes.units import CameraId

START_S = 60.0


class RecorderServer:
    """`start` it, and `stop` it once; then the catalog is closed and has all that the journals hold."""

    def __init__(self, site: RecorderSite, catalog: SqlCatalog | None = None) -> None:
        """`catalog`: another than the file in the site's directory."""
        self.catalog = catalog or sqlite_catalog(site.paths.catalog, site_id=SITE_ID, clock=SystemClock())
        self._site = site
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._run()), daemon=True)

    def owners(self) -> dict[CameraId, str]:
        """Who may write what now."""
        states = self.catalog.leases.leases("camera/")
        return {CameraId(one.name.removeprefix("camera/")): one.holder for one in states if one.is_held}

    def start(self) -> None:
        """Serve."""
        self._thread.start()
        assert self._ready.wait(START_S)

    def stop(self) -> None:
        """Take over what the journals hold, and close."""
        self._loop.call_soon_threadsafe(self._stop.set)
        joined(self._thread)

    async def _run(self) -> None:
        clock, paths, threaded = SystemClock(), self._site.paths, ThreadedCatalog(self.catalog)
        live = ServerLiveState(threaded, SupervisorClient(paths.socket("supervisor")), clock)
        desk = RecorderDesk(
            catalog=threaded,
            leases=self.catalog.leases,
            warden=WardenClient(paths.socket("warden-server")),
            paths=paths,
            config=load_effective(paths.data_dir).recorder,
            clock=clock,
            load=live.packets_per_s,
        )
        facts = FactsService(
            catalog=threaded,
            live=live,
            on_frames=lambda *_: None,
            on_segment=lambda _: None,
            is_owner=desk.is_owner,
        )
        follower = JournalFollower(paths.journal_dir, read_from, catalog=threaded, on_segments=lambda _: None)
        servers = [
            await serve(paths.socket("server-leases"), desk.serve_peer),
            await serve(paths.socket("server-facts"), facts.serve_peer),
        ]
        tasks = [asyncio.create_task(part) for part in (follower.run(), facts.grow_forever())]
        self._ready.set()
        await self._stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in servers:
            server.close()
        await follower.take_all()
        await threaded.close()
