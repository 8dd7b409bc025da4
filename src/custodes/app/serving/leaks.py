"""The leak desk: authorises a trace for two people, has a job do it camera by camera, and seals what was found.

The server sees the found picture, places, scores and slot keys; it never sees footage here. Before the answer leaves,
the log has the finding's hash.
"""

import asyncio
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import structlog

from custodes.app.serving.job_asking import ask_job
from custodes.app.serving.jobs import JobPool
from custodes.app.serving.leak_report import bundle_of, report_of, told_of
from custodes.app.serving.views import ServerViewBroker
from custodes.config import SiteConfig, SitePaths
from custodes.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from custodes.leaks.finding import Delivered
from custodes.leaks.found_file import media_type_of
from custodes.leaks.rule import COPY_LIKENESS, MEANS_MORE, NAMED_Z
from custodes.leaks.verdict import judge
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import (
    AccessRequest,
    Action,
    AuditKind,
    AuditRecord,
    Fidelity,
    Grant,
    LogEntry,
    Principal,
    Purpose,
    PurposeKind,
)
from custodes.types.leak import (
    CamerasSought,
    CandidateScore,
    LeakTraced,
    NeedMasks,
    PictureTraced,
    SeekCamera,
    SeekTask,
    TraceOrder,
    TraceTask,
)
from custodes.types.media import Segment
from custodes.types.message import CameraSpec, MaskFacts
from custodes.types.stream import camera_of, is_second
from custodes.units import NS_PER_S, CameraId, Ns, SessionId

MAX_PICTURE_BYTES = 32 * 1024 * 1024
MAX_SPAN_NS = 31 * 24 * 3600 * NS_PER_S
USUAL_SPAN_NS = 24 * 3600 * NS_PER_S
"""When nobody says since when."""

JOB_NS = 900 * NS_PER_S
"""A camera's hour takes seconds; a day some minutes the first time, while its index is made."""
_MAX_MASKS = 4096
CLOSELY = 8
"""Streams that are looked at closely before the others."""
_NEWEST = 2
"""Segments that a first look may take a picture from; the last may have been begun just now."""
_AT_ONCE = 2
"""Cameras that are looked at side by side; recording and viewers need the rest of the machine."""
NOTHING_THERE = "nothing was recorded in that time"
_PAGE, _NEAR = 1000, 50
"""Entries of the log that are read at once, and how far apart two may lie that are."""
_MAX_PROOFS = 60
"""The warden proves 64 entries at once."""


def _tell_nobody(_share: float) -> None:
    """How far it is interests nobody."""


class Shares:
    """How much of several cameras is looked through; never less than was said before."""

    def __init__(self, cameras: int, told: Callable[[float], None]) -> None:
        self._cameras, self._told = max(cameras, 1), told
        self._of: dict[CameraId, float] = {}
        self._most = 0.0

    def tell(self, camera_id: CameraId, share: float) -> None:
        """One camera's, 0 to 1. Cameras beyond those that were expected count as looked at already."""
        self._of[camera_id] = share
        self._most = max(self._most, min(sum(self._of.values()) / max(self._cameras, len(self._of)), 1.0))
        self._told(self._most)


class LeakDesk:
    """Used on the event loop only; one trace at a time."""

    def __init__(
        self,
        *,
        catalog: AsyncCatalog,
        warden: Warden,
        jobs: JobPool,
        views: ServerViewBroker,
        clock: Clock,
        paths: SitePaths,
        config: SiteConfig,
    ) -> None:
        self._catalog = catalog
        self._warden = warden
        self._jobs = jobs
        self._views = views
        self._clock = clock
        self._paths = paths
        self._config = config
        self._lock = asyncio.Lock()

    async def trace(
        self, request: TraceOrder, first: Principal, second: Principal, told: Callable[[float], None] = _tell_nobody
    ) -> LeakTraced:
        """Find a picture, and which copy it is. Args: told: how much is looked through, 0 to 1, now and then.

        Raises: InvalidArgument, NotFound, PermissionDenied with the decision's reasons, Unavailable.
        """
        if not 0 < len(request.picture) <= MAX_PICTURE_BYTES:
            raise InvalidArgument(f"a picture of {len(request.picture)} bytes; expected 1 to {MAX_PICTURE_BYTES}")
        media_type_of(request.picture)  # before anything is asked of the warden
        end_ns = Ns(request.end_ns or self._clock.now_ns())
        start_ns = Ns(max(request.start_ns or end_ns - USUAL_SPAN_NS, end_ns - MAX_SPAN_NS))
        if start_ns >= end_ns:
            raise InvalidArgument("the time to look in ends before it begins")
        cameras = await self._cameras(request.camera_ids)
        async with self._lock:
            answers = await self._in_all(request, cameras, (start_ns, end_ns), first, second, told)
        found = [one for one in answers if one.is_found]
        # Two cameras may see alike; then the mark decides. Every comparison made counts for the bound.
        best = max(found, key=lambda one: (_named_z(one), one.likeness, one.inliers), default=None)
        if best is not None:
            best = replace(best, trials=sum(one.trials for one in found))
        names = {camera.camera_id: camera.name for camera in cameras}
        return await self._sealed(request, first, second, best, answers, names)

    def _has_background(self, camera_id: CameraId) -> bool:
        """Whether a view without people outlived the camera's footage."""
        return next((self._paths.backgrounds / camera_id).glob("*.bkg"), None) is not None

    async def _cameras(self, wanted: Sequence[CameraId]) -> list[CameraSpec]:
        known = {camera.camera_id: camera for camera in await self._catalog.cameras()}
        for camera_id in wanted:
            if camera_id not in known:
                raise NotFound(f"no camera {camera_id}")
        chosen = [known[camera_id] for camera_id in wanted or known]
        if not chosen:
            raise FailedPrecondition("the site has no cameras")
        return chosen

    # -- which cameras -------------------------------------------------------------------------------------------

    async def _in_all(
        self,
        request: TraceOrder,
        cameras: Sequence[CameraSpec],
        span: tuple[Ns, Ns],
        first: Principal,
        second: Principal,
        told: Callable[[float], None] = _tell_nobody,
    ) -> list[PictureTraced]:
        """What each stream that has something to look through says; the likeliest are asked first."""
        answers: list[PictureTraced] = []
        grants: dict[CameraId, Grant] = {}
        newest: dict[CameraId, tuple[Segment, ...]] = {}
        try:
            for stream in (one.camera_id for camera in cameras for one in camera.streams()):
                newest[stream] = tuple((await self._views.segments_between(stream, *span))[-_NEWEST:])
                has_footage = bool(newest[stream])
                if has_footage or await asyncio.to_thread(self._has_background, stream):
                    grants[stream] = await self._granted(request, stream, span, first, second)
                elif not is_second(stream):
                    answers.append(PictureTraced(camera_id=stream, is_found=False, error=NOTHING_THERE))
            likely, others, weights = await self._ranked(request, grants, newest)
            shares = Shares(len(likely), told)
            for wanted in (likely, others):
                for together in _in_turn(wanted):
                    due = [stream for stream in together if not is_settled(answers, weights, stream)]
                    answers += await self._run_jobs(request, {stream: grants[stream] for stream in due}, shares)
                if any(one.is_found for one in answers):
                    break
            looked = {one.camera_id for one in answers}
            answers += [_passed_over(stream) for stream in grants if stream not in looked]
        finally:
            for grant in grants.values():
                await self._warden.end_grant(grant.grant_id, 0)
        return answers

    async def _ranked(
        self, request: TraceOrder, grants: dict[CameraId, Grant], newest: dict[CameraId, tuple[Segment, ...]]
    ) -> tuple[list[CameraId], list[CameraId], dict[str, float]]:
        """(streams to look at closely, those to look at only if it is in none of them, weights), by a first look."""
        if len(grants) < 2:
            return list(grants), [], {}
        deadline_ns = Ns(self._clock.now_ns() + JOB_NS)
        cameras = tuple(
            SeekCamera(
                camera_id=stream,
                grant_token=grant.token,
                start_ns=grant.request.start_ns,
                end_ns=grant.request.end_ns,
                segments=newest[stream],
            )
            for stream, grant in grants.items()
        )
        task = SeekTask(picture=request.picture, cameras=cameras, deadline_ns=deadline_ns)
        sought = await ask_job(self._jobs, self._clock, task, deadline_ns, CamerasSought)
        if sought.is_unreadable:
            raise InvalidArgument(sought.error)
        if sought.error:
            structlog.get_logger().warning("all cameras are looked at, one by one", reason=sought.error)
            return list(grants), [], {}
        return *likely_first([str(stream) for stream in grants], sought.weights), sought.weights

    # -- one camera ----------------------------------------------------------------------------------------------

    async def _granted(
        self, request: TraceOrder, camera_id: CameraId, span: tuple[Ns, Ns], first: Principal, second: Principal
    ) -> Grant:
        """The second person's right is asked for, and logged, too; the work is done under the first's grant."""
        session_id = SessionId(secrets.token_hex(12))
        # A second person who approved with a passkey has the warden's word for it, in the request.
        people = (first,) if request.request_id else (second, first)
        asked = [
            AccessRequest(
                principal=person,
                action=Action.TRACE_LEAK,
                purpose=Purpose(kind=PurposeKind.LEAK_TRACE, reference=request.reference),
                camera_id=camera_of(camera_id),
                start_ns=span[0],
                end_ns=span[1],
                fidelity=Fidelity.MASKED,
                session_id=session_id,
                request_id=request.request_id,
            )
            for person in people
        ]
        for one in asked[:-1]:
            await self._warden.end_grant((await self._grant(one)).grant_id, 0)
        return await self._grant(asked[-1])

    async def _grant(self, asked: AccessRequest) -> Grant:
        answer = await self._warden.authorise(asked)
        if answer.grant is None:
            raise PermissionDenied(f"{asked.principal.name}: " + " ".join(answer.decision.reasons))
        return answer.grant

    async def _run_jobs(
        self, request: TraceOrder, grants: dict[CameraId, Grant], shares: "Shares"
    ) -> list[PictureTraced]:
        """Side by side; what one of them raises ends the others."""
        tasks = [
            asyncio.create_task(self._run_job(request, grant, stream, shares)) for stream, grant in grants.items()
        ]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_job(
        self, request: TraceOrder, grant: Grant, camera_id: CameraId, shares: "Shares"
    ) -> PictureTraced:
        """`camera_id`: of the stream that is looked through."""
        asked = grant.request
        segments = await self._views.segments_between(camera_id, asked.start_ns, asked.end_ns)
        deadline_ns = Ns(min(self._clock.now_ns() + JOB_NS, grant.expires_ns))
        task = TraceTask(
            camera_id=camera_id,
            session_id=asked.session_id,
            grant_token=grant.token,
            deadline_ns=deadline_ns,
            start_ns=asked.start_ns,
            end_ns=asked.end_ns,
            segments=tuple(segments),
            picture=request.picture,
            is_attributing=request.is_attributing,
            segment_ns=round(self._config.recorder.segment_s * NS_PER_S),
        )
        answer = await ask_job(
            self._jobs,
            self._clock,
            task,
            deadline_ns,
            PictureTraced,
            masks_of=lambda asked: self._masks(camera_id, asked),
            told=lambda share: shares.tell(camera_id, share),
        )
        shares.tell(camera_id, 1.0)
        if answer.is_unreadable:  # a broken file is not "not ours"
            raise InvalidArgument(answer.error)
        return answer

    async def _masks(self, camera_id: CameraId, asked: NeedMasks) -> MaskFacts:
        frames = await self._catalog.analysed(camera_id, asked.start_ns, asked.end_ns)
        return MaskFacts(frames=tuple(frames[:_MAX_MASKS]))

    # -- what is said --------------------------------------------------------------------------------------------

    async def _delivered(self, candidates: Sequence[CandidateScore]) -> dict[str, Delivered]:
        """What the log says of each session's grant, by session."""
        index_of = {one: one.granted_index if one.granted_index >= 0 else one.released_index for one in candidates}
        entries: dict[int, LogEntry] = {}
        for first, count in pages(index_of.values()):
            entries |= {one.index: one for one in (await self._warden.read_log(first, count)).entries}
        return {str(one.session_id): _delivered(one, entries[index]) for one, index in index_of.items()}

    async def _sealed(
        self,
        request: TraceOrder,
        first: Principal,
        second: Principal,
        best: PictureTraced | None,
        answers: Sequence[PictureTraced],
        names: dict[CameraId, str],
    ) -> LeakTraced:
        delivered: dict[str, Delivered] = {}
        verdict = judge((), trials=0)
        if best is not None and request.is_attributing:
            delivered = await self._delivered(best.candidates)
            verdict = judge(best.candidates, trials=best.trials)
        told = told_of(
            request,
            first,
            second,
            best,
            answers,
            names,
            verdict,
            delivered,
            site=self._config.name,
            now_ns=int(self._clock.now_ns()),
        )
        finding = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(finding.encode()).hexdigest()
        report = report_of(finding, request.picture)
        record = AuditRecord(
            kind=AuditKind.LEAK_TRACED,
            actor=first.name,
            subject="" if best is None else str(best.camera_id),
            details={
                "user_id": first.user_id,
                "second": second.name,
                "request_id": request.request_id,
                "reference": request.reference,
                "picture_sha256": str(told["picture_sha256"]),
                "verdict": verdict.kind if best is not None else "not ours",
                "finding_sha256": digest,
                "report_sha256": hashlib.sha256(report.encode()).hexdigest(),
            },
        )
        index = await self._warden.append(record)
        entries = [index]
        if best is not None:
            named = [one for one in best.candidates if one in verdict.sessions] or list(best.candidates)
            entries += [best.marks_log_index, *(n for one in named for n in (one.granted_index, one.released_index))]
        wanted = tuple(dict.fromkeys(n for n in entries if n >= 0))[:_MAX_PROOFS]
        proofs = dict(zip(wanted, await self._warden.prove_entries(wanted), strict=True))
        bundle = await asyncio.to_thread(
            bundle_of, self._paths.warden_key, request.picture, finding, report, best, proofs, index
        )
        return LeakTraced(finding=finding, bundle=bundle)


def is_settled(answers: Sequence[PictureTraced], weights: dict[str, float], stream: CameraId) -> bool:
    """Whether it need not be looked for in `stream` any more: a copy is named, or it is alike as a copy is in a camera
    where a first look weighed clearly more. Pure.

    Cameras that see alike, and the streams of one camera, weigh alike, and are all looked at.
    """
    if any(_named_z(one) for one in answers):
        return True
    sure = max((weights.get(one.camera_id, 0.0) for one in answers if _is_copy(one)), default=0.0)
    return stream in weights and weights[stream] * MEANS_MORE < sure


def pages(indices: Iterable[int]) -> list[tuple[int, int]]:
    """(first, count) of pages of the log that hold all of them: entries that are near each other are read together.

    A question to the warden costs as much as some dozens of entries, of which a page has at most `_PAGE`. Pure.
    """
    found: list[tuple[int, int]] = []
    for index in sorted(set(indices)):
        if found and index < found[-1][0] + _PAGE and index - sum(found[-1]) < _NEAR:
            found[-1] = (found[-1][0], index - found[-1][0] + 1)
        else:
            found.append((index, 1))
    return found


def _delivered(one: CandidateScore, entry: LogEntry) -> Delivered:
    details = entry.record.details
    return Delivered(
        session_id=str(one.session_id),
        person=entry.record.actor,
        purpose=details.get("purpose", "").replace("_", " "),
        reference=details.get("reference", ""),
        fidelity=one.fidelity.value,
        granted_index=one.granted_index,
        released_index=one.released_index,
        granted_ns=entry.utc_ns,
    )


def likely_first(streams: Sequence[str], weights: dict[str, float]) -> tuple[list[CameraId], list[CameraId]]:
    """(to look at closely, the rest), both by weight: the first `CLOSELY`, and all that could not be weighed. Pure."""
    unknown = [CameraId(one) for one in streams if one not in weights]
    known = [CameraId(one) for one in sorted((one for one in streams if one in weights), key=lambda s: -weights[s])]
    return known[:CLOSELY] + unknown, known[CLOSELY:]


def _in_turn(streams: Sequence[CameraId]) -> list[Sequence[CameraId]]:
    """The likeliest alone, which mostly settles it; then as many side by side as there are cores, two at most."""
    at_once = min(_AT_ONCE, len(os.sched_getaffinity(0)))
    return [streams[:1], *(streams[at : at + at_once] for at in range(1, len(streams), at_once))]


def _passed_over(camera_id: CameraId) -> PictureTraced:
    return PictureTraced(camera_id=camera_id, is_found=False, error="not looked at closely: it is in another camera")


def _is_copy(one: PictureTraced) -> bool:
    return one.is_found and one.likeness >= COPY_LIKENESS


def _named_z(one: PictureTraced) -> float:
    return max((score.z for score in one.candidates if score.z >= NAMED_Z), default=0.0)
