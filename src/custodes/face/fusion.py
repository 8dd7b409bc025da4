"""Looks at one face of one track into one vector. Everything is zeroed when the track is done. Pure."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from custodes.types.face import FaceQuality
from custodes.units import NS_PER_MS, Ns

Vector = npt.NDArray[np.float32]

APART_NS = Ns(250 * NS_PER_MS)
"""Looks closer together than this show the same noise; fusing them says nothing new."""

MAX_AGE_NS = Ns(20_000 * NS_PER_MS)


@dataclass(slots=True)
class TrackLooks:
    """Looks at one track so far. Mutable on purpose: what it holds is overwritten in place."""

    first_ns: Ns
    last_ns: Ns
    total: Vector
    """Sum of unit vectors times quality."""
    weight: float = 0.0
    samples: int = 0
    quality: float = 0.0
    """Of the best look."""
    picture: bytearray = field(default_factory=bytearray)
    is_compared: bool = False

    @classmethod
    def begin(cls, utc_ns: Ns, dimension: int) -> "TrackLooks":
        """No look yet."""
        return cls(first_ns=utc_ns, last_ns=Ns(0), total=np.zeros(dimension, np.float32))

    def wants(self, utc_ns: Ns) -> bool:
        """Whether a look now would say something new."""
        return not self.is_compared and (not self.samples or utc_ns - self.last_ns >= APART_NS)

    def add(self, vector: Vector, quality: FaceQuality, utc_ns: Ns) -> bool:
        """Take a look over and zero the vector; returns whether it is the best so far."""
        gain = max(quality.score, 0.05)
        self.total += np.float32(gain) * vector
        vector[:] = 0
        self.weight += gain
        self.samples += 1
        self.last_ns = utc_ns
        is_best = quality.score > self.quality or self.samples == 1
        self.quality = max(self.quality, quality.score)
        return is_best

    def keep_picture(self, jpeg: bytes) -> None:
        """Replace the picture of the best look."""
        self.picture[:] = bytes(len(self.picture))
        self.picture = bytearray(jpeg)

    def fused(self) -> Vector:
        """The unit vector; the caller zeroes it."""
        length = max(float(np.linalg.norm(self.total)), 1e-9)
        return np.asarray(self.total / np.float32(length), np.float32)

    def forget(self) -> None:
        """Overwrite everything."""
        self.total[:] = 0
        self.picture[:] = bytes(len(self.picture))
        self.picture.clear()
        self.is_compared = True
