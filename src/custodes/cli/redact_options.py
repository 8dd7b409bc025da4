"""Zones and corrections of `custodes redact`: from people and files, so checked, with errors that say where."""

import json
import math
from pathlib import Path
from typing import Any

from custodes.errors import InvalidArgument
from custodes.redact.zones import PrivacyZone, zone_of_box
from custodes.units import NS_PER_S

MAX_CORRECTIONS = 2000
MAX_FILE_BYTES = 1 << 20
_FORM = 'expected {"cover": [{"from_s": …, "until_s": …, "box": [x1, y1, x2, y2]}, …]}'


def zone_of(text: str) -> PrivacyZone:
    """`x1,y1,x2,y2` is a rectangle, more corners a polygon. Raises: InvalidArgument."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidArgument(f"--zone {text!r}: expected numbers from 0 to 1 between commas") from error
    if len(values) % 2 or len(values) < 4:
        raise InvalidArgument(f"--zone {text!r}: expected two corners, or three and more, as x,y,x,y,…")
    try:
        if len(values) == 4:
            x1, x2 = sorted(values[0::2])
            y1, y2 = sorted(values[1::2])
            return zone_of_box((x1, y1, x2, y2))
        return PrivacyZone(polygon=tuple(zip(values[0::2], values[1::2], strict=True)))
    except InvalidArgument as error:
        raise InvalidArgument(f"--zone {text!r}: {error}") from error


def corrections_of(path: Path | None) -> tuple[PrivacyZone, ...]:
    """What somebody marked on the review page. Raises: InvalidArgument for a file that is none."""
    if path is None:
        return ()
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidArgument(f"{path} has {path.stat().st_size} bytes; corrections have at most {MAX_FILE_BYTES}")
        rows = json.loads(path.read_text(encoding="utf-8"))["cover"]
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {(error.strerror or '').lower()}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidArgument(f"{path} holds no corrections; {_FORM}") from error
    if not isinstance(rows, list) or len(rows) > MAX_CORRECTIONS:
        raise InvalidArgument(f"{path}: `cover` is a list of at most {MAX_CORRECTIONS}; {_FORM}")
    return tuple(_correction(path, number, row) for number, row in enumerate(rows, 1))


def _correction(path: Path, number: int, row: Any) -> PrivacyZone:
    try:
        begin, end = float(row["from_s"]), float(row["until_s"])
        x1, y1, x2, y2 = (float(value) for value in row["box"])
        if not (math.isfinite(begin) and math.isfinite(end) and begin <= end):
            raise ValueError
        return zone_of_box((x1, y1, x2, y2), from_ns=round(begin * NS_PER_S), until_ns=round(end * NS_PER_S))
    except (InvalidArgument, ValueError, KeyError, TypeError, OverflowError) as error:
        raise InvalidArgument(f"{path}: correction {number} cannot be read; {_FORM}") from error
