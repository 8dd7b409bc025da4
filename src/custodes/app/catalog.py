"""Which database a site's catalog is in: the file in the data directory, or PostgreSQL by configuration.

**Invariant:** a site never starts with an empty catalog beside one that holds its past: what the configuration says
and where the catalog is are compared first.
"""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import inspect

from custodes.adapters.sql import PostgresTarget, SqlCatalog, postgres_catalog, sqlite_catalog
from custodes.adapters.sql.copying import Progress, copy_catalog
from custodes.adapters.sql.inspect import CatalogNames, read_names, read_names_in
from custodes.adapters.sql.postgres import postgres_store
from custodes.adapters.sql.sqlite import sqlite_store
from custodes.adapters.sql.store import Store
from custodes.config import SiteConfig, SitePaths, load_effective
from custodes.config.database import DatabaseConfig
from custodes.config.durable import replace_file
from custodes.config.secret import read_secret
from custodes.errors import AlreadyExists, FailedPrecondition, NotFound
from custodes.ports.clock import Clock

MOVED = ".moved"
"""Ending of a catalog file whose rows are in a database now."""


def target_of(config: DatabaseConfig, environ: Mapping[str, str]) -> PostgresTarget:
    """With its password. Raises: ConfigError when the reference leads nowhere."""
    return PostgresTarget(
        host=config.host,
        port=config.port,
        database=config.database,
        user=config.user,
        password=read_secret("catalog.password", config.password, environ),
        tls=config.tls,
        ca_file=config.ca_file,
    )


def open_catalog(
    paths: SitePaths, config: SiteConfig, *, site_id: str, clock: Clock, environ: Mapping[str, str]
) -> SqlCatalog:
    """The site's catalog, for its server.

    Raises: FailedPrecondition when the catalog is elsewhere than the configuration says, and what `SqlCatalog` raises.
    """
    marker = _marker(paths)
    if config.catalog is None:
        if marker.exists() and not paths.catalog.exists():
            where = marker.read_text(encoding="utf-8").strip()
            raise FailedPrecondition(
                f"the catalog of this site is in {where}; say so under `catalog:` in site.yaml, or "
                "bring it back with: custodes catalog copy --to file"
            )
        return sqlite_catalog(paths.catalog, site_id=site_id, clock=clock)
    target = target_of(config.catalog, environ)
    if paths.catalog.exists() and _is_empty(postgres_store(target)):
        raise FailedPrecondition(
            f"the catalog of this site is in {paths.catalog}, and {target.name} is empty; move it with: "
            "custodes catalog copy --to database"
        )
    opened = postgres_catalog(target, site_id=site_id, clock=clock)
    _mark(paths, target)
    return opened


def database_of(paths: SitePaths) -> DatabaseConfig | None:
    """Where the catalog of the last start is; None: in its file, also for a site that never started."""
    return load_effective(paths.data_dir).catalog if paths.effective_config.exists() else None


def catalog_names(paths: SitePaths, environ: Mapping[str, str]) -> CatalogNames | None:
    """Which segments the catalog names, beside a running server; None when there is none yet."""
    database = database_of(paths)
    if database is None:
        return read_names(paths.catalog)
    return read_names_in(postgres_store(target_of(database, environ)))


def copy_to_database(
    paths: SitePaths, config: DatabaseConfig, environ: Mapping[str, str], on_progress: Progress
) -> int:
    """Move a stopped site's catalog out of its file, which is kept under another name; returns the number of rows.

    Raises: NotFound without a file, and what `copy_catalog` raises; then the file is as it was.
    """
    if not paths.catalog.exists():
        raise NotFound(f"there is no {paths.catalog}")
    target = target_of(config, environ)
    rows = _copied(sqlite_store(paths.catalog), postgres_store(target), on_progress)
    _mark(paths, target)
    paths.catalog.rename(paths.catalog.with_name(paths.catalog.name + MOVED))
    return rows


def copy_to_file(
    paths: SitePaths, config: DatabaseConfig, environ: Mapping[str, str], on_progress: Progress, *, file: Path
) -> int:
    """Write the catalog of a database into a new `file`, also beside a running server; returns the number of rows.

    Raises: AlreadyExists when the file is there, and what `copy_catalog` raises; then no file is left.
    """
    if file.exists():
        raise AlreadyExists(f"{file} is there already")
    partial = file.with_name(file.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        rows = _copied(postgres_store(target_of(config, environ)), sqlite_store(partial), on_progress)
        partial.rename(file)
    finally:
        for ending in ("", "-wal", "-shm"):
            partial.with_name(partial.name + ending).unlink(missing_ok=True)
    if file == paths.catalog:
        _marker(paths).unlink(missing_ok=True)
    return rows


def _copied(source: Store, target: Store, on_progress: Progress) -> int:
    try:
        return copy_catalog(source, target, on_progress=on_progress)
    finally:
        source.dispose()
        target.dispose()


def _is_empty(store: Store) -> bool:
    try:
        with store.translated(), store.reader.connect() as connection:
            return not inspect(connection).has_table("meta")
    finally:
        store.dispose()


def _marker(paths: SitePaths) -> Path:
    """Says for people and for `open_catalog` where the catalog went."""
    return paths.data_dir / "catalog.where"


def _mark(paths: SitePaths, target: PostgresTarget) -> None:
    replace_file(_marker(paths), f"{target.name}\n".encode())
