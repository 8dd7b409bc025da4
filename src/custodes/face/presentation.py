"""What several looks at a checkpoint say of a picture held before the camera instead of a face. Pure; hints, no gate.

Three things, each with what it cannot see: *depth* (a print is flat however it is held; a screen that plays a film is
not caught), *the turn that was asked for* (a film does not know it), *change* (a camera that is fed with one file).
Attack instrument, bona fide, APCER and BPCER: ISO/IEC 30107-3. `eval.present` measures them per kind of attack.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.face.align import ARCFACE_112, Picture, Points, align
from custodes.types.face import Side, Signal, Speaks

LOOKS_MAX = 8
LEAST_LOOKS = 3
"""Below, five points say nothing of depth: a third dimension and what landmarks are off by cannot be told apart."""

TURN = 0.15
"""In distances of the eyes, how far the tip of the nose has to move against them: 15 to 20 degrees of a head whose
nose stands half such a distance out."""

DEPTH = 0.022
"""Root mean square over looks and points, in distances of the eyes, of what no flat thing does. By `eval.present`,
simulated, landmarks off by .02: a print tilted by 30 degrees 30 to 60 cm away .016 at most (19 of 20), a head turned
by 20 degrees to both sides .033 in the middle."""

NOISE_TIMES = 2.0
"""How far depth has to stand out of what the landmarks are off by."""

TILT = 0.90
"""Proportion of the face between its looks, across over along, below which something was tilted by 25 degrees or more;
then a head shows its depth, and what shows none is flat."""

NARROWED = 12.0
"""What landmarks that are off narrow the proportion by, in `Depth.noise`: a head that stands still, simulated."""

FLAT = 0.6
"""Of `DEPTH`; between the two nothing is said."""

SAME_GREY = 0.1
"""Mean difference in grey levels below which two pictures are one: a sensor's noise alone is more."""

_SIDE = 112


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """`depth` and `noise` in distances of the eyes; `proportion`: the narrowest look over the widest, 1 for none."""

    depth: float
    noise: float
    proportion: float


def depth_of(looks: Sequence[Points]) -> Depth:
    """How far landmarks move as those of no flat thing do.

    Seen from afar, all pictures of one flat thing are affine to each other, and of a solid one are not (Tomasi and
    Kanade 1992): of the stacked landmarks, centred, the first two singular values are the plane, the third is depth,
    the fourth what is left. Args: looks: `LEAST_LOOKS` or more of (5, 2) px.
    """
    scaled = []
    for points in looks:
        eyes = max(float(np.linalg.norm(points[1] - points[0])), 1e-3)
        scaled.append((points - points.mean(axis=0)).astype(np.float64) / eyes)
    stacked = np.concatenate([one.T for one in scaled])
    values = np.linalg.svd(stacked, compute_uv=False)
    each = np.sqrt(stacked.size)
    flat = [min((_proportion(one, other) for other in scaled), default=1.0) for one in scaled]
    return Depth(depth=float(values[2] / each), noise=float(values[3] / each), proportion=min(flat))


def _proportion(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Of the affine map between two looks, the shorter stretch over the longer: the cosine of a flat tilt."""
    affine, *_ = np.linalg.lstsq(one, other, rcond=None)
    short, long = np.linalg.svd(affine, compute_uv=False)[::-1]
    return float(short / max(long, 1e-9))


def yaw_of(points: Points) -> float:
    """How far the nose is off the middle between the eyes, in their distances; positive to the person's left."""
    eyes = points[1] - points[0]
    distance = max(float(np.linalg.norm(eyes)), 1e-3)
    return float((points[2] - (points[0] + points[1]) / 2) @ eyes) / distance**2


def signals_of(pictures: Sequence[Picture], looks: Sequence[Points], asked: Side) -> list[Signal]:
    """All hints, those against first.

    Args: pictures: as taken, in their order; looks: (5, 2) px of the one face in each, as many; asked: the turn that
        was asked for before the last of them.
    """
    if len(looks) < LEAST_LOOKS:
        words = "one look alone shows no living person: the person at the desk looks"
        return [Signal(speaks=Speaks.NOTHING, words=words)]
    found = [_change(pictures, looks), _depth(looks), _turn(looks, asked)]
    order = (Speaks.FAKE, Speaks.NOTHING, Speaks.FACE)
    return sorted((one for one in found if one is not None), key=lambda one: order.index(one.speaks))


def _change(pictures: Sequence[Picture], looks: Sequence[Points]) -> Signal | None:
    """Only where all are one picture: whoever stands still still breathes, and the sensor has noise."""
    crops = [align(picture, looks[0], ARCFACE_112, _SIDE) for picture in pictures]
    apart = max(float(np.abs(one - crops[0]).mean()) for one in crops[1:])
    if apart >= SAME_GREY:
        return None
    return Signal(speaks=Speaks.FAKE, words="all pictures are the same one: this is no camera that looks at somebody")


def _depth(looks: Sequence[Points]) -> Signal:
    found = depth_of(looks)
    if found.depth >= DEPTH and found.depth >= NOISE_TIMES * found.noise:
        return Signal(speaks=Speaks.FACE, words="the face has depth, as no print has; a film on a screen may")
    if found.proportion <= TILT - NARROWED * found.noise and found.depth < FLAT * DEPTH:
        return Signal(
            speaks=Speaks.FAKE, words="the face was tilted as something flat is: a print, or a still on a screen"
        )
    return Signal(speaks=Speaks.NOTHING, words="the head hardly turned, so whether it is flat cannot be told")


def _turn(looks: Sequence[Points], asked: Side) -> Signal | None:
    if asked is Side.NONE:
        return None
    yaws = np.array([yaw_of(one) for one in looks])
    moved = yaws - yaws[0]
    furthest = float(moved[np.argmax(np.abs(moved))])
    if abs(furthest) < TURN:
        return Signal(speaks=Speaks.NOTHING, words=f"no turn to the {asked.value} was seen, though it was asked for")
    if (furthest > 0) == (asked is Side.LEFT):
        return Signal(speaks=Speaks.FACE, words=f"turned to the {asked.value}, as was asked")
    return Signal(
        speaks=Speaks.FAKE, words=f"turned the other way than was asked ({asked.value}): a film does not listen"
    )


def worst(signals: Sequence[Signal]) -> Speaks:
    """What is written down of a check; `NOTHING` without a signal."""
    if any(one.speaks is Speaks.FAKE for one in signals):
        return Speaks.FAKE
    is_face = bool(signals) and all(one.speaks is Speaks.FACE for one in signals)
    return Speaks.FACE if is_face else Speaks.NOTHING
