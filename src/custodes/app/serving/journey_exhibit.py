"""A journey as an exhibit of a case: one ZIP that `custodes evidence verify` and `custodes-verify` check."""

import asyncio
import json
import secrets
from pathlib import Path

import msgspec

from custodes import __version__
from custodes.app.serving.proofs import ProofDesk
from custodes.audit.evidence import BundleWriter, utc_text
from custodes.config import SiteConfig, SitePaths
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, AuditRecord, Principal
from custodes.types.cases import NoteOnCase
from custodes.types.journey import Journey

FORMAT = "custodes-journey/1"
_README = """Where an enrolled person went, as a site of custodes worked it out from tracks. To check it:

    python3 custodes_verify.py evidence THIS.zip --policy KEYS.txt

journey.json lists the tracks. "verified": two trained people, each without knowing the other's word, said that it is
the person. "together": the track stood on the same ground at the same time as one of the person's. "transit": it came
when and where somebody would who had left the camera before. Every link has its probability, and how probable the next
best one was; a track's own probability is the product of the links back to a verified one. Links are estimates from
places and times, and, where "looks" is not "none", from the colours of clothes: "look_nats" is how much likelier these
are one person's than two people's, as a natural logarithm. They are not from faces, may be wrong, and none of them is
a sighting. With looks a track may be told in part: from when to when it was the person. Coverage says how much of the
stretch each camera's recordings were analysed: where it is low, the person may have been there unseen.
"""


class ExhibitMaker:
    """Used on the event loop only; what it makes is in memory when it returns, and on no disk."""

    def __init__(
        self, *, warden: Warden, proofs: ProofDesk, clock: Clock, paths: SitePaths, config: SiteConfig, site_id: str
    ) -> None:
        self._warden = warden
        self._proofs = proofs
        self._clock = clock
        self._folder = paths.data_dir / "exports"
        self._config = config
        self._site_id = site_id

    async def make(self, who: Principal, journey: Journey) -> bytes:
        """Prove, seal, note it in the case. Raises: Unavailable, StorageFull, and what the warden raises."""
        await self._proofs.ask_witnesses()
        proofs = await self._proofs.of([journey.log_index])
        policy = self._proofs.policy(proofs.values())
        exhibit_id = f"{journey.request_id}-{secrets.token_hex(4)}"
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, exist_ok=True)
        path = self._folder / f"{exhibit_id}.journey"
        writer = await asyncio.to_thread(BundleWriter, path)
        try:
            writer.put("README.txt", _README.encode())
            writer.put("journey.json", _json(journey))
            writer.put("log/policy", policy.encode())
            writer.put("log/opened.tlog-proof", proofs[journey.log_index].encode())
            digest = writer.finish(self._manifest(who, journey, exhibit_id))
            details = {"manifest": digest, "export_id": exhibit_id, "request": journey.request_id}
            index = await self._warden.append(
                AuditRecord(
                    kind=AuditKind.EVIDENCE_SEALED,
                    actor="process:server",
                    subject=journey.person_id,
                    details=details,
                )
            )
            await self._proofs.ask_witnesses()
            proof = (await self._proofs.of([index]))[index]
            self._proofs.check(proof, policy)
            await asyncio.to_thread(writer.close, proof, await self._proofs.stamp(writer.manifest))
            content = await asyncio.to_thread(path.read_bytes)
        except BaseException:
            writer.abandon()
            raise
        finally:
            await asyncio.to_thread(_remove, path)
        await self._note(who, journey, digest)
        return content

    async def _note(self, who: Principal, journey: Journey, digest: str) -> None:
        count = len(journey.steps)
        text = (
            f"Journey taken along as an exhibit, {count} {'track' if count == 1 else 'tracks'}, "
            f"{utc_text(journey.start_ns)} to {utc_text(journey.end_ns)}, request {journey.request_id}, manifest "
            f"SHA-256 {digest}"
        )
        await self._warden.about_cases(
            NoteOnCase(
                principal=who,
                number=journey.reference,
                text=text,
                camera_id=journey.steps[0].camera_id,
                moment_ns=journey.steps[0].start_ns,
            )
        )

    def _manifest(self, who: Principal, journey: Journey, exhibit_id: str) -> dict[str, object]:
        return {
            "format": FORMAT,
            "export_id": exhibit_id,
            "site_id": self._site_id,
            "site_name": self._config.name,
            "camera_id": ",".join(one.camera_id for one in journey.cameras),
            "person_id": journey.person_id,
            "start_utc": utc_text(journey.start_ns),
            "end_utc": utc_text(journey.end_ns),
            "purpose": "case",
            "reference": journey.reference,
            "request_id": journey.request_id,
            "exporter": who.name,
            "created_utc": utc_text(self._clock.now_ns()),
            "software": f"custodes {__version__}",
            "grant": {"proof": "log/opened.tlog-proof"},
            "segments": [],
        }


def _json(journey: Journey) -> bytes:
    """Without the name: who it is stands in the case, and the id in the log."""
    told = msgspec.to_builtins(journey)
    del told["name"]
    return json.dumps(told, indent=1).encode()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
