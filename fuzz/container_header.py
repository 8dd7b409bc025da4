"""The header of a segment file: what is read is what `encode_header` writes, byte for byte, or SealBroken."""

import io

from custodes.errors import SealBroken
from custodes.sealing.header import encode_header, read_header
from custodes.testing.keys import sample_segment


def one(case: bytes) -> None:
    """The case is the file."""
    stream = io.BytesIO(case)
    try:
        header = read_header(stream)
    except SealBroken as error:
        assert str(error).isprintable()
        return
    assert encode_header(header) == case[: stream.tell()]


def seeds() -> list[bytes]:
    """A whole header, and one that is cut."""
    header, _ = sample_segment()
    whole = encode_header(header)
    return [whole, whole[:40], whole + b"more"]
