"""Erasing recordings for a person who asked for it: authorised, given up in the log, deleted, certified.

Order: grant (logged) → the warden logs what is given up and releases no key of it any more → rows, files, sketches,
exports → keys of days that nothing needs → certificate → entry with its hash → its proof. A crash after the second
step leaves garbage that retention finishes, and entries that say what was given up; the certificate is missing then.
"""

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path

from custodes import __version__
from custodes.access.erasure import PAGE, README, ErasedSegment, ErasureFacts, certificate, page
from custodes.access.release import MAX_ERASED
from custodes.app.serving.exports import Exporter
from custodes.app.serving.proofs import ProofDesk
from custodes.app.serving.retention import RetentionSweeper
from custodes.audit.evidence import BundleWriter
from custodes.config import SiteConfig, SitePaths
from custodes.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
)
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
    Principal,
    Purpose,
    PurposeKind,
)
from custodes.types.media import Segment
from custodes.types.message import ErasureDone
from custodes.types.stream import camera_of, second_of
from custodes.units import CameraId, Ns, SegmentId, SessionId
from custodes.web.looks import LookBook

MAX_CERTIFICATES = 10_000
"""Kept on the site; each a few kilobytes and a proof a segment."""
_MAX_ENTRIES_READ = 2_000_000


class Eraser:
    """One erasure at a time. Used on the event loop only."""

    def __init__(
        self,
        *,
        catalog: AsyncCatalog,
        warden: Warden,
        retention: RetentionSweeper,
        exporter: Exporter,
        proofs: ProofDesk,
        clock: Clock,
        paths: SitePaths,
        config: SiteConfig,
        site_id: str,
    ) -> None:
        self._catalog = catalog
        self._warden = warden
        self._retention = retention
        self._exporter = exporter
        self._proofs = proofs
        self._clock = clock
        self._paths = paths
        self._config = config
        self._site_id = site_id
        self._lock = asyncio.Lock()

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
        """Erase every recording of the camera, both its streams', that touches the stretch, whole, and certify it.

        Raises: PermissionDenied with the decision's reasons; FailedPrecondition while something of it is held or still
            being recorded; NotFound when nothing is there; InvalidArgument, ResourceExhausted, Unavailable.
        """
        if not end_ns - start_ns > 0:
            raise InvalidArgument("an erasure covers more than nothing")
        async with self._lock:
            segments = await self._meant(camera_id, start_ns, end_ns)
            grant = await self._authorise(principal, camera_id, start_ns, end_ns, reference, request_id)
            try:
                index = await self._warden.erase_segments(
                    grant.token, tuple(one.header.segment_id for one in segments)
                )
                return await self._carry_out(grant, index, segments)
            finally:
                await self._warden.end_grant(grant.grant_id, 0)

    def certificates(self) -> list[str]:
        """Ids of those that are kept, newest first."""
        found = sorted(self._folder.glob("*.zip"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return [path.stem for path in found]

    def path_of(self, erasure_id: str) -> Path:
        """Its certificate. Raises: NotFound."""
        if erasure_id not in self.certificates():
            raise NotFound("there is no such certificate")
        return self._folder / f"{erasure_id}.zip"

    @property
    def _folder(self) -> Path:
        return self._paths.data_dir / "erasures"

    async def _meant(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[Segment]:
        held = [
            hold.hold_id
            for hold in await self._catalog.holds(self._clock.now_ns())
            if camera_of(hold.camera_id) == camera_id and hold.start_ns <= end_ns and hold.end_ns >= start_ns
        ]
        if held:
            raise FailedPrecondition(
                f"held as evidence ({', '.join(held[:5])}): release that first, or say no (art. 17(3))"
            )
        found = await self._catalog.segments(camera_id, start_ns, end_ns, MAX_ERASED + 1, with_spares=True)
        second_id = second_of(camera_id)
        found += await self._catalog.segments(second_id, start_ns, end_ns, MAX_ERASED + 1, with_spares=True)
        if not found:
            raise NotFound("nothing is recorded of that time")
        if len(found) > MAX_ERASED:
            raise ResourceExhausted(f"more than {MAX_ERASED} segments; erase a shorter stretch")
        if not all(one.is_sealed for one in found):
            raise FailedPrecondition("a piece of it is still being recorded; try again in a minute or two")
        return found

    async def _authorise(
        self, principal: Principal, camera_id: CameraId, start_ns: Ns, end_ns: Ns, reference: str, request_id: str
    ) -> Grant:
        answer = await self._warden.authorise(
            AccessRequest(
                principal=principal,
                action=Action.ERASE,
                purpose=Purpose(kind=PurposeKind.SUBJECT_ACCESS, reference=reference),
                camera_id=camera_id,
                start_ns=start_ns,
                end_ns=end_ns,
                fidelity=Fidelity.MASKED,
                session_id=SessionId(secrets.token_hex(8)),
                request_id=request_id,
            )
        )
        if answer.grant is None:
            raise PermissionDenied(" ".join(answer.decision.reasons) or "no policy allows it")
        return answer.grant

    async def _carry_out(self, grant: Grant, index: int, segments: Sequence[Segment]) -> ErasureDone:
        asked = grant.request
        ids = [one.header.segment_id for one in segments]
        indices = await self._catalog.log_indices(ids)  # before the rows go
        copies, _ = await LookBook(
            warden=self._warden, clock=self._clock, timezone=self._config.access.timezone
        ).all_who_saw(asked.camera_id, asked.start_ns, asked.end_ns, max_entries=_MAX_ENTRIES_READ)
        exports = await self._exporter.forget_overlapping(asked.camera_id, asked.start_ns, asked.end_ns)
        until_ns = max(one.end_ns for one in segments)
        done = await self._retention.erase(ids, asked.camera_id, until_ns, f"erasure {asked.request_id}")
        await asyncio.to_thread(self._forget_sketches, asked.camera_id, done.gone)
        gone = [one for one in segments if one.header.segment_id in done.gone]
        await self._proofs.ask_witnesses()
        proofs = await self._proofs.of([grant.log_index, index, *indices.values(), *done.keys_destroyed.values()])
        facts = await self._facts(grant)
        kept = sorted({one.header.key_id for one in gone} - done.keys_destroyed.keys())
        said = certificate(
            facts,
            segments=[
                ErasedSegment(segment=one, proof=proofs.get(indices.get(one.header.segment_id, -1), ""))
                for one in gone
            ],
            left=[one for one in ids if one not in done.gone],
            keys_destroyed={key: f"log/key-{key.replace('/', '-')}.tlog-proof" for key in done.keys_destroyed},
            keys_kept=kept,
            copies=[one for one in copies if one.action == Action.EXPORT.value],
            exports_removed=exports,
            entries={"grant": grant.log_index, "erased": index},
        )
        files = {
            "README.txt": README,
            "log/policy": self._proofs.policy(proofs.values()),
            "log/grant.tlog-proof": proofs[grant.log_index],
            "log/erased.tlog-proof": proofs[index],
            **{f"log/{one}.tlog-proof": proofs[indices[one]] for one in done.gone if one in indices},
            **{f"log/key-{key.replace('/', '-')}.tlog-proof": proofs[at] for key, at in done.keys_destroyed.items()},
        }
        path = await self._write(facts, said, files)
        return ErasureDone(
            erasure_id=facts.erasure_id,
            path=str(path),
            segments=len(gone),
            bytes_on_disk=sum(one.bytes_on_disk for one in gone),
        )

    def _forget_sketches(self, camera_id: CameraId, segment_ids: Sequence[SegmentId]) -> None:
        """What trace jobs noted of the pictures; sealed by keys that are not released any more, all the same."""
        for one in segment_ids:
            for stream_id in (camera_id, second_of(camera_id)):
                (self._paths.index / stream_id / f"{one}.idx").unlink(missing_ok=True)

    async def _facts(self, grant: Grant) -> ErasureFacts:
        asked = grant.request
        names = {spec.camera_id: spec.name for spec in await self._catalog.cameras()}
        return ErasureFacts(
            erasure_id=f"{asked.request_id}-{secrets.token_hex(4)}",
            site_id=self._site_id,
            site_name=self._config.name,
            camera_id=asked.camera_id,
            camera_name=names.get(asked.camera_id, asked.camera_id),
            start_ns=asked.start_ns,
            end_ns=asked.end_ns,
            reference=asked.purpose.reference,
            request_id=asked.request_id,
            erased_by=asked.principal.name,
            created_ns=self._clock.now_ns(),
            software=f"custodes {__version__}",
            controller=self._config.privacy.controller,
            contact=self._config.privacy.contact,
        )

    async def _write(self, facts: ErasureFacts, said: dict[str, object], files: dict[str, str]) -> Path:
        folder = self._folder
        await asyncio.to_thread(folder.mkdir, mode=0o700, exist_ok=True)
        if len(self.certificates()) >= MAX_CERTIFICATES:
            raise ResourceExhausted(f"{MAX_CERTIFICATES} certificates lie in {folder}; move some elsewhere")
        path = folder / f"{facts.erasure_id}.zip"
        writer = await asyncio.to_thread(BundleWriter, path)
        try:
            for name, text in files.items():
                writer.put(name, text.encode())
            writer.put(PAGE, page(said, facts))
            digest = writer.finish(said)
            details = {"manifest": digest, "erasure_id": facts.erasure_id, "request": facts.request_id}
            index = await self._warden.append(
                AuditRecord(
                    kind=AuditKind.ERASURE_CERTIFIED,
                    actor="process:server",
                    subject=facts.camera_id,
                    details=details,
                )
            )
            await self._proofs.ask_witnesses()
            proof = (await self._proofs.of([index]))[index]
            self._proofs.check(proof, files["log/policy"])
            await asyncio.to_thread(writer.close, proof, await self._proofs.stamp(writer.manifest))
        except BaseException:
            writer.abandon()
            path.unlink(missing_ok=True)
            raise
        return path
