"""Fuzz targets, one parser a file: `one(case)` raises when a promise is broken, `seeds()` are where to begin."""
