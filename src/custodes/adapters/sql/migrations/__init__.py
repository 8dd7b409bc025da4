"""Alembic's environment and the schema's history. Nothing imports this package; alembic runs its files."""
