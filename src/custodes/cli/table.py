"""Plain tables on a terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click


def render_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell; the last one is left as long as it is."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = []
    for number, row in enumerate((heads, *rows)):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        lines.append(click.style(line, dim=True) if number == 0 else line)
    return "\n".join(lines)


def moment_text(utc_ns: int) -> str:
    """`2026-03-01T14:00:00Z`, to the second."""
    return f"{datetime.fromtimestamp(utc_ns / 1e9, UTC):%Y-%m-%dT%H:%M:%SZ}"
