"""What another process sends: a value of a registered class that encodes to itself again, or ProtocolError."""

from custodes.errors import ProtocolError
from custodes.testing.catalog import make_crossing, make_frame, make_segment, make_track
from custodes.types.access import Fidelity
from custodes.types.codec import decode, encode
from custodes.types.event import OpenSegment
from custodes.types.message import Subscribe, ViewKind, ViewTask
from custodes.units import CameraId, Ns, SessionId


def one(case: bytes) -> None:
    """The case is the payload of one frame."""
    try:
        value = decode(case)
    except ProtocolError:
        return
    assert decode(encode(value)).__class__ is value.__class__


def seeds() -> list[bytes]:
    """From each socket something: arrays, nested values, enums."""
    segment = make_segment(0, 60)
    task = ViewTask(kind=ViewKind.PLAYBACK, camera_id=CameraId("c"), session_id=SessionId("s"), grant_token="t",
                    fidelity=Fidelity.MASKED, deadline_ns=Ns(9), start_ns=Ns(1), speed=1.0, max_height_px=720,
                    segments=(segment,), end_ns=Ns(5))  # fmt: skip
    values = (make_frame(1, 1), make_track(1, 1, 2), make_crossing(1, 1), OpenSegment(segment=segment), task,
              Subscribe(camera_ids=(CameraId("a"), CameraId("b"))))  # fmt: skip
    return [encode(value) for value in values]
