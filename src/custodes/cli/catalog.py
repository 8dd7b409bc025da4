"""`custodes catalog`: where the catalog is, and moving it between its file and a PostgreSQL database."""

import os
import sys
from pathlib import Path

import click

from custodes.app.catalog import copy_to_database, copy_to_file
from custodes.cli.where import data_option, load_config
from custodes.config import SiteConfig, SitePaths
from custodes.config.database import DatabaseConfig
from custodes.errors import NotFound
from custodes.runtime.data_dir import stopped_site


@click.group()
def catalog() -> None:
    """The catalog: accounts, cameras, what was recorded and analysed. A file, or a database of the site's own."""


@catalog.command()
@click.option("--to", "where", type=click.Choice(["database", "file"]), required=True, help="Where it goes.")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="The site.yaml that names it.")
@data_option
def copy(where: str, config: Path | None, data: Path | None) -> None:
    """Move the catalog of a stopped site to the database that `catalog:` in site.yaml names, or back into a file.

    To a database: the file is kept as catalog.db.moved. To a file: take `catalog:` out of site.yaml afterwards.
    """
    loaded = load_config(config, data, None)
    paths = SitePaths(loaded.data_dir)
    database = _database(loaded)
    if not paths.identity.exists():
        raise NotFound(f"{paths.data_dir} is not the data directory of a site (it has no site.json)")
    with stopped_site(paths):
        if where == "database":
            rows = copy_to_database(paths, database, os.environ, _tell)
        else:
            rows = copy_to_file(paths, database, os.environ, _tell, file=paths.catalog)
    place = f"database {database.database} on {database.host}" if where == "database" else str(paths.catalog)
    click.echo(f"{rows} rows are in {place}")


def _database(config: SiteConfig) -> DatabaseConfig:
    if config.catalog is None:
        raise NotFound("no database is configured: name it under `catalog:` in site.yaml, and that file with --config")
    return config.catalog


def _tell(table: str, rows: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{table}: {rows} rows   ", nl=False, err=True)
