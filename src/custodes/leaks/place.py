"""Which of several archived pictures of a camera a found one shows, and whether it is of that camera at all."""

from collections.abc import Sequence

import cv2
import numpy as np

from custodes.errors import InvalidArgument
from custodes.leaks.alignment import Fit, Original, Suspect, fit_first, likeness_in_place
from custodes.leaks.found_file import CLIPS, media_type_of, size_of
from custodes.leaks.registration import Luma
from custodes.leaks.rule import COPY_LIKENESS
from custodes.media.found_clip import pictures_of

MAX_PICTURE_BYTES = 32 * 1024 * 1024
MAX_PICTURE_PX = 64_000_000
_MIN_SIDE_PX = 48

SURE_LIKENESS = 0.55
"""Structure that agrees this well is the same place; 0.35 to 0.55 takes `MIN_PLACES` inliers beside (eval.leak)."""
LAID_LIKENESS, LAID_MARGIN = 0.75, 0.1
"""Of a place found by laying the picture everywhere, and how much less alike the best place upside down must be."""
MIN_LIKENESS = 0.35
ENOUGH_LIKENESS = 0.75
"""No other picture of the camera need be tried: masks and passers-by are the rest."""
MIN_PLACES = 20


def found_pictures(encoded: bytes, *, limit: int) -> list[Luma]:
    """The picture, or at least one and at most `limit` of a clip. Raises: InvalidArgument for what is neither."""
    return pictures_of(encoded, limit=limit) if media_type_of(encoded) in CLIPS else [read_picture(encoded)]


def read_picture(encoded: bytes) -> Luma:
    """Luma of a JPEG, PNG, WebP, AVIF or GIF (its first picture) as it was found, turned as it says.

    Nothing is decoded whose header tells no size, or too large a one: a picture of a billion pixels fits into a
    megabyte.

    Raises: InvalidArgument for what is too large, too small, or no picture.
    """
    if len(encoded) > MAX_PICTURE_BYTES:
        raise InvalidArgument(f"a picture of {len(encoded)} bytes; at most {MAX_PICTURE_BYTES}")
    media_type = media_type_of(encoded)
    if media_type in CLIPS:
        raise InvalidArgument("that is a clip, no picture")
    width, height = size_of(encoded, media_type)
    if width * height > MAX_PICTURE_PX:
        raise InvalidArgument(
            f"a picture of {width}×{height} pixels; at most {MAX_PICTURE_PX // 10**6} million are read"
        )
    if width * height and min(width, height) < _MIN_SIDE_PX:
        raise InvalidArgument(f"a picture of {width}×{height} pixels; expected sides from {_MIN_SIDE_PX} on")
    try:
        y = cv2.imdecode(np.frombuffer(encoded, dtype=np.uint8), cv2.IMREAD_GRAYSCALE) if width * height else None
    except cv2.error as error:
        raise InvalidArgument(f"the {_named(media_type)} cannot be decoded") from error
    if y is None:
        raise InvalidArgument(f"the {_named(media_type)} is damaged or cut off, or is none")
    if min(y.shape) < _MIN_SIDE_PX or y.size > MAX_PICTURE_PX:  # headers may lie
        raise InvalidArgument(f"a picture of {y.shape[1]}×{y.shape[0]} pixels, which its header does not say")
    return np.asarray(y)


def _named(media_type: str) -> str:
    return f"{media_type.removeprefix('image/').upper()} picture"


def is_ours(found: Fit | None) -> bool:
    """Whether a fit shows the camera's own view."""
    if found is None:
        return False
    if found.registration.is_laid and found.registration.inliers < MIN_PLACES:
        return found.likeness >= LAID_LIKENESS and found.likeness - found.control >= LAID_MARGIN
    is_backed = found.likeness >= MIN_LIKENESS and found.registration.inliers >= MIN_PLACES
    return found.likeness >= SURE_LIKENESS or is_backed


def best_fit(suspect: Suspect, originals: Sequence[Original]) -> tuple[Fit | None, int]:
    """(fit, hypotheses looked at) of the picture on the best of several archived ones."""
    return fit_first(suspect, originals, enough=ENOUGH_LIKENESS)


def best_of(suspects: Sequence[Suspect], originals: Sequence[Original]) -> tuple[Suspect, Fit | None, int]:
    """(picture, its fit, hypotheses looked at) of the picture of a clip that fits best: the others are trials, too.

    Args: suspects: at least one; titles and other scenes may be among them.
    """
    fits = [(one, *best_fit(one, originals)) for one in suspects]
    best = max(fits, key=lambda found: -1.0 if found[1] is None else found[1].likeness)
    return best[0], best[1], sum(tried for _, _, tried in fits)


def references_of(background: Luma, pictures: Sequence[Luma]) -> list[Original]:
    """What a found picture is laid on: the background, and those pictures of the camera that do not look like it.

    They are for other light and for cameras that drift. One that is as alike as a copy has nothing that the background
    has not, and would be a third of the work for each camera that the picture is not of.
    """
    first = Original(background)
    others = [Original(one) for one in pictures]
    return [first, *(one for one in others if likeness_in_place(one, first) < COPY_LIKENESS)]


def background_of(pictures: Sequence[Luma]) -> Luma:
    """Median of pictures of one size: who walked by is not in it. Args: pictures: at least one."""
    size = pictures[0].shape
    same = [one for one in pictures if one.shape == size]
    return np.asarray(np.median(np.stack(same), axis=0), dtype=np.uint8)
