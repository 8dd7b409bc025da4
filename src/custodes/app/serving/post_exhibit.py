"""A case's posts as evidence: one ZIP that `custodes evidence verify` and `custodes-verify` check without the site."""

import asyncio
import json
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from custodes import __version__
from custodes.app.serving.proofs import ProofDesk
from custodes.audit.evidence import BundleWriter, utc_text
from custodes.config import SiteConfig, SitePaths
from custodes.errors import NotFound
from custodes.leaks.case_page import case_page
from custodes.ports.clock import Clock
from custodes.ports.posts import CasePosts
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, AuditRecord, Principal
from custodes.types.cases import Case

FORMAT = "custodes-posts/1"
_README = """Posts of leaked pictures, as somebody collected them for a case. To check that nothing was changed since:

    python3 custodes_verify.py evidence THIS.zip --policy KEYS.txt

Open case.html first: it needs no network. posts.json is what was written down, spread.json what a comparison of the
pictures found, pictures/ are the files as they were found, named by their SHA-256. traces/ holds what was found out
about the origin of pictures, if anything was; each is a bundle of its own:

    custodes leak verify traces/ID.zip

What may be concluded: that these posts and files were given to the site by the people named in posts.json, at the
times named there; that nothing of it was changed since the log's entry; which pictures are of one origin by content,
and which was written down as the earliest.

What may not be concluded: that a post stood where and when it claims (a screenshot can be forged; ask the platform);
that no earlier post exists; that accounts which post alike are of one person or act together; that whoever posted a
picture took it. Comparisons of pictures may be wrong.
"""


class PostExhibit:
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

    async def make(
        self, who: Principal, case: Case, found: CasePosts, *, folder: Path, traces: Sequence[tuple[str, Path]]
    ) -> bytes:
        """Pack, seal, prove. Args: folder: of the case's files. Raises: Unavailable, StorageFull."""
        export_id = f"posts-{secrets.token_hex(6)}"
        policy = self._proofs.policy(())
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, exist_ok=True)
        path = self._folder / f"{export_id}.posts"
        writer = await asyncio.to_thread(BundleWriter, path)
        try:
            await asyncio.to_thread(_pack, writer, case, found, folder, traces, policy)
            digest = await asyncio.to_thread(writer.finish, self._manifest(who, case, found, export_id))
            details = {"manifest": digest, "export_id": export_id, "request": "", "reference": case.number}
            index = await self._warden.append(
                AuditRecord(
                    kind=AuditKind.EVIDENCE_SEALED,
                    actor="process:server",
                    subject=f"posts of case {case.number}",
                    details=details,
                )
            )
            await self._warden.append(
                AuditRecord(
                    kind=AuditKind.EVIDENCE_FETCHED,
                    actor=who.name,
                    subject=f"posts of case {case.number}",
                    details={"user_id": who.user_id, "reference": case.number, "export_id": export_id},
                )
            )
            await self._proofs.ask_witnesses()
            proof = (await self._proofs.of([index]))[index]
            self._proofs.check(proof, policy)
            await asyncio.to_thread(writer.close, proof, await self._proofs.stamp(writer.manifest))
            return await asyncio.to_thread(path.read_bytes)
        except BaseException:
            writer.abandon()
            raise
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    def _manifest(self, who: Principal, case: Case, found: CasePosts, export_id: str) -> dict[str, object]:
        times = [one.utc_ns for one in found.posts]
        return {
            "format": FORMAT,
            "export_id": export_id,
            "site_id": self._site_id,
            "site_name": self._config.name,
            "camera_id": "",
            "start_utc": utc_text(min(times)),
            "end_utc": utc_text(max(times)),
            "purpose": "case",
            "reference": case.number,
            "posts": len(found.posts),
            "exporter": who.name,
            "created_utc": utc_text(self._clock.now_ns()),
            "software": f"custodes {__version__}",
        }


def _pack(
    writer: BundleWriter,
    case: Case,
    found: CasePosts,
    folder: Path,
    traces: Sequence[tuple[str, Path]],
    policy: str,
) -> None:
    assert found.spread is not None
    thumbnails = {path.name: path.read_bytes() for path in folder.glob("thumbnails/*")}
    title = f"Case {case.number} {case.title}"
    writer.put("README.txt", _README.encode())
    writer.put("case.html", case_page(title, found.posts, found.spread, thumbnails).encode())
    writer.put("posts.json", _json(found.posts))
    writer.put("spread.json", _json(found.spread))
    named = {name for one in found.posts for name in (one.sha256, one.screenshot_sha256) if name}
    for name in sorted(named):
        try:
            with (folder / "pictures" / name).open("rb") as stream:
                digest = writer.copy(f"pictures/{name}", stream)
        except FileNotFoundError as error:
            raise NotFound(f"The picture {name[:16]}… is gone from the disk.") from error
        if digest != name:
            raise NotFound(f"The picture {name[:16]}… on the disk is not the one that was given.")
    for request_id, bundle in traces:
        with bundle.open("rb") as stream:
            writer.copy(f"traces/{request_id}.zip", stream)
    writer.put("log/policy", policy.encode())


def _json(value: object) -> bytes:
    return json.dumps(msgspec.to_builtins(value), indent=1, ensure_ascii=False).encode()
