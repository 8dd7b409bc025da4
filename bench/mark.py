"""What the mark costs: CPU ms per frame, bits, and the time to read it.

python -m bench.mark --data ../shared/data [--smoke]

Marking is timed as the live path does it: frame after frame with a new pattern each second, on 1080p. Bits: the view's
own encoder with and without the mark, on real footage as it is.
"""

import argparse
import hashlib
import statistics
import time
from pathlib import Path

import numpy as np

from bench.footage import shared_data
from bench.view import enlarge, source
from custodes.leaks.alignment import Original, Suspect, align, fit
from custodes.media.encode import LiveEncoder
from custodes.types.mark import slot_of
from custodes.types.media import Frame
from custodes.units import NS_PER_S
from custodes.watermark.mark import Marker
from custodes.watermark.pattern import slot_key
from custodes.watermark.residual import evidence_of
from custodes.watermark.score import scores
from eval.report import Report

KEY = hashlib.sha256(b"bench").digest()
FPS = 15
CRF = 28
CANDIDATES = 10_000


def embed_ms(frame: Frame, *, seconds: int) -> tuple[float, float]:
    """(mean, median) CPU ms per frame, patterns included, over so many seconds of video at `FPS`."""
    marker, spent = Marker(KEY), []
    for number in range(seconds * FPS):
        at = frame.__class__(**{**_fields(frame), "utc_ns": frame.utc_ns + number * NS_PER_S // FPS})
        since = time.thread_time()
        marker.mark(at)
        spent.append(1000 * (time.thread_time() - since))
    return statistics.fmean(spent), statistics.median(spent)


def copy_ms(frame: Frame, *, times: int) -> float:
    """Median CPU ms of copying the luma plane: whoever marks a picture writes as much, so this is the floor."""
    spent = []
    for _ in range(times):
        since = time.thread_time()
        frame.y.copy()
        spent.append(1000 * (time.thread_time() - since))
    return statistics.median(spent)


def _fields(frame: Frame) -> dict[str, object]:
    return {name: getattr(frame, name) for name in Frame.__dataclass_fields__}


def encoded_bytes(frames: list[Frame], marker: Marker | None) -> int:
    height, width = frames[0].y.shape
    encoder, total = LiveEncoder(width, height, CRF), 0
    encoder.init()
    for number, frame in enumerate(frames):
        shown = frame if marker is None else marker.mark(frame)
        total += len(encoder.encode(shown, number * NS_PER_S // 10, NS_PER_S // 10))
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    data = arguments.data or shared_data()
    report = Report("bench.mark", smoke=arguments.smoke, config={"crf": CRF, "fps": FPS, "candidates": CANDIDATES})
    frames = source(data, 30 if arguments.smoke else 120)
    large = enlarge(frames[0], 1080, 1920)
    mean, median = embed_ms(large, seconds=4 if arguments.smoke else 20)
    report.results["embed_ms_1080p"] = round(mean, 3)
    report.results["embed_ms_1080p_median"] = round(median, 3)
    report.results["copy_ms_1080p_median"] = round(copy_ms(large, times=100), 3)
    report.progress(1, 3, "marked")
    plain, marked = encoded_bytes(frames, None), encoded_bytes(frames, Marker(KEY))
    report.results["bitrate_growth_crf28"] = round(marked / plain - 1, 4)
    report.progress(2, 3, "encoded")
    copy = Marker(KEY).mark(frames[-1])
    original = Original(frames[-1].y)
    since = time.process_time(), time.monotonic()
    suspect = Suspect(copy.y)
    found = fit(suspect, original)
    assert found is not None
    evidence = evidence_of(align(suspect, original, found.registration))
    report.results["decode_s"] = round(time.monotonic() - since[1], 3)
    report.results["decode_cpu_s"] = round(time.process_time() - since[0], 3)
    keys = [slot_key(hashlib.sha256(b"%d" % n).digest(), slot_of(copy.utc_ns)) for n in range(CANDIDATES)]
    started = time.monotonic()
    innocent = scores(evidence[0], keys)
    report.results["score_10k_candidates_s"] = round(time.monotonic() - started, 3)
    report.results["innocent_z_max"] = round(float(np.abs(innocent).max()), 2)
    report.results["z"] = round(float(scores(evidence[0], [slot_key(KEY, slot_of(copy.utc_ns))])[0]), 1)
    report.finish()


if __name__ == "__main__":
    main()
