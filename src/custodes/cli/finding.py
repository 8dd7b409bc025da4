"""What `custodes doctor` found: a value, and how it is shown."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but worse than it should."""
    FAILURE = "failure"
    """The site will not work until somebody acts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's result. `advice`: what a person can do about it; empty when all is well."""

    check: str
    level: Level
    message: str
    advice: str = ""


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check=check, level=Level.OK, message=message)


def warning(check: str, message: str, advice: str) -> Finding:
    """It works, but worse than it should."""
    return Finding(check=check, level=Level.WARNING, message=message, advice=advice)


def failure(check: str, message: str, advice: str) -> Finding:
    """The site will not work until somebody acts."""
    return Finding(check=check, level=Level.FAILURE, message=message, advice=advice)
