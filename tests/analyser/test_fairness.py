"""Who gets a turn when there is more than can be worked on: every camera alike, and each says what it lost."""

from collections import Counter

import msgspec.structs
import pytest

from custodes.app.analyser import Intake
from custodes.config.paths import SitePaths
from custodes.testing.media import make_clip
from custodes.types.media import Packet
from custodes.units import NS_PER_S, CameraId, Ns

CAMERAS = [CameraId(name) for name in "abcde"]
INFO, PACKETS = make_clip(frames=10, fps=10, gop=10, start_ns=Ns(0))
SECONDS = 60


def second_of(camera_id, second):
    """A GOP of ten packets."""
    return [
        msgspec.structs.replace(
            packet, camera_id=camera_id, seq=10 * second + packet.seq, utc_ns=Ns(packet.utc_ns + second * NS_PER_S)
        )
        for packet in PACKETS
    ]


@pytest.mark.parametrize("per_second", [5, 17, 33], ids=["a tenth", "a third", "two thirds"])
def test_at_the_limit_cameras_shed_alike_and_say_so(tmp_path, per_second):
    intake = Intake(SitePaths(tmp_path), lambda fact: None, index=0, processes=1)
    worked, shed = Counter(), Counter()
    for second in range(SECONDS):
        for camera_id in CAMERAS:
            for packet in second_of(camera_id, second):
                intake.push(packet)
        for _ in range(per_second):
            camera_id = intake.next_camera(0)
            item, gops, backlog_ns = intake.pop(camera_id)
            assert isinstance(item, Packet)
            assert backlog_ns <= 5 * NS_PER_S
            worked[camera_id] += 1
            shed[camera_id] += gops
            intake.end_turn(camera_id)
    assert max(worked.values()) - min(worked.values()) <= 1
    assert min(shed.values()) > 0
    assert max(shed.values()) - min(shed.values()) <= 1
