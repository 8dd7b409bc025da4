"""Wrapping of data keys, live packets."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.errors import InvalidArgument, SealBroken
from custodes.sealing.live import STREAM_INFO_SEQ, live_key, open_live, seal_live
from custodes.sealing.unwrap import generate_camera_day_key, unwrap_data_key
from custodes.testing.keys import sample_segment

PRIVATE, PUBLIC = generate_camera_day_key()
HEADER, DATA_KEY = sample_segment(public_key=PUBLIC)


def test_unwrap_when_the_private_key_fits_then_gives_the_data_key() -> None:
    assert unwrap_data_key(PRIVATE, HEADER) == DATA_KEY
    assert len(HEADER.wrapped_key) == 1168


def test_new_segment_when_called_twice_then_the_data_keys_differ() -> None:
    assert sample_segment(public_key=PUBLIC)[1] != DATA_KEY


def test_unwrap_when_the_key_is_of_another_camera_day_then_refuses() -> None:
    other, _ = generate_camera_day_key()
    with pytest.raises(SealBroken):
        unwrap_data_key(other, HEADER)


@pytest.mark.parametrize("field", ["site_id", "camera_id", "run", "segment_id", "key_id", "start_ns"])
def test_unwrap_when_a_header_field_was_changed_then_refuses(field: str) -> None:
    value = 5 if field == "start_ns" else "other"
    with pytest.raises(SealBroken):
        unwrap_data_key(PRIVATE, replace(HEADER, **{field: value}))


@settings(deadline=None, max_examples=80)
@given(at=st.integers(0, 1167), bit=st.integers(0, 7))
def test_unwrap_when_the_wrapped_key_was_changed_then_refuses(at: int, bit: int) -> None:
    wrapped = bytearray(HEADER.wrapped_key)
    wrapped[at] ^= 1 << bit
    with pytest.raises(SealBroken):
        unwrap_data_key(PRIVATE, replace(HEADER, wrapped_key=bytes(wrapped)))


@pytest.mark.parametrize("count", [0, 1, 1120, 1167])
def test_unwrap_when_the_wrapped_key_is_cut_then_refuses(count: int) -> None:
    with pytest.raises(SealBroken):
        unwrap_data_key(PRIVATE, replace(HEADER, wrapped_key=HEADER.wrapped_key[:count]))


@pytest.mark.parametrize("public", [b"", PUBLIC[:-1], PUBLIC + b"x", b"\xff" * len(PUBLIC)])
def test_new_segment_when_the_public_key_is_malformed_then_refuses(public: bytes) -> None:
    with pytest.raises(InvalidArgument):
        sample_segment(public_key=public)


def test_open_live_when_nothing_changed_then_gives_the_packet_back() -> None:
    key = live_key(DATA_KEY)
    assert key != DATA_KEY
    for seq in (STREAM_INFO_SEQ, 0, 2**40):
        assert open_live(key, seq, seal_live(key, seq, b"packet")) == b"packet"


def test_seal_live_when_repeated_then_never_gives_the_same_bytes() -> None:
    key = live_key(DATA_KEY)
    assert len({seal_live(key, STREAM_INFO_SEQ, b"info") for _ in range(100)}) == 100


def test_open_live_when_seq_key_or_any_byte_differ_then_refuses() -> None:
    key = live_key(DATA_KEY)
    sealed = seal_live(key, 7, b"packet")
    with pytest.raises(SealBroken):
        open_live(key, 8, sealed)
    with pytest.raises(SealBroken):
        open_live(live_key(bytes(32)), 7, sealed)
    for at in range(len(sealed)):
        with pytest.raises(SealBroken):
            open_live(key, 7, sealed[:at])
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(SealBroken):
            open_live(key, 7, bytes(changed))
