"""Slice headers: QP and references as the encoder was told, and nothing from what is no header."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.media import nal
from custodes.media.slices import SliceReader
from custodes.testing.scenes import Scene, scene_clip
from custodes.units import NS_PER_S, Ns

T0 = Ns(1_700_000_000 * NS_PER_S)


def clip(**options: str):
    return scene_clip(Scene(seconds=2.0, visits=((0.2, 1.8),), options=options), start_ns=T0)


@pytest.mark.parametrize("qp", [14, 26, 41])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bf": "2", "b-adapt": "0", "b-pyramid": "none"},
        {"preset": "ultrafast"},
        {"preset": "slow", "weightp": "2", "bf": "0"},
        {"x264-params": "cabac=0"},
    ],
    ids=["veryfast", "b frames", "baseline", "weighted", "cavlc"],
)
def test_qp_is_what_the_encoder_was_told(qp, options):
    info, packets = clip(qp=str(qp), **{"aq-mode": "0", "crf": "-1"} | options)
    reader = SliceReader(info)
    needed = [p.payload for p in packets if not p.is_keyframe and reader.is_reference(p.payload)]
    assert {reader.qp(payload) for payload in needed} == {qp}


def test_b_frames_that_nobody_needs_are_told_from_the_rest():
    info, packets = clip(bf="2", **{"b-adapt": "0", "b-pyramid": "none"})
    reader = SliceReader(info)
    needed = [reader.is_reference(packet.payload) for packet in packets]
    assert 0.3 < sum(needed) / len(needed) < 0.7
    assert all(reader.is_reference(packet.payload) for packet in packets if packet.is_keyframe)


@pytest.mark.parametrize("before", [b"\x09\xf0", b"\x06\x05\x01\x00\x80"], ids=["delimiter", "SEI"])
@pytest.mark.parametrize("is_annexb", [True, False])
def test_units_before_the_slice_are_stepped_over(before, is_annexb):
    info, packets = clip(qp="30", **{"aq-mode": "0", "crf": "-1"})
    units = [before, *nal.units_of(packets[5].payload, "h264", info.extradata)]
    if is_annexb:
        sets = nal.join_annexb(nal.parameter_sets(info.extradata, "h264"))
        reader, payload = SliceReader(replace(info, extradata=sets)), nal.join_annexb(units)
    else:
        avcc = b"\x01\x64\x00\x0a\xff\xe1"
        (sps, pps) = nal.parameter_sets(info.extradata, "h264")
        avcc += len(sps).to_bytes(2, "big") + sps + b"\x01" + len(pps).to_bytes(2, "big") + pps
        reader, payload = SliceReader(replace(info, extradata=avcc)), nal.join_lengths(units)
    assert reader.is_reference(payload)
    assert reader.qp(payload) == 30


@pytest.mark.parametrize("codec", ["hevc", "mjpeg", "mpeg4"])
def test_other_codecs_have_no_qp(codec):
    info, packets = clip()
    assert SliceReader(replace(info, codec=codec, extradata=b"")).qp(packets[3].payload) is None


@given(st.binary(max_size=80), st.binary(max_size=40))
def test_whatever_the_bytes_it_answers(payload, extradata):
    info, _ = _CLIP
    for codec in ("h264", "hevc", "mjpeg"):
        for data in (info.extradata, extradata, b"\x01" + extradata):
            reader = SliceReader(replace(info, codec=codec, extradata=data))
            qp = reader.qp(payload)
            assert qp is None or 0 <= qp <= 51
            assert reader.is_reference(payload) in (True, False)


_CLIP = clip()
