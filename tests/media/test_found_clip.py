"""Pictures out of a found clip: evenly, bounded, and nothing but a clear word for what is none."""

import io

import av
import numpy as np
import pytest

from custodes.errors import InvalidArgument
from custodes.leaks.found_file import CLIPS, media_type_of
from custodes.media.found_clip import pictures_of


def clip(count: int, *, form: str = "mp4") -> bytes:
    """Each picture as grey as its number, three steps apart."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=form) as container:
        track = container.add_stream("libx264", rate=10)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        for number in range(count):
            y = np.full((72, 64), 16 + 3 * number, np.uint8)
            y[48:] = 128
            container.mux(track.encode(av.VideoFrame.from_ndarray(y, format="yuv420p")))
        container.mux(track.encode(None))
    return stream.getvalue()


@pytest.mark.parametrize("form", ["mp4", "matroska"])
@pytest.mark.parametrize("count", [1, 4, 50])
def test_pictures_when_a_clip_then_from_its_first_to_its_last(form, count):
    content = clip(count, form=form)
    assert media_type_of(content) in CLIPS
    found = pictures_of(content, limit=4)
    assert len(found) == min(count, 4)
    assert all(one.shape == (48, 64) and one.dtype == np.uint8 for one in found)
    greys = [int(one.mean()) for one in found]
    assert greys == sorted(greys)
    assert greys[-1] - greys[0] >= 2.2 * (count - 1), "the ends are among them"


@pytest.mark.parametrize("content", [b"", b"\x89PNG", b"\0\0\0\x0cftypisom" + bytes(500), clip(5)[:200]])
def test_pictures_when_it_is_no_clip_or_cut_then_said_so(content):
    with pytest.raises(InvalidArgument, match="clip"):
        pictures_of(content, limit=4)
