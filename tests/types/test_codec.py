"""The wire codec: what goes in comes out, and hostile bytes are a ProtocolError, never anything else."""

import contextlib
import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.errors import ProtocolError
from custodes.types.access import AccessRequest, Action, Fidelity, Principal, Purpose, PurposeKind, Role
from custodes.types.codec import WIRE_VERSION, decode, decode_as, encode
from custodes.types.event import FrameAnalysed
from custodes.types.media import Packet
from custodes.types.message import Authorise, Ok, Ping
from custodes.types.vision import TrackedFrame
from custodes.units import CameraId, Ns, RunId, SessionId


def a_packet(payload: bytes = b"\x00\x01") -> Packet:
    return Packet(
        camera_id=CameraId("gate"),
        run=RunId("0123456789ab"),
        seq=7,
        payload=payload,
        pts=-3,
        dts=-3,
        duration=1,
        is_keyframe=True,
        is_corrupt=False,
        utc_ns=Ns(1_700_000_000_000_000_000),
    )


def a_frame(n: int) -> FrameAnalysed:
    rng = np.random.default_rng(n)
    return FrameAnalysed(
        frame=TrackedFrame(
            camera_id=CameraId("gate"),
            run=RunId("0123456789ab"),
            seq=1,
            utc_ns=Ns(5),
            track_ids=np.arange(n, dtype=np.int64),
            class_ids=np.zeros(n, np.int16),
            boxes_norm=rng.random((n, 4), np.float32),
            scores=rng.random(n, np.float32),
            is_measured=np.ones(n, np.bool_),
        ),
        valid_from_ns=Ns(3),
    )


@given(st.binary(max_size=4096))
def test_packet_when_encoded_comes_back_equal(payload: bytes) -> None:
    packet = a_packet(payload)
    assert decode(encode(packet)) == packet


@pytest.mark.parametrize("n", [0, 1, 40])
def test_arrays_when_encoded_keep_dtype_shape_and_values(n: int) -> None:
    sent = a_frame(n)
    got = decode_as(FrameAnalysed, encode(sent))
    for field in dataclasses.fields(TrackedFrame):
        want, have = getattr(sent.frame, field.name), getattr(got.frame, field.name)
        if isinstance(want, np.ndarray):
            assert have.dtype == want.dtype
            assert np.array_equal(have, want)
        else:
            assert have == want


def test_request_with_roles_and_enums_comes_back_equal() -> None:
    request = AccessRequest(
        principal=Principal(user_id="u1", name="Ada", roles=frozenset({Role.OPERATOR, Role.AUDITOR})),
        action=Action.WATCH_LIVE,
        purpose=Purpose(kind=PurposeKind.LIVE_DUTY, reference=""),
        camera_id=CameraId("gate"),
        start_ns=Ns(1),
        end_ns=Ns(2),
        fidelity=Fidelity.MASKED,
        session_id=SessionId("s"),
    )
    assert decode(encode(Authorise(request=request))) == Authorise(request=request)


@given(st.binary(max_size=300))
def test_random_bytes_are_a_protocol_error(junk: bytes) -> None:
    try:
        decode(junk)
    except ProtocolError:
        return
    # Bytes that happen to be a message must be one we would have written.
    assert decode(junk) is not None


@given(st.integers(0, 200), st.integers(0, 255))
def test_flipped_byte_never_raises_anything_else(where: int, value: int) -> None:
    raw = bytearray(encode(a_frame(2)))
    raw[where % len(raw)] = value
    with contextlib.suppress(ProtocolError):
        decode(bytes(raw))


def test_other_version_is_refused_by_name() -> None:
    raw = msgspec.msgpack.encode((WIRE_VERSION + 1, "Ping", {}))
    with pytest.raises(ProtocolError, match="version"):
        decode(raw)


def test_unregistered_class_does_not_travel() -> None:
    with pytest.raises(ProtocolError, match="not a message"):
        encode(ValueError("no"))


def test_wrong_kind_is_named() -> None:
    with pytest.raises(ProtocolError, match="expected Ok, got Ping"):
        decode_as(Ok, encode(Ping()))


def test_array_of_hidden_size_is_refused() -> None:
    sent = msgspec.msgpack.decode(encode(a_frame(1)))
    sent[2]["frame"]["boxes_norm"][1] = [1_000_000, 4]
    with pytest.raises(ProtocolError):
        decode(msgspec.msgpack.encode(sent))
