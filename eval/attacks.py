"""What happens to a still between a viewer and a post: forty attacks and chains on luma, each from a seed.

Phone photos are simulated (sub-pixel stripes, perspective, lens, defocus, glare, noise, sharpening, two JPEGs): no
real phone was available, and rolling shutter, PWM bands, HDR fusion and night modes are not in it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import av
import cv2
import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.uint8]
Random = np.random.Generator
Act = Callable[[Luma, Random], Luma]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    name: str
    act: Act
    is_extreme: bool = False
    """Beyond the battery that the aim speaks of; measured and printed all the same."""


def encoded(extension: str, quality: int) -> Act:
    flag = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".webp": cv2.IMWRITE_WEBP_QUALITY}[extension]

    def act(y: Luma, _: Random) -> Luma:
        picture = y if extension == ".jpg" else cv2.cvtColor(y, cv2.COLOR_GRAY2BGR)
        done = cv2.imencode(extension, picture, [flag, quality])[1]
        return np.asarray(cv2.imdecode(done, cv2.IMREAD_GRAYSCALE))

    return act


def jpeg(y: Luma, quality: int) -> Luma:
    return encoded(".jpg", quality)(y, np.random.default_rng(0))


def scaled(y: Luma, share: float) -> Luma:
    size = (max(round(y.shape[1] * share), 16), max(round(y.shape[0] * share), 16))
    return np.asarray(cv2.resize(y, size, interpolation=cv2.INTER_AREA if share < 1 else cv2.INTER_CUBIC))


def to_width(y: Luma, width: int) -> Luma:
    return scaled(y, width / y.shape[1])


def crop(area: float) -> Act:
    """A part of the area, of the picture's shape, somewhere."""

    def act(y: Luma, random: Random) -> Luma:
        height, width = round(y.shape[0] * area**0.5), round(y.shape[1] * area**0.5)
        top = int(random.integers(0, y.shape[0] - height + 1))
        left = int(random.integers(0, y.shape[1] - width + 1))
        return np.ascontiguousarray(y[top : top + height, left : left + width])

    return act


def rotated(degrees: float, *, is_cropped: bool) -> Act:
    def act(y: Luma, _: Random) -> Luma:
        height, width = y.shape
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        turned = cv2.warpAffine(y, matrix, (width, height), flags=cv2.INTER_CUBIC)
        cut = (height // 6, width // 6) if is_cropped else (0, 0)
        return np.ascontiguousarray(turned[cut[0] : height - cut[0], cut[1] : width - cut[1]])

    return act


def noisy(y: Luma, sigma: float, random: Random) -> Luma:
    return np.clip(y + random.normal(0, sigma, y.shape), 0, 255).astype(np.uint8)


def gamma(power: float) -> Act:
    table = (255 * (np.arange(256) / 255) ** power).astype(np.uint8)
    return lambda y, _: table[y]


def overlaid(y: Luma, random: Random) -> Luma:
    """A bar of text and two stickers: about 15 % of the area."""
    out = y.copy()
    height, width = y.shape
    out[: height // 11] = 250
    cv2.putText(out, "WHO IS THIS???", (width // 8, height // 13), cv2.FONT_HERSHEY_SIMPLEX, height / 480, 0, 2)
    for _ in range(2):
        centre = (int(random.integers(width // 6, width * 5 // 6)), int(random.integers(height // 4, height * 3 // 4)))
        cv2.circle(out, centre, height // 9, 200, -1)
        cv2.circle(out, centre, height // 18, 30, 3)
    return out


def meme(y: Luma, random: Random) -> Luma:
    cut = scaled(crop(0.5)(np.ascontiguousarray(y[:, ::-1]), random), 0.6)
    return jpeg(overlaid(cut, random), 50)


def screenshot(y: Luma, _: Random) -> Luma:
    """A browser window with the picture scaled into it, cut roughly, then two services."""
    page = np.full((1080, 1920), 245, np.uint8)
    shown = to_width(y, 1580)[:900]
    page[110 : 110 + shown.shape[0], 170 : 170 + shown.shape[1]] = shown
    cv2.putText(page, "custodes  gate  14:03:12", (180, 80), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 40, 2)
    cut = page[60 : min(130 + shown.shape[0], 1080), 140:1780]
    return jpeg(to_width(jpeg(np.ascontiguousarray(cut), 80), 1080), 65)


def reposted(y: Luma, random: Random) -> Luma:
    """Five services: each scales a bit, sharpens or not, compresses."""
    for quality, width in ((75, 1200), (65, 1080), (70, 960), (60, 1080), (60, 800)):
        y = jpeg(to_width(y, min(width, round(y.shape[1] * 1.1))), quality)
    return y


def posterised(y: Luma, _: Random) -> Luma:
    return (y // 32 * 32 + 16).astype(np.uint8)


def cartoon(y: Luma, _: Random) -> Luma:
    return np.asarray(cv2.cvtColor(cv2.stylization(cv2.cvtColor(y, cv2.COLOR_GRAY2BGR)), cv2.COLOR_BGR2GRAY))


def denoised(y: Luma, strength: float) -> Luma:
    return np.asarray(cv2.fastNlMeansDenoising(y, None, strength, 5, 15))


def elastic(y: Luma, random: Random) -> Luma:
    height, width = y.shape
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    bent = []
    for grid in (xs, ys):
        noise = cv2.GaussianBlur(random.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 30)
        bent.append(grid + 2.0 * noise / np.abs(noise).max())
    return np.asarray(cv2.remap(y, bent[0], bent[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))


def recoded(crf: int) -> Act:
    """As one H.264 keyframe."""

    def act(y: Luma, _: Random) -> Luma:
        height, width = y.shape[0] // 2 * 2, y.shape[1] // 2 * 2
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        planes[:height] = y[:height, :width]
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.options = {"preset": "veryfast", "crf": str(crf)}
        encoder.framerate = 10
        decoder = av.CodecContext.create("h264", "r")
        packets = [*encoder.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")), *encoder.encode(None)]
        frames = [frame for packet in packets for frame in decoder.decode(packet)] + list(decoder.decode(None))
        return np.ascontiguousarray(frames[0].to_ndarray()[:height])

    return act


def _monitor(y: Luma, times: int) -> npt.NDArray[np.float32]:
    """Light of a screen: every pixel as sub-pixels between black lines."""
    light = np.repeat(np.repeat((y / 255.0).astype(np.float32) ** 2.2, times, axis=0), times, axis=1)
    light[times - 1 :: times] *= 0.55
    light[:, times - 1 :: times] *= 0.75
    return light


def photographed(*, is_hard: bool) -> Act:
    def act(y: Luma, random: Random) -> Luma:
        screen = _monitor(y, 3 if y.shape[1] <= 1000 else 2)
        height, width = screen.shape
        out_width, out_height = 2000, 1500
        slack = 0.10 if is_hard else 0.05
        margin = 0.09
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
        fit = np.array([out_width * (1 - 2 * margin), out_width * (1 - 2 * margin) * y.shape[0] / y.shape[1]])
        placed = corners * fit + (np.array([out_width, out_height]) - fit) / 2
        placed += random.uniform(-slack, slack, (4, 2)) * fit
        matrix = cv2.getPerspectiveTransform(placed.astype(np.float32), corners * np.float32([width, height]))
        xs, ys = np.meshgrid(np.arange(out_width, dtype=np.float32), np.arange(out_height, dtype=np.float32))
        u, v = (xs - out_width / 2) / out_width, (ys - out_height / 2) / out_width
        bend = 1 + (0.03 if is_hard else 0.015) * (u**2 + v**2)
        points = np.stack(
            [u * bend * out_width + out_width / 2, v * bend * out_width + out_height / 2, xs * 0 + 1], -1
        )
        at = points @ matrix.T.astype(np.float32)
        near = cv2.GaussianBlur(screen, (0, 0), 0.9)
        photo = cv2.remap(near, at[..., 0] / at[..., 2], at[..., 1] / at[..., 2], cv2.INTER_LINEAR, borderValue=0.02)
        photo = cv2.GaussianBlur(photo, (0, 0), 1.6 if is_hard else 1.0)
        photo *= 1 - 0.35 * (u**2 + v**2) * 4
        glare = np.exp(-((u - random.uniform(-0.3, 0.3)) ** 2 + (v + 0.1) ** 2) / 0.02)
        photo += (0.10 if is_hard else 0.05) * glare + 0.01
        grain = 0.02 if is_hard else 0.012
        photo += np.asarray(random.normal(0, 1, photo.shape), np.float32) * grain * np.sqrt(photo + 0.05)
        tone = np.clip(photo, 0, 1) ** (1 / 2.2)
        tone = tone * 0.9 + 0.1 * tone * tone * (3 - 2 * tone)
        sharp = tone + 0.6 * (tone - cv2.GaussianBlur(tone, (0, 0), 1.5))
        picture = jpeg(np.clip(sharp * 255, 0, 255).astype(np.uint8), 85)
        if not is_hard:
            return jpeg(to_width(picture, 1200), 72)
        return jpeg(to_width(crop(0.6)(picture, random), 700), 60)

    return act


def wall_tile(y: Luma, random: Random) -> Luma:
    """One tile of a photographed 3×3 wall, the neighbours cut away roughly."""
    tile = to_width(y, 480)
    canvas = np.tile(np.roll(tile, 97, axis=1)[::-1], (3, 3))
    height, width = tile.shape
    canvas[height : 2 * height, width : 2 * width] = tile
    photo = photographed(is_hard=False)(canvas, random)
    rows, columns = photo.shape
    return np.ascontiguousarray(photo[rows // 3 : rows * 2 // 3, columns // 3 : columns * 2 // 3])


ATTACKS: tuple[Attack, ...] = (
    Attack(name="none", act=lambda y, _: y),
    *(Attack(name=f"jpeg {q}", act=encoded(".jpg", q)) for q in (50, 40, 30, 20)),
    *(Attack(name=f"webp {q}", act=encoded(".webp", q)) for q in (50, 30)),
    Attack(name="scale 50 %", act=lambda y, _: scaled(y, 0.5)),
    Attack(name="scale 25 %", act=lambda y, _: scaled(y, 0.25)),
    Attack(name="scale 25 %, jpeg 50", act=lambda y, _: jpeg(scaled(y, 0.25), 50)),
    Attack(name="crop 50 %", act=crop(0.5)),
    Attack(name="crop 25 %", act=crop(0.25)),
    Attack(name="crop 10 %", act=crop(0.10)),
    Attack(name="rotate 2°", act=rotated(2, is_cropped=False)),
    Attack(name="rotate 10°, cropped", act=rotated(10, is_cropped=True)),
    Attack(name="mirror", act=lambda y, _: np.ascontiguousarray(y[:, ::-1])),
    Attack(name="4:3", act=lambda y, _: np.asarray(cv2.resize(y, (y.shape[0] * 4 // 3, y.shape[0])))),
    Attack(name="blur 2", act=lambda y, _: np.asarray(cv2.GaussianBlur(y, (0, 0), 2.0))),
    Attack(name="median 5", act=lambda y, _: np.asarray(cv2.medianBlur(y, 5))),
    Attack(name="denoise", act=lambda y, _: denoised(y, 10)),
    Attack(name="bilateral", act=lambda y, _: np.asarray(cv2.bilateralFilter(y, 7, 40, 5))),
    Attack(name="noise 8", act=lambda y, random: noisy(y, 8, random)),
    Attack(name="gamma .6", act=gamma(0.6)),
    Attack(name="gamma 1.6", act=gamma(1.6)),
    Attack(name="contrast", act=lambda y, _: np.clip(y * 1.3 - 20, 0, 255).astype(np.uint8)),
    Attack(name="clahe", act=lambda y, _: np.asarray(cv2.createCLAHE(2.0, (8, 8)).apply(y))),
    Attack(name="h264 crf 35", act=recoded(35)),
    Attack(name="overlay 15 %", act=overlaid),
    Attack(name="screenshot", act=screenshot),
    Attack(name="five re-posts", act=reposted),
    Attack(name="phone photo", act=photographed(is_hard=False)),
    Attack(name="phone photo, hard", act=photographed(is_hard=True)),
    Attack(name="meme", act=meme, is_extreme=True),
    Attack(name="jpeg 10", act=encoded(".jpg", 10), is_extreme=True),
    Attack(name="webp 10", act=encoded(".webp", 10), is_extreme=True),
    Attack(name="scale 12.5 %", act=lambda y, _: scaled(y, 0.125), is_extreme=True),
    Attack(name="thumbnail 160 px", act=lambda y, _: jpeg(to_width(y, 160), 60), is_extreme=True),
    Attack(name="crop 5 %", act=crop(0.05), is_extreme=True),
    Attack(name="crop 2 %", act=crop(0.02), is_extreme=True),
    Attack(name="noise 20 + denoise", act=lambda y, random: denoised(noisy(y, 20, random), 20), is_extreme=True),
    Attack(name="posterise", act=posterised, is_extreme=True),
    Attack(name="elastic", act=elastic, is_extreme=True),
    Attack(name="h264 crf 40", act=recoded(40), is_extreme=True),
    Attack(name="wall tile, photo", act=wall_tile, is_extreme=True),
    Attack(name="cartoon", act=cartoon, is_extreme=True),
)
"""The first 33 are the battery."""
