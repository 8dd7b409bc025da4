"""Drawn plates, for tests and `eval.plates`: no real vehicle's."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont


def plate_picture(text: str, height_px: int, *, face: str = "") -> npt.NDArray[np.uint8]:
    """Dark letters on a light plate, (h, w, 3) RGB. `face`: a TrueType file; Pillow's own font if empty."""
    font = ImageFont.truetype(face, 68) if face else ImageFont.load_default(68)
    width = int(font.getlength(text)) + 60
    plate = Image.new("RGB", (width, 100), (235, 235, 230))
    draw = ImageDraw.Draw(plate)
    draw.rectangle((0, 0, width - 1, 99), outline=(20, 20, 20), width=4)
    draw.text((30, 50), text, fill=(15, 15, 20), font=font, anchor="lm")
    size = (max(round(width * height_px / 100), 8), height_px)
    return np.asarray(plate.resize(size, Image.Resampling.BILINEAR), np.uint8)
