"""A found picture and an archived one, prepared once for many comparisons."""

import cv2
import numpy as np
import numpy.typing as npt

from custodes.leaks.registration import MAX_FEATURES, Features, Luma, features_of, mirrored, mirrored_features
from custodes.leaks.seeking import Template, seek_plane, templates_of
from custodes.leaks.smooth import smooth
from custodes.watermark.residual import working

ECC_PX = 480
"""Width at which places are compared and sharpened."""

Plane = npt.NDArray[np.float32]


class Original:
    """An archived picture, prepared once for many comparisons."""

    def __init__(self, y: Luma, features: Features | None = None, known: Luma | None = None) -> None:
        """`known`: of the same size, 0 where the picture says nothing about its place; None: it does everywhere."""
        self.y = y
        self._features = features
        self._seekable: Plane | None = None
        self._upside_down: Original | None = None
        self.target = working(y)
        self.small = _small(self.target)
        self.known = None if known is None else _reduced_to(known, self.target)
        self.known_small = None if known is None else _reduced_to(known, self.small)

    @property
    def aspect(self) -> float:
        """Height by width."""
        return float(self.y.shape[0] / self.y.shape[1])

    @property
    def upside_down(self) -> "Original":
        """The same texture, and no place: what is found in it is chance."""
        if self._upside_down is None:
            self._upside_down = Original(np.ascontiguousarray(self.y[::-1]))
            self._upside_down._upside_down = self
        return self._upside_down

    @property
    def seekable(self) -> Plane:
        """See `seeking.seek_plane`; made when first asked for."""
        if self._seekable is None:
            self._seekable = seek_plane(self.y)
        return self._seekable

    @property
    def features(self) -> Features:
        """Made when first asked for."""
        if self._features is None:
            self._features = features_of(self.y)
        return self._features


class Suspect:
    """A found picture with its features, as it is and mirrored; the blurred ones when somebody asks."""

    def __init__(self, y: Luma, *, features_limit: int = MAX_FEATURES) -> None:
        self.y = y
        self._limit = features_limit
        self.sides = (y, mirrored(y))
        self._features: dict[tuple[bool, bool], Features] = {}
        self._templates: list[Template] | None = None

    @property
    def templates(self) -> list[Template]:
        """See `seeking.templates_of`; made when first asked for."""
        if self._templates is None:
            self._templates = templates_of(self.sides)
        return self._templates

    @property
    def aspect(self) -> float:
        """Height by width."""
        return float(self.y.shape[0] / self.y.shape[1])

    def features(self, *, is_mirrored: bool, is_blurred: bool = False) -> Features:
        """Of one side; blurred: without the edges of compression blocks, which are features of their own."""
        key = (is_mirrored, is_blurred)
        if key not in self._features:
            if is_mirrored:
                self._features[key] = mirrored_features(self.features(is_mirrored=False, is_blurred=is_blurred))
            elif is_blurred:
                self._features[key] = features_of(
                    cv2.GaussianBlur(self.y, (0, 0), max(self.y.shape[1] / 500, 0.8)), self._limit
                )
            else:
                self._features[key] = features_of(self.y, self._limit)
        return self._features[key]


def flattened(plane: Plane) -> Plane:
    """Without exposure: what is left is structure, in units of its own strength."""
    detail = plane - smooth(plane, 12.0)
    strength = np.sqrt(smooth(detail**2, 12.0)) + np.float32(4)
    return np.asarray(detail / strength, dtype=np.float32)


def _reduced_to(known: Luma, like: Plane) -> Luma:
    """Where a picture says something, at another size; 0 or 1."""
    return np.asarray(cv2.resize(known, like.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0, dtype=np.uint8)


def _small(target: Plane) -> Plane:
    height, width = target.shape
    size = (ECC_PX, max(round(height * ECC_PX / width), 16))
    return flattened(cv2.GaussianBlur(cv2.resize(target, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0))
