"""A page that stands alone, beside a redacted film: its uncertain moments, the worst first, and a way to cover more.

It shows pictures of the redacted film only, so it gives nothing away that the film does not.
"""

import base64
import json
from collections.abc import Sequence
from importlib.resources import files

from custodes.errors import MediaError
from custodes.media.film import FilmInfo
from custodes.media.jpeg import encode_jpeg
from custodes.media.scale import Scaler
from custodes.redact.moments import SENTENCES, Moment
from custodes.types.media import Frame
from custodes.units import NS_PER_S

MAX_PICTURES = 60
"""Of the worst moments; others are in the list without one. 60 pictures are about 1 MB."""

_HEIGHT_PX = 240
_QUALITY = 70


class PickedFrames:
    """Keeps one picture per moment while the film is written."""

    def __init__(self, moments: Sequence[Moment]) -> None:
        self._wanted = sorted(
            ((moment.start_ns + moment.end_ns) // 2, number) for number, moment in enumerate(moments[:MAX_PICTURES])
        )
        self._scaler = Scaler()
        self.pictures: dict[int, bytes] = {}
        """JPEG by the moment's place in the list."""

    def take(self, frame: Frame) -> None:
        """A masked frame, in order of time."""
        while self._wanted and self._wanted[0][0] <= frame.utc_ns:
            _, number = self._wanted.pop(0)
            try:
                self.pictures[number] = encode_jpeg(self._scaler.scale_down(frame, _HEIGHT_PX), _QUALITY)
            except MediaError:
                continue  # a list entry without a picture


def film_page(film: str, moments: Sequence[Moment], pictures: dict[int, bytes], info: FilmInfo) -> str:
    """HTML with everything in it but the film, which is beside it under the name `film`."""
    rows = [
        {
            "from": round(moment.start_ns / NS_PER_S, 3),
            "until": round(moment.end_ns / NS_PER_S, 3),
            "why": SENTENCES[moment.doubt],
            "doubt": moment.doubt.value,
            "severity": moment.severity,
            "box": [round(value, 4) for value in moment.box],
            "picture": base64.b64encode(pictures[number]).decode() if number in pictures else "",
        }
        for number, moment in enumerate(moments)
    ]
    content = json.dumps({"film": film, "fps": info.fps, "moments": rows}, ensure_ascii=False)
    # A "</script>" in a file name would end the script it stands in.
    content = content.replace("<", "\\u003c")
    page = files("custodes.review").joinpath("film_page.html").read_text(encoding="utf-8")
    return page.replace("/*CONTENT*/null", content)
