"""What each server process has of its own, whether it leads or follows: the listener, live state, views, the map.

Nothing here writes the catalog or tells anybody else. What only one of several servers may do is `app.server.Server`.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from custodes.adapters.ipc.connections import Connections
from custodes.adapters.ipc.framing import serve
from custodes.adapters.ipc.supervisor import SupervisorClient
from custodes.adapters.ipc.warden import WardenClient
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.jobs import JobPool
from custodes.app.serving.live_state import ServerLiveState
from custodes.app.serving.page import Page, address_of, listen_again
from custodes.app.serving.site_map import MapService
from custodes.app.serving.views import ServerViewBroker
from custodes.config import SiteConfig, SitePaths
from custodes.ports.clock import Clock
from custodes.types.event import FrameAnalysed
from custodes.types.media import Segment
from custodes.units import CameraId


class Front:
    """Made once a process; `show` an application, wait for `tasks`, `close`."""

    def __init__(
        self, paths: SitePaths, config: SiteConfig, catalog: ThreadedCatalog, *, name: str, clock: Clock
    ) -> None:
        self.name, self.clock = name, clock
        self._paths = paths
        self.supervisor = SupervisorClient(paths.socket("supervisor"), server=name)
        self.warden = WardenClient(paths.socket("warden-server"))
        self.live = ServerLiveState(catalog, self.supervisor, clock)
        self.jobs = JobPool(self.supervisor, clock, spare=config.views.spare_jobs)
        self.views = ServerViewBroker(catalog=catalog, warden=self.warden, jobs=self.jobs, clock=clock, config=config)
        self.map = MapService(catalog=catalog, clock=clock)
        self._listener = listen_again(config.server.host, config.server.port_of(name), paths.run_dir / f"{name}.port")
        self.address = address_of(self._listener)
        self._shown = _Shown()
        self._page = Page(self._shown, self._listener, proxies=config.server.proxies, has_lifespan=False)
        self._lifespans = contextlib.AsyncExitStack()
        self._connections = Connections()
        self._sockets: list[asyncio.Server] = []
        self.tasks: list[asyncio.Task[None]] = []
        """None of them ends but by an error, which is the process's."""

    async def start(self) -> None:
        """Live state and the map; the page and the jobs' socket wait for `show`."""
        await self.live.refresh()
        for name, part in (("live", self.live.run()), ("jobs", self.jobs.run()), ("map", self.map.run())):
            self.tasks.append(asyncio.create_task(part, name=name))

    async def show(self, app: FastAPI) -> None:
        """Answer requests with `app` from now on; what is under way goes on as it began."""
        await self._lifespans.enter_async_context(app.router.lifespan_context(app))
        is_first = self._shown.app is None
        self._shown.app = app
        if is_first:
            page = asyncio.create_task(self._page.run(), name="page")
            self.tasks.append(page)
            ready = asyncio.create_task(self._page.started(), name="page-started")
            await asyncio.wait({ready, page}, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            # After the page: its file tells the supervisor that this one serves.
            serving = self._connections.tracked(self.jobs.serve_peer)
            self._sockets.append(await serve(self._paths.socket(f"{self.name}-jobs"), serving))

    def take_frames(self, camera_id: CameraId, frames: Sequence[FrameAnalysed]) -> None:
        """Analysed just now."""
        self.views.on_frames(camera_id, frames)
        self.map.take(camera_id, frames)

    def take_open_segment(self, segment: Segment) -> None:
        """One that grows."""
        self.views.on_segment(segment)

    async def close(self) -> None:
        """Stop answering, end all views. Bounded by who calls."""
        self._page.stop()
        for socket in self._sockets:
            socket.close()
        pages = [task for task in self.tasks if task.get_name() == "page"]
        for task in self.tasks:
            if task not in pages:
                task.cancel()
        try:
            await asyncio.gather(self.views.close(), *pages, return_exceptions=True)
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            self.map.forget_looks()
            await self._connections.end()
            await self._lifespans.aclose()
            await self.warden.close()
            await self.supervisor.close()
            self._listener.close()


class _Shown:
    """The application of the moment."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None, "the page is started with the first application"
        await self.app(scope, receive, send)
