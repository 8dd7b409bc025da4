"""Structured logs of a process: one JSON line per event on a file, secrets and vectors kept out.

Metrics belong elsewhere in this package.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

_URL_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE)
_SECRET_NAMES = re.compile(r"token|password|secret|cookie|authorization|data_key|mark_key|template|embedding", re.I)
_MAX_VALUE_CHARS = 500
_FILE_BYTES = 10 * 1024 * 1024
_FILES_KEPT = 3


def redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: no secret names, no credentials in URLs, no bytes or arrays, no endless strings."""
    for name, value in list(event.items()):
        if name == "event":
            event[name] = clean_text(str(value))
        elif _SECRET_NAMES.search(name):
            event[name] = "(withheld)"
        elif isinstance(value, str):
            event[name] = clean_text(value)
        elif value is not None and not isinstance(value, bool | int | float | list | tuple | dict):
            event[name] = (
                clean_text(str(value)) if isinstance(value, BaseException | Path) else f"({type(value).__name__})"
            )
    return event


def clean_text(text: str) -> str:
    """`text` without URL credentials, bounded."""
    text = _URL_CREDENTIALS.sub(r"\g<scheme>(withheld)@", text)
    return text if len(text) <= _MAX_VALUE_CHARS else text[:_MAX_VALUE_CHARS] + "…"


def configure(process: str, *, log_dir: Path | None, level: str = "info") -> None:
    """Set up structlog for this process: JSON to `log_dir/<process>.log` (10 MB × 4), or to stderr without one."""
    handler: logging.Handler
    if log_dir is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
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
