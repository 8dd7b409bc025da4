"""The leak desk: authorises a trace for two people, has a job do it camera by camera, and seals what was found.

The server sees the found picture, places, scores and slot keys; it never sees footage here. Before the answer leaves,
the log has the finding's hash.
"""

import asyncio
import hashlib
import io
import json
import secrets
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, replace

from custodes import __version__
from custodes.app.serving.jobs import JobPool
from custodes.app.serving.views import ServerViewBroker
from custodes.audit.checkpoint import log_keys
from custodes.audit.export import policy_text
from custodes.config import SiteConfig, SitePaths
from custodes.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unavailable
from custodes.leaks.finding import MAY_NOT_CONCLUDE, Delivered, place_sentence, verdict_sentence
from custodes.leaks.rule import NAMED_Z
from custodes.leaks.verdict import Verdict, judge
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.sealing.published import read_pinned
from custodes.types.access import (
    AccessRequest,
    Action,
    AuditKind,
    AuditRecord,
    Fidelity,
    Grant,
    Principal,
    Purpose,
    PurposeKind,
)
from custodes.types.leak import CandidateScore, LeakTraced, NeedMasks, PictureTraced, TraceOrder, TraceTask
from custodes.types.mark import SLOT_NS
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
_MAX_PROOFS = 60
"""The warden proves 64 entries at once."""


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

    async def trace(self, request: TraceOrder, first: Principal, second: Principal) -> LeakTraced:
        """Find a picture, and which copy it is.

        Raises: InvalidArgument, NotFound, PermissionDenied with the decision's reasons, Unavailable.
        """
        if not 0 < len(request.picture) <= MAX_PICTURE_BYTES:
            raise InvalidArgument(f"a picture of {len(request.picture)} bytes; expected 1 to {MAX_PICTURE_BYTES}")
        end_ns = Ns(request.end_ns or self._clock.now_ns())
        start_ns = Ns(max(request.start_ns or end_ns - USUAL_SPAN_NS, end_ns - MAX_SPAN_NS))
        if start_ns >= end_ns:
            raise InvalidArgument("the time to look in ends before it begins")
        cameras = await self._cameras(request.camera_ids)
        async with self._lock:
            answers = []
            for camera in (stream for one in cameras for stream in one.streams()):
                has_footage = bool(await self._views.segments_between(camera.camera_id, start_ns, end_ns))
                if not has_footage and not await asyncio.to_thread(self._has_background, camera.camera_id):
                    if is_second(camera.camera_id):
                        continue
                    error = "nothing was recorded in that time"
                    answers.append(PictureTraced(camera_id=camera.camera_id, is_found=False, error=error))
                    continue
                answers.append(await self._one_camera(request, camera.camera_id, start_ns, end_ns, first, second))
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

    # -- one camera ----------------------------------------------------------------------------------------------

    async def _one_camera(
        self,
        request: TraceOrder,
        camera_id: CameraId,
        start_ns: Ns,
        end_ns: Ns,
        first: Principal,
        second: Principal,
    ) -> PictureTraced:
        session_id = SessionId(secrets.token_hex(12))
        # A second person who approved with a passkey has the warden's word for it, in the request.
        people = (first,) if request.request_id else (second, first)
        asked = [
            AccessRequest(
                principal=person,
                action=Action.TRACE_LEAK,
                purpose=Purpose(kind=PurposeKind.LEAK_TRACE, reference=request.reference),
                camera_id=camera_of(camera_id),
                start_ns=start_ns,
                end_ns=end_ns,
                fidelity=Fidelity.MASKED,
                session_id=session_id,
                request_id=request.request_id,
            )
            for person in people
        ]
        # The second person's right is asked for, and logged, too; the work is done under the first's grant.
        for one in asked[:-1]:
            await self._warden.end_grant((await self._grant(one)).grant_id, 0)
        grant = await self._grant(asked[-1])
        try:
            return await self._run_job(request, grant, camera_id)
        finally:
            await self._warden.end_grant(grant.grant_id, 0)

    async def _grant(self, asked: AccessRequest) -> Grant:
        answer = await self._warden.authorise(asked)
        if answer.grant is None:
            raise PermissionDenied(f"{asked.principal.name}: " + " ".join(answer.decision.reasons))
        return answer.grant

    async def _run_job(self, request: TraceOrder, grant: Grant, camera_id: CameraId) -> PictureTraced:
        """`camera_id`: of the stream that is looked through."""
        asked = grant.request
        segments = await self._views.segments_between(camera_id, asked.start_ns, asked.end_ns)
        deadline_ns = Ns(min(self._clock.now_ns() + JOB_NS, grant.expires_ns))
        link = await self._jobs.take()
        incoming: asyncio.Queue[object] = asyncio.Queue()
        try:
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
            link.listen(incoming.put_nowait)
            await link.channel.send(task)
            closed = asyncio.create_task(link.closed.wait())
            try:
                async with asyncio.timeout((deadline_ns - self._clock.now_ns()) / NS_PER_S):
                    while True:
                        message = asyncio.create_task(incoming.get())
                        await asyncio.wait({message, closed}, return_when=asyncio.FIRST_COMPLETED)
                        if not message.done():
                            message.cancel()
                            raise Unavailable("the trace's job died")
                        answer = message.result()
                        if isinstance(answer, PictureTraced):
                            return answer
                        if isinstance(answer, NeedMasks):
                            await link.channel.send(await self._masks(camera_id, answer))
            except TimeoutError as error:
                raise Unavailable(f"the trace took longer than {JOB_NS // NS_PER_S} s; ask for less time") from error
            finally:
                closed.cancel()
        finally:
            link.kill()
            await link.channel.close()

    async def _masks(self, camera_id: CameraId, asked: NeedMasks) -> MaskFacts:
        frames = await self._catalog.analysed(camera_id, asked.start_ns, asked.end_ns)
        return MaskFacts(frames=tuple(frames[:_MAX_MASKS]))

    # -- what is said --------------------------------------------------------------------------------------------

    async def _delivered(self, one: CandidateScore) -> Delivered:
        """What the log says of a session's grant."""
        index = one.granted_index if one.granted_index >= 0 else one.released_index
        (entry,) = (await self._warden.read_log(index, 1)).entries
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
            delivered = {str(one.session_id): await self._delivered(one) for one in best.candidates}
            verdict = judge(best.candidates, trials=best.trials)
        told = self._told(request, first, second, best, answers, names, verdict, delivered)
        finding = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(finding.encode()).hexdigest()
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
            },
        )
        index = await self._warden.append(record)
        entries = [index]
        if best is not None:
            named = [one for one in best.candidates if one in verdict.sessions] or list(best.candidates)
            entries += [best.marks_log_index, *(n for one in named for n in (one.granted_index, one.released_index))]
        wanted = tuple(dict.fromkeys(n for n in entries if n >= 0))[:_MAX_PROOFS]
        proofs = dict(zip(wanted, await self._warden.prove_entries(wanted), strict=True))
        bundle = await asyncio.to_thread(self._bundle, request.picture, finding, best, proofs, index)
        return LeakTraced(finding=finding, bundle=bundle)

    def _told(
        self,
        request: TraceOrder,
        first: Principal,
        second: Principal,
        best: PictureTraced | None,
        answers: Sequence[PictureTraced],
        names: dict[CameraId, str],
        verdict: Verdict,
        delivered: dict[str, Delivered],
    ) -> dict[str, object]:
        told: dict[str, object] = {
            "format": "custodes-leak-finding/1",
            "software": f"custodes {__version__}",
            "site": self._config.name,
            "reference": request.reference,
            "traced_by": [first.name, second.name],
            "approved_request": request.request_id,
            "created_ns": int(self._clock.now_ns()),
            "picture_sha256": hashlib.sha256(request.picture).hexdigest(),
            "may_not_conclude": MAY_NOT_CONCLUDE,
            "cameras": {
                str(one.camera_id): {"found": one.is_found, "likeness": round(one.likeness, 3), "error": one.error}
                for one in answers
            },
        }
        if best is None:
            reasons = sorted({one.error for one in answers if one.error})
            told |= {
                "verdict": "not ours",
                "sentence": "The picture is not a view of these cameras in that time."
                + (f" Not looked at: {'; '.join(reasons)}." if reasons else ""),
            }
            return told
        told |= {
            "camera": str(best.camera_id),
            "place": place_sentence(best, names.get(camera_of(best.camera_id), "")),
            "utc_ns": best.utc_ns,
            "earliest_ns": best.earliest_ns,
            "latest_ns": best.latest_ns,
            "likeness": round(best.likeness, 4),
            "matrix": list(best.matrix),
            "is_mirrored": best.is_mirrored,
            "view": None if best.fidelity is None else best.fidelity.value,
            "reference_sha256": best.reference_sha256,
            "background_since_ns": best.background_ns,
            "error": best.error,
        }
        if not request.is_attributing:
            return told | {"verdict": "found", "sentence": told["place"]}
        return told | {
            "verdict": verdict.kind,
            "sentence": verdict_sentence(verdict, best, delivered),
            "false_accusation_bound": verdict.bound,
            "log10_likelihood_ratio_capped": round(verdict.log10_ratio, 2),
            "trials": best.trials,
            "decoys": best.decoys,
            "decoy_z_max": round(best.decoy_z_max, 3),
            "marks_log_index": best.marks_log_index,
            "named": [_scored(one) for one in verdict.sessions],
            # Without a name there is no ranking: by the time they were let in.
            "shown_to": [asdict(one) for one in sorted(delivered.values(), key=lambda one: one.granted_ns)],
        }

    def _bundle(
        self, picture: bytes, finding: str, best: PictureTraced | None, proofs: dict[int, str], index: int
    ) -> bytes:
        pinned = read_pinned(self._paths.warden_key)
        policy = policy_text(log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key), [])
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
            opened.writestr("picture", picture)
            opened.writestr("finding.json", finding)
            opened.writestr("log/policy", policy)
            for number, values in enumerate(best.evidence if best is not None else ()):
                opened.writestr(f"evidence-{number}.f32", values)
            for at, proof in proofs.items():
                opened.writestr(f"log/{'finding' if at == index else at}.proof", proof)
        return stream.getvalue()


def _named_z(one: PictureTraced) -> float:
    return max((score.z for score in one.candidates if score.z >= NAMED_Z), default=0.0)


def _scored(one: CandidateScore) -> dict[str, object]:
    return {
        "session": str(one.session_id),
        "z": round(one.z, 3),
        "session_layer_z": round(one.session_z, 3),
        "slot": one.slot,
        "slot_start_ns": one.slot * SLOT_NS,
        "slot_key": one.slot_key.hex(),
        "view": one.fidelity.value,
        "granted_index": one.granted_index,
        "released_index": one.released_index,
    }
