"""What an analyser says of the cameras' signatures: changes at once, the rest once a minute."""

from dataclasses import replace

import msgspec.structs

from custodes.media import nal
from custodes.pipeline.signatures import SignatureWatch
from custodes.testing.camera import packet, stream_info
from custodes.testing.signing import FakeSigningCamera
from custodes.types.event import StreamVerified
from custodes.types.media import Authenticity, Packet
from custodes.types.message import StreamClosed, StreamOpened
from custodes.units import NS_PER_S, Ns, RunId

INFO = stream_info()
OPENED = StreamOpened(info=INFO)
CLOSED = StreamClosed(camera_id=INFO.camera_id, run=INFO.run)


def second(seq: int, units: list[bytes]) -> Packet:
    """One picture a second."""
    payload = nal.join_annexb(units)
    return msgspec.structs.replace(packet(seq, is_keyframe=seq % 5 == 0, payload=payload), utc_ns=Ns(seq * NS_PER_S))


def signed(count: int, camera: FakeSigningCamera) -> list[Packet]:
    packets: list[Packet] = []
    gop: list[bytes] = []
    for seq in range(count):
        unit = camera.picture(b"%d\x80" % seq, is_keyframe=seq % 5 == 0)
        if seq % 5 == 0 and gop:
            packets.append(second(seq, [camera.sei_for(gop), unit]))
            gop = []
        else:
            packets.append(second(seq, [unit]))
        gop.append(unit)
    return packets


def told(watch: SignatureWatch, items: list) -> list[StreamVerified]:
    return [fact for item in items for fact in watch.take(item)]


def test_signed_camera_when_nothing_changes_then_a_fact_a_minute() -> None:
    facts = told(SignatureWatch(), [OPENED, *signed(200, FakeSigningCamera(is_escaped=True))])
    assert [fact.state for fact in facts] == [Authenticity.AUTHENTIC] * 4
    assert sum(fact.pictures for fact in facts) == 185  # up to the last one that is said


def test_unsigned_camera_when_watched_then_it_is_said_once_a_minute() -> None:
    camera = FakeSigningCamera()
    items = [second(seq, [camera.picture(b"x\x80", is_keyframe=seq % 5 == 0)]) for seq in range(100)]
    assert [fact.state for fact in told(SignatureWatch(), [OPENED, *items])] == [Authenticity.NOT_SIGNED] * 2


def test_signed_camera_when_the_hub_dropped_packets_then_nothing_is_wrong() -> None:
    packets = signed(60, FakeSigningCamera(is_escaped=True))
    facts = told(SignatureWatch(), [OPENED, *packets[:17], *packets[33:]])
    assert {fact.state for fact in facts} == {Authenticity.AUTHENTIC}


def test_signed_camera_when_the_hub_repeats_the_gop_then_nothing_is_wrong() -> None:
    packets = signed(60, FakeSigningCamera(is_escaped=True))
    facts = told(SignatureWatch(), [OPENED, *packets[:18], OPENED, *packets[15:]])
    assert {fact.state for fact in facts} == {Authenticity.AUTHENTIC}


def test_camera_when_a_new_run_begins_or_the_stream_ends_then_what_was_there_is_judged() -> None:
    camera, watch = FakeSigningCamera(), SignatureWatch()
    item = second(0, [camera.picture(b"x\x80", is_keyframe=True)])
    other = StreamOpened(info=replace(INFO, run=RunId("another")))
    assert [fact.state for fact in told(watch, [OPENED, item, other])] == [Authenticity.NOT_SIGNED]
    assert told(watch, [CLOSED, item]) == []


def test_camera_when_its_codec_carries_no_signatures_then_nothing_is_said() -> None:
    opened = StreamOpened(info=replace(INFO, codec="mjpeg"))
    assert told(SignatureWatch(), [opened, *[second(seq, [b"x"]) for seq in range(100)]]) == []
