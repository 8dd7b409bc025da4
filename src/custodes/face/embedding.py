"""Faces into vectors, and only under a permit. The one module that makes templates.

An *embedding contract* names everything that a vector depends on: networks, alignment, mirror image, weights. Vectors
of different contracts never meet (`face.gallery`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.errors import InvalidArgument, ModelRefused
from custodes.face.align import Picture, Points, align, template_of
from custodes.face.lawful import Lawful
from custodes.ports.model import ModelSession
from custodes.types.model import ColourOrder, ModelManifest, PixelLayout
from custodes.types.vision import ModelTask
from custodes.units import CameraId, Ns

Vector = npt.NDArray[np.float32]

_VERSION = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceInPicture:
    """One face. `picture` (h, w, 3) uint8 RGB; `points_px` (5, 2)."""

    picture: Picture
    points_px: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderPart:
    """A network and how much its cosine counts. `weight` > 0; of several networks, one over the deviation of their
    scores between different people, so that each has the same say."""

    session: ModelSession
    manifest: ModelManifest
    weight: float = 1.0


class Embedder:
    """Implements the contract over one network or several. Not thread-safe, like its sessions."""

    def __init__(self, parts: Sequence[EmbedderPart]) -> None:
        """Raises: ModelRefused for what is no embedder, InvalidArgument for a size without a template."""
        if not parts:
            raise InvalidArgument("an embedder has at least one network")
        for part in parts:
            if part.manifest.task is not ModelTask.FACE_EMBED:
                raise ModelRefused(f"model {part.manifest.name} is for {part.manifest.task.value}, not for face-embed")
            template_of(part.manifest.input.width_px)
        self._parts = tuple(parts)
        total = sum(part.weight for part in parts)
        self._gains = [np.float32((part.weight / total) ** 0.5) for part in parts]
        self.dimension = sum(part.manifest.output.dimension for part in parts)
        self.contract = contract_of(parts)

    def embed(
        self,
        face: FaceInPicture,
        lawful: Lawful,
        *,
        utc_ns: Ns,
        camera_id: CameraId | None,
        at: tuple[float, float] | None,
    ) -> Vector:
        """The unit vector of one face: of each network the mean of face and mirror image, side by side.

        Args: lawful, utc_ns, camera_id, at: see `Lawful.require`. Returns: (dimension,) float32 of length 1; whoever
            gets it zeroes it. Raises: PermissionDenied before any network is run; MediaError.
        Cost on one core, 2026-11: 45 ms with dlib's ResNet.
        """
        lawful.require(utc_ns, camera_id=camera_id, at=at)
        made = np.concatenate(
            [gain * self._one(part, face) for gain, part in zip(self._gains, self._parts, strict=True)]
        )
        result: Vector = (made / max(float(np.linalg.norm(made)), 1e-9)).astype(np.float32)
        made[:] = 0
        return result

    def _one(self, part: EmbedderPart, face: FaceInPicture) -> Vector:
        spec = part.manifest.input
        side = spec.width_px
        crop = align(face.picture, face.points_px, template_of(side), side)
        if spec.colour is ColourOrder.BGR:
            crop = crop[:, :, ::-1]
        crop = ((crop - np.array(spec.mean, np.float32)) / np.array(spec.std, np.float32)).astype(np.float32)
        total = np.zeros(part.manifest.output.dimension, np.float32)
        # One by one: a network with a fixed batch takes no two.
        for view in (crop, crop[:, ::-1]):
            fed = view.transpose(2, 0, 1) if spec.layout is PixelLayout.NCHW else view
            result = part.session.run({spec.name: np.ascontiguousarray(fed[None], np.float32)})
            total += np.asarray(result[part.manifest.output.names[0]], np.float32).reshape(-1)
        length = max(float(np.linalg.norm(total)), 1e-9)
        return total / np.float32(length)


def contract_of(parts: Sequence[EmbedderPart]) -> str:
    """Names and a hash: `dlib-face-resnet:5f0c1b2a9e3d4c77`."""
    digest = hashlib.sha256(f"custodes.embedding/{_VERSION}\nmirror\n".encode())
    for part in parts:
        spec = part.manifest.input
        rows = (part.session.ref.sha256, spec.width_px, spec.layout, spec.colour, spec.mean, spec.std, part.weight)
        digest.update(("\n".join(str(row) for row in rows) + "\n").encode())
        digest.update(template_of(spec.width_px).tobytes())
    return "+".join(part.manifest.name for part in parts) + ":" + digest.hexdigest()[:16]
