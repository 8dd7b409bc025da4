"""What is written into video whose privacy zones were filled before it was stored: that it was, and where.

It travels in the video itself (H.264 D.1.7, user data unregistered, in each keyframe), so that a segment, a native
export and a bundle say it alike, whoever opens them later. It is a statement of the recorder's; the log's entry of the
camera's configuration proves it.
"""

import json
from collections.abc import Sequence

_UUID = bytes.fromhex("6375731a6f6465735f6275726e5f696e")
_SEI, _USER_DATA_UNREGISTERED = 6, 5
_MAX_BYTES = 128 * 1024
_MAX_ZONES, _MAX_CORNERS = 64, 64
"""Of each stream at most twice `types.scene.MAX_PRIVACY_ZONES`; a camera may write anything in its place."""

Polygon = Sequence[tuple[float, float]]


def mark_unit(zones: Sequence[Polygon]) -> bytes:
    """A NAL unit of H.264 that says which parts were filled. Args: zones: corners, shares of the picture."""
    said = {"altered": "privacy zones filled before storing", "zones": [_rounded(zone) for zone in zones]}
    # ASCII without a zero byte: nothing in it wants emulation prevention.
    content = _UUID + json.dumps(said, separators=(",", ":")).encode("ascii")
    size = b"\xff" * (len(content) // 255) + bytes([len(content) % 255])
    return bytes([_SEI, _USER_DATA_UNREGISTERED]) + size + content + b"\x80"


def zones_filled(units: Sequence[bytes]) -> tuple[tuple[tuple[float, float], ...], ...] | None:
    """Which zones a picture's NAL units say were filled; None where they say nothing. Raises nothing."""
    for unit in units:
        at = unit.find(_UUID, 0, 512) if unit[:1] == bytes([_SEI]) and len(unit) <= _MAX_BYTES else -1
        if at < 0:
            continue
        try:
            said = json.loads(unit[at + len(_UUID) :].rstrip(b"\x80\x00"))
            zones = tuple(tuple((float(x), float(y)) for x, y in zone) for zone in said["zones"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return ()
        is_sane = len(zones) <= _MAX_ZONES and all(len(zone) <= _MAX_CORNERS for zone in zones)
        return zones if is_sane and all(0 <= side <= 1 for zone in zones for corner in zone for side in corner) else ()
    return None


def _rounded(zone: Polygon) -> list[tuple[float, float]]:
    return [(round(x, 5), round(y, 5)) for x, y in zone]
