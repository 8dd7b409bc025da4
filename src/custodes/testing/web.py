"""The server's other halves for tests of the web layer: catalog on a real file, warden with a real log and the real
policies, views that draw and encode real video, live state that a test sets.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.access.grants import granted_from
from custodes.access.policy import decide, decide_list, load_policies
from custodes.adapters.keys.cases import CaseStore
from custodes.adapters.keys.faces import FaceStore
from custodes.adapters.keys.requests import RequestStore
from custodes.adapters.keys.store import FaceSecrets
from custodes.app.prober import discover, probe, redraw
from custodes.app.serving.camera_desk import SiteCameras
from custodes.app.serving.camera_shelf import CameraShelf
from custodes.app.serving.cameras import CameraService
from custodes.app.serving.live_state import ServerLiveState
from custodes.app.warden_cases import CaseDesk
from custodes.app.warden_faces import FaceDesk
from custodes.app.warden_factors import FactorDesk
from custodes.app.warden_office import Office
from custodes.app.warden_records import access_record
from custodes.app.warden_requests import RequestDesk
from custodes.audit.log import AuditLog
from custodes.audit.proof import prove_entries
from custodes.config import AccessConfig, SitePaths
from custodes.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unavailable
from custodes.media.encode import LiveEncoder
from custodes.media.jpeg import encode_jpeg
from custodes.ports.catalog import Catalog
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.exports import PersonExport, SealedBundle
from custodes.ports.views import View, ViewOutput
from custodes.ports.warden import Warden
from custodes.runtime.clock import SystemClock
from custodes.testing.audit import open_test_log
from custodes.testing.media import draw_frame
from custodes.types.access import (
    AccessRequest,
    Action,
    AuditKind,
    AuditRecord,
    Checkpoint,
    Fidelity,
    Grant,
    Principal,
    Purpose,
    PurposeKind,
)
from custodes.types.credential import CheckCode, CodeChecked, SealSecret, SecretSealed
from custodes.types.message import (
    Authorised,
    CameraRow,
    CosignedCheckpoint,
    ErasureDone,
    ExportState,
    InclusionProof,
    LogPage,
    MediaChunk,
    MediaInit,
    ProcessStatus,
    SiteStatus,
    StillRendered,
    ViewEnded,
    ViewKind,
    ViewNote,
)
from custodes.types.setup import DiscoverTask, ProbeTask, RedrawTask
from custodes.types.stream import camera_of
from custodes.units import NS_PER_S, CameraId, Ns, RunId, SegmentId, SessionId

Sleep = Callable[[float], Awaitable[None]]

_WIDTH, _HEIGHT, _FPS = 480, 270, 10


class InlineCatalog:
    """`AsyncCatalog` over a blocking catalog, on the event loop's own thread: deterministic, for tests only."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @classmethod
    def over(cls, catalog: Catalog) -> AsyncCatalog:
        """The wrapper, typed as the port: its methods are the catalog's own, awaited."""
        return cast(AsyncCatalog, cls(catalog))

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._catalog, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return method(*args, **kwargs)

        return call


class WrittenExports:
    """`ports.exports.ExportDesk` that asks the warden and writes a few bytes at once; nothing is rendered."""

    def __init__(self, folder: Path, warden: Warden) -> None:
        self._folder = folder
        self._warden = warden
        self.made: dict[str, tuple[str, PersonExport]] = {}

    async def start(
        self,
        *,
        principal: Principal,
        purpose: Purpose,
        camera_id: CameraId,
        start_ns: Ns,
        end_ns: Ns,
        request_id: str = "",
        fidelity: Fidelity = Fidelity.MASKED,
        shown: tuple[tuple[RunId, int], ...] = (),
    ) -> str:
        """Decided by the real policies."""
        export_id = secrets.token_hex(8)
        request = AccessRequest(
            principal=principal,
            action=Action.EXPORT,
            purpose=purpose,
            camera_id=camera_id,
            start_ns=start_ns,
            end_ns=end_ns,
            fidelity=fidelity,
            session_id=SessionId(export_id),
            request_id=request_id,
            shown=shown,
        )
        grant = granted_from(request, await self._warden.authorise(request)).grant
        path = self._folder / f"{export_id}.zip"
        path.write_bytes(export_id.encode() * 100_000)
        manifest = hashlib.sha256(path.read_bytes()).hexdigest()
        details = {"manifest": manifest, "export_id": export_id, "grant_id": grant.grant_id}
        sealed = AuditRecord(
            kind=AuditKind.EVIDENCE_SEALED, actor="process:server", subject=camera_id, details=details
        )
        index = await self._warden.append(sealed)
        state = ExportState(export_id=export_id, state="ready", detail="", share=1.0, path=str(path))
        self.made[export_id] = (
            principal.user_id,
            PersonExport(
                state=state,
                camera_id=camera_id,
                start_ns=start_ns,
                end_ns=end_ns,
                reference=purpose.reference,
                fidelity=fidelity,
                sealed=SealedBundle(manifest=manifest, sealed_index=index, grant_index=grant.log_index),
            ),
        )
        return export_id

    def of_person(self, user_id: str) -> list[PersonExport]:
        """Theirs, newest first."""
        return [one for owner, one in self.made.values() if owner == user_id][::-1]

    async def fetch(self, export_id: str, principal: Principal) -> Path:
        """For who made it."""
        owner, made = self.made.get(export_id, ("", None))
        if made is None or owner != principal.user_id:
            raise NotFound("there is no such export, or it was fetched already")
        return Path(made.state.path)

    async def hold(self, export_id: str, principal: Principal, *, is_held: bool) -> None:
        """They are made at once."""
        await self.fetch(export_id, principal)
        raise FailedPrecondition("only an export that is being rendered can be paused")

    async def forget(self, export_id: str) -> None:
        """The file goes, too."""
        _, made = self.made.pop(export_id, ("", None))
        if made is not None:
            Path(made.state.path).unlink()


class WrittenErasures:
    """`ports.erasures.ErasureDesk` that asks the warden and writes a few bytes; there are no recordings here."""

    def __init__(self, folder: Path, warden: Warden) -> None:
        self._folder = folder
        self._warden = warden
        self._made: list[str] = []

    async def erase(
        self,
        *,
        principal: Principal,
        camera_id: CameraId,
        start_ns: Ns,
        end_ns: Ns,
        reference: str,
        request_id: str,
    ) -> ErasureDone:
        """Decided by the real policies."""
        request = AccessRequest(
            principal=principal,
            action=Action.ERASE,
            purpose=Purpose(kind=PurposeKind.SUBJECT_ACCESS, reference=reference),
            camera_id=camera_id,
            start_ns=start_ns,
            end_ns=end_ns,
            fidelity=Fidelity.MASKED,
            session_id=SessionId("erasure"),
            request_id=request_id,
        )
        granted_from(request, await self._warden.authorise(request))
        erasure_id = f"{request_id}-{secrets.token_hex(4)}"
        self._made.insert(0, erasure_id)
        path = self._folder / f"{erasure_id}.zip"
        path.write_bytes(b"certificate")
        return ErasureDone(erasure_id=erasure_id, path=str(path), segments=1, bytes_on_disk=1000)

    def certificates(self) -> list[str]:
        """Newest first."""
        return list(self._made)

    def path_of(self, erasure_id: str) -> Path:
        """Written by `erase`."""
        return self._folder / f"{erasure_id}.zip"


class LoggingWarden:
    """`ports.warden.Warden` in this process: the shipped policies and a real audit log in `folder`."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.log: AuditLog = open_test_log(folder / "log.db")
        self.cosigned: list[str] = []
        self.is_down = False
        """While true, everything raises Unavailable, as when the process is gone."""
        self._clock = clock
        self._policies = load_policies()
        requests = RequestStore(folder / "requests.db")
        self.cases = CaseStore(folder / "cases.db")
        secret = FaceSecrets(person_kek=bytes(32), token_key=bytes(32), plate_key=bytes(32))
        self.face_store = FaceStore(folder / "faces.db", secret.person_kek)
        office = Office(
            site_id="ab" * 8,
            store=self.face_store,
            keys=requests,
            append=self.append,
            policies=self._policies,
            clock=clock,
            lock=asyncio.Lock(),
        )
        signer = Ed25519PrivateKey.from_private_bytes(bytes(32))
        self.faces = FaceDesk(office, signer, secret, SitePaths(folder), "UTC")
        self.desk = RequestDesk(
            store=requests,
            cases=CaseDesk(store=self.cases, append=self.append, policies=self._policies, clock=clock),
            append=self.append,
            policies=self._policies,
            clock=clock,
            rules=AccessConfig(),
            protection=self.faces.protection,
        )
        self.faces.know(self.desk)
        self._factors = FactorDesk(bytes(32), clock)
        self._append(AuditKind.WARDEN_STARTED, "process:warden", "", {})

    def kinds(self) -> list[AuditKind]:
        """Kinds of all entries, oldest first."""
        return [entry.record.kind for entry in self.log.read(0, self.log.size)]

    def _check_up(self) -> None:
        if self.is_down:
            raise Unavailable("the warden does not answer")

    def _append(self, kind: AuditKind, actor: str, subject: str, details: dict[str, str]) -> int:
        record = AuditRecord(kind=kind, actor=actor, subject=subject, details=details)
        return self.log.append([(record, self._clock.now_ns())])[0].index

    async def authorise(self, request: AccessRequest) -> Authorised:
        """Decide, log, grant."""
        self._check_up()
        camera_ids: tuple[CameraId, ...] = ()
        if request.camera_ids:
            decision, camera_ids = decide_list(request, self._policies, self.desk.around(request))
        else:
            decision = decide(request, self._policies, self.desk.around(request))
        kind = AuditKind.ACCESS_GRANTED if decision.is_allowed else AuditKind.ACCESS_DENIED
        grant_id = secrets.token_hex(8) if decision.is_allowed else ""
        index = await self.append(access_record(kind, request, decision, grant_id))
        grant = Grant(
            grant_id=grant_id,
            token=secrets.token_urlsafe(32),
            request=request,
            expires_ns=request.end_ns,
            log_index=index,
            camera_ids=camera_ids,
        )
        return Authorised(decision=decision, grant=grant if decision.is_allowed else None, log_index=index)

    async def sign_claim(self, export_id: str, claim: bytes) -> tuple[bytes, str]:
        """There are no keys here."""
        raise Unavailable(f"no content credentials for {export_id}, {len(claim)} bytes")

    async def seal_secret(self, user_id: str, secret: str) -> bytes:
        """The real desk's answer."""
        self._check_up()
        sealed = await self._factors.answer(SealSecret(user_id=user_id, secret=secret))
        assert isinstance(sealed, SecretSealed)
        return sealed.sealed

    async def check_code(self, user_id: str, sealed: bytes, code: str, *, after_step: int) -> int | None:
        """The real desk's answer."""
        self._check_up()
        message = CheckCode(user_id=user_id, sealed=sealed, code=code, after_step=after_step)
        checked = await self._factors.answer(message)
        assert isinstance(checked, CodeChecked)
        return checked.step

    async def about_requests(self, message: object) -> object:
        """The real desks' answer."""
        self._check_up()
        reply = await self.faces.answer_server(message)
        return await self.desk.answer(message) if reply is None else reply

    async def about_cases(self, message: object) -> object:
        """The real desk's answer."""
        self._check_up()
        return await self.desk.answer(message)

    async def destroy_keys(self, camera_id: CameraId, day: str) -> int:
        """There are no keys here; the entry is written."""
        self._check_up()
        return self._append(AuditKind.KEYS_DESTROYED, "process:warden", camera_id, {"day": day})

    async def erase_segments(self, grant_token: str, segment_ids: tuple[SegmentId, ...]) -> int:
        """There are no keys here; the entry is written."""
        self._check_up()
        return self._append(AuditKind.FOOTAGE_ERASED, "", "", {"count": str(len(segment_ids))})

    async def end_grant(self, grant_id: str, frames_shown: int) -> None:
        """Log the end."""
        self._check_up()
        self._append(AuditKind.VIEW_ENDED, "process:server", "", {"frames_shown": str(frames_shown)})

    async def append(self, record: AuditRecord) -> int:
        """Append durably."""
        self._check_up()
        return self.log.append([(record, self._clock.now_ns())])[0].index

    async def read_log(self, start: int, limit: int) -> LogPage:
        """A page."""
        self._check_up()
        return LogPage(entries=self.log.read(start, limit), checkpoint=await self.read_checkpoint())

    async def read_checkpoint(self) -> Checkpoint:
        """The newest head."""
        self._check_up()
        return self.log.publish(self._clock.now_ns() // NS_PER_S)

    async def prove_inclusion(self, index: int, size: int) -> InclusionProof:
        """A real proof."""
        self._check_up()
        return InclusionProof(index=index, size=size, path=self.log.prove_inclusion(index, size))

    async def prove_consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """A real proof."""
        self._check_up()
        return self.log.prove_consistency(old_size, new_size)

    async def prove_entries(self, indices: tuple[int, ...]) -> tuple[str, ...]:
        """Real proofs."""
        self._check_up()
        return prove_entries(self.log, indices, self._clock.now_ns() // NS_PER_S)

    async def store_cosigned(self, note: str) -> None:
        """Kept unchecked in `cosigned`."""
        self._check_up()
        self.cosigned.append(note)

    async def store_timestamp(self, note: str, token: bytes) -> None:
        """As the warden does."""
        self._check_up()
        self.log.store_timestamp(note, token)

    async def read_cosigned(self) -> tuple[CosignedCheckpoint, ...]:
        """What a test put there, under the name of a witness."""
        self._check_up()
        return tuple(
            CosignedCheckpoint(
                witness="witness.example", size=int(note.split("\n")[1]), time_s=1_700_000_000, note=note
            )
            for note in self.cosigned
        )

    async def publish_keys(self, camera_ids: tuple[CameraId, ...]) -> None:
        """No recorder listens."""
        self._check_up()


class FixedLive:
    """`ports.views.LiveState` that a test fills."""

    def __init__(self, rows: list[CameraRow], processes: tuple[ProcessStatus, ...] = ()) -> None:
        self.rows = rows
        self.processes: tuple[ProcessStatus, ...] | None = processes
        """None: the supervisor is gone."""

    def camera_rows(self) -> list[CameraRow]:
        """As set."""
        return self.rows

    async def refresh(self) -> None:
        """Nothing to refresh."""

    async def site_status(self) -> SiteStatus:
        """As set."""
        if self.processes is None:
            raise Unavailable("the supervisor does not answer")
        return SiteStatus(site_id="ab" * 8, data_dir="", address="", processes=self.processes)


def setting_up(folder: Path, catalog: AsyncCatalog, warden: Warden, live: FixedLive, clock: Clock) -> SiteCameras:
    """The real desk of cameras; it looks from this process, not from one of its own."""
    shelf = CameraShelf(SitePaths(folder), clock)
    service = CameraService(
        catalog=catalog,
        warden=warden,
        live=cast(ServerLiveState, live),
        assignment=SitePaths(folder).assignment,
        shelf=shelf,
    )

    async def ask(task: ProbeTask | DiscoverTask | RedrawTask) -> object:
        if isinstance(task, RedrawTask):
            return await asyncio.to_thread(redraw, task)
        if isinstance(task, ProbeTask):
            return await asyncio.to_thread(probe, task, SystemClock())
        return await asyncio.to_thread(discover, task, SystemClock())

    return SiteCameras(catalog=catalog, service=service, shelf=shelf, ask=ask)


def camera_row(camera_id: str, name: str = "", *, state: str = "recording", detail: str = "") -> CameraRow:
    """A camera with plausible numbers."""
    return CameraRow(
        camera_id=CameraId(camera_id),
        name=name or camera_id,
        state=state,
        detail=detail,
        is_recording=state == "recording",
        recorded_s=1234.5,
        gaps_s=12.0,
        frames_decoded=12_000,
        frames_analysed=6_000,
        tracks=17,
        people=12,
        vehicles=5,
        live_people=2,
        live_vehicles=1,
        clock_source="camera",
        clock_error_s=0.08,
        camera_offset_s=-0.08,
        width_px=640,
    )


class DrawnViews:
    """`ports.views.ViewBroker` whose views draw moving figures and encode them, paced like a camera.

    `pace` is awaited between frames; tests that do not look at a screen pass one that only yields.
    """

    def __init__(self, warden: Warden, clock: Clock, *, pace: Sleep = asyncio.sleep, frames: int = 1 << 30) -> None:
        self._warden = warden
        self._clock = clock
        self._pace = pace
        self._frames = frames
        self.is_stalled = False
        """While true, views send nothing: a camera that stopped."""
        self.is_unvouched = False
        """While true, chunks say that the whole picture is masked."""
        self.opened: list[DrawnView] = []

    async def open_view(
        self,
        *,
        principal: Principal,
        purpose: Purpose,
        kind: ViewKind,
        camera_id: CameraId,
        start_ns: Ns,
        end_ns: Ns,
        fidelity: Fidelity,
        speed: float,
        max_height_px: int,
        request_id: str = "",
        shown: tuple[tuple[RunId, int], ...] = (),
    ) -> View:
        """Ask the warden as the real broker does."""
        if start_ns > end_ns:
            raise InvalidArgument("the interval ends before it starts")
        session_id = SessionId(secrets.token_hex(8))
        request = AccessRequest(
            principal=principal,
            action=Action.WATCH_LIVE if kind is ViewKind.LIVE else Action.PLAY_BACK,
            purpose=purpose,
            camera_id=camera_of(camera_id),
            start_ns=start_ns,
            end_ns=end_ns,
            fidelity=fidelity,
            session_id=session_id,
            request_id=request_id,
            shown=shown,
        )
        answer = await self._warden.authorise(request)
        if answer.grant is None:
            raise PermissionDenied(" ".join(answer.decision.reasons))
        view = DrawnView(self, answer.grant, kind, speed, camera_id)
        self.opened.append(view)
        return view

    @property
    def running(self) -> int:
        """Views that were entered and not left."""
        return sum(view.is_running for view in self.opened)


class DrawnView:
    """One view of `DrawnViews`."""

    def __init__(self, broker: DrawnViews, grant: Grant, kind: ViewKind, speed: float, camera_id: CameraId) -> None:
        self._broker = broker
        self.camera_id = camera_id
        """The stream that was asked for; the grant is the camera's."""
        self._grant = grant
        self.kind = kind
        self._speed = speed
        self._shown = 0
        self._seeks: asyncio.Queue[tuple[Ns, int]] = asyncio.Queue()
        self.is_running = False
        self.seeks: list[Ns] = []

    @property
    def session_id(self) -> str:
        """Of the request."""
        return self._grant.request.session_id

    @property
    def log_index(self) -> int:
        """Of the grant."""
        return self._grant.log_index

    async def seek(self, utc_ns: Ns, request_id: int) -> None:
        """Render this moment next."""
        self.seeks.append(utc_ns)
        self._seeks.put_nowait((utc_ns, request_id))

    async def outputs(self) -> AsyncIterator[ViewOutput]:
        """Stills as they are asked for, else a stream."""
        if self.kind is ViewKind.STILL:
            while True:
                utc_ns, request_id = await self._seeks.get()
                yield await self._still(utc_ns, request_id)
        encoder = LiveEncoder(_WIDTH, _HEIGHT, 28)
        mime, init = encoder.init()
        yield MediaInit(mime=mime, payload=init)
        yield ViewNote(code="waiting", message="Waiting for the analysis", request_id=0)
        request, clock = self._grant.request, self._broker._clock
        first_ns = Ns(0)
        for number in range(self._broker._frames):
            is_live = self.kind is ViewKind.LIVE
            step_ns = NS_PER_S // _FPS
            utc_ns = clock.now_ns() if is_live else Ns(request.start_ns + int(number * step_ns * self._speed))
            if not is_live and utc_ns > request.end_ns:
                break
            await self._broker._pace(1 / _FPS)
            if self._broker.is_stalled:
                continue
            frame = draw_frame(utc_ns // step_ns % 4096, width=_WIDTH, height=_HEIGHT, utc_ns=utc_ns)
            first_ns = first_ns or utc_ns
            pts_ns = int((utc_ns - first_ns) / (1 if is_live else self._speed))
            payload = await asyncio.to_thread(encoder.encode, frame, pts_ns, step_ns)
            self._shown += 1
            yield MediaChunk(
                utc_ns=utc_ns,
                age_ns=Ns(max(0, clock.now_ns() - utc_ns) if is_live else 0),
                frames=1,
                is_fully_masked=self._broker.is_unvouched,
                payload=payload,
            )
        yield ViewEnded(frames_shown=self._shown, error="")

    async def _still(self, utc_ns: Ns, request_id: int) -> StillRendered:
        utc_ns = Ns(utc_ns - utc_ns % (NS_PER_S // _FPS))  # a camera has its frames, not every moment
        frame = draw_frame(utc_ns // (NS_PER_S // _FPS) % 4096, width=_WIDTH, height=_HEIGHT, utc_ns=utc_ns)
        self._shown += 1
        payload = await asyncio.to_thread(encode_jpeg, frame, 80)
        return StillRendered(request_id=request_id, utc_ns=utc_ns, is_fully_masked=False, payload=payload)

    async def __aenter__(self) -> View:
        """The job starts."""
        self.is_running = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        """The job stops, the grant ends."""
        self.is_running = False
        await self._broker._warden.end_grant(self._grant.grant_id, self._shown)
