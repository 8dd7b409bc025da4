"""One of several server processes: answers people at once, and leads when it is its turn (ADR 126).

`python -m custodes.app.servers --data DIR --name server-2`. What the one that leads does besides is
`app.server.Server`.
"""

import asyncio
import contextlib
import os
import secrets
import socket
from typing import cast

import psutil
import structlog

from custodes.adapters.sql import PostgresTarget, SqlCatalog, postgres_guest, take_over
from custodes.app.catalog import open_catalog, target_of
from custodes.app.process import run_process
from custodes.app.server import Server
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.front import Front
from custodes.app.serving.gates import GateHistory
from custodes.app.serving.holds import HoldService
from custodes.app.serving.leading import LEADER, LOOK_S, Candidate, Tenure
from custodes.app.serving.news import follow_news
from custodes.app.serving.site_map import open_tiles
from custodes.app.serving.standing import StandingReader
from custodes.config import SiteConfig, SitePaths, read_identity
from custodes.errors import CustodesError, FailedPrecondition, SiteMismatch, Unavailable
from custodes.ports.erasures import ErasureDesk
from custodes.ports.exports import ExportDesk
from custodes.ports.leases import Lease
from custodes.runtime.clock import SystemClock
from custodes.web.app import create_app

OPEN_S = 30.0
"""For the database to be there with its tables; then the supervisor sees a process that ended."""
_OPEN_LOOK_S = 0.5


class _Elsewhere:
    """Desks of the server that leads. No request that is answered here gets to one (`web.spread`)."""

    def __getattr__(self, name: str) -> object:
        raise FailedPrecondition(f"{name} is for the server that leads")


async def run(paths: SitePaths, config: SiteConfig, stop: asyncio.Event, name: str) -> None:
    """Follow, lead when it is this one's turn, until `stop`.

    Raises: SiteMismatch, FailedPrecondition (another leads now; no database configured), Unavailable.
    """
    identity = read_identity(paths.identity)
    if identity is None:
        raise SiteMismatch(f"{paths.data_dir} has no site.json; start the site with `custodes up`")
    if config.catalog is None or name not in config.server.names:
        raise FailedPrecondition(f"{name} is no server of this site: server.processes is {config.server.processes}")
    target = target_of(config.catalog, os.environ)
    opened = await _opened(paths, config, target, identity.site_id)
    catalog = ThreadedCatalog(opened)
    try:
        front = Front(paths, config, catalog, name=name, clock=SystemClock())
        await front.start()
        found = await _follow(paths, config, opened, catalog, target, front, stop)
        if found is None:
            await front.close()
            return
        lease, before = found
        # Beside: an answer takes as long as that process has to end, and the lease wants to be renewed.
        ending = asyncio.create_task(_end_hung(before, front), name="end-hung")
        await Server(
            paths,
            config,
            catalog,
            front,
            outbox=opened.outbox,
            leases=opened.leases,
            site_id=identity.site_id,
            tenure=Tenure(lease=lease, leases=opened.leases),
        ).run(stop)
        ending.cancel()
        with contextlib.suppress(CustodesError):  # it runs out by itself
            await asyncio.to_thread(opened.leases.let_go, [LEADER], lease.holder)
    finally:
        await catalog.close()


async def _opened(paths: SitePaths, config: SiteConfig, target: PostgresTarget, site_id: str) -> SqlCatalog:
    """As a guest; whoever is first makes the tables, or brings them up. Raises: what opening raises."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + OPEN_S
    clock = SystemClock()
    while True:
        try:
            return await asyncio.to_thread(postgres_guest, target, site_id=site_id, clock=clock)
        except Unavailable as error:
            if loop.time() > deadline:
                raise
            structlog.get_logger().info("waits for the catalog", why=str(error))
        with contextlib.suppress(Unavailable):  # another does it at this moment
            maker = await asyncio.to_thread(
                open_catalog, paths, config, site_id=site_id, clock=clock, environ=os.environ
            )
            await asyncio.to_thread(maker.close)
            continue
        await asyncio.sleep(_OPEN_LOOK_S)


async def _follow(
    paths: SitePaths,
    config: SiteConfig,
    opened: SqlCatalog,
    catalog: ThreadedCatalog,
    target: PostgresTarget,
    front: Front,
    stop: asyncio.Event,
) -> tuple[Lease, str] | None:
    """Answer what any server may, until this one leads (its lease, and who led before) or is to stop (None)."""
    await GateHistory(catalog, front.live, front.clock).recover()
    await front.show(
        create_app(
            catalog=catalog,
            views=front.views,
            live=front.live,
            warden=front.warden,
            holds=HoldService(catalog=catalog, warden=front.warden, clock=front.clock),
            exports=cast(ExportDesk, _Elsewhere()),
            erasures=cast(ErasureDesk, _Elsewhere()),
            config=config,
            clock=front.clock,
            announce=_to_nobody,
            floors=front.map,
            drops=front.map.drops,
            tiles=open_tiles(config.map),
            standing=StandingReader.of_site(paths, config, opened.leases),
            leader=paths.socket("server-page"),
        )
    )
    structlog.get_logger().info("server follows", address=front.address)
    holder = f"{front.name}@{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
    news = asyncio.create_task(follow_news(paths.socket("server-news"), front), name="news")
    candidacy = _stand(opened, target, holder) if config.server.leads else _never(front)
    standing = asyncio.create_task(candidacy, name="stand")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    tasks = {news, standing, stopping, *front.tasks}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in (news, *front.tasks):
            if task.done():
                task.result()  # ends only by an error, which is ours to see
        return standing.result() if standing.done() else None
    finally:
        for one in (news, standing, stopping):
            one.cancel()


async def _never(front: Front) -> tuple[Lease, str]:
    """On a machine where nothing of the site runs but servers none leads: what recorders say comes elsewhere. Whoever
    leads tells its own terminal; this one's has nobody else to tell it the address."""
    while True:
        try:
            await front.supervisor.announce(front.address, "")
            await asyncio.Event().wait()
        except CustodesError:
            await asyncio.sleep(LOOK_S)


async def _stand(opened: SqlCatalog, target: PostgresTarget, holder: str) -> tuple[Lease, str]:
    """Until this server leads and is the catalog's writer: its lease, and who led before."""
    candidate = Candidate(opened, holder)
    while True:
        before = ""
        try:
            before = next((one.holder for one in await asyncio.to_thread(opened.leases.leases, LEADER)), "")
            lease = await candidate.stand()
            if lease is not None:
                await asyncio.to_thread(take_over, opened, target, lease)
                structlog.get_logger().info("server leads", epoch=lease.epoch, before=before)
                return lease, before
        except CustodesError as error:
            structlog.get_logger().warning("cannot lead", error=str(error))
        await asyncio.sleep(LOOK_S)


async def _end_hung(holder: str, front: Front) -> None:
    """A leader before this one that lives and was silent: recorders and analysers still wait for its answers."""
    where, _, rest = holder.partition("/")
    name, _, host = where.partition("@")
    pid = rest.partition("/")[0]
    if host != socket.gethostname() or name == front.name or not pid.isdigit() or not psutil.pid_exists(int(pid)):
        return
    structlog.get_logger().warning("the server that led is silent; it is begun anew", server=name)
    with contextlib.suppress(CustodesError):  # it takes longer than an answer may; the supervisor goes on by itself
        await front.supervisor.replace(name)


async def _to_nobody(_: str) -> None:
    """The terminal hears from the server that leads."""


async def _serve(paths: SitePaths, config: SiteConfig, stop: asyncio.Event, name: str) -> None:
    await run(paths, config, stop, name)
    structlog.get_logger().info("server stopped")


def main() -> None:
    """Entry point of the process."""
    run_process("server", _serve)


if __name__ == "__main__":
    main()
