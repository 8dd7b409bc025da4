"""Composition root of the supervisor: `custodes up` runs it in the foreground.

It owns the data directory's lock and the processes; it touches no video, no SQL and no keys.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import psutil
import structlog

from custodes.adapters.ipc.framing import AsyncChannel, answer_requests, listener_pid, serve
from custodes.config import SiteConfig, SitePaths
from custodes.errors import AlreadyExists, ProtocolError
from custodes.runtime.child import ChildSpec, ChildState, module_argv, usage_of
from custodes.runtime.clock import SystemClock
from custodes.runtime.data_dir import GENERATION_VARIABLE, OpenSite, open_data_dir, read_generation
from custodes.runtime.forks import adopt_orphans, reap_orphans
from custodes.runtime.port import check_port
from custodes.runtime.running import register, unregister
from custodes.runtime.supervise import StopStage, Supervisor
from custodes.telemetry import logs
from custodes.types.message import (
    Announce,
    Ok,
    ProcessStatus,
    ReadStatus,
    ReplaceProcess,
    SiteStatus,
    SpawnJob,
    StopSite,
)
from custodes.units import NS_PER_S

STANDBY_S = 0.5
GENERATION_S = 1.0
ORPHANS_S = 5.0
REPLACE_PATIENCE_S, REPLACE_READY_S = 10.0, 300.0
"""A recorder seals in seconds; a server that brings the catalog's schema up first may take minutes."""

JOB_KINDS = frozenset({"job", "backfiller", "prober"})
"""What the server may have started."""

# Together 10 s, which is what an init system allows before it kills. First who only reads, then who writes, last who
# is written to: the recorder's last segment is to be sealed while the server can still log it.
STOP_ORDER = (
    StopStage(kinds=("job", "forker", "backfiller", "prober", "analyser"), patience_s=3.5),
    StopStage(kinds=("job", "analyser", "enroller"), patience_s=3.5),
    StopStage(kinds=("recorder",), patience_s=3.5),
    StopStage(kinds=("server",), patience_s=2.0),
    StopStage(kinds=("warden", "matcher"), patience_s=1.0),
)

_FULL_BYTES = 1 << 20
"""Too little for a database's next write: said with every event then."""

WITHHELD_ENVIRONMENT = frozenset({"CUSTODES_DATA"})
"""Not handed to children: they are told their directory on the command line."""

_FORKER_ENVIRONMENT = MappingProxyType({"OPENBLAS_NUM_THREADS": "1"})
"""A process with a second thread is not copied; a site's jobs share the cores among themselves anyway."""

WARDEN_ENVIRONMENT = frozenset(
    f"CUSTODES_{name}{suffix}" for name in ("PASSPHRASE", "PKCS11_PIN", "VAULT_TOKEN") for suffix in ("", "_FILE")
)
"""What opens the private keys goes to the warden alone (`adapters.keys.file`, which this process may not import)."""

_log = structlog.get_logger()


class Terminal(Protocol):
    """Where the supervisor tells a person what goes on."""

    def event(self, text: str) -> None:
        """One line worth knowing: a process ended, was restarted, stops."""
        ...

    def announce(self, announce: Announce) -> None:
        """The site can be used, at this address."""
        ...


async def run_site(config: SiteConfig, terminal: Terminal, *, is_standby: bool = False) -> None:
    """Run the whole site until SIGTERM, SIGINT or StopSite; a second signal kills everything at once.

    `is_standby`: while another supervisor runs it, wait for that one to be gone.

    Raises: FailedPrecondition (port taken, directory unsafe), AlreadyExists (runs already), SiteMismatch.
    """
    if not is_standby:
        for name in config.server.names:
            check_port(config.server.host, config.server.port_of(name))
    clock = SystemClock()
    with await _taken(config, clock, terminal, is_standby=is_standby) as site:
        logs.configure("supervisor", log_dir=site.paths.log_dir, level=config.log_level)
        _log.info("site_starts", data_dir=site.paths.data_dir, pid=os.getpid())
        register(site.paths.data_dir)
        try:
            await _Site(site, terminal, clock).run()
        finally:
            unregister(site.paths.data_dir)
            _log.info("site_stopped")


async def _taken(config: SiteConfig, clock: SystemClock, terminal: Terminal, *, is_standby: bool) -> OpenSite:
    is_told = False
    while True:
        try:
            return open_data_dir(config, clock=clock, new_site_id=lambda: secrets.token_hex(8))
        except AlreadyExists:
            if not is_standby:
                raise
            if not is_told:
                terminal.event("another supervisor runs this site; waiting for it to be gone")
            is_told = True
            await asyncio.sleep(STANDBY_S)


class _Site:
    """The running site: the supervisor, its socket, its signals."""

    def __init__(self, site: OpenSite, terminal: Terminal, clock: SystemClock) -> None:
        self._site = site
        self._terminal = terminal
        self._clock = clock
        self._started_ns = clock.monotonic_ns()
        self._address = ""
        self._stop = asyncio.Event()
        views = site.config.views
        forker = site.paths.socket("forker") if adopt_orphans() else None
        self._supervisor = Supervisor(
            process_specs(site.config, site.paths),
            job=lambda number, kind, server: _spec(
                kind, f"{kind}-{number}", site.paths, is_one_shot=True, forker=forker, server=server
            ),
            max_jobs=views.max_jobs + views.spare_jobs * site.config.server.processes,
            stop_order=STOP_ORDER,
            log_dir=site.paths.log_dir,
            environment={
                **{name: value for name, value in os.environ.items() if name not in WITHHELD_ENVIRONMENT},
                GENERATION_VARIABLE: str(site.generation),
            },
            clock=clock,
            on_event=self._on_event,
        )

    async def run(self) -> None:
        async with self._signals():
            server = await serve(self._site.paths.socket("supervisor"), self._serve_peer)
            loop = asyncio.get_running_loop()
            watches = [
                loop.create_task(self._watch_generation(), name="generation"),
                loop.create_task(self._bury_orphans(), name="orphans"),
            ]
            try:
                await self._until_stopped(loop.create_task(self._supervisor.start()))
            finally:
                # StopSite's own reply is on its way; stopping the listener does not cut it.
                server.close()
                for watch in watches:
                    watch.cancel()
                self._terminal.event("stopping …")
                await self._supervisor.stop()
                self._site.paths.socket("supervisor").unlink(missing_ok=True)

    async def _watch_generation(self) -> None:
        """Somebody else took the directory over while this machine was away: what runs here is to end."""
        while True:
            with contextlib.suppress(OSError):  # a disk that is away says nothing of others
                newest = await asyncio.to_thread(read_generation, self._site.paths)
                if newest > self._site.generation:
                    self._on_event("another supervisor took this site over; everything here stops")
                    self._stop.set()
                    return
            await asyncio.sleep(GENERATION_S)

    async def _bury_orphans(self) -> None:
        """Jobs that are forked become this process's children, and with them whatever else loses its parent."""
        while True:
            reap_orphans(self._supervisor.pids())
            await asyncio.sleep(ORPHANS_S)

    async def _until_stopped(self, start: asyncio.Task[None]) -> None:
        stop = asyncio.get_running_loop().create_task(self._stop.wait())
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()  # a defect in starting is ours to see, not to swallow
        await stop
        start.cancel()

    @asynccontextmanager
    async def _signals(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)
                # Everything has stopped; one more Ctrl-C must not turn that into a failure.
                signal.signal(number, signal.SIG_IGN)

    def _on_signal(self) -> None:
        if self._stop.is_set():
            self._supervisor.kill()
        self._stop.set()

    def _on_event(self, text: str) -> None:
        folder = self._site.paths.data_dir
        if shutil.disk_usage(folder).free < _FULL_BYTES:
            # SQLite calls it an I/O error.
            text += f" (the disk of {folder} is full)"
        _log.warning("process_event", text=text)
        self._terminal.event(text)

    async def _serve_peer(self, channel: AsyncChannel) -> None:
        await answer_requests(channel, self._respond)

    async def _respond(self, request: object) -> object:
        match request:
            case ReadStatus():
                return self._status()
            case SpawnJob():
                if request.kind not in JOB_KINDS:
                    raise ProtocolError(f"there is no job of kind {request.kind!r}")
                if request.server not in self._site.config.server.names:
                    raise ProtocolError(f"there is no server {request.server!r}")
                self._supervisor.spawn_job(request.kind, request.server)
                return Ok()
            case Announce():
                self._address = request.address
                self._terminal.announce(request)
                return Ok()
            case StopSite():
                self._stop.set()
                return Ok()
            case ReplaceProcess():
                await self._supervisor.replace(request.name, REPLACE_PATIENCE_S, REPLACE_READY_S)
                return Ok()
            case _:
                raise ProtocolError(f"the supervisor does not answer {type(request).__name__}")

    def _status(self) -> SiteStatus:
        return SiteStatus(
            site_id=self._site.identity.site_id,
            data_dir=str(self._site.paths.data_dir),
            address=self._address,
            processes=(self._own_status(), *self._foreign_warden(), *self._supervisor.statuses()),
        )

    def _foreign_warden(self) -> tuple[ProcessStatus, ...]:
        """The warden that a service of its own starts (`keys.user`), as far as its socket and the system tell."""
        user = self._site.config.keys.user
        if not user:
            return ()
        pid, cpu_s, rss_mb, uptime_s = listener_pid(self._site.paths.socket("warden-server")), 0.0, 0.0, 0.0
        try:
            if pid is not None:
                process = psutil.Process(pid)
                (cpu_s, rss_mb), uptime_s = usage_of(process), time.time() - process.create_time()
        except psutil.Error:
            pid = None
        return (
            ProcessStatus(
                name="warden",
                kind="warden",
                state=(ChildState.STOPPED if pid is None else ChildState.RUNNING).value,
                pid=pid or 0,
                restarts=0,
                cpu_s=cpu_s,
                rss_mb=rss_mb,
                uptime_s=uptime_s,
                last_exit=f"a service of its own starts it, as user {user}" if pid is None else "",
            ),
        )

    def _own_status(self) -> ProcessStatus:
        cpu_s, rss_mb = usage_of(psutil.Process())
        return ProcessStatus(
            name="supervisor",
            kind="supervisor",
            state=ChildState.RUNNING.value,
            pid=os.getpid(),
            restarts=0,
            cpu_s=cpu_s,
            rss_mb=rss_mb,
            uptime_s=(self._clock.monotonic_ns() - self._started_ns) / NS_PER_S,
            last_exit="",
        )


def process_specs(config: SiteConfig, paths: SitePaths) -> tuple[ChildSpec, ...]:
    """The site's processes in starting order; view jobs come when the server asks."""
    forker_spec = _spec("forker", "forker", paths, ready="forker", added=_FORKER_ENVIRONMENT)
    if not config.server.leads:  # a further machine: all else of the site runs on its own
        return (*_servers(config, paths), forker_spec)
    if config.analyser.runner == "ray":
        analysers = [_spec("analyser", "analyser-0", paths, module="cluster")]
    else:
        analysers = [_spec("analyser", f"analyser-{number}", paths) for number in range(config.analyser.processes)]
    recorders = (
        _spec("recorder", name, paths, ready=paths.hub("hub-analysis", name).stem) for name in config.recorder.names
    )
    enroller = (_spec("enroller", "enroller", paths, ready="enroller"),) if config.faces.enabled else ()
    # With a user of its own another service starts it: nobody here may become that user.
    warden = () if config.keys.user else (_spec("warden", "warden", paths, ready="warden-server"),)
    return (
        *warden,
        *_servers(config, paths),
        forker_spec,
        *recorders,
        *analysers,
        _spec("matcher", "matcher", paths, ready="matcher"),
        *enroller,
    )


def _servers(config: SiteConfig, paths: SitePaths) -> list[ChildSpec]:
    """One is ready when the command line reaches it. Of several whichever leads has that socket, which must not be
    taken away when another begins anew: each is ready with its own."""
    if not config.server.is_one_of_several:
        return [_spec("server", "server", paths, ready="server-control")]
    return [_spec("server", name, paths, module="servers", ready=f"{name}-jobs") for name in config.server.names]


def _spec(
    kind: str,
    name: str,
    paths: SitePaths,
    *,
    ready: str = "",
    is_one_shot: bool = False,
    module: str = "",
    added: Mapping[str, str] = MappingProxyType({}),
    forker: Path | None = None,
    server: str = "",
) -> ChildSpec:
    """`module`: of `custodes.app`, where it is not called like the kind; `forker`: what view jobs are copied from;
    `server`: whose job it is, where that is not the first."""
    added_words = ("--server", server) if kind == "job" and server else ()
    return ChildSpec(
        name=name,
        kind=kind,
        argv=module_argv(
            sys.executable,
            f"custodes.app.{module or kind}",
            ("--data", str(paths.data_dir), "--name", name, *added_words),
        ),
        ready_socket=paths.socket(ready) if ready else None,
        is_one_shot=is_one_shot,
        withheld=frozenset() if kind == "warden" else WARDEN_ENVIRONMENT,
        added=added,
        forked_at=forker if kind == "job" else None,
    )
