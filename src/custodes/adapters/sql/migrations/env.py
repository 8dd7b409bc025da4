"""Alembic's entry: run the migrations on the connection that `engine.migrate` handed over."""

from alembic import context

from custodes.adapters.sql.tables import METADATA

connection = context.config.attributes["connection"]
# No transaction of alembic's own: the caller's BEGIN IMMEDIATE holds schema change and version together.
context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=False)
context.run_migrations()
