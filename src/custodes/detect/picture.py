"""Pictures into network inputs: size, scaling, padding, normalising. What comes out again is read in `decode`."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.types.model import ColourOrder, ModelInput, PictureFit, PixelLayout

Picture = npt.NDArray[np.uint8]

_UPSCALE_MAX = 2.0
"""A picture smaller than the network's input is enlarged at most so much: more shows no new detail."""

_PAD = 114
"""Grey of the padding, as in the YOLO family's letterbox; black counts as an edge for some networks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a picture lies in the input: input pixel = picture pixel × scale. The picture is at the top left."""

    width_px: int
    height_px: int
    scale_x: float
    scale_y: float


def place(width_px: int, height_px: int, spec: ModelInput) -> Placement:
    """Choose the input's size and the picture's scale.

    A free-size network gets about the picture's aspect ratio, multiples of its stride, and never more pixels than
    its budget; a fixed one gets its own size. A picture that fits as it is, is taken as it is, so that scaling to
    `Placement`'s size first changes nothing.
    """
    if not spec.is_size_free:
        if spec.fit is PictureFit.STRETCH:
            return Placement(width_px=spec.width_px, height_px=spec.height_px,
                             scale_x=spec.width_px / width_px, scale_y=spec.height_px / height_px)  # fmt: skip
        scale = min(spec.width_px / width_px, spec.height_px / height_px)
        return Placement(width_px=spec.width_px, height_px=spec.height_px, scale_x=scale, scale_y=scale)
    stride, budget = spec.stride_px, spec.width_px * spec.height_px
    is_aligned = width_px % stride == 0 and height_px % stride == 0
    if is_aligned and budget / 2 <= width_px * height_px <= budget:
        return Placement(width_px=width_px, height_px=height_px, scale_x=1.0, scale_y=1.0)
    scale = min((budget / (width_px * height_px)) ** 0.5, _UPSCALE_MAX)
    width = min(max(round(width_px * scale / stride), 1) * stride, budget // stride)
    height = max(min(round(height_px * scale / stride), budget // (width * stride)), 1) * stride
    if spec.fit is PictureFit.STRETCH:
        return Placement(width_px=width, height_px=height, scale_x=width / width_px, scale_y=height / height_px)
    scale = min(width / width_px, height / height_px)
    return Placement(width_px=width, height_px=height, scale_x=scale, scale_y=scale)


def fill_input(picture_rgb: Picture, placement: Placement, spec: ModelInput) -> npt.NDArray[np.float32]:
    """Scale, pad and normalise one picture.

    Args: `picture_rgb` (h, w, 3) uint8. Returns: (1, H, W, 3) or (1, 3, H, W) float32 by `spec.layout`, contiguous.
    """
    height = min(max(round(picture_rgb.shape[0] * placement.scale_y), 1), placement.height_px)
    width = min(max(round(picture_rgb.shape[1] * placement.scale_x), 1), placement.width_px)
    scaled = resize(picture_rgb, width, height)
    is_nchw = spec.layout is PixelLayout.NCHW
    shape = (3, placement.height_px, placement.width_px) if is_nchw else (placement.height_px, placement.width_px, 3)
    filled = np.empty((1, *shape), dtype=np.float32)
    for channel in range(3):
        plane = filled[0, channel] if is_nchw else filled[0, :, :, channel]
        source = 2 - channel if spec.colour is ColourOrder.BGR else channel
        mean, gain = np.float32(spec.mean[channel]), np.float32(1 / spec.std[channel])
        plane[height:] = plane[:, width:] = (np.float32(_PAD) - mean) * gain
        plane[:height, :width] = scaled[:, :, source]
        if mean != 0 or gain != 1:
            inside = plane[:height, :width]
            inside -= mean
            inside *= gain
    return filled


def resize(picture: Picture, width_px: int, height_px: int) -> npt.NDArray[np.float32] | Picture:
    """Bilinear scaling with pixel centres aligned; when shrinking by 2 or more, after averaging whole blocks.

    Args: `picture` (h, w, c) uint8.
    Returns: (height_px, width_px, c), 0 to 255; uint8 where nothing had to be interpolated.
    Cost on one core, 2026-11: 4 ms for 768×576 to 416×288, 14 ms for 1920×1080 to 480×256.
    """
    block_y, block_x = max(picture.shape[0] // height_px, 1), max(picture.shape[1] // width_px, 1)
    if block_y > 1 or block_x > 1:
        picture = _average_blocks(picture, block_y, block_x)
    if picture.shape[:2] == (height_px, width_px):
        return picture
    rows = _lerp(picture.astype(np.float32), height_px, axis=0)
    return _lerp(rows, width_px, axis=1)


def _average_blocks(picture: npt.NDArray[np.uint8], block_y: int, block_x: int) -> npt.NDArray[np.uint8]:
    height, width = picture.shape[0] // block_y, picture.shape[1] // block_x
    rows = np.zeros((height, picture.shape[1], picture.shape[2]), dtype=np.uint32)
    for y in range(block_y):
        rows += picture[y : height * block_y : block_y]
    total = np.zeros((height, width, picture.shape[2]), dtype=np.uint32)
    for x in range(block_x):
        total += rows[:, x : width * block_x : block_x]
    count = np.uint32(block_y * block_x)
    return ((total + count // 2) // count).astype(np.uint8)


def _lerp(values: npt.NDArray[np.float32], size: int, *, axis: int) -> npt.NDArray[np.float32]:
    length = values.shape[axis]
    if length == size:
        return values
    centre = np.clip((np.arange(size) + 0.5) * (length / size) - 0.5, 0, length - 1)
    low = centre.astype(np.intp)
    high = np.minimum(low + 1, length - 1)
    shape = [1, 1, 1]
    shape[axis] = size
    share = (centre - low).astype(np.float32).reshape(shape)
    first = values.take(low, axis=axis)
    result: npt.NDArray[np.float32] = values.take(high, axis=axis)
    result -= first
    result *= share
    result += first
    return result
