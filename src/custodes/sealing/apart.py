"""What is sealed apart from any segment: a header that carries its own data key, then one sealed payload.

Made with a published key alone, so analysers can: what they saw, no analyser opens again. The header is a segment's,
so the warden releases its key by the same rules, logged under the header's name.
"""

import io

from custodes.errors import SealBroken
from custodes.sealing.beside import open_beside, seal_beside
from custodes.sealing.header import encode_header, read_header
from custodes.sealing.published import PublishedKey
from custodes.sealing.wrap import new_segment
from custodes.types.media import SegmentHeader
from custodes.units import Ns, RunId, SegmentId

MAX_BYTES = 16 * 1024 * 1024


def seal_apart(key: PublishedKey, *, name: str, start_ns: Ns, label: str, payload: bytes) -> bytes:
    """A whole file. Args: name: its id in the log, at most 64 letters, digits, - and _. label: what it is.

    Raises: InvalidArgument for a malformed key or name.
    """
    header, data_key = new_segment(
        public_key=key.public_key,
        key_id=key.key_id,
        site_id=key.site_id,
        camera_id=key.camera_id,
        run=RunId("apart"),
        segment_id=SegmentId(name),
        start_ns=start_ns,
    )
    return encode_header(header) + seal_beside(header, data_key, label, payload)


def split_apart(sealed: bytes) -> tuple[SegmentHeader, bytes]:
    """(header, what `open_apart` opens). Raises: SealBroken for what `seal_apart` did not make."""
    if len(sealed) > MAX_BYTES:
        raise SealBroken(f"a sealed file of {len(sealed)} bytes; at most {MAX_BYTES}")
    stream = io.BytesIO(sealed)
    header = read_header(stream)
    return header, stream.read()


def open_apart(header: SegmentHeader, data_key: bytes, label: str, body: bytes) -> bytes:
    """The payload. Raises: SealBroken for another label, key or header."""
    return open_beside(header, data_key, label, body)
