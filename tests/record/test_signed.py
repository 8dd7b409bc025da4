"""A camera's signature survives recording: the same NAL units come out of the sealed file, and they still verify."""

import os
from pathlib import Path

import av
import pytest

from custodes.media import nal
from custodes.media.authenticity import StreamVerifier
from custodes.testing.camera import START_NS
from custodes.testing.recorder import RecorderSite, record_clip
from custodes.types.media import Authenticity
from custodes.units import CameraId

CLIP = Path(os.environ.get("CUSTODES_SHARED", "../shared")) / "data/network/onvif-media-signing"
CLIP /= "onvif_test_signed_h264.mp4"
CAM = CameraId("cam")


def test_signed_clip_when_recorded_sealed_and_opened_then_bytes_and_signatures_are_the_camera_s(
    tmp_path: Path,
) -> None:
    if not CLIP.exists():
        pytest.skip("no shared footage")
    site = RecorderSite(tmp_path / "site")
    site.create()
    site.publish(CAM, START_NS)
    record_clip(site, CAM, CLIP)

    with av.open(str(CLIP)) as container:
        stream = container.streams.video[0]
        extradata = bytes(stream.codec_context.extradata or b"")
        sent = [nal.units_of(bytes(one), "h264", extradata) for one in container.demux(stream) if one.size]
    opened = [packet for segment in site.sealed() for packet in site.packets(segment)]
    kept = [nal.split_lengths(packet.payload, 4) for packet in opened]
    # The last one holds nothing but an SEI, at which FFmpeg's decoder stops with InvalidData.
    assert len(kept) == 257
    assert kept == sent

    verifier = StreamVerifier("h264")
    found = [one for units, packet in zip(kept, opened, strict=True) for one in verifier.add(units, packet.utc_ns)]
    assert [one.state for one in found] == [Authenticity.AUTHENTIC] * 5
    assert sum(one.verified for one in found) == 256
