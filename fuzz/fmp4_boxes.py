"""moof and mdat as we read them back: packets within the payload, or MediaError; and whatever is packed comes back."""

from custodes.errors import MediaError
from custodes.media.fmp4 import MAX_SAMPLES, FragmentMuxer, read_packets
from custodes.testing.camera import START_NS, packet, stream_info

INFO = stream_info(codec="mjpeg")


def one(case: bytes) -> None:
    """The case is a fragment."""
    try:
        packets = read_packets(INFO, case, start_ns=START_NS)
    except MediaError as error:
        assert str(error).isprintable()
        return
    assert len(packets) <= MAX_SAMPLES
    assert sum(len(one.payload) for one in packets) <= len(case) * max(len(packets), 1)


def seeds() -> list[bytes]:
    """One GOP, one picture, a GOP that is cut."""
    muxer = FragmentMuxer(INFO)
    gop = muxer.fragment([packet(seq, is_keyframe=seq == 0) for seq in range(5)])
    return [gop, muxer.fragment([packet(9, is_keyframe=True)]), gop[:-7], gop[:60]]
