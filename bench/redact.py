"""What redaction costs: a whole film beside `deface`, and the mask stage of a live view.

    python -m bench.redact [--smoke]

`speed_vs_deface`: frames per second of `custodes redact` (both passes, decoding and encoding included) ÷ those of
deface's own `video_detect` with its defaults, on one 1080p clip in one process run, in turn (ours, theirs, ours). The
clip is PETS 2009 enlarged to 1920 wide at 25 frames per second, 60 frames of it (6 in smoke). Both have all cores.
`cpu_vs_deface`: the same in CPU time, which a busy machine changes less.
`mask_ms_per_1080p`: CPU time of finding and filling the masks of one 1080p frame with four people, the median.
`burn_ms_per_1080p`: CPU time of filling a privacy zone before storing (`burn_in`): decoding, filling and coding one
frame of that clip. `burn_size_ratio`: bytes of what comes out ÷ bytes of what came in.
"""

import argparse
import contextlib
import importlib.util
import io
import os
import statistics
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from bench.footage import WALKERS, shared_data
from custodes.adapters.camera import open_camera
from custodes.adapters.camera.burning import BurningCamera
from custodes.cli.main import run
from custodes.errors import CameraEnded
from custodes.ports.camera import CameraSource
from custodes.redact.fill import fill_boxes
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.testing.camera import FastClock, file_spec
from custodes.testing.media import vouch
from custodes.types.media import Frame
from custodes.types.scene import CameraScene
from custodes.units import NS_PER_MS, NS_PER_S, CameraId, Ns, RunId
from eval.report import Report

SIZE = (1920, 1080)
FPS = 25
FRAMES, SMOKE_FRAMES = 60, 6
PEOPLE = [(0.2, 0.3, 0.3, 0.9), (0.5, 0.3, 0.6, 0.9), (0.7, 0.35, 0.78, 0.8), (0.1, 0.2, 0.15, 0.5)]


def enlarged(source: Path, target: Path, frames: int) -> None:
    with av.open(str(source)) as film, av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, FPS)
        stream.options = {"preset": "veryfast", "crf": "20"}
        for number, frame in enumerate(film.decode(video=0)):
            if number == frames:
                break
            picture = frame.reformat(width=SIZE[0], height=SIZE[1], format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def cpu_s() -> float:
    """CPU time of this process and of children that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def ours_fps(clip: Path, folder: Path, frames: int) -> tuple[float, float]:
    """Frames per second, and CPU seconds per frame."""
    started, cpu = time.perf_counter(), cpu_s()
    code = run(["redact", str(clip), str(folder / "ours.mp4"), "--force"])
    if code:
        raise SystemExit(f"custodes redact failed with {code}")
    return frames / (time.perf_counter() - started), (cpu_s() - cpu) / frames


def deface_fps(clip: Path, folder: Path, frames: int) -> tuple[float, float]:
    """deface as its command line runs it, model loading included like ours."""
    from deface.centerface import CenterFace
    from deface.deface import video_detect

    started, cpu = time.perf_counter(), cpu_s()
    with contextlib.redirect_stdout(io.StringIO()):
        options: dict[str, Any] = {"codec": "libx264"}
        video_detect(
            ipath=str(clip), opath=str(folder / "theirs.mp4"), centerface=CenterFace(), threshold=0.2,
            enable_preview=False, cam=False, nested=False, replacewith="blur", mask_scale=1.3, ellipse=True,
            draw_scores=False, ffmpeg_config=options, replaceimg=None, keep_audio=False, mosaicsize=20,
        )  # fmt: skip
    return frames / (time.perf_counter() - started), (cpu_s() - cpu) / frames


def mask_ms(rounds: int) -> float:
    """Median CPU milliseconds of `masks_at` and `fill_boxes`, at and between looks five times a second."""
    width, height = SIZE
    noise = np.random.default_rng(3).integers(16, 235, (height, width)).astype(np.uint8)
    run_id = RunId("0" * 12)
    start_ns = 1_700_000_000 * NS_PER_S
    timeline = MaskTimeline(MaskPolicy())
    timeline.add(vouch([start_ns + 200 * number * NS_PER_MS for number in range(20)], [PEOPLE] * 20))
    spent: list[float] = []
    for number in range(rounds):
        at_ns = Ns(start_ns + (1000 + 40 * number % 2000) * NS_PER_MS)
        frame = Frame(
            camera_id=CameraId("cam"), run=run_id, seq=number, utc_ns=at_ns,
            y=noise, u=noise[: height // 2, : width // 2].copy(), v=noise[height // 2 :, width // 2 :].copy(),
            is_keyframe=False, is_corrupt=False,
        )  # fmt: skip
        started = time.process_time()
        masks = timeline.masks_at(frame.utc_ns, run_id, width / height)
        assert masks is not None and len(masks) == len(PEOPLE)
        fill_boxes(frame, masks)
        spent.append((time.process_time() - started) * 1e3)
    return statistics.median(spent)


def burn(clip: Path) -> tuple[float, float]:
    """CPU milliseconds a frame, and bytes out ÷ bytes in."""
    clock, zone = FastClock(), ((0.0, 0.0), (0.3, 0.0), (0.3, 0.4), (0.0, 0.4))

    def played(source: CameraSource) -> tuple[int, int, float]:
        started, frames, size = time.process_time(), 0, 0
        source.open()
        with contextlib.suppress(CameraEnded):
            for packet in source.packets():
                frames, size = frames + 1, size + len(packet.payload)
        source.close()
        return frames, size, time.process_time() - started

    def opened() -> CameraSource:
        return open_camera(file_spec(clip), clock, wait=clock.wait)

    _, came, reading_s = played(opened())
    scene = CameraScene(privacy=(zone,), burns_in=True)
    frames, stored, spent_s = played(BurningCamera(opened(), camera_id=CameraId("cam"), scene=scene, clock=clock))
    return (spent_s - reading_s) * 1e3 / frames, stored / came


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    data = arguments.data or shared_data()
    frames = SMOKE_FRAMES if arguments.smoke else FRAMES
    report = Report("bench.redact", smoke=arguments.smoke, config={
        "clip": f"{WALKERS}, {SIZE[0]}×{SIZE[1]} at {FPS}, {frames} frames", "level": "head"})  # fmt: skip
    report.results["mask_ms_per_1080p"] = round(mask_ms(100 if arguments.smoke else 400), 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = folder / "clip.mp4"
        enlarged(data / WALKERS, clip, frames)
        report.progress(1, 4, "clip made")
        burn_ms, ratio = burn(clip)
        report.results["burn_ms_per_1080p"], report.results["burn_size_ratio"] = round(burn_ms, 2), round(ratio, 2)
        ours = [ours_fps(clip, folder, frames)]
        report.progress(2, 4, f"ours {ours[0][0]:.2f} frames per second")
        theirs = None
        if importlib.util.find_spec("deface") is None:
            report.note("peer deface is not installed")
        else:
            theirs = deface_fps(clip, folder, frames)
            report.progress(3, 4, f"deface {theirs[0]:.2f} frames per second")
        if theirs is not None and not arguments.smoke:
            ours.append(ours_fps(clip, folder, frames))
        report.progress(4, 4, "done")
    fps, cpu = (statistics.mean(column) for column in zip(*ours, strict=True))
    report.results["fps_1080p"] = round(fps, 3)
    report.results["cpu_s_per_frame"] = round(cpu, 4)
    if theirs is not None:
        report.results["speed_vs_deface"] = round(fps / theirs[0], 2)
        report.results["cpu_vs_deface"] = round(theirs[1] / cpu, 2)
        report.peers["deface"] = {"fps_1080p": round(theirs[0], 3), "cpu_s_per_frame": round(theirs[1], 4)}
    report.finish()


if __name__ == "__main__":
    main()
