"""What tracks look like right now: colours of clothes and bodywork, on `server-looks.sock` and nowhere else (ADR 132).

A look is of whoever passes, so it is never a fact: no file, no queue on disk, no log, no other server and no other
machine gets one. Who holds one overwrites it when it is over.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.units import CameraId, Ns, RunId

MAX_LOOKS = 256
"""Of one frame; more people than a picture shows apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksSeen:
    """Analyser to server: of some tracks that were measured in one frame. No answer, and never sent again.

    `track_ids`: (n,) int64, as in the `TrackedFrame` of the same camera, run and time; each once.
    `looks`: (n, 512) uint8, see `track.colours.packed`.
    """

    camera_id: CameraId
    run: RunId
    utc_ns: Ns
    track_ids: npt.NDArray[np.int64]
    looks: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drops:
    """What found no place since the server started: how many, of no camera and nobody. Monitoring reads it."""

    map_measurements: int = 0
    """Of a floor on which more waited to be fused than may."""
    map_looks: int = 0
    """Without a measurement that they belong to in time, or of a floor with more than may wait."""
    links: int = 0
    """Looks and tracks for which the book of links had no room (ADR 133)."""
