"""Comparing firmware: build dates and dotted numbers, out of the many ways devices write them. Pure."""

import re
from datetime import date

_BUILD = re.compile(r"build[\s_:.-]*(\d{6}|\d{8}|\d{4}-\d{2}-\d{2})(?!\d)", re.IGNORECASE)
_ISO = re.compile(r"(?<!\d)(20\d{2})-(\d{2})-(\d{2})(?!\d)")
_VERSION = re.compile(r"(?<![\d.])[vV]?(\d{1,5}(?:\.\d{1,6}){1,5})(?![\d.]*\.\d)")
MAX_FIRMWARE_CHARS = 200


def build_of(firmware: str) -> str:
    """The build date as yymmdd; empty when there is none, or more than one, or it is no date.

    Hikvision writes `V5.5.52 build 180601`, Dahua `2.800.0000000.31.R, build: 2021-04-26`.
    """
    text = firmware[:MAX_FIRMWARE_CHARS]
    found = {_yymmdd(one) for one in _BUILD.findall(text)} | {y[2:] + m + d for y, m, d in _ISO.findall(text)}
    if len(found) != 1:
        return ""
    (build,) = found
    return build if _is_date(build) else ""


def _yymmdd(text: str) -> str:
    return text.replace("-", "")[-6:]


def _is_date(build: str) -> bool:
    try:
        date(2000 + int(build[:2]), int(build[2:4]), int(build[4:6]))
    except ValueError:
        return False
    return True


def version_of(firmware: str) -> tuple[int, ...]:
    """The dotted number; empty when there is none or several that differ.

    Trailing zeros are dropped, so that 1.0 and 1.0.0 are equal.
    """
    found = {tuple(int(part) for part in one.split(".")) for one in _VERSION.findall(firmware[:MAX_FIRMWARE_CHARS])}
    if len(found) != 1:
        return ()
    return _trimmed(found.pop())


def number_of(version: str) -> tuple[int, ...]:
    """A dotted number of a rule."""
    return _trimmed(tuple(int(part) for part in version.split(".")))


def _trimmed(parts: tuple[int, ...]) -> tuple[int, ...]:
    end = len(parts)
    while end > 1 and parts[end - 1] == 0:
        end -= 1
    return parts[:end]
