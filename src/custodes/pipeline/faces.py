"""Finding, judging and embedding faces together: what analyser and enroller share. Composes `detect` and `face`."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.detect.faces import FaceFinder, FoundFace
from custodes.face.align import Picture, align
from custodes.face.embedding import Embedder, FaceInPicture, Vector
from custodes.face.lawful import Lawful
from custodes.face.quality import judge
from custodes.types.face import FaceQuality
from custodes.units import CameraId, Ns

CARD_PX = 160
"""Side of the picture that people compare: a face as large as a passport photograph on a screen."""

_CARD = np.array([[56, 66], [104, 66], [80, 94], [60, 118], [100, 118]], np.float32)
"""Looser than a network's template: hair, chin and ears help a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedFace:
    """A face and how good its picture is."""

    found: FoundFace
    quality: FaceQuality


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceTools:
    """The networks of one process. Not thread-safe."""

    finder: FaceFinder
    embedder: Embedder

    def judged(self, picture: Picture) -> list[JudgedFace]:
        """All faces with their quality, by falling score of the detector."""
        return [
            JudgedFace(found=one, quality=judge(picture, one.points_px, one.box_px, one.score))
            for one in self.finder.find(picture)
        ]

    def vector(
        self,
        picture: Picture,
        face: FoundFace,
        lawful: Lawful,
        *,
        utc_ns: Ns,
        camera_id: CameraId | None = None,
        at: tuple[float, float] | None = None,
    ) -> Vector:
        """See `Embedder.embed`."""
        asked = FaceInPicture(picture=picture, points_px=face.points_px)
        return self.embedder.embed(asked, lawful, utc_ns=utc_ns, camera_id=camera_id, at=at)


def card(picture: Picture, face: FoundFace) -> npt.NDArray[np.uint8]:
    """(160, 160, 3): the face upright, for people to compare."""
    return np.rint(align(picture, face.points_px, _CARD, CARD_PX)).astype(np.uint8)
