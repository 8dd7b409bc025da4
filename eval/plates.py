"""How often a drawn plate is read right, and how often a wrong one would be taken for a listed one.

Run `python -m eval.plates --data DIR [--smoke]`. There is no data set of plates here that may be used: plates are
drawn in the fonts of the machine, tilted, blurred, noisy, compressed, pasted onto a vehicle's colour, by height in
pixels. So these figures say what the reader can do at best; a site's own gate says what it does. `one_look_{h}`: read
right, as compared; `listed_{h}`: known after the looks that the product takes, each drawn anew;
`strangers_taken_for_listed`: among 1,000 listed, by reading errors too.
"""

import argparse
import io
import string
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from custodes.adapters.model.plates import load_plate_reader
from custodes.pipeline.plates import AGREE
from custodes.testing.plates import plate_picture
from custodes.types.plate import compared
from eval.report import Report

HEIGHTS_PX = (16, 20, 24, 32, 48)
"""Of the plate; letters are about two thirds of it."""
LOOKS = 6
"""Two seconds before a gate."""
LISTED = 1000
_FORMS = ("LL LL NNNN", "LLL NNN", "NN LLL N", "LL NN LLL")


def drawn_text(rng: np.random.Generator) -> str:
    """A plate of one of four countries' forms."""
    pools = {"L": string.ascii_uppercase, "N": string.digits}
    return "".join(
        pools[one][rng.integers(len(pools[one]))] if one in pools else one for one in str(rng.choice(list(_FORMS)))
    )


def seen(text: str, height_px: int, face: str, rng: np.random.Generator) -> np.ndarray:
    """One look at it: (h, w, 3) RGB of the vehicle's rear."""
    plate = Image.fromarray(plate_picture(text, 4 * height_px, face=face))
    tilt = rng.uniform(-0.12, 0.12)
    plate = plate.transform(
        plate.size, Image.Transform.AFFINE, (1, tilt, -tilt * 2 * height_px, rng.uniform(-0.05, 0.05), 1, 0),
        resample=Image.Resampling.BILINEAR, fillcolor=(90, 90, 90),
    )  # fmt: skip
    plate = plate.resize((max(round(plate.width / 4 * rng.uniform(0.75, 1)), 8), height_px))
    vehicle = Image.new("RGB", (plate.width * 2, plate.height * 5), tuple(rng.integers(20, 200, 3).tolist()))
    vehicle.paste(plate, (int(rng.integers(0, plate.width)), int(rng.integers(plate.height, plate.height * 4))))
    blurred = vehicle.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.03 * height_px)))
    noisy = np.clip(np.asarray(blurred, np.float64) + rng.normal(0, rng.uniform(2, 12), 3), 0, 255).astype(np.uint8)
    packed = io.BytesIO()
    Image.fromarray(noisy).save(packed, "JPEG", quality=int(rng.integers(35, 85)))
    return np.asarray(Image.open(packed))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="not used: plates are drawn")
    parser.add_argument("--smoke", action="store_true", help="2 plates a height")
    arguments = parser.parse_args()
    count = 2 if arguments.smoke else 50
    faces = sorted(str(one) for one in Path("/usr/share/fonts").rglob("*Bold.ttf"))[:6] or [""]
    report = Report(
        "eval.plates", smoke=arguments.smoke, config={"plates": count, "fonts": len(faces), "looks": LOOKS}
    )
    reader, rng = load_plate_reader(), np.random.default_rng(5)
    listed = {compared(drawn_text(rng)) for _ in range(LISTED)}
    false = looks = 0
    for step, height in enumerate(HEIGHTS_PX, 1):
        right = known = 0
        for _ in range(count):
            text, face = drawn_text(rng), faces[rng.integers(len(faces))]
            read: dict[str, int] = {}
            for _ in range(LOOKS):
                found = {plain for plain in map(compared, reader.texts(seen(text, height, face, rng))) if plain}
                right += compared(text) in found
                looks += 1
                for plain in found:
                    read[plain] = read.get(plain, 0) + 1
            agreed = {plain for plain, times in read.items() if times >= AGREE}
            known += compared(text) in agreed
            false += compared(text) not in listed and bool(agreed & listed)
        report.results[f"one_look_{height}"] = round(right / (count * LOOKS), 3)
        report.results[f"listed_{height}"] = round(known / count, 3)
        report.progress(step, len(HEIGHTS_PX), f"{height} px")
    report.results["strangers_taken_for_listed"] = false
    report.results["strangers"] = count * len(HEIGHTS_PX)
    report.finish()


if __name__ == "__main__":
    main()
