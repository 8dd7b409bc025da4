"""The catalog in a database: SQLAlchemy Core over SQLite or PostgreSQL, migrated by alembic. Rows never leave this
package."""

from custodes.adapters.sql.catalog import SqlCatalog
from custodes.adapters.sql.opening import postgres_catalog, postgres_guest, sqlite_catalog, take_over
from custodes.adapters.sql.postgres import PostgresTarget

__all__ = ["PostgresTarget", "SqlCatalog", "postgres_catalog", "postgres_guest", "sqlite_catalog", "take_over"]
