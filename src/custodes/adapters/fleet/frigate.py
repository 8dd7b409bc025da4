"""A Frigate configuration: beside each camera's address, its object masks, how long it keeps, whether it is on.

What is not the same here is left out and said: its motion masks (here nothing is left unexamined), its zones (they
filter alerts; here a zone would end counting outside). Filters by size and score are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_MASKS, MAX_CORNERS = 32, 64
_CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
_RESTREAM = re.compile(r"rtsps?://(?:127\.0\.0\.1|localhost|\[::1\]):8554/([^/?#]+)")
_HOURS = 24.0

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrigateCamera:
    """One camera as far as it can be taken over. `masks`: polygon in shares of the picture, and of which classes."""

    name: str
    address: str
    """Of the stream that is recorded; credentials in it."""
    is_enabled: bool
    retention_h: float
    """0: as the site does."""
    masks: tuple[tuple[Polygon, tuple[str, ...]], ...]
    notes: tuple[str, ...]


def frigate_cameras(tree: dict[str, Any]) -> Iterator[FrigateCamera]:
    """Every camera of `cameras:`, whose values may be anything."""
    streams = mapping(mapping(tree.get("go2rtc")).get("streams"))
    for name, settings in tree["cameras"].items():
        own = mapping(settings)
        masks, notes = _masks(tree, own)
        if mapping(own.get("motion")).get("mask"):
            notes.append("motion masks stay there")
        if own.get("zones"):
            notes.append("zones stay there")
        yield FrigateCamera(
            name=str(name),
            address=_address(own, streams),
            is_enabled=own.get("enabled") is not False,
            retention_h=_kept_h(tree, own),
            masks=tuple(masks[:MAX_MASKS]),
            notes=tuple(notes),
        )


def _address(own: dict[str, Any], streams: dict[str, Any]) -> str:
    inputs = mapping(own.get("ffmpeg")).get("inputs")
    rows = [mapping(one) for one in inputs[:16]] if isinstance(inputs, list) else []
    recorded = next((one for one in rows if "record" in _words(one.get("roles"))), rows[0] if rows else {})
    address = str(recorded.get("path", ""))
    restream = _RESTREAM.match(address)
    if restream:
        sources = streams.get(restream[1])
        first = sources[0] if isinstance(sources, list) and sources else sources
        address = str(first or "").removeprefix("ffmpeg:").partition("#")[0]
    return address


def _kept_h(tree: dict[str, Any], own: dict[str, Any]) -> float:
    """The longest that any recording of it is kept: `continuous`, `motion` (0.17) or `retain` (before)."""
    days = []
    for record in (mapping(own.get("record")), mapping(tree.get("record"))):
        for part in ("continuous", "motion", "retain"):
            value = mapping(record.get(part)).get("days")
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 7320:
                days.append(float(value))
        if days:
            break  # a camera's own wins
    return max(days, default=0.0) * _HOURS


def _masks(tree: dict[str, Any], own: dict[str, Any]) -> tuple[list[tuple[Polygon, tuple[str, ...]]], list[str]]:
    detect = {**mapping(tree.get("detect")), **mapping(own.get("detect"))}
    size = detect.get("width"), detect.get("height")
    found: list[tuple[Polygon, tuple[str, ...]]] = []
    lost = 0
    for objects in (mapping(tree.get("objects")), mapping(own.get("objects"))):
        wanted: list[tuple[object, tuple[str, ...]]] = [(objects.get("mask"), ())]
        for label, settings in mapping(objects.get("filters")).items():
            if label in _CLASSES:
                wanted.append((mapping(settings).get("mask"), (str(label),)))
        for value, classes in wanted:
            for text in _texts(value):
                polygon = _polygon(text, size)
                lost += polygon is None
                if polygon is not None:
                    found.append((polygon, classes))
    return found, [f"{lost} object masks cannot be read"] if lost else []


def _texts(value: object) -> list[str]:
    """Frigate takes one string, a list of them, or (from 0.17) a mapping of names to settings."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [str(one) for one in value[:MAX_MASKS]]
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(mapping(one).get("coordinates"))]
    return []


def _polygon(text: str, size: tuple[object, object]) -> Polygon | None:
    """Shares of the picture as they are; pixels (before 0.14) by the size of the detected stream."""
    try:
        numbers = [float(one) for one in text.split(",")]
    except ValueError:
        return None
    corners = list(zip(numbers[0::2], numbers[1::2], strict=False))
    if len(numbers) % 2 or not 3 <= len(corners) <= MAX_CORNERS:
        return None
    if max(numbers) > 1.0:
        width, height = size
        if not (isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0):
            return None
        corners = [(x / width, y / height) for x, y in corners]
    if not all(0.0 <= x <= 1.0 and 0.0 <= y <= 1.0 for x, y in corners):
        return None
    return tuple(corners)


def mapping(value: Any) -> dict[str, Any]:
    """Itself, if it is one."""
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
