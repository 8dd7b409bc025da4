"""The activity gate on what cameras do to pictures: other rates, other GOPs, night, rain, flicker, other codecs.

    python -m eval.gate --data ../shared/data [--smoke]

Each clip is decoded, changed, and encoded anew; then the same packets go through the pipeline twice, everything
decoded and by the gate, with the packaged detector. `…_missed`: events of the first way without a trace in the second
(`bench.see`); `…_decoded_share`: of the frames, by the gate; `…_mode`: what the gate came to trust, 0 packets, 1 pixel
motion, 2 nothing, 3 it is still learning. The truth is what the detector finds in the *changed* picture: a person whom
nobody finds at night is no event of either way. Weather is drawn: noise as of a sensor at high gain, streaks as of
rain in a lamp's light.
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from bench.footage import TABLE, WALKERS
from bench.see import START_NS, missed, moving, play
from custodes.app.analyser import make_looking
from custodes.config import SiteConfig
from custodes.media.decode import FrameDecoder
from custodes.pipeline.analysis import Looking
from custodes.testing.media import read_clip
from custodes.types.event import GateMode
from eval.report import Report

Picture = npt.NDArray[np.uint8]
Change = Callable[[Picture, int, np.random.Generator], Picture]
"""(luma (h, w), number, draws) → luma of the same shape."""

_MODES = {GateMode.PACKETS: 0.0, GateMode.PIXELS: 1.0, GateMode.EVERY_FRAME: 2.0, GateMode.LEARNING: 3.0}
_NIGHT_GAIN, _NIGHT_NOISE = 0.3, 7.0
_RAIN_STREAKS, _RAIN_PX, _RAIN_LIGHT = 160, 14, 60
_FLICKER_SHARE, _FLICKER_PERIOD = 0.04, 7.3


@dataclass(frozen=True, slots=True)
class Variant:
    """How a clip is encoded, and what is done to its pictures before."""

    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    gop_s: float = 2.0
    rate_share: float = 0.0
    """Constant rate, as a share of the clip's own; 0: by quality."""
    change: Change | None = None


def _night(luma: Picture, number: int, draws: np.random.Generator) -> Picture:
    noise = draws.normal(0.0, _NIGHT_NOISE, luma.shape)
    return np.clip(luma * _NIGHT_GAIN + 12 + noise, 0, 255).astype(np.uint8)


def _rain(luma: Picture, number: int, draws: np.random.Generator) -> Picture:
    height, width = luma.shape
    wet = luma.astype(np.int16)
    for x, y in zip(draws.integers(0, width, _RAIN_STREAKS), draws.integers(0, height, _RAIN_STREAKS), strict=True):
        wet[y : y + _RAIN_PX, x : x + 1] += _RAIN_LIGHT
    return np.clip(wet, 0, 255).astype(np.uint8)


def _flicker(luma: Picture, number: int, draws: np.random.Generator) -> Picture:
    light = 1 + _FLICKER_SHARE * np.sin(2 * np.pi * number / _FLICKER_PERIOD)
    return np.clip(luma * light, 0, 255).astype(np.uint8)


QUALITY = {"crf": "25", "preset": "veryfast", "tune": "zerolatency"}
VARIANTS = {
    "quality": Variant(options=QUALITY),
    "constant_rate": Variant(options={"preset": "veryfast", "tune": "zerolatency"}, rate_share=0.7),
    "starved_rate": Variant(options={"preset": "veryfast", "tune": "zerolatency"}, rate_share=0.25),
    "gop_half_second": Variant(options=QUALITY, gop_s=0.5),
    "gop_ten_seconds": Variant(options=QUALITY, gop_s=10.0),
    "b_frames": Variant(options={"crf": "25", "preset": "fast", "bf": "3"}),
    "hevc": Variant(codec="libx265", options={"crf": "27", "preset": "ultrafast", "x265-params": "log-level=none"}),
    "night": Variant(options=QUALITY, change=_night),
    "rain": Variant(options=QUALITY, change=_rain),
    "flicker": Variant(options=QUALITY, change=_flicker),
}


def pictures(path: Path, seconds: float) -> Iterator[VideoFrame]:
    """Decoded, as yuv420p, one by one."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        rate = stream.average_rate or Fraction(10)
        for frame in itertools.islice(source.decode(stream), round(seconds * rate)):
            yield frame.reformat(format="yuv420p")


def encode(path: Path, target: Path, variant: Variant, seconds: float) -> None:
    """The clip's beginning as the variant has it."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        rate = Fraction(round(stream.average_rate or 10))
        own_rate = int(source.bit_rate or 500_000)
    draws = np.random.default_rng(4)
    with av.open(str(target), "w") as sink:
        out = None
        for number, frame in enumerate(pictures(path, seconds)):
            if out is None:
                out = sink.add_stream(variant.codec, rate=rate, options=_options(variant, rate, own_rate))
                out.width, out.height, out.pix_fmt = frame.width, frame.height, "yuv420p"
            planes = frame.to_ndarray()
            if variant.change is not None:
                planes[: frame.height] = variant.change(planes[: frame.height], number, draws)
            made = VideoFrame.from_ndarray(planes, format="yuv420p")
            made.pts, made.time_base = number, 1 / rate
            sink.mux(out.encode(made))
        assert out is not None, f"{path} has no picture"
        sink.mux(out.encode(None))


def _options(variant: Variant, rate: Fraction, own_rate: int) -> dict[str, str]:
    options = {"g": str(max(1, round(variant.gop_s * rate))), **variant.options}
    if variant.rate_share:
        bits = str(int(own_rate * variant.rate_share))
        options |= {"b": bits, "minrate": bits, "maxrate": bits, "bufsize": bits, "nal-hrd": "cbr"}
    return options


def measure(report: Report, looking: Looking, name: str, path: Path) -> None:
    """Both ways over one encoded file."""
    info, packets = read_clip(path, frames=10**6, start_ns=START_NS)
    full, gated = (play(looking, info, packets, has_gate=has_gate) for has_gate in (False, True))
    decoder = FrameDecoder(info)
    frames = [frame for packet in packets for frame in decoder.decode(packet)] + decoder.flush()
    status = gated.pipeline.status(START_NS)
    gate = gated.pipeline.gate
    report.results |= {
        f"{name}_missed": missed(full, gated, moving(frames, full)),
        f"{name}_events": len(full.tracks()),
        f"{name}_decoded_share": round(status.frames_decoded / len(packets), 3),
        f"{name}_mode": _MODES[GateMode.EVERY_FRAME if gate is None else gate.trust.mode],
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    seconds = 20.0 if arguments.smoke else 110.0
    clips = {"one_by_one": TABLE} if arguments.smoke else {"one_by_one": TABLE, "pets": WALKERS}
    variants = {"constant_rate": VARIANTS["constant_rate"]} if arguments.smoke else VARIANTS
    report = Report("eval.gate", smoke=arguments.smoke, config={"seconds": seconds, "detector": "packaged"})
    looking = make_looking(SiteConfig(data_dir=Path("unused")))
    todo = [(clip, variant) for clip in clips for variant in variants]
    with tempfile.TemporaryDirectory() as folder:
        for step, (clip, variant) in enumerate(todo):
            report.progress(step, len(todo), f"{clip} {variant}")
            target = Path(folder) / "variant.mp4"
            encode(arguments.data / clips[clip], target, variants[variant], seconds)
            measure(report, looking, f"{clip}_{variant}", target)
    report.results["events_missed"] = sum(value for key, value in report.results.items() if key.endswith("_missed"))
    report.results["seconds_of_video"] = len(todo) * seconds
    report.progress(len(todo), len(todo), "done")
    report.finish()


if __name__ == "__main__":
    main()
