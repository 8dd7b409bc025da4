"""The schema of an opened database: brought to the newest version, and whose it is."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, select

from custodes.adapters.sql.tables import META
from custodes.errors import FailedPrecondition, SiteMismatch, Unavailable


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def newest_version() -> str:
    """Of this custodes."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def version_of(connection: Connection) -> str:
    """Of the database; empty for one without a catalog."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def migrate(connection: Connection, where: str) -> None:
    """Bring the schema to the newest version, in the caller's transaction.

    Raises: FailedPrecondition when a newer custodes made the file.
    """
    config = _config()
    config.attributes["connection"] = connection
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise FailedPrecondition(
            f"{where} was made by a newer custodes ({error}); use that version or a backup of the file"
        ) from error


def claim(connection: Connection, where: str, site_id: str) -> None:
    """Write the site's id into a new file, compare it in an old one. Raises: SiteMismatch."""
    owner = connection.scalar(select(META.c.value).where(META.c.name == "site_id"))
    if owner is None:
        connection.execute(META.insert().values(name="site_id", value=site_id))
    elif owner != site_id:
        raise SiteMismatch(f"{where} belongs to site {owner}, this data directory to {site_id}; nothing was changed")


def check_guest(connection: Connection, where: str, site_id: str) -> None:
    """Raises: Unavailable when the tables are not there yet, or of another version; SiteMismatch."""
    found = version_of(connection)
    if found != newest_version():
        raise Unavailable(
            f"the catalog in {where} is of schema {found or 'none'}, not {newest_version()}: the server that leads "
            "brings it there"
        )
    owner = connection.scalar(select(META.c.value).where(META.c.name == "site_id"))
    if owner != site_id:
        raise SiteMismatch(f"{where} belongs to site {owner}, this data directory to {site_id}")
