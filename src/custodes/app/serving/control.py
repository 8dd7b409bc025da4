"""The server's control socket, for the CLI of the site's own user: cameras, accounts, holds, explained decisions."""

from collections.abc import Callable
from dataclasses import replace

from custodes.access.policy import Circumstances, Policies
from custodes.access.privacy import report
from custodes.access.requests import MAX_READ
from custodes.adapters.ipc.framing import AsyncChannel, answer_requests
from custodes.app.serving.backfills import Backfills
from custodes.app.serving.cameras import CameraService
from custodes.app.serving.erasure import Eraser
from custodes.app.serving.exports import Exporter
from custodes.app.serving.holds import HoldService
from custodes.app.serving.leaks import LeakDesk
from custodes.app.serving.traffic import TrafficService
from custodes.app.serving.wishes import WishBook
from custodes.config import SiteConfig
from custodes.errors import FailedPrecondition, PermissionDenied, ProtocolError, Unauthenticated
from custodes.ports.catalog import Account
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, AuditRecord, Fidelity
from custodes.types.approval import ReadRequests, RequestTable
from custodes.types.backfill import BackfillTable, PauseBackfill, ReadBackfills, ResumeBackfill, StartBackfill
from custodes.types.cases import (
    ChangeCase,
    CloseCase,
    NoteOnCase,
    OpenCase,
    ReadCase,
    ReadCases,
    ReopenCase,
)
from custodes.types.codec import decode
from custodes.types.hold import PlaceHold, ReadHolds, ReleaseHold
from custodes.types.journey import ReadLastSeen
from custodes.types.leak import LeakTraced, TraceLeak
from custodes.types.message import ErasureDone, ExportState, ForgetExport, Ok, ReadExport, StartErasure, StartExport
from custodes.types.people import (
    AccessExplained,
    ActOnCase,
    ChangePerson,
    ExplainAccess,
    Invited,
    InvitePerson,
    PeopleTable,
    PrivacyReport,
    ReadPeople,
    ReadPrivacyReport,
    ReportSection,
)
from custodes.types.traffic import ReadTraffic
from custodes.types.wish import GiveFootage, ReadWishes, RefuseWish, Wishes
from custodes.units import RunId
from custodes.web.auth.passwords import Passwords
from custodes.web.auth.people import CLI, People, person_rows, principal_of
from custodes.web.auth.second_factor import SecondFactor
from custodes.web.privacy import facts_of


class ControlService:
    """Answers one caller after the other; who reaches the socket is the site's own user (mode 0600)."""

    def __init__(
        self,
        *,
        cameras: CameraService,
        people: People,
        holds: HoldService,
        catalog: AsyncCatalog,
        policies: Policies,
        config: SiteConfig,
        clock: Clock,
        warden: Warden,
        exporter: Exporter,
        eraser: Eraser,
        backfills: Backfills,
        traffic: TrafficService,
        leaks: LeakDesk,
        wishes: Callable[[], WishBook | None] = lambda: None,
    ) -> None:
        """`wishes`: of a centre; None where it may ask for nothing."""
        self._wishes = wishes
        self._traffic = traffic
        self._leaks = leaks
        self._warden = warden
        self._exporter = exporter
        self._eraser = eraser
        self._backfills = backfills
        self._passwords = Passwords()
        self._factor = SecondFactor(catalog=catalog, warden=warden)
        self._cameras = cameras
        self._people = people
        self._holds = holds
        self._catalog = catalog
        self._policies = policies
        self._config = config
        self._clock = clock

    async def serve_peer(self, channel: AsyncChannel) -> None:
        """One caller of `server-control.sock`."""
        await answer_requests(channel, self.respond)

    async def respond(self, request: object) -> object:  # noqa: C901 - one line a kind of request
        """One answer. Raises: what the acts raise; ProtocolError for what is no request of this socket."""
        match request:
            case ReadPeople() | InvitePerson() | ChangePerson():
                return await self._about_people(request)
            case ReadPrivacyReport():
                return await self._privacy()
            case ExplainAccess():
                return await self._explain(request)
            case ActOnCase():
                return await self._on_case(request)
            case StartExport():
                return await self._export(request)
            case StartErasure() | TraceLeak():
                return await (self._erase(request) if isinstance(request, StartErasure) else self._trace(request))
            case ReadExport():
                return self._exporter.state(request.export_id)
            case ForgetExport():
                await self._exporter.forget(request.export_id)
                return Ok()
            case PlaceHold() | ReleaseHold() | ReadHolds():
                return await self._about_holds(request)
            case StartBackfill() | ResumeBackfill() | PauseBackfill() | ReadBackfills():
                return await self._about_backfills(request)
            case ReadTraffic():
                return await self._traffic.table(request)
            case ReadWishes() | GiveFootage() | RefuseWish():
                return await self._about_wishes(request)
        return await self._cameras.respond(request)

    async def _about_people(self, request: ReadPeople | InvitePerson | ChangePerson) -> object:
        match request:
            case ReadPeople():
                return PeopleTable(people=await person_rows(self._catalog))
            case InvitePerson():
                token = await self._people.invite(
                    actor=CLI, name=request.name, roles=request.roles, cameras=request.cameras, duty=request.duty
                )
                return Invited(token=token)
            case ChangePerson():
                await self._people.change(
                    await self._people.find(request.name),
                    actor=CLI,
                    actor_id=CLI,
                    roles=request.roles,
                    cameras=request.cameras,
                    duty=request.duty,
                    is_disabled=request.is_disabled,
                )
                return Ok()

    async def _about_holds(self, request: PlaceHold | ReleaseHold | ReadHolds) -> object:
        match request:
            case PlaceHold():
                return await self._holds.place(request, actor=CLI)
            case ReleaseHold():
                await self._holds.release(request, actor=CLI)
                return Ok()
            case ReadHolds():
                return await self._holds.table()

    async def _about_backfills(
        self, request: StartBackfill | ResumeBackfill | PauseBackfill | ReadBackfills
    ) -> BackfillTable:
        match request:
            case StartBackfill():
                account = await self._prove(request.person, request.password, request.code, "back-fill")
                return await self._backfills.start(
                    principal=principal_of(account),
                    purpose=request.purpose,
                    camera_ids=request.camera_ids,
                    start_ns=request.start_ns,
                    end_ns=request.end_ns,
                )
            case ResumeBackfill():
                account = await self._prove(request.person, request.password, request.code, "back-fill")
                return await self._backfills.resume(request.version, principal_of(account))
            case PauseBackfill():
                return await self._backfills.pause(request.version, is_cancel=request.is_cancel)
            case ReadBackfills():
                return await self._backfills.table()

    async def _export(self, request: StartExport) -> ExportState:
        """As the person named, who shows it by the password: an export is never anonymous."""
        account = await self._prove(request.person, request.password, request.code, "export")
        export_id = await self._exporter.start(
            principal=principal_of(account),
            purpose=request.purpose,
            camera_id=request.camera_id,
            start_ns=request.start_ns,
            end_ns=request.end_ns,
            request_id=request.request_id,
            fidelity=request.fidelity,
            shown=await self._shown_by(request.request_id) if request.fidelity is Fidelity.UNMASKED else (),
        )
        return self._exporter.state(export_id)

    async def _about_wishes(self, request: ReadWishes | GiveFootage | RefuseWish) -> Wishes | Ok:
        book = self._wishes()
        if book is None:
            raise FailedPrecondition("no centre may ask this site: federation: share: does not list cases")
        if isinstance(request, ReadWishes):
            return book.table()
        account = await self._prove(request.person, request.password, request.code, "a centre's wish")
        await book.answer(request, principal_of(account))
        return Ok()

    async def _erase(self, request: StartErasure) -> ErasureDone:
        account = await self._prove(request.person, request.password, request.code, "erasure")
        return await self._eraser.erase(
            principal=principal_of(account),
            camera_id=request.camera_id,
            start_ns=request.start_ns,
            end_ns=request.end_ns,
            reference=request.reference,
            request_id=request.request_id,
        )

    async def _shown_by(self, request_id: str) -> tuple[tuple[RunId, int], ...]:
        """Whom alone the approved request shows; whether it carries the export is the warden's decision."""
        if not request_id:
            return ()
        table = await self._warden.about_requests(ReadRequests(limit=MAX_READ))
        assert isinstance(table, RequestTable)
        return next((one.request.shown for one in table.records if one.request.request_id == request_id), ())

    async def _trace(self, request: TraceLeak) -> LeakTraced:
        """As two people, both of whom show who they are: nobody sees a suspicion alone."""
        accounts = [
            await self._prove(one.person, one.password, one.code, "leak trace")
            for one in (request.first, request.second)
        ]
        if accounts[0].user_id == accounts[1].user_id:
            raise PermissionDenied("a leak is traced by two different people")
        return await self._leaks.trace(request.order, principal_of(accounts[0]), principal_of(accounts[1]))

    async def _on_case(self, request: ActOnCase) -> object:
        account = await self._prove(request.person, request.password, request.code, "case")
        step = decode(request.step)
        if isinstance(step, ReadLastSeen):
            return await self._warden.about_requests(replace(step, principal=principal_of(account)))
        if not isinstance(step, OpenCase | ChangeCase | CloseCase | ReopenCase | NoteOnCase | ReadCases | ReadCase):
            raise ProtocolError(f"{type(step).__name__} is no step on a case")
        return await self._warden.about_cases(replace(step, principal=principal_of(account)))

    async def _prove(self, person: str, password: str, code: str, what: str) -> Account:
        """Whose password and code these are. Raises: NotFound, Unauthenticated, which is logged."""
        account = await self._people.find(person)
        is_right = await self._passwords.verify(account.password_hash or None, password)
        step = await self._factor.step(account, code)
        if account.has_totp and is_right:
            is_right = step is not None
            if step is not None:
                await self._factor.use(account, step)
        if account.is_disabled or not is_right:
            record = AuditRecord(kind=AuditKind.LOGIN_FAILED, actor=CLI, subject=account.name, details={"for": what})
            await self._warden.append(record)
            raise Unauthenticated("wrong password or code, or the account is disabled")
        return account

    async def _privacy(self) -> PrivacyReport:
        facts = await facts_of(self._catalog, self._warden, self._config)
        return PrivacyReport(
            site=facts.name,
            sections=tuple(
                ReportSection(title=one.title, lines=one.lines, is_open=one.is_open) for one in report(facts)
            ),
        )

    async def _explain(self, request: ExplainAccess) -> AccessExplained:
        found = await self._people.explain(
            await self._people.find(request.person),
            action=request.action,
            camera_id=request.camera_id,
            purpose=request.purpose,
            reference=request.reference,
            fidelity=request.fidelity,
            policies=self._policies,
            circumstances=Circumstances(minute_of_day=self._config.access.minute_of_day(self._clock.now_ns())),
        )
        return AccessExplained(
            is_allowed=found.decision.is_allowed,
            reasons=found.decision.reasons,
            policy_ids=found.decision.policy_ids,
            would_help=found.would_help,
        )
