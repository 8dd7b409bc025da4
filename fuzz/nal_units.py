"""NAL units, parameter sets, and keyframes that describe themselves: `media.nal` and `media.demux.inspect_keyframe`.

python -m fuzz.nal_units [-max_total_time=60] [CORPUS]
"""

from custodes.errors import MediaError
from custodes.media import nal
from custodes.media.bounds import bound_allocations
from custodes.media.demux import inspect_keyframe

CODECS = ("h264", "hevc")


def one(case: bytes) -> None:
    """The first byte chooses codec and split; the rest is extradata and a packet."""
    if not case:
        return
    bound_allocations()
    codec, at = CODECS[case[0] & 1], (case[0] >> 1) % max(len(case), 1)
    extradata, packet = case[1 : 1 + at], case[1 + at :]
    units = nal.units_of(packet, codec, extradata)
    assert sum(map(len, units)) <= len(packet)
    assert nal.split_lengths(nal.join_lengths(units), 4) == units
    known = nal.parameter_sets(extradata, codec)
    assert all(nal.is_parameter_set(unit, codec) for unit in known)
    if any(nal.is_sequence_set(unit, codec) for unit in known + units):
        try:
            width, height, sets = inspect_keyframe(codec, known + units)
        except MediaError:
            return
        assert width > 0 and height > 0 and sets


def seeds() -> list[bytes]:
    """Parameter sets of both codecs, alone and twice."""
    h264 = bytes.fromhex("000000016742001e95a01e89f950000000000168ce3c80")
    return [b"\x00" + h264, b"\x10" + h264 * 2, b"\x01" + b"\0\0\1\x42\x01" + h264]
