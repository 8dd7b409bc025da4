"""Composition roots, one module per process. The only place that knows which adapter stands behind a port."""
