"""Segments on their way to a slower disk and to a store elsewhere: readable wherever they are, deleted everywhere."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.server.conftest import SITE_ID, Site
from tests.server.test_retention import Bench

from custodes.adapters.blob.disk import Disk
from custodes.adapters.blob.slow import SlowDisk
from custodes.app.serving import tiers
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.retention import RetentionSweeper
from custodes.app.serving.tiers import OffsiteTier, SlowTier, TierSweeper, open_offsite, open_slow_disk
from custodes.config.tree import OffsiteConfig, SiteConfig
from custodes.errors import ConfigError, StorageFailed
from custodes.record.journal import JournalWriter
from custodes.record.reconcile import reconcile
from custodes.record.verify import Depth, verify_segments
from custodes.testing.catalog import make_hold


class Tiers:
    """A site with a slower disk and a store elsewhere (a folder, by the same port)."""

    def __init__(self, site: Site, catalog: ThreadedCatalog, warden: Any, bench: Bench, folder: Path) -> None:
        self.site, self.catalog, self.bench = site, catalog, bench
        self.slow_dir = folder / "slow"
        self.slow_dir.mkdir(exist_ok=True)
        self.elsewhere = SlowDisk(folder / "elsewhere")
        disk = open_slow_disk(site.paths, self.slow_dir, SITE_ID)
        self.slow = SlowTier(disk, after_h=0.5, data_dir=site.paths.data_dir, min_free_bytes=0)
        self.retention = RetentionSweeper(
            paths=site.paths,
            site_id=SITE_ID,
            config=bench.config,
            catalog=catalog,
            warden=warden,
            live=bench.live,
            storage=bench.disk,
            clock=bench.clock,
            slow=self.slow,
        )
        self.mover = TierSweeper(
            paths=site.paths,
            catalog=catalog,
            clock=bench.clock,
            lock=self.retention.lock,
            slow=self.slow,
            offsite=OffsiteTier(self.elsewhere, after_h=0, site_id=SITE_ID),
        )

    def moved(self) -> list[str]:
        return sorted(str(path.relative_to(self.slow_dir)) for path in self.slow_dir.rglob("*.seg"))

    def copied(self) -> list[str]:
        return [key.removeprefix(f"{SITE_ID}/") for key in self.elsewhere.keys("")]


def run(site: Site, tmp_path: Path, test: Callable[[Tiers], Any], **config: Any) -> None:
    async def main() -> None:
        bench = Bench(site, **config)
        async with bench.warden() as warden, bench.catalog() as catalog:
            made = Tiers(site, catalog, warden, bench, tmp_path)
            await test(made)
            made.retention.close()

    asyncio.run(main())


def clean(site: Site) -> bool:
    return verify_segments(site.paths.data_dir, Depth.HASH, site_id=SITE_ID).found == []


def test_segment_when_old_enough_then_it_moves_and_is_read_from_where_it_is(site: Site, tmp_path: Path) -> None:
    async def test(made: Tiers) -> None:
        old, young = made.bench.record(0), made.bench.record(1700)
        still_open = made.bench.record(60, is_sealed=False)
        await made.bench.follow(made.catalog)
        made.bench.advance(1900)
        before = (site.paths.data_dir / old.path).read_bytes()
        assert await made.mover.sweep() == 1 + 2  # one moved, two copied elsewhere
        assert made.moved() == [old.path]
        assert (site.paths.data_dir / old.path).is_symlink()
        assert (site.paths.data_dir / old.path).read_bytes() == before
        assert not (site.paths.data_dir / young.path).is_symlink()
        assert not (site.paths.data_dir / still_open.path).is_symlink()
        assert clean(site)
        assert await made.mover.sweep() == 0

    run(site, tmp_path, test)


def test_segment_when_it_was_moved_and_its_time_is_over_then_it_goes_from_everywhere(
    site: Site, tmp_path: Path
) -> None:
    async def test(made: Tiers) -> None:
        gone, held = made.bench.record(0), made.bench.record(120)
        await made.bench.follow(made.catalog)
        await made.catalog.put_hold(make_hold(120, 180, expires_s=10**6))
        made.bench.advance(2000)
        await made.mover.sweep()
        assert made.moved() == made.copied() == sorted([gone.path, held.path])
        made.bench.advance(3600)
        assert await made.retention.sweep() == 1
        await made.mover.sweep()
        assert made.moved() == made.copied() == [held.path]
        assert not os.path.lexists(site.paths.data_dir / gone.path)
        assert clean(site)

    run(site, tmp_path, test)


def test_move_when_it_was_cut_off_anywhere_then_the_next_one_finishes_and_nothing_is_lost(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(made: Tiers) -> None:
        segment = made.bench.record(0)
        await made.bench.follow(made.catalog)
        made.bench.advance(2000)
        path = site.paths.data_dir / segment.path
        whole = path.read_bytes()
        for step in ("put", "symlink_to", "replace", "sync_folder"):
            with monkeypatch.context() as patch:
                owner: Any = {"put": SlowDisk, "sync_folder": tiers}.get(step, Path)
                real = getattr(owner, step)

                def cut(*args: Any, step: str = step, real: Any = real) -> None:
                    if step in ("put", "sync_folder") or str(args[0]).endswith(".link"):
                        if step == "put":
                            real(*args)  # it is there, and nobody was told
                        raise OSError("power cut") if step != "put" else StorageFailed("power cut")
                    real(*args)

                patch.setattr(owner, step, cut)
                with pytest.raises(StorageFailed):
                    await made.mover.sweep()
            assert path.read_bytes() == whole
            assert verify_segments(site.paths.data_dir, Depth.HASH, site_id=SITE_ID).problems == []
            journal = JournalWriter(Disk(), site.paths.journal_dir / "other.journal")
            assert reconcile(site.paths.data_dir, Disk(), journal, site_id=SITE_ID).adopted == 0
        await made.mover.sweep()
        assert path.is_symlink()
        assert path.read_bytes() == whole
        assert made.moved() == [segment.path]
        assert not list(path.parent.glob("*.link"))

    run(site, tmp_path, test)


def test_slow_disk_when_unmounted_then_nothing_moves_and_nothing_there_is_forgotten(
    site: Site, tmp_path: Path
) -> None:
    async def test(made: Tiers) -> None:
        first = made.bench.record(0)
        await made.bench.follow(made.catalog)
        made.bench.advance(2000)
        await made.mover.sweep()
        made.slow_dir.rename(tmp_path / "away")
        made.slow_dir.mkdir()
        made.bench.record(100)
        await made.bench.follow(made.catalog)
        with pytest.raises(StorageFailed, match="custodes-tier"):
            await made.mover.sweep()
        assert list(made.slow_dir.iterdir()) == []
        made.bench.advance(3600)
        await made.retention.sweep()
        garbage = await made.catalog.garbage(10)
        assert [one.path for one in garbage if not one.is_gone] == [first.path]
        with pytest.raises(StorageFailed, match="not mounted"):
            open_slow_disk(site.paths, made.slow_dir, SITE_ID)
        made.slow_dir.rmdir()
        (tmp_path / "away").rename(made.slow_dir)
        await made.retention.sweep()
        assert await made.catalog.garbage(10) == []
        assert made.moved() == []

    run(site, tmp_path, test)


def test_disk_when_full_and_the_slower_one_has_room_then_old_ones_move_instead_of_going(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(made: Tiers) -> None:
        segment = made.bench.record(0)
        await made.bench.follow(made.catalog)
        made.bench.advance(60 + 60)
        made.bench.disk.room = 0
        monkeypatch.setattr(SlowTier, "is_pressed", lambda self: True)
        assert await made.retention.sweep() == 0
        await made.mover.sweep()
        assert made.moved() == [segment.path]
        # The slower disk does not take anything any more, but is not full: deleting there would gain nothing.
        made.slow.is_failing = True
        assert await made.retention.sweep() == 0
        assert made.moved() == [segment.path]
        # Neither has room: then the oldest goes, from the slower one.
        monkeypatch.setattr(SlowTier, "is_full", lambda self: True)
        assert await made.retention.sweep() == 1
        assert made.moved() == []

    run(site, tmp_path, test, recorder={"min_free_mb": 1})


def test_slow_disk_when_it_is_another_site_s_then_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "slow").mkdir()
    open_slow_disk(site.paths, tmp_path / "slow", SITE_ID)
    open_slow_disk(site.paths, tmp_path / "slow", SITE_ID)
    with pytest.raises(StorageFailed, match="of site"):
        open_slow_disk(site.paths, tmp_path / "slow", "ffffffffffffffff")
    with pytest.raises(StorageFailed, match="not there"):
        open_slow_disk(site.paths, tmp_path / "nowhere", SITE_ID)


def test_link_when_it_leads_elsewhere_then_what_it_leads_to_is_never_deleted(site: Site, tmp_path: Path) -> None:
    async def test(made: Tiers) -> None:
        segment = made.bench.record(0)
        await made.bench.follow(made.catalog)
        path = site.paths.data_dir / segment.path
        path.rename(tmp_path / "mine")
        path.symlink_to(tmp_path / "mine")
        made.bench.advance(2 * 3600)
        await made.retention.sweep()
        assert (tmp_path / "mine").exists()
        assert path.is_symlink()

    run(site, tmp_path, test)


def test_offsite_when_a_credential_is_missing_then_a_sentence_names_the_reference() -> None:
    config = OffsiteConfig(
        endpoint="http://127.0.0.1:9000", bucket="footage", access_key="env:S3_ID", secret_key="file:/no/such"
    )
    with pytest.raises(ConfigError, match="env:S3_ID"):
        open_offsite(config, {})
    with pytest.raises(ConfigError, match="secret_key"):
        open_offsite(config, {"S3_ID": "x"})


@pytest.mark.parametrize(
    "tree",
    [
        {"endpoint": "http://user:pw@h/", "bucket": "abc", "access_key": "", "secret_key": ""},
        {"endpoint": "ftp://h", "bucket": "abc", "access_key": "", "secret_key": ""},
        {"endpoint": "http://h", "bucket": "ABC", "access_key": "", "secret_key": ""},
        {"endpoint": "http://h", "bucket": "abc", "access_key": "plain", "secret_key": ""},
    ],
    ids=["credentials in the URL", "scheme", "bucket", "secret in clear"],
)
def test_offsite_when_configured_wrongly_then_refused(tree: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="offsite"):
        SiteConfig.model_validate({"tiers": {"offsite": tree}})


def test_tiers_when_the_store_elsewhere_is_away_then_moves_to_the_slower_disk_go_on(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StorageFailed("nobody answers")

    async def test(made: Tiers) -> None:
        first = made.bench.record(0)
        await made.bench.follow(made.catalog)
        made.bench.advance(2000)
        monkeypatch.setattr(OffsiteTier, "take", away)
        with pytest.raises(StorageFailed, match="nobody answers"):
            await made.mover.sweep()
        assert made.moved() == [first.path]
        assert made.slow.has_room()

    run(site, tmp_path, test)


def test_disk_when_full_and_the_slower_one_is_away_then_the_oldest_on_the_full_one_goes(
    site: Site, tmp_path: Path
) -> None:
    async def test(made: Tiers) -> None:
        archived = made.bench.record(0)
        await made.bench.follow(made.catalog)
        made.bench.advance(1900)
        await made.mover.sweep()
        here = made.bench.record(1860, 30)
        await made.bench.follow(made.catalog)
        made.slow_dir.rename(tmp_path / "away")
        made.bench.disk.room = 0
        assert await made.retention.sweep() == 1
        assert not (site.paths.data_dir / here.path).exists()
        assert (site.paths.data_dir / archived.path).is_symlink()

    run(site, tmp_path, test, recorder={"min_free_mb": 1})
