"""ONVIF Media Signing: what a camera signed, what was changed, what is missing, and hostile SEIs."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.errors import MediaError
from custodes.media import nal
from custodes.media.authenticity import MAX_SEIS, MAX_UNSIGNED_NS, StreamVerifier, Verdict
from custodes.media.signing_sei import is_signing_sei, read_signing_sei
from custodes.testing.signing import FakeSigningCamera
from custodes.types.media import Authenticity
from custodes.units import NS_PER_S, Ns

A, M, N, U = Authenticity.AUTHENTIC, Authenticity.MISSING, Authenticity.NOT_AUTHENTIC, Authenticity.NOT_SIGNED
CLIPS = Path(os.environ.get("CUSTODES_SHARED", "../shared")) / "data/network/onvif-media-signing"
Packets = list[list[bytes]]


def signed(camera: FakeSigningCamera, gops: int = 4, length: int = 5) -> Packets:
    """Packets; each GOP's SEI comes before the second picture of the next one."""
    packets: Packets = []
    before: list[bytes] = []
    for gop in range(gops):
        units = [camera.picture(b"%d/%d" % (gop, n) * 9 + b"\x80", is_keyframe=n == 0) for n in range(length)]
        for number, unit in enumerate(units):
            packets.append([camera.sei_for(before), unit] if number == 1 and before else [unit])
        before = units
    return [*packets, [camera.sei_for(before)]]


def verdicts(packets: Packets, codec: str = "h264") -> list[Verdict]:
    verifier = StreamVerifier(codec)
    found = [verdict for at, units in enumerate(packets) for verdict in verifier.add(units, Ns(at))]
    return found + verifier.finish()


def states(packets: Packets, codec: str = "h264") -> list[Authenticity]:
    return [verdict.state for verdict in verdicts(packets, codec)]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("has_hash_list", [True, False], ids=["list", "low-bitrate"])
@pytest.mark.parametrize("is_escaped", [True, False], ids=["escaped", "raw"])
def test_signed_stream_when_untouched_then_every_stretch_is_authentic(
    codec: str, has_hash_list: bool, is_escaped: bool
) -> None:
    camera = FakeSigningCamera(codec=codec, has_hash_list=has_hash_list, is_escaped=is_escaped)
    found = verdicts(signed(camera), codec)
    assert [(one.state, one.verified, one.missing, one.wrong) for one in found] == [(A, 5, 0, 0)] * 4
    assert len({one.signer for one in found}) == 1
    assert found[0].signer


def change(packets: Packets) -> None:
    packets[7][-1] = packets[7][-1][:-2] + b"X\x80"


def drop(packets: Packets) -> None:
    del packets[8]


def drop_last_of_gop(packets: Packets) -> None:
    del packets[9]


def insert(packets: Packets) -> None:
    packets.insert(8, [packets[7][-1]])


def swap(packets: Packets) -> None:
    packets[7], packets[8] = packets[8], packets[7]


def drop_sei(packets: Packets) -> None:
    packets[11] = packets[11][1:]


def break_signature(packets: Packets) -> None:
    sei = packets[11][0]
    packets[11][0] = sei[:-60] + bytes([sei[-60] ^ 1]) + sei[-59:]


def break_hash_list(packets: Packets) -> None:
    sei = packets[11][0]
    packets[11][0] = sei[:-140] + bytes([sei[-140] ^ 1]) + sei[-139:]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (change, [A, N, A, A]),
        (drop, [A, M, A, A]),
        (drop_last_of_gop, [A, M, A, A]),
        (insert, [A, N, A, A]),
        (swap, [A, N, A, A]),
        (drop_sei, [A, M, A]),
        (break_signature, [A, N, A, A]),
        (break_hash_list, [A, N, A, A]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_signed_stream_when_damaged_then_the_stretch_says_so(
    damage: Callable[[Packets], None], expected: list[Authenticity]
) -> None:
    packets = signed(FakeSigningCamera())
    damage(packets)
    assert states(packets) == expected


def test_signed_stream_when_a_stretch_is_shown_again_then_it_is_not_authentic() -> None:
    packets = signed(FakeSigningCamera())
    # The third GOP instead of what came after it: each picture and signature is genuine.
    assert N in states(packets[:16] + packets[10:16] + packets[16:])


def test_signed_stream_when_joined_in_the_middle_then_its_start_is_not_missed() -> None:
    assert states(signed(FakeSigningCamera())[2:]) == [A, A, A, A]


def test_signed_stream_when_packets_were_lost_here_then_the_camera_is_not_blamed() -> None:
    packets = signed(FakeSigningCamera())
    verifier = StreamVerifier("h264")
    found: list[Authenticity] = []
    for at, units in enumerate(packets):
        if at == 8:
            verifier.lost()
        elif not 6 <= at < 8:
            found += [one.state for one in verifier.add(units, Ns(at))]
    assert found == [A, A, A]  # the SEI of the first GOP was lost, too


def test_signed_stream_when_the_key_changes_then_it_is_not_authentic() -> None:
    camera = FakeSigningCamera()
    packets = signed(camera)
    camera.new_key()
    assert states(packets + signed(camera))[4:] == [N] * 4


def test_seis_without_signature_when_a_later_one_covers_them_then_all_count() -> None:
    camera = FakeSigningCamera()
    first = [camera.picture(b"a%d\x80" % n, is_keyframe=n == 0) for n in range(3)]
    unsigned = camera.sei_for(first, is_signed=False)
    second = [camera.picture(b"b%d\x80" % n, is_keyframe=n == 0) for n in range(3)]
    covered = unsigned[:-1]  # what was hashed of it: up to where a signature would stand
    packets = [[unit] for unit in first] + [[second[0]], [unsigned, second[1]], [second[2]]]
    packets.append([camera.sei_for([second[0], covered, *second[1:]])])
    assert [(one.state, one.verified) for one in verdicts(packets)] == [(A, 6)]


def test_unsigned_stream_when_over_then_it_is_not_signed() -> None:
    camera = FakeSigningCamera()
    assert states([[camera.picture(b"x\x80", is_keyframe=True)]] * 20) == [U]


def test_unsigned_stream_when_long_then_nothing_is_hashed_any_more() -> None:
    camera, verifier = FakeSigningCamera(), StreamVerifier("h264")
    unit = camera.picture(b"x\x80", is_keyframe=True)
    found = [one for second in range(40) for one in verifier.add([unit], Ns(second * NS_PER_S))]
    assert [one.state for one in found] == [U]
    assert verifier.is_dormant
    assert found[0].end_ns - found[0].start_ns > MAX_UNSIGNED_NS


def test_signing_camera_when_it_stops_then_it_is_not_signed() -> None:
    packets, verifier = signed(FakeSigningCamera()), StreamVerifier("h264")
    for at, units in enumerate(packets):
        verifier.add(units, Ns(at * NS_PER_S))
    unit = FakeSigningCamera().picture(b"x\x80", is_keyframe=True)
    found = [one for second in range(60) for one in verifier.add([unit], Ns((100 + second) * NS_PER_S))]
    assert [one.state for one in found] == [U]


def test_seis_when_a_packet_is_full_of_them_then_only_some_are_looked_at() -> None:
    camera, verifier = FakeSigningCamera(), StreamVerifier("h264")
    sei = camera.sei_for([camera.picture(b"x\x80", is_keyframe=True)])
    bomb = [sei[:-60] + os.urandom(40) + sei[-20:] for _ in range(100)]
    assert len(verifier.add(bomb, Ns(0))) <= MAX_SEIS


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400), st.sampled_from(["h264", "hevc"]))
def test_sei_when_it_is_rubbish_then_a_media_error_or_a_value(content: bytes, at: int, codec: str) -> None:
    sei = FakeSigningCamera(codec=codec).sei_for([b"\x65\x88a\x80"])
    spoilt = sei[:at] + content + sei[at + len(content) :]
    if not spoilt or not is_signing_sei(spoilt, codec):
        return
    with contextlib.suppress(MediaError):
        read_signing_sei(spoilt, codec)
    StreamVerifier(codec).add([spoilt], Ns(0))


def clip_units(name: str) -> Packets:
    if not CLIPS.is_dir():
        pytest.skip("no shared footage")
    with av.open(str(CLIPS / name)) as container:
        stream = container.streams.video[0]
        extradata = bytes(stream.codec_context.extradata or b"")
        return [nal.units_of(bytes(packet), "h264", extradata) for packet in container.demux(stream) if packet.size]


def test_reference_clip_when_signed_then_authentic_and_when_not_then_not_signed() -> None:
    found = verdicts(clip_units("onvif_test_signed_h264.mp4"))
    assert [(one.state, one.verified) for one in found] == [(A, 62)] * 4 + [(A, 8)]
    assert states(clip_units("onvif_test_h264.mp4")) == [U]


def test_reference_clip_when_one_bit_of_a_picture_is_changed_then_one_stretch_is_not_authentic() -> None:
    packets = clip_units("onvif_test_signed_h264.mp4")
    unit = packets[100][-1]
    packets[100][-1] = unit[:8] + bytes([unit[8] ^ 1]) + unit[9:]
    assert states(packets) == [A, N, A, A, A]
