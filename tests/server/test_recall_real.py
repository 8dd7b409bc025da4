"""What is elsewhere is exported, played and shown by real jobs as if it had never been gone; S3 by moto's server."""

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.server.conftest import SITE_ID, Site
from tests.server.test_exports import ADA, CAMERA, CASE, FRAMES, Bench, bench
from tests.server.test_recall import endpoint

import custodes_verify
from custodes.adapters.blob.disk import Disk
from custodes.adapters.blob.s3 import S3Store
from custodes.app.recall import Recall
from custodes.app.serving.recall import RecallService
from custodes.app.serving.tiers import OffsiteTier
from custodes.record.intact import hash_problem
from custodes.types.access import Fidelity
from custodes.types.message import MediaChunk, StillRendered, ViewKind
from custodes.units import NS_PER_S, Ns

__all__ = ["endpoint"]
BUCKET = "elsewhere"


@asynccontextmanager
async def gone(site: Site, endpoint: str, spoil: Callable[[bytes], bytes] | None = None) -> AsyncIterator[Bench]:
    """A site whose only segment is in a bucket alone; `spoil` changes the copy there."""
    store = S3Store(endpoint=endpoint, bucket=BUCKET, access_key="test", secret_key="test")
    store._client.create_bucket(Bucket=BUCKET)
    async with bench(site) as at:
        recall = Recall(store=store, paths=site.paths, site_id=SITE_ID, storage=Disk())
        service = RecallService(recall=recall, catalog=at.catalog, lock=asyncio.Lock())
        at.exporter.recall_with(service)
        at.broker.recall_with(service)
        tier = OffsiteTier(store, after_h=0, site_id=SITE_ID)
        assert await asyncio.to_thread(tier.take, site.paths, at.segment)
        (site.paths.data_dir / at.segment.path).unlink()
        if spoil is not None:
            key = f"{SITE_ID}/{at.segment.path}"
            raw = store._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            store._client.put_object(Bucket=BUCKET, Key=key, Body=spoil(raw))
        yield at


def test_export_of_what_is_elsewhere_waits_for_it_and_verifies_like_any_other(site: Site, endpoint: str) -> None:
    async def main() -> None:
        async with gone(site, endpoint) as at:
            state = await at.export()
            assert (state.state, state.detail) == ("ready", "")
            with zipfile.ZipFile(state.path) as opened:
                policy = custodes_verify.parse_policy(opened.read("log/policy").decode())
                (film,) = json.loads(opened.read("manifest.json"))["derived"]
            said = custodes_verify.verify_evidence(Path(state.path), policy)
            assert any("1 of 1 native segments" in line for line in said)
            # Masks were there before the job read its first picture: the film is no grey one.
            assert (film["frames"], film["fully_masked_frames"] < FRAMES // 2) == (FRAMES, True)
            assert not hash_problem(site.paths.data_dir / at.segment.path, at.segment)

    asyncio.run(main())


def test_export_of_what_is_elsewhere_when_its_copy_was_changed_fails_and_says_so(site: Site, endpoint: str) -> None:
    async def main() -> None:
        async with gone(site, endpoint, lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])) as at:
            state = await at.export()
            assert not (site.paths.data_dir / at.segment.path).exists()
            assert (state.state, "is gone" in state.detail) == ("failed", True)
            assert list((site.paths.data_dir / "exports").glob("*.zip")) == []

    asyncio.run(main())


def test_playback_and_still_of_what_is_elsewhere_show_it(site: Site, endpoint: str) -> None:
    async def shown(at: Bench, kind: ViewKind) -> object:
        start_ns = at.segment.header.start_ns
        view = await at.broker.open_view(
            principal=ADA,
            purpose=CASE,
            kind=kind,
            camera_id=CAMERA,
            start_ns=start_ns,
            end_ns=Ns(start_ns + 10 * NS_PER_S),
            fidelity=Fidelity.MASKED,
            speed=1.0,
            max_height_px=720,
        )
        try:
            async with asyncio.timeout(120):
                if kind is ViewKind.STILL:
                    await view.seek(Ns(start_ns + NS_PER_S), 1)
                async for output in view.outputs():
                    if isinstance(output, MediaChunk | StillRendered):
                        return output
        finally:
            await view.stop()
        return None

    async def main() -> None:
        async with gone(site, endpoint) as at:
            still = await shown(at, ViewKind.STILL)
            assert isinstance(still, StillRendered)
            (site.paths.data_dir / at.segment.path).unlink()  # and gone again
            chunk = await shown(at, ViewKind.PLAYBACK)
            assert isinstance(chunk, MediaChunk)
            assert chunk.frames > 0
            assert not hash_problem(site.paths.data_dir / at.segment.path, at.segment)

    asyncio.run(main())
