"""Exports: authorised like a view, rendered by a job, sealed into a bundle that the log knows.

Order: grant (logged) → job renders, masked and marked → recordings and proofs into the bundle → manifest → entry
`evidence_sealed` with its hash → its proof. The server sees rendered film and ciphertext only. One at a time.
"""

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from custodes import __version__
from custodes.adapters.blob.disk import Disk
from custodes.app.serving.credentials import AUTHORITY, with_credentials
from custodes.app.serving.jobs import JobLink
from custodes.app.serving.mask_feed import MaskFeed
from custodes.app.serving.proofs import ProofDesk
from custodes.app.serving.recall import RecallService
from custodes.app.serving.reel import Reel
from custodes.app.serving.subject_access import papers_of
from custodes.app.serving.view import MASKS_PER_MESSAGE, JobStarter, ViewOrder
from custodes.audit.evidence import BundleWriter, Exported, ProvenSegment, write_bundle
from custodes.config import SiteConfig, SitePaths
from custodes.errors import (
    CustodesError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.exports import PersonExport, SealedBundle
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, AuditRecord, Fidelity, Grant, Principal, Purpose
from custodes.types.leak import NeedMasks
from custodes.types.media import Segment
from custodes.types.message import (
    ExportState,
    HoldView,
    MaskFacts,
    MoreSegments,
    StopView,
    ViewKind,
)
from custodes.types.stream import camera_of, is_second
from custodes.units import NS_PER_S, CameraId, Ns, RunId, SessionId

MAX_SPAN_NS = 24 * 3600 * NS_PER_S
MAX_KEPT = 16
"""Bundles that wait to be fetched, states of failed ones included; the oldest goes."""

MAX_HEIGHT_PX = 2160
FEED_SPEED = 16.0
"""How far ahead masks are sent: a job renders faster than the camera recorded."""
_FEED_S = 0.2
_MAX_MASKS = 4096
"""Of twenty seconds (`export_pieces.MASKS_A_QUESTION_NS`): more than any camera gives."""


@dataclass(slots=True, kw_only=True)
class _Export:
    order: ViewOrder
    path: Path
    state: str = "rendering"
    detail: str = ""
    done_ns: int = 0
    task: asyncio.Task[None] | None = None
    sealed: SealedBundle | None = None
    link: JobLink | None = None
    """While it is rendered."""
    is_held: bool = False


class Exporter:
    """Makes bundles. Used on the event loop only."""

    def __init__(
        self,
        *,
        catalog: AsyncCatalog,
        warden: Warden,
        jobs: JobStarter,
        proofs: ProofDesk,
        clock: Clock,
        paths: SitePaths,
        config: SiteConfig,
        site_id: str,
    ) -> None:
        self._recall: RecallService | None = None
        self._catalog = catalog
        self._warden = warden
        self._jobs = jobs
        self._proofs = proofs
        self._clock = clock
        self._paths = paths
        self._config = config
        self._site_id = site_id
        self._folder = paths.data_dir / "exports"
        self._exports: dict[str, _Export] = {}

    def recall_with(self, service: RecallService) -> None:
        """Footage that is gone from the disk is looked for elsewhere from now on."""
        self._recall = service

    def clear(self) -> None:
        """Remove what an earlier run left: nobody can fetch it any more. Blocking."""
        shutil.rmtree(self._folder, ignore_errors=True)

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
        """Authorise and begin; returns the export's id.

        Args: request_id: the approved request that it rests on. shown: see `ViewTask`.

        Raises: InvalidArgument, NotFound, PermissionDenied with the decision's reasons, ResourceExhausted while
            another is being made or the disk is too full, Unavailable.
        """
        if not 0 < end_ns - start_ns <= MAX_SPAN_NS:
            raise InvalidArgument("an export covers more than nothing and at most 24 hours")
        if all(spec.camera_id != camera_of(camera_id) for spec in await self._catalog.cameras()):
            raise NotFound(f"no camera {camera_of(camera_id)}")
        if any(export.state in ("rendering", "sealing") for export in self._exports.values()):
            raise ResourceExhausted("another export is being made; try again when it is ready")
        now_ns = self._clock.now_ns()
        export_id = secrets.token_hex(8)
        order = ViewOrder(
            kind=ViewKind.EXPORT,
            camera_id=camera_id,
            session_id=SessionId(export_id),
            principal=principal,
            purpose=purpose,
            start_ns=start_ns,
            end_ns=min(end_ns, now_ns),
            fidelity=fidelity,
            speed=FEED_SPEED,
            max_height_px=MAX_HEIGHT_PX,
            deadline_ns=Ns(now_ns + self._config.views.deadline_s * NS_PER_S),
            request_id=request_id,
            shown=shown,
            tasks=self._config.views.export_tasks,
        )
        export = _Export(order=order, path=self._folder / f"{export_id}.zip")
        self._exports[export_id] = export
        try:
            await asyncio.to_thread(self._folder.mkdir, mode=0o700, exist_ok=True)
            grant, link, segments = await self._jobs.start_job(order, order.start_ns)
        except BaseException:
            del self._exports[export_id]
            raise
        self._bound()
        work = self._make(export, grant, link, segments)
        export.task = asyncio.get_running_loop().create_task(work, name=f"export-{export_id}")
        return export_id

    def state(self, export_id: str) -> ExportState:
        """How far it is. Raises: NotFound."""
        export = self._exports.get(export_id)
        if export is None:
            raise NotFound("there is no such export, or it was fetched already")
        span = max(export.order.end_ns - export.order.start_ns, 1)
        return ExportState(
            export_id=export_id,
            state="paused" if export.state == "rendering" and export.is_held else export.state,
            detail=export.detail,
            share=min(max((export.done_ns - export.order.start_ns) / span, 0.0), 1.0),
            path=str(export.path) if export.state == "ready" else "",
        )

    def of_person(self, user_id: str) -> list[PersonExport]:
        """Theirs, newest first; nobody else's."""
        own = [one for one in self._exports.items() if one[1].order.principal.user_id == user_id]
        return [
            PersonExport(
                state=self.state(export_id),
                camera_id=export.order.camera_id,
                start_ns=export.order.start_ns,
                end_ns=export.order.end_ns,
                reference=export.order.purpose.reference,
                fidelity=export.order.fidelity,
                sealed=export.sealed if export.state == "ready" else None,
            )
            for export_id, export in own[::-1]
        ]

    async def fetch(self, export_id: str, principal: Principal) -> Path:
        """The file of a bundle that is ready, for who made it; logged before its first byte may leave.

        Raises: NotFound, also for somebody else's; FailedPrecondition while it is not ready; Unavailable.
        """
        export = self._exports.get(export_id)
        if export is None or export.order.principal.user_id != principal.user_id:
            raise NotFound("there is no such export, or it was fetched already")
        if export.state != "ready":
            raise FailedPrecondition(f"the export is not ready: {export.state} {export.detail}".strip())
        details = {"export_id": export_id, "user_id": principal.user_id, "reference": export.order.purpose.reference}
        await self._warden.append(
            AuditRecord(
                kind=AuditKind.EVIDENCE_FETCHED,
                actor=principal.name,
                subject=export.order.camera_id,
                details=details,
            )
        )
        return export.path

    async def hold(self, export_id: str, principal: Principal, *, is_held: bool) -> None:
        """Its owner pauses it, or lets it go on; what is rendered stays.

        Raises: NotFound, also for somebody else's; FailedPrecondition when it is not being rendered.
        """
        export = self._exports.get(export_id)
        if export is None or export.order.principal.user_id != principal.user_id:
            raise NotFound("there is no such export, or it was fetched already")
        if export.state != "rendering" or export.link is None:
            raise FailedPrecondition("only an export that is being rendered can be paused")
        await export.link.channel.send(HoldView(is_held=is_held))
        export.is_held = is_held

    async def forget(self, export_id: str) -> None:
        """Stop it if it runs, and remove its file. Harmless for an unknown one."""
        export = self._exports.pop(export_id, None)
        if export is None:
            return
        if export.task is not None:
            export.task.cancel()
            await asyncio.wait({export.task})
        await asyncio.to_thread(export.path.unlink, missing_ok=True)

    async def forget_overlapping(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> int:
        """Stop and remove what was made of recordings that are erased; returns how many."""
        meant = [
            export_id
            for export_id, one in self._exports.items()
            if camera_of(one.order.camera_id) == camera_id
            and one.order.start_ns <= end_ns
            and one.order.end_ns >= start_ns
        ]
        for export_id in meant:
            await self.forget(export_id)
        return len(meant)

    async def close(self) -> None:
        """Stop and remove all."""
        for export_id in list(self._exports):
            await self.forget(export_id)

    def _bound(self) -> None:
        for export_id, export in list(self._exports.items())[: max(len(self._exports) - MAX_KEPT, 0)]:
            export.path.unlink(missing_ok=True)
            del self._exports[export_id]

    # -- making one --------------------------------------------------------------------------------------------

    async def _make(self, export: _Export, grant: Grant, link: JobLink, segments: list[Segment]) -> None:
        work = self._folder / f"{export.order.session_id}.work"
        try:
            self._check_room(segments)
            work.mkdir(mode=0o700)
            await self._bring_back(export, link, segments)
            reel = await self._render(export, grant, link, segments, work)
            export.state = "sealing"
            await self._seal(export, grant, reel)
            # Before anybody may fetch it: who forgets it ends this task.
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
            export.state, export.detail = "ready", ""
        except CustodesError as error:
            export.state, export.detail = "failed", str(error)
            structlog.get_logger().warning("export failed", export_id=export.order.session_id, error=str(error))
        except OSError as error:
            export.state, export.detail = "failed", f"the bundle cannot be written: {error.strerror}"
        finally:
            if export.state != "ready":
                export.path.unlink(missing_ok=True)
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    async def _bring_back(self, export: _Export, link: JobLink, segments: list[Segment]) -> None:
        """All of it, before the job hears of masks and begins to read."""
        if self._recall is None:
            return
        session_id = export.order.session_id
        export.detail = "looking for footage elsewhere"
        try:
            await self._recall.begin(session_id, segments)
            if back := await self._recall.all(session_id):
                await link.channel.send(MoreSegments(segments=tuple(back)))
        finally:
            self._recall.end(session_id)
        export.detail = ""

    def _check_room(self, segments: Sequence[Segment]) -> None:
        needed = 2 * sum(segment.bytes_on_disk for segment in segments) + self._config.recorder.min_free_mb * 10**6
        free = Disk().free_bytes(self._folder)
        if free < needed:
            raise ResourceExhausted(f"the export needs about {needed // 10**6} MB; {free // 10**6} MB are free")
        if not segments:
            raise FailedPrecondition("nothing was recorded in that time")

    async def _render(self, export: _Export, grant: Grant, link: JobLink, segments: list[Segment], work: Path) -> Reel:
        order, reel = export.order, Reel(folder=work, position_ns=export.order.start_ns)
        feed = MaskFeed(self._catalog, self._clock, order.camera_id, speed=order.speed)
        feed.add_segments(segments)
        feed.begin_at(order.start_ns)
        asked: asyncio.Queue[NeedMasks] = asyncio.Queue()
        export.link = link
        try:
            link.listen(lambda one: asked.put_nowait(one) if isinstance(one, NeedMasks) else reel.take(one))
            is_first = True
            while not reel.is_through and not link.is_closed:
                export.done_ns = reel.position_ns
                if order.tasks and not is_first:
                    await self._answer_masks(link, order.camera_id, asked)
                    continue
                frames = [] if order.tasks else await feed.advance(Ns(reel.position_ns))
                # At first also that there are none: the job waits for that word.
                for first in range(0, max(len(frames), is_first), MASKS_PER_MESSAGE):
                    await link.channel.send(MaskFacts(frames=tuple(frames[first : first + MASKS_PER_MESSAGE])))
                is_first = False
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.0 if order.tasks else _FEED_S):
                        await link.closed.wait()
            if not reel.is_through:
                raise Unavailable(f"the export's job ended early: {reel.problem or 'it died'}")
            await link.channel.send(StopView())
        finally:
            export.link = None
            reel.close()
            await link.channel.close()
            await self._jobs.end_grant(grant, sum(film.frames for film in reel.films))
        return reel

    async def _answer_masks(self, link: JobLink, camera_id: CameraId, asked: "asyncio.Queue[NeedMasks]") -> None:
        """One question of a job that renders pieces, if one comes within `_FEED_S`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FEED_S):
                question = await asked.get()
            found = await self._catalog.analysed(camera_id, question.start_ns, question.end_ns)
            await link.channel.send(MaskFacts(frames=tuple(found[:_MAX_MASKS])))

    async def _seal(self, export: _Export, grant: Grant, reel: Reel) -> None:
        order = export.order
        segments = await self._catalog.segments(order.camera_id, order.start_ns, order.end_ns, 20_000)
        indices = await self._catalog.log_indices([segment.header.segment_id for segment in segments])
        await self._proofs.ask_witnesses()
        proofs = await self._proofs.of([grant.log_index, *indices.values()])
        policy = self._proofs.policy(proofs.values())
        proven = [
            ProvenSegment(segment=one, proof=proofs.get(indices.get(one.header.segment_id, -1), ""))
            for one in segments
        ]
        gaps = await self._catalog.gaps(order.camera_id, order.start_ns, order.end_ns)
        about = await self._about(order)
        films, authority = await with_credentials(reel.films, about, self._warden)
        papers = await papers_of(
            order, catalog=self._catalog, warden=self._warden, clock=self._clock, config=self._config
        )
        if authority:
            papers = {**papers, AUTHORITY: authority.encode()}
        writer = await asyncio.to_thread(BundleWriter, export.path)
        try:
            digest = await asyncio.to_thread(
                write_bundle,
                writer,
                about,
                data_dir=self._paths.data_dir,
                segments=proven,
                films=films,
                gaps=gaps,
                unreadable=reel.unreadable,
                signatures=reel.signatures,
                altered=reel.altered,
                grant_index=grant.log_index,
                grant_proof=proofs[grant.log_index],
                policy=policy,
                papers=papers,
            )
            index = await self._warden.append(_sealed_record(order, grant, digest))
            export.sealed = SealedBundle(manifest=digest, sealed_index=index, grant_index=grant.log_index)
            await self._proofs.ask_witnesses()
            proof = (await self._proofs.of([index]))[index]
            self._proofs.check(proof, policy)
            await asyncio.to_thread(writer.close, proof, await self._proofs.stamp(writer.manifest))
        except BaseException:
            writer.abandon()
            raise

    async def _about(self, order: ViewOrder) -> Exported:
        names = {spec.camera_id: spec.name for spec in await self._catalog.cameras()}
        return Exported(
            export_id=order.session_id,
            site_id=self._site_id,
            site_name=self._config.name,
            camera_id=order.camera_id,
            camera_name=names.get(camera_of(order.camera_id), "")
            + (" (stream 2)" if is_second(order.camera_id) else ""),
            start_ns=order.start_ns,
            end_ns=order.end_ns,
            purpose=order.purpose.kind.value,
            reference=order.purpose.reference,
            exporter=order.principal.name,
            fidelity=order.fidelity.value,
            created_ns=self._clock.now_ns(),
            software=f"custodes {__version__}",
            shown=order.shown,
        )


def _sealed_record(order: ViewOrder, grant: Grant, digest: str) -> AuditRecord:
    details = {"manifest": digest, "export_id": order.session_id, "grant_id": grant.grant_id}
    return AuditRecord(
        kind=AuditKind.EVIDENCE_SEALED, actor="process:server", subject=order.camera_id, details=details
    )
