"""Bytes for values: MessagePack of `[version, class name, fields]`, checked on decode. Nothing is pickled.

Only the classes registered here travel; an unknown name, another version, a missing or ill-typed field is a
ProtocolError. Arrays travel as `[dtype, shape, bytes]` and only in the dtypes listed.
"""

from typing import Any, TypeVar

import msgspec
import numpy as np

from custodes.errors import ProtocolError
from custodes.types import (
    access,
    approval,
    backfill,
    cases,
    cell,
    credential,
    event,
    export_piece,
    face,
    face_message,
    flow,
    hold,
    journey,
    journey_job,
    leak,
    looks,
    media,
    message,
    people,
    plate,
    posts,
    protection,
    recorders,
    replica,
    servers,
    setup,
    traffic,
    trial,
    vision,
    wish,
)

T = TypeVar("T")

_HOSTILE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What msgspec raises for bad bytes: broken UTF-8 is a ValueError, deep nesting a RecursionError."""

WIRE_VERSION = 1

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""One keyframe of an 8K camera is below 20 MB; a message beyond this is an attack or a defect."""

_DTYPES = {name: np.dtype(name) for name in ("float32", "int16", "int64", "uint8", "bool")}
_NAMES = {dtype.str: name for name, dtype in _DTYPES.items()}
"""By `dtype.str`, a field of C; `dtype.name` is computed in Python each time and was half of encoding a fact."""
_MAX_ARRAY_BYTES = 8 * 1024 * 1024


def _encode_extra(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        name = _NAMES.get(value.dtype.str)
        if name is None:
            raise ProtocolError(f"array of dtype {value.dtype} does not travel; expected one of {sorted(_DTYPES)}")
        return [name, list(value.shape), value.tobytes()]
    raise ProtocolError(f"a {type(value).__name__} does not travel between processes")


def _decode_extra(kind: type, value: Any) -> Any:
    # msgspec hands over the parametrised alias npt.NDArray[...] or its origin.
    if kind is np.ndarray or getattr(kind, "__origin__", None) is np.ndarray:
        try:
            name, shape, raw = value
            dtype = _DTYPES[name]
            if len(raw) > _MAX_ARRAY_BYTES:
                raise ProtocolError(f"array of {len(raw)} bytes; at most {_MAX_ARRAY_BYTES} travel")
            return np.frombuffer(raw, dtype=dtype).reshape(shape)
        except (TypeError, ValueError, KeyError) as error:
            raise ProtocolError(f"malformed array on the wire: {error}") from error
    raise ProtocolError(f"cannot decode a {kind} from the wire")


def _registered() -> dict[str, type]:
    classes: dict[str, type] = {}
    for module in (
        media,
        vision,
        event,
        access,
        approval,
        message,
        people,
        hold,
        traffic,
        flow,
        cases,
        leak,
        posts,
        journey,
        journey_job,
        looks,
        backfill,
        export_piece,
        face,
        face_message,
        plate,
        protection,
        recorders,
        replica,
        servers,
        setup,
        credential,
        cell,
        trial,
        wish,
    ):
        for name, value in vars(module).items():
            if isinstance(value, type) and (
                hasattr(value, "__dataclass_fields__")
                or (issubclass(value, msgspec.Struct) and value is not msgspec.Struct)
            ):
                classes[name] = value
    return classes


_CLASSES = _registered()
_ENCODER = msgspec.msgpack.Encoder(enc_hook=_encode_extra)
_ENVELOPE: msgspec.msgpack.Decoder[tuple[int, str, msgspec.Raw]] = msgspec.msgpack.Decoder(
    tuple[int, str, msgspec.Raw]
)
_DECODERS: dict[str, msgspec.msgpack.Decoder[Any]] = {
    name: msgspec.msgpack.Decoder(kind, dec_hook=_decode_extra) for name, kind in _CLASSES.items()
}


def encode(value: object) -> bytes:
    """Serialise one registered dataclass.

    Returns: MessagePack bytes, at most `MAX_MESSAGE_BYTES`.
    Raises: ProtocolError if the class is not registered, a field does not travel, or the result is too large.
    """
    name = type(value).__name__
    if _CLASSES.get(name) is not type(value):
        raise ProtocolError(f"{name} is not a message; register its module in types.codec")
    try:
        encoded = _ENCODER.encode((WIRE_VERSION, name, value))
    except OverflowError as error:
        raise ProtocolError(f"{name} has a number of more than 64 bits, which does not travel") from error
    if len(encoded) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"{name} of {len(encoded)} bytes; at most {MAX_MESSAGE_BYTES} travel")
    return encoded


def encode_as_before(value: object, *added: str) -> bytes:
    """Like `encode`, as it was before the class had the fields `added`: for hashes that people signed then."""
    fields = {name: field for name, field in msgspec.to_builtins(value).items() if name not in added}
    return msgspec.msgpack.encode((WIRE_VERSION, type(value).__name__, fields))


def decode(payload: bytes) -> object:
    """Check and rebuild what `encode` wrote.

    Raises: ProtocolError naming what was wrong; never another exception, whatever the bytes are.
    """
    try:
        version, name, fields = _ENVELOPE.decode(payload)
    except _HOSTILE as error:
        raise ProtocolError(f"not a custodes message: {error}") from error
    if version != WIRE_VERSION:
        raise ProtocolError(f"message version {version}; this process speaks {WIRE_VERSION}")
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise ProtocolError(f"unknown message {name!r}")
    try:
        return decoder.decode(fields)
    except _HOSTILE as error:
        raise ProtocolError(f"malformed {name}: {error}") from error


def decode_as(kind: type[T], payload: bytes) -> T:
    """Like `decode`, and the result must be a `kind`."""
    value = decode(payload)
    if not isinstance(value, kind):
        raise ProtocolError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value
