"""A camera's signature survives recording: the same NAL units come out of the sealed file, and they still verify."""

import os
from pathlib import Path

import av
import pytest

from custodes.adapters.blob.disk import Disk
from custodes.adapters.camera import open_camera
from custodes.errors import CameraEnded
from custodes.media import nal
from custodes.media.authenticity import StreamVerifier
from custodes.record.journal import JournalWriter
from custodes.record.recording import CameraRecording, RecordingPolicy
from custodes.record.scratch import Scratch
from custodes.sealing.published import latest_usable, read_pinned
from custodes.testing.camera import START_NS, FastClock, file_spec
from custodes.testing.recorder import SITE_ID, RecorderSite
from custodes.types.media import Authenticity
from custodes.units import NS_PER_S, CameraId

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
    pinned = read_pinned(site.paths.warden_key)
    recording = CameraRecording(
        CAM,
        policy=RecordingPolicy(site_id=SITE_ID, data_dir=site.data_dir, segment_ns=4 * NS_PER_S, min_free_bytes=0),
        storage=Disk(),
        journal=JournalWriter(Disk(), site.paths.journal_dir / "recorder.journal"),
        find_key=lambda camera_id, day: latest_usable(site.paths.public_keys, camera_id, day, pinned),
        scratch=Scratch(),
        last_end_ns=None,
    )
    clock = FastClock()
    source = open_camera(file_spec(CLIP), clock, wait=clock.wait)
    recording.begin_run(source.open())
    with pytest.raises(CameraEnded):
        for packet in source.packets():
            recording.add(packet, clock.now_ns())
    source.close()
    recording.finish(clock.now_ns())

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
