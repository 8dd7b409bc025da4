"""The server process: catalog, facts, journal, cameras, views and the web page on one event loop.

`python -m custodes.app.server --data DIR [--name NAME]`. Only it writes the catalog, only it speaks HTTP;
it holds no key and sees only pictures that a view job has masked and marked.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import structlog

from custodes.access.policy import load_policies
from custodes.adapters.blob.disk import Disk
from custodes.adapters.clamd import Clamd
from custodes.adapters.ipc.connections import Connections
from custodes.adapters.ipc.framing import AsyncChannel, RequestClient, listening_socket, serve
from custodes.adapters.ipc.recogniser import RecogniserClient
from custodes.adapters.ipc.warden import WardenClient
from custodes.adapters.notify import senders
from custodes.adapters.witness.http import HttpWitness
from custodes.app.catalog import open_catalog
from custodes.app.federation import open_federator
from custodes.app.process import run_process
from custodes.app.serving.backfills import PATIENCE, Backfills
from custodes.app.serving.camera_desk import Probers, SiteCameras
from custodes.app.serving.camera_shelf import CameraShelf
from custodes.app.serving.cameras import CameraService
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.centre_desk import SiteCentreDesk
from custodes.app.serving.control import ControlService
from custodes.app.serving.disk_watch import DiskWatch
from custodes.app.serving.erasure import Eraser
from custodes.app.serving.exports import Exporter
from custodes.app.serving.facts import FactsService
from custodes.app.serving.fleet import FleetShelf, ToldFindings
from custodes.app.serving.flows import FlowService
from custodes.app.serving.frame_shapes import FrameShapes
from custodes.app.serving.front import Front
from custodes.app.serving.gates import GateHistory
from custodes.app.serving.health import HealthDesk
from custodes.app.serving.health_watch import HealthWatch
from custodes.app.serving.holds import HoldService
from custodes.app.serving.incidents import IncidentService
from custodes.app.serving.job_asking import ask_job
from custodes.app.serving.jobs import JobPool
from custodes.app.serving.journal import JournalFollower, SealLogger
from custodes.app.serving.journey_exhibit import ExhibitMaker
from custodes.app.serving.journey_looks import LookDesk
from custodes.app.serving.journeys import JourneyService
from custodes.app.serving.leading import Tenure
from custodes.app.serving.leak_book import LeakBook
from custodes.app.serving.leaks import LeakDesk
from custodes.app.serving.links import LinkService
from custodes.app.serving.live_state import ServerLiveState
from custodes.app.serving.looks import LooksService
from custodes.app.serving.news import NewsDesk
from custodes.app.serving.outside import OutsideWaits, open_push, outside_parts
from custodes.app.serving.page import Page
from custodes.app.serving.passages import passage_parts
from custodes.app.serving.post_book import CasePostBook
from custodes.app.serving.post_exhibit import PostExhibit
from custodes.app.serving.proofs import ProofDesk
from custodes.app.serving.protection import ProtectionService
from custodes.app.serving.recall import RecallService
from custodes.app.serving.recorders import RecorderDesk
from custodes.app.serving.retention import RetentionSweeper
from custodes.app.serving.rule_desk import open_rules
from custodes.app.serving.sightings import SightingNews
from custodes.app.serving.signers import SignerWatch
from custodes.app.serving.site_map import open_tiles
from custodes.app.serving.standing import StandingReader
from custodes.app.serving.tier_parts import copies, offsite_store, offsite_tier, open_recall, slow_tier
from custodes.app.serving.tiers import TierSweeper
from custodes.app.serving.traffic import TrafficService
from custodes.app.serving.views import ServerViewBroker
from custodes.app.serving.witnesses import Stamper, WitnessRound, run_stamper, run_witnesses
from custodes.audit.note import parse_vkey
from custodes.config import SiteConfig, SitePaths, read_identity
from custodes.config.secret import read_secret
from custodes.errors import ConfigError, CustodesError, SiteMismatch
from custodes.ports.clock import Clock
from custodes.ports.leases import Leases
from custodes.ports.outbox import Outbox
from custodes.ports.supervisor import Supervisor
from custodes.record.journal import read_from
from custodes.runtime.clock import SystemClock
from custodes.types.access import AuditRecord
from custodes.types.event import AnalyserStatus, CameraStatus, FrameAnalysed, SiteEvent
from custodes.types.media import Segment
from custodes.types.message import Append, Appended
from custodes.types.posts import PostsSpread
from custodes.types.servers import LeadSince
from custodes.types.traffic import Incident
from custodes.units import CameraId
from custodes.web.app import create_app
from custodes.web.auth.people import People
from custodes.web.auth.second_factor import SecondFactor
from custodes.web.spread import Inside

ANNOUNCE_RETRY_S = 1.0
TIDY_EVERY_S = 6 * 3600.0
"""A removed camera's password goes within this after its 30 days."""
STOP_S = 3.5
"""For views and pages to end; SIGTERM is to be obeyed within five seconds."""


class Server:
    """All that one server does for the site, put together: the only one, or of several the one that leads. `run`
    once."""

    def __init__(
        self,
        paths: SitePaths,
        config: SiteConfig,
        catalog: ThreadedCatalog,
        front: Front,
        *,
        outbox: Outbox,
        leases: Leases,
        site_id: str,
        tenure: Tenure | None = None,
    ) -> None:
        """`tenure`: under which it leads; None for the only one."""
        clock = SystemClock()
        self._paths, self._site_id, self._config, self._catalog = paths, site_id, config, catalog
        self._front, self._tenure, self._supervisor = front, tenure, front.supervisor
        warden_socket, epoch = paths.socket("warden-server"), tenure.lease.epoch if tenure else 0
        self._warden = WardenClient(warden_socket, epoch=epoch)
        self._append = RequestClient(warden_socket, greeting=LeadSince(epoch=epoch) if epoch else None)
        self._live, self._jobs, self._views = front.live, front.jobs, front.views
        self._gates, self._shapes = GateHistory(catalog, self._live, clock), FrameShapes(catalog)
        self._news, self._links = NewsDesk(), LinkService(clock=clock, wish=config.privacy.looks, draw=os.urandom)
        self._journal = JournalFollower(paths.journal_dir, read_from, catalog=catalog, on_segments=self._on_segments)
        self._seals = SealLogger(catalog, self._warden, self._append_once)
        self._signers = SignerWatch(paths.signers, self._warden)
        self._disk_watch = DiskWatch(catalog=catalog, log=self._warden, clock=clock, tell=self._on_trouble)
        health = HealthDesk(
            catalog=catalog, clock=clock, config=config, data_dir=paths.data_dir, damage=self._live.damage
        )
        self._recogniser = (
            RecogniserClient(paths.socket("enroller"), paths.socket("matcher")) if config.faces.enabled else None
        )
        self._health_watch = HealthWatch(
            catalog=catalog,
            log=self._warden,
            clock=clock,
            tell=self._on_trouble,
            health=health.read,
            fleet=FleetShelf(paths, clock).read,
            told=ToldFindings(paths),
            loads=self._recogniser.read_loads if self._recogniser else None,
        )
        self._recorders = RecorderDesk(
            catalog=catalog,
            leases=leases,
            warden=self._warden,
            paths=paths,
            config=config.recorder,
            clock=clock,
            load=self._live.packets_per_s,
        )
        self._facts = FactsService(
            catalog=catalog,
            live=self._live,
            on_frames=self._on_frames,
            on_segment=self._on_segment,
            on_verified=self._signers.take,
            on_status=self._on_status,
            on_analyser=self._on_analyser,
            is_owner=self._recorders.is_owner,
            on_news=self._news.tell_facts,
            on_ended=self._links.take_ended,
        )
        self._looks = LooksService(
            catalog=catalog,
            clock=clock,
            wish=config.privacy.looks,
            on_looks=(front.map.take_looks, self._links.take_looks),
        )
        self._cameras, self._desk, self._probe_jobs = _camera_parts(
            catalog, self._warden, self._live, self._supervisor, paths
        )
        self._witnesses = [
            WitnessRound([parse_vkey(key) for key in each.keys], HttpWitness(each.url), self._warden)
            for each in config.audit.witnesses
        ]
        self._authority = _authority(config)
        proofs = ProofDesk(
            warden=self._warden,
            witnesses=self._witnesses,
            paths=paths,
            config=config,
            authority=self._authority.stamp if self._authority is not None else None,
        )
        self._exporter = Exporter(
            catalog=catalog,
            warden=self._warden,
            jobs=self._views,
            proofs=proofs,
            clock=clock,
            paths=paths,
            config=config,
            site_id=site_id,
        )
        self._traffic = TrafficService(catalog=catalog, clock=clock)
        self._flows = FlowService(catalog=catalog, clock=clock, min_group=config.privacy.min_group, links=self._links)
        holds = HoldService(catalog=catalog, warden=self._warden, clock=clock)
        self._push, self._outside = open_push(config, paths, catalog, self._warden, clock), OutsideWaits(clock)
        self._rules, self._rule_desk = open_rules(config, catalog, self._warden, clock, os.environ, self._push)
        self._incidents = IncidentService(catalog=catalog, clock=clock, on_incident=self._on_incident)
        self._backfill_jobs = JobPool(self._supervisor, clock, spare=0, kind="backfiller", patience=PATIENCE)
        self._backfills = Backfills(catalog=catalog, warden=self._warden, jobs=self._backfill_jobs, clock=clock)
        self._protection = ProtectionService(
            catalog=catalog, warden=self._warden, jobs=self._jobs, views=self._views, clock=clock
        )
        slow = slow_tier(paths, config, site_id)
        store = offsite_store(config)
        offsite = offsite_tier(config, site_id, store)
        self._retention = RetentionSweeper(
            paths=paths,
            site_id=site_id,
            config=config,
            catalog=catalog,
            warden=self._warden,
            live=self._live,
            storage=Disk(),
            clock=clock,
            slow=slow,
            copies=copies(config, offsite),
        )
        eraser = Eraser(
            catalog=catalog,
            warden=self._warden,
            retention=self._retention,
            exporter=self._exporter,
            proofs=proofs,
            clock=clock,
            paths=paths,
            config=config,
            site_id=site_id,
        )
        (leaks, self._leaks), self._posts = (
            _leak_desk(catalog, self._warden, self._jobs, self._views, paths, config),
            _post_book(self._warden, self._jobs, proofs, paths, config, site_id),
        )
        self._control = ControlService(
            traffic=self._traffic,
            cameras=self._cameras,
            people=People(catalog=catalog, warden=self._warden, clock=clock),
            holds=holds,
            catalog=catalog,
            policies=load_policies(),
            config=config,
            clock=clock,
            warden=self._warden,
            exporter=self._exporter,
            eraser=eraser,
            backfills=self._backfills,
            leaks=leaks,
            wishes=lambda: self._federator.wishes if self._federator is not None else None,
        )
        if store is not None:
            recall = RecallService(
                recall=open_recall(paths, config, site_id, store), catalog=catalog, lock=self._retention.lock
            )
            self._views.recall_with(recall)
            self._exporter.recall_with(recall)
        self._tiers = TierSweeper(
            paths=paths,
            catalog=catalog,
            clock=clock,
            lock=self._retention.lock,
            slow=slow,
            offsite=offsite,
        )
        self._connections, self._announcing = Connections(), set[asyncio.Task[None]]()
        self._federator = open_federator(
            paths,
            config,
            site_id=site_id,
            outbox=outbox,
            catalog=catalog,
            warden=self._warden,
            live=self._live,
            fleet=FleetShelf(paths, clock).read,
            clock=clock,
        )
        self._sightings = self._sighting_news(config)
        self._app = create_app(
            catalog=catalog,
            views=self._views,
            live=self._live,
            warden=self._warden,
            holds=holds,
            exports=self._exporter,
            erasures=eraser,
            config=config,
            clock=clock,
            announce=self._announce,
            fleet=FleetShelf(paths, clock, health).read,
            health=health.read,
            leaks=self._leaks,
            posts=self._posts,
            floors=front.map,
            tiles=open_tiles(config.map),
            backfills=self._backfills,
            journeys=self._journey_desk(proofs, clock),
            push=self._push,
            cameras=self._desk,
            recogniser=self._recogniser,
            recorders=self._recorders.table,
            centre=self._centre_desk,
            rules=self._rule_desk,
            standing=StandingReader.of_site(paths, config, leases),
            drops=lambda: front.map.drops(self._links.dropped),
            unreached=lambda: [*self._rules.troubles(), *self._outside.troubles()],
            on_verdict=self._sightings.take if self._sightings else None,
            scanner=Clamd(config.server.clamd) if config.server.clamd else None,
        )

    def _journey_desk(self, proofs: ProofDesk, clock: Clock) -> JourneyService:
        catalog, warden, site_id = self._catalog, self._warden, self._site_id
        self._journeys = JourneyService(
            catalog=catalog,
            warden=warden,
            clock=clock,
            exhibits=ExhibitMaker(
                warden=warden, proofs=proofs, clock=clock, paths=self._paths, config=self._config, site_id=site_id
            ),
            looks=LookDesk(catalog=catalog, warden=warden, jobs=self._jobs, views=self._views, clock=clock),
        )
        return self._journeys

    def _centre_desk(self) -> SiteCentreDesk | None:
        answerer = self._federator.answerer if self._federator is not None else None
        return None if answerer is None else SiteCentreDesk(answerer, self._exporter)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`, or until a part fails: then its error is raised and the supervisor starts anew."""
        await asyncio.to_thread(self._exporter.clear)
        await self._backfills.recover()
        await self._gates.recover()
        sockets = [
            await self._serve("server-facts", self._facts.serve_peer),
            await self._serve("server-leases", self._recorders.serve_peer),
            await self._serve("server-backfill", self._backfill_jobs.serve_peer),
            await self._serve("server-probe", self._probe_jobs.serve_peer),
        ]
        if self._looks.is_on:
            sockets.append(await self._serve("server-looks", self._looks.serve_peer))
        if self._tenure is not None:
            sockets.append(await self._serve("server-news", self._news.serve_peer))
        parts = [asyncio.create_task(part, name=name) for name, part in self._parts().items()]
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await self._front.show(self._app)
            # Last of all: its file tells the supervisor that the server serves.
            sockets.append(await self._serve("server-control", self._control.serve_peer))
            if await self._catalog.accounts():
                await self._announce("")
            structlog.get_logger().info("server serves", address=self._front.address)
            await asyncio.wait({stopping, *parts, *self._front.tasks}, return_when=asyncio.FIRST_COMPLETED)
            for part in (*parts, *self._front.tasks):
                if part.done():
                    part.result()  # a part ends only by an error, which is ours to see
        finally:
            for socket in sockets:
                socket.close()
            await self._stop([*parts, stopping, *self._announcing])

    async def _serve(self, name: str, on_connect: Callable[[AsyncChannel], Awaitable[None]]) -> asyncio.Server:
        return await serve(self._paths.socket(name), self._connections.tracked(on_connect))

    def _parts(self) -> dict[str, Coroutine[Any, Any, None]]:
        return {
            "gates": self._gates.run(),
            "shapes": self._shapes.run(),
            "store": self._facts.store.run(),
            "grow": self._facts.grow_forever(),
            "looks": self._looks.run(),
            "links": self._links.run(),
            "journal": self._follow(),
            "signers": self._signers.run(),
            "disk": self._disk_watch.run(),
            "health": self._health_watch.run(),
            "cameras": self._configure(),
            "traffic": self._traffic.run(),
            "flows": self._flows.run(),
            "rules": self._rules.run(),
            "rule-desk": self._rule_desk.run(),
            **passage_parts(self._warden, self._rules),
            "incidents": self._incidents.run(),
            "protection": self._protection.run(),
            "sightings": self._tell_sightings(),
            "witnesses": run_witnesses(self._witnesses, self._warden, every_s=self._config.audit.every_s),
            "stamps": self._stamp(),
            **outside_parts(
                config=self._config,
                paths=self._paths,
                site_id=self._site_id,
                warden=self._warden,
                live=self._live,
                environ=os.environ,
                waits=self._outside,
            ),
            "federation": self._federate(),
            "factors": SecondFactor(catalog=self._catalog, warden=self._warden).seal_old_when_possible(),
            **({"push": self._push.run()} if self._push is not None else {}),
            **({"tenure": self._tenure.keep(), "inside": self._inside()} if self._tenure is not None else {}),
        }

    async def _inside(self) -> None:
        """What the servers that follow pass on."""
        listener = listening_socket(self._paths.socket("server-page"))
        try:
            await Page(Inside(self._app), listener, has_lifespan=False).run()
        finally:
            listener.close()

    async def _tell_sightings(self) -> None:
        if self._sightings is not None:
            await self._sightings.run()
        await asyncio.Event().wait()

    def _sighting_news(self, config: SiteConfig) -> SightingNews | None:
        hook = config.faces.webhook
        if hook is None or not config.faces.enabled:
            return None
        try:
            return SightingNews(
                self._warden, senders.webhook(hook.url, read_secret("faces.webhook.secret", hook.secret, os.environ))
            )
        except ConfigError as error:
            structlog.get_logger().error("sightings are told to nobody until the next start", error=str(error))
            return None

    async def _follow(self) -> None:
        """Rows first, then the log: what the log knows already can only be told from rows (`SealLogger`). And
        nothing is deleted by a catalog that has not caught up."""
        with contextlib.suppress(CustodesError, OSError):  # told by `run`, which tries again
            await self._journal.take_all()
        await asyncio.gather(self._journal.run(), self._seals.run(), self._retention.run(), self._tiers.run())

    async def _stamp(self) -> None:
        tsa = self._config.audit.tsa
        if tsa is not None and self._authority is not None:
            await run_stamper(self._authority, self._warden, every_s=tsa.every_s)
        await asyncio.Event().wait()

    async def _federate(self) -> None:
        if self._federator is not None:
            await self._federator.run()
        await asyncio.Event().wait()

    async def _configure(self) -> None:
        await self._cameras.start(tuple(camera.spec() for camera in self._config.cameras))
        while True:
            await self._desk.tidy()
            await asyncio.sleep(TIDY_EVERY_S)

    def _on_frames(self, camera_id: CameraId, frames: Sequence[FrameAnalysed]) -> None:
        self._front.take_frames(camera_id, frames)
        self._incidents.take(camera_id, frames)
        self._rules.take_frames(camera_id, frames)
        self._links.take_frames(camera_id, frames)

    def _on_incident(self, incident: Incident) -> None:
        _note_incident(incident)
        self._rules.take_incident(incident)

    def _on_status(self, status: CameraStatus) -> None:
        self._disk_watch.take(status)
        self._health_watch.take_camera(status)

    def _on_analyser(self, status: AnalyserStatus) -> None:
        self._health_watch.take_analyser(status)
        self._shapes.take(status)

    def _on_trouble(self, event: SiteEvent) -> None:
        self._rules.take_health(event)

    def _on_segment(self, segment: Segment) -> None:
        self._front.take_open_segment(segment)
        self._journal.wake()

    def _on_segments(self, segments: Sequence[Segment]) -> None:
        self._views.on_segments(segments)
        self._news.tell_segments(segments)

    async def _append_once(self, record: AuditRecord) -> int:
        return (await self._append.request(Append(record=record), Appended, is_repeatable=False)).index

    async def _announce(self, first_boot_token: str) -> None:
        """Tell the supervisor, also when it does not listen yet."""
        task = asyncio.create_task(_announce_until_heard(self._supervisor, self._front.address, first_boot_token))
        self._announcing.add(task)
        task.add_done_callback(self._announcing.discard)

    async def _stop(self, tasks: list[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        ending = {
            asyncio.create_task(self._front.close(), name="front-close"),
            asyncio.create_task(self._exporter.close(), name="exports-close"),
            asyncio.create_task(self._journeys.close(), name="journeys-close"),
            asyncio.create_task(self._leaks.stop(), name="leaks-stop"),
            asyncio.create_task(self._posts.stop(), name="posts-stop"),
            asyncio.create_task(self._backfills.close(), name="backfills-close"),
        }
        await asyncio.wait(ending, timeout=STOP_S)
        for task in ending:
            task.cancel()
        await asyncio.gather(*tasks, *ending, return_exceptions=True)
        await asyncio.to_thread(self._links.forget)
        await self._connections.end()
        for client in (self._warden, self._append):
            await client.close()
        if self._recogniser is not None:
            await self._recogniser.close()
        self._retention.close()


def _leak_desk(
    catalog: ThreadedCatalog,
    warden: WardenClient,
    jobs: JobPool,
    views: ServerViewBroker,
    paths: SitePaths,
    config: SiteConfig,
) -> tuple[LeakDesk, LeakBook]:
    """What traces, and what the page knows of traces."""
    clock = SystemClock()
    desk = LeakDesk(catalog=catalog, warden=warden, jobs=jobs, views=views, clock=clock, paths=paths, config=config)
    return desk, LeakBook(paths.leaks, catalog=catalog, warden=warden, clock=clock, trace=desk.trace)


def _post_book(
    warden: WardenClient, jobs: JobPool, proofs: ProofDesk, paths: SitePaths, config: SiteConfig, site_id: str
) -> CasePostBook:
    """What was posted of leaked pictures, case by case."""
    clock = SystemClock()
    return CasePostBook(
        paths.data_dir,
        warden=warden,
        clock=clock,
        compare=lambda task: ask_job(jobs, clock, task, task.deadline_ns, PostsSpread),
        exhibit=PostExhibit(warden=warden, proofs=proofs, clock=clock, paths=paths, config=config, site_id=site_id),
    )


def _camera_parts(
    catalog: ThreadedCatalog, warden: WardenClient, live: ServerLiveState, supervisor: Supervisor, paths: SitePaths
) -> tuple[CameraService, SiteCameras, JobPool]:
    """What changes cameras, the desk at which people do, and the jobs that look at one for it."""
    probes = JobPool(supervisor, SystemClock(), spare=0, kind="prober", patience=PATIENCE)
    shelf = CameraShelf(paths, SystemClock())
    service = CameraService(catalog=catalog, warden=warden, live=live, assignment=paths.assignment, shelf=shelf)
    return service, SiteCameras(catalog=catalog, service=service, shelf=shelf, ask=Probers(probes).ask), probes


def _note_incident(incident: Incident) -> None:
    if not incident.is_over:
        structlog.get_logger().info(
            "incident",
            camera_id=incident.camera_id,
            kind=incident.kind.value,
            road=incident.road,
            start_ns=incident.start_ns,
            evidence=incident.evidence,
        )


def _authority(config: SiteConfig) -> Stamper | None:
    """None also when it is configured wrongly: the site goes on without stamps."""
    if config.audit.tsa is None:
        return None
    try:
        from custodes.adapters.witness.tsa import TimestampAuthority  # an optional extra

        return TimestampAuthority(config.audit.tsa.url, config.audit.tsa.certificates)
    except (ImportError, ConfigError) as error:
        structlog.get_logger().error("nothing is time-stamped", error=str(error))
        return None


async def _announce_until_heard(supervisor: Supervisor, address: str, token: str) -> None:
    is_told = False
    while True:
        try:
            await supervisor.announce(address, token)
        except CustodesError as error:
            if not is_told:
                structlog.get_logger().warning("supervisor does not hear the address", error=str(error))
            is_told = True
            await asyncio.sleep(ANNOUNCE_RETRY_S)
        else:
            return


async def run(paths: SitePaths, config: SiteConfig, stop: asyncio.Event) -> None:
    """Open the catalog and serve.

    Raises: SiteMismatch, FailedPrecondition (port taken, newer catalog), DataLoss (damaged catalog).
    """
    identity = read_identity(paths.identity)
    if identity is None:
        raise SiteMismatch(f"{paths.data_dir} has no site.json; start the site with `custodes up`")
    opened = await asyncio.to_thread(
        open_catalog, paths, config, site_id=identity.site_id, clock=SystemClock(), environ=os.environ
    )
    catalog = ThreadedCatalog(opened)
    try:
        front = Front(paths, config, catalog, name="server", clock=SystemClock())
        await front.start()
        await Server(
            paths, config, catalog, front, outbox=opened.outbox, leases=opened.leases, site_id=identity.site_id
        ).run(stop)
    finally:
        await catalog.close()


async def _serve(paths: SitePaths, config: SiteConfig, stop: asyncio.Event, _name: str) -> None:
    await run(paths, config, stop)
    structlog.get_logger().info("server stopped")


def main() -> None:
    """Entry point of the process."""
    run_process("server", _serve)


if __name__ == "__main__":
    main()
