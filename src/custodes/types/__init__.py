"""Frozen values that cross slices. No behaviour beyond validation; no I/O; nothing imports upward."""
