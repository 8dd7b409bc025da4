"""Signatures over recorded video: one answer a stretch, jumps and gaps not held against the camera."""

from dataclasses import replace

from msgspec import structs

from custodes.media import nal
from custodes.review.signatures import RecordedSignatures
from custodes.testing.camera import packet, stream_info
from custodes.testing.signing import FakeSigningCamera
from custodes.types.media import Authenticity, Packet, StreamInfo
from custodes.units import NS_PER_S, Ns, RunId

INFO = stream_info()
A, N = Authenticity.AUTHENTIC, Authenticity.NOT_AUTHENTIC


def gops(count: int, camera: FakeSigningCamera) -> list[list[Packet]]:
    """GOPs of five; the SEI of each comes with the keyframe of the next."""
    found: list[list[Packet]] = []
    before: list[bytes] = []
    for number in range(count):
        units = [camera.picture(b"%d.%d\x80" % (number, at), is_keyframe=at == 0) for at in range(5)]
        packets = []
        for at, unit in enumerate(units):
            seis = [camera.sei_for(before)] if at == 0 and before else []
            seq = number * 5 + at
            payload = nal.join_annexb([*seis, unit])
            packets.append(
                structs.replace(packet(seq, is_keyframe=at == 0, payload=payload), utc_ns=Ns(seq * NS_PER_S // 5))
            )
        found.append(packets)
        before = units
    return found


def stretches(info: StreamInfo, played: list[list[Packet]]) -> list[tuple[Authenticity, int]]:
    signatures = RecordedSignatures()
    ended = [stretch for gop in played for stretch in signatures.add(info, gop)] + signatures.finish()
    return [(stretch.state, stretch.pictures) for stretch in ended]


def test_signed_recording_when_read_through_then_one_stretch() -> None:
    assert stretches(INFO, gops(20, FakeSigningCamera(is_escaped=True))) == [(A, 95)]


def test_signed_recording_when_a_picture_was_changed_then_three_stretches() -> None:
    played = gops(20, FakeSigningCamera(is_escaped=True))
    spoilt = played[10][3]
    played[10][3] = structs.replace(spoilt, payload=spoilt.payload[:-2] + b"X\x80")
    assert stretches(INFO, played) == [(A, 50), (N, 4), (A, 40)]


def test_signed_recording_when_played_with_jumps_then_nothing_is_wrong() -> None:
    played = gops(20, FakeSigningCamera(is_escaped=True))
    assert {state for state, _ in stretches(INFO, played[10:] + played[:5] + played[12:15])} == {A}


def test_recording_when_another_run_or_codec_follows_then_it_is_judged_by_itself() -> None:
    camera = FakeSigningCamera(is_escaped=True)
    signatures = RecordedSignatures()
    for gop in gops(5, camera):
        assert signatures.add(INFO, gop) == []
    other = replace(INFO, run=RunId("another"))
    (ended,) = signatures.add(other, gops(1, camera)[0])
    assert (ended.state, ended.pictures) == (A, 20)
    assert (
        signatures.add(replace(INFO, codec="mjpeg", run=RunId("third")), [packet(0)])[0].state
        is Authenticity.NOT_SIGNED
    )
    assert signatures.finish() == []
