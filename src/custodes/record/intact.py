"""Whether a file is the segment that was sealed, byte by byte. Needs no key and no media library."""

from pathlib import Path

from custodes.errors import SealBroken
from custodes.sealing.container import read_header, scan_fragments
from custodes.types.media import Segment


def hash_problem(file: Path, segment: Segment) -> str:
    """What is wrong with a file that should hold this sealed segment; empty when every byte is as it was sealed."""
    try:
        with file.open("rb") as stream:
            if read_header(stream) != segment.header:
                return "its header is not the one that was recorded"
            fragments = scan_fragments(stream)
    except (OSError, SealBroken) as error:
        return f"cannot be read: {error}"
    if len(fragments) != segment.fragments or (fragments and fragments[-1].chain != segment.root):
        return f"was changed: {len(fragments)} of {segment.fragments} fragments verify against the seal"
    return ""
