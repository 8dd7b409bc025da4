"""Durable files: appends, syncs, renames."""
