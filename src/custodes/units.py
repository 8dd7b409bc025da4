"""Names for numbers and ids, so that a pixel is never added to a nanosecond. No logic belongs here."""

from typing import NewType

Ns = NewType("Ns", int)
"""Nanoseconds; as a point in time since 1970-01-01 UTC, as a duration plain."""

Px = NewType("Px", float)
"""Pixels of a decoded frame, x to the right, y down."""

Norm = NewType("Norm", float)
"""A share of the frame's width or height, 0 to 1."""

M = NewType("M", float)
"""Metres on the ground plane."""

Score = NewType("Score", float)
"""A detector's or comparator's raw output, not a probability."""

CameraId = NewType("CameraId", str)
"""`[a-z0-9][a-z0-9-]{0,62}`, chosen by the operator, never reused for another camera."""

RunId = NewType("RunId", str)
"""One unbroken connection to a camera: 12 hex digits, random."""

SegmentId = NewType("SegmentId", str)
"""`<start_ns>-<run>-<seq>`: sorts by time, unique within a site."""

SessionId = NewType("SessionId", str)
"""One ViewSession: one person, one purpose, one camera, one stretch of viewing."""

KeyId = NewType("KeyId", str)
"""`<camera_id>/<yyyymmdd>`: the camera-day key a segment is sealed to."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_MINUTE = 60 * NS_PER_S
NS_PER_HOUR = 60 * NS_PER_MINUTE
NS_PER_DAY = 24 * NS_PER_HOUR
