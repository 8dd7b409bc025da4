"""Structured logs of a process: one JSON line per event on a file, secrets and vectors kept out.

Metrics belong elsewhere in this package.
"""

import contextlib
import logging
import re
import sys
from collections.abc import MutableMapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

# Up to the last @ of the word: passwords hold @ and / when nobody quoted them.
_URL_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^\s\"'<>]*@", re.IGNORECASE)
_QUERY_SECRETS = re.compile(r"(?P<name>[?&;][\w.-]*(?:pass|pwd|token|secret|auth)[\w.-]*=)[^&\s\"'<>]*", re.IGNORECASE)
_SECRET_NAMES = re.compile(r"token|password|secret|cookie|authorization|data_key|mark_key|template|embedding", re.I)
_MAX_VALUE_CHARS = 500
_MAX_TRACEBACK_CHARS = 8000
_MAX_ITEMS = 50
_MAX_DEPTH = 3
_FILE_BYTES = 10 * 1024 * 1024
_FILES_KEPT = 3


def redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: no secret names, no credentials in URLs, no bytes or arrays, no endless strings."""
    for name, value in list(event.items()):
        if name == "event":
            event[name] = clean_text(str(value))
        elif name == "exception" and isinstance(value, str):
            event[name] = clean_text(value, max_chars=_MAX_TRACEBACK_CHARS)
        else:
            event[name] = _clean_value(name, value, _MAX_DEPTH)
    return event


def _clean_value(name: str, value: object, depth: int) -> object:
    if _SECRET_NAMES.search(name):
        return "(withheld)"
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | BaseException | Path):
        return clean_text(str(value))
    if depth and isinstance(value, dict):
        items = list(value.items())[:_MAX_ITEMS]
        return {str(key): _clean_value(str(key), inner, depth - 1) for key, inner in items}
    if depth and isinstance(value, list | tuple | set | frozenset):
        # A row of fractions is a vector or a box, and those stay out of logs.
        has_fractions = any(isinstance(inner, float) for inner in value)
        if has_fractions:
            return f"({len(value)} numbers)"
        return [_clean_value("", inner, depth - 1) for inner in list(value)[:_MAX_ITEMS]]
    return f"({type(value).__name__})"


def clean_text(text: str, *, max_chars: int = _MAX_VALUE_CHARS) -> str:
    """`text` without credentials in URLs, bounded."""
    text = _URL_CREDENTIALS.sub(r"\g<scheme>(withheld)@", text)
    text = _QUERY_SECRETS.sub(r"\g<name>(withheld)", text)
    return text if len(text) <= max_chars else text[:max_chars] + "…"


def configure(process: str, *, log_dir: Path | None, level: str = "info") -> None:
    """Set up structlog for this process: JSON to `log_dir/<process>.log` (10 MB × 4), or to stderr without one.

    A disk that takes no log file is no reason not to start: what there is to say then goes to stderr.
    """
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if log_dir is not None:
        with contextlib.suppress(OSError):
            log_dir.mkdir(parents=True, exist_ok=True)
            handler = RotatingFileHandler(log_dir / f"{process}.log", maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            redact_event,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(process=process)
