"""Slower disk, copies elsewhere and their recall, as `site.yaml` names them."""

import os
from collections.abc import Callable, Iterable

import structlog

from custodes.adapters.blob.disk import Disk
from custodes.app.recall import Recall
from custodes.app.serving.tiers import OffsiteTier, SlowTier, open_offsite, open_slow_disk
from custodes.config import SiteConfig, SitePaths
from custodes.errors import ConfigError, StorageFailed
from custodes.ports.blob import BlobStore


def slow_tier(paths: SitePaths, config: SiteConfig, site_id: str) -> SlowTier | None:
    """None also when its disk is not there: then nothing moves, and what lies there is neither shown nor deleted."""
    if config.tiers.slow_dir is None:
        return None
    try:
        disk = open_slow_disk(paths, config.tiers.slow_dir, site_id)
    except StorageFailed as error:
        structlog.get_logger().error("no slower disk until the next start", error=str(error))
        return None
    return SlowTier(
        disk,
        after_h=config.tiers.slow_after_h,
        data_dir=paths.data_dir,
        min_free_bytes=config.recorder.min_free_mb * 2**20,
    )


def offsite_store(config: SiteConfig) -> BlobStore | None:
    """None also when it is configured wrongly: then nothing is copied, and the rest of the site goes on."""
    if config.tiers.offsite is None:
        return None
    try:
        return open_offsite(config.tiers.offsite, os.environ)
    except ConfigError as error:
        structlog.get_logger().error("no copies elsewhere until the next start", error=str(error))
        return None


def copies(config: SiteConfig, offsite: OffsiteTier | None) -> Callable[[], Iterable[str]] | None:
    """Lists what has a copy elsewhere; None where there may be copies and nobody can tell."""
    if offsite is not None:
        return offsite.paths
    return tuple if config.tiers.offsite is None else None


def offsite_tier(config: SiteConfig, site_id: str, store: BlobStore | None) -> OffsiteTier | None:
    """None where nothing is copied elsewhere."""
    offsite = config.tiers.offsite
    return None if store is None or offsite is None else OffsiteTier(store, after_h=offsite.after_h, site_id=site_id)


def open_recall(paths: SitePaths, config: SiteConfig, site_id: str, store: BlobStore) -> Recall:
    """What fetches copies back, with what an earlier run had fetched taken away."""
    min_free_bytes = 2 * config.recorder.min_free_mb * 2**20  # below it retention deletes
    recall = Recall(store=store, paths=paths, site_id=site_id, storage=Disk(), min_free_bytes=min_free_bytes)
    recall.clear()
    return recall
