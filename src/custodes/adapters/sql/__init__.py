"""The catalog in a database: SQLAlchemy Core over SQLite, migrated by alembic. Rows never leave this package."""

from custodes.adapters.sql.catalog import SqliteCatalog

__all__ = ["SqliteCatalog"]
