"""Trying detectors on this machine: time per call by runtime and threads, and how right they are, if truth is given.

Which to take is said in words by `recommend`. Tracks and regions do not belong here; `bench` and `eval` measure those.
"""

import csv
import importlib.util
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custodes.adapters.model.loading import open_session
from custodes.detect.detector import SessionDetector
from custodes.detect.judge import count_hits
from custodes.errors import CameraEnded, CustodesError, InvalidArgument
from custodes.geometry.boxes import Boxes
from custodes.media.decode import FrameDecoder
from custodes.media.demux import Demuxer
from custodes.media.rgb import RgbScaler
from custodes.types.media import Packet
from custodes.types.model import CatalogueEntry, ModelFormat
from custodes.types.vision import ObjectClass
from custodes.units import CameraId, Ns, RunId

Picture = npt.NDArray[np.uint8]

PICTURES_MAX = 120
CALLS_MIN, CALLS_MAX = 3, 200
SURE_SCORE = 0.5
ALIKE_F1 = 0.03
"""Detectors whose F1 differs by less are taken for equally good: a hundred pictures tell no more."""

_TRUTH_BYTES_MAX = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A picture to try, (h, w, 3) uint8 RGB, and the people in it, (n, 4) pixels; None where nobody drew them."""

    picture: Picture
    people_px: Boxes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one model did with one runtime and thread count. Milliseconds are medians per whole picture."""

    model: str
    runtime: ModelFormat
    threads: int
    wall_ms: float
    cpu_ms: float
    calls: int
    precision: float | None
    """Of people at a score of 0.5; None without truth."""
    recall: float | None
    problem: str = ""
    """Why it could not be tried; then the numbers are 0."""

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where they are not known."""
        if not self.precision or not self.recall:
            return 0.0
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def runtimes_of(entry: CatalogueEntry) -> list[ModelFormat]:
    """What can run a model here: ONNX Runtime for ONNX files, OpenVINO for both if it is installed."""
    has_openvino = importlib.util.find_spec("openvino") is not None
    own = [] if entry.manifest.format is ModelFormat.OPENVINO else [ModelFormat.ONNX]
    return own + ([ModelFormat.OPENVINO] if has_openvino or not own else [])


def try_model(
    entry: CatalogueEntry,
    samples: Sequence[Sample],
    *,
    runtime: ModelFormat,
    threads: int,
    seconds: float,
    acknowledged: frozenset[str],
    is_judged: bool,
) -> Trial:
    """Run a detector over the samples, again and again for `seconds`, at least once over all if it is judged.

    What the model or its runtime refuses is told in `Trial.problem`.
    """
    name = entry.manifest.name
    try:
        session = open_session(entry, threads=threads, acknowledged=acknowledged, runtime=runtime)
        detector = SessionDetector(session, entry.manifest)
        detector.detect([samples[0].picture])  # the first call allocates
        hits = found_sum = truth_sum = 0
        wall, cpu, began = [], [], time.monotonic()
        for number in range(CALLS_MAX):
            is_first_pass = is_judged and number < len(samples)
            if number >= CALLS_MIN and not is_first_pass and time.monotonic() - began > seconds:
                break
            sample = samples[number % len(samples)]
            started, started_cpu = time.perf_counter(), time.process_time()
            found = detector.detect([sample.picture])[0]
            wall.append(1e3 * (time.perf_counter() - started))
            cpu.append(1e3 * (time.process_time() - started_cpu))
            if is_first_pass and sample.people_px is not None:
                rows = (found.class_ids == ObjectClass.PERSON) & (found.scores >= SURE_SCORE)
                hits += count_hits(found.boxes_px[rows], found.scores[rows], sample.people_px)
                found_sum += int(rows.sum())
                truth_sum += len(sample.people_px)
    except CustodesError as error:
        return Trial(model=name, runtime=runtime, threads=threads, wall_ms=0, cpu_ms=0, calls=0, precision=None,
                     recall=None, problem=str(error))  # fmt: skip
    return Trial(
        model=name,
        runtime=runtime,
        threads=threads,
        wall_ms=round(float(np.median(wall)), 2),
        cpu_ms=round(float(np.median(cpu)), 2),
        calls=len(wall),
        precision=round(hits / found_sum, 4) if found_sum else None,
        recall=round(hits / truth_sum, 4) if truth_sum else None,
    )


def recommend(trials: Sequence[Trial]) -> tuple[Trial, str] | None:
    """The trial to copy into the configuration, and why in words; None when nothing ran.

    Where truth was given: of the models about as right as the best, the one that costs least CPU per picture. Else the
    cheapest way to run the first model named, because speed without truth says nothing about the others.
    """
    ran = [trial for trial in trials if not trial.problem]
    if not ran:
        return None
    best_f1 = max(trial.f1 for trial in ran)
    if best_f1 > 0:
        good = [trial for trial in ran if trial.f1 >= best_f1 - ALIKE_F1]
        reason = f"precision {{0.precision}} and recall {{0.recall}} of people are within {ALIKE_F1} of the best F1"
    else:
        good = [trial for trial in ran if trial.model == ran[0].model]
        reason = "models were not judged; with --video and --truth they are"
    # Threads trade CPU for waiting: a second one has to save a quarter of the time to be worth its overhead.
    cheapest = min(good, key=lambda trial: (trial.cpu_ms, trial.wall_ms))
    rivals = [trial for trial in good if trial.model == cheapest.model and trial.cpu_ms <= 1.25 * cheapest.cpu_ms]
    chosen = min(rivals, key=lambda trial: (trial.wall_ms if trial.wall_ms < 0.75 * cheapest.wall_ms else
                                            cheapest.wall_ms, trial.cpu_ms))  # fmt: skip
    return chosen, (
        f"take {chosen.model} on {chosen.runtime.value} with {chosen.threads} "
        f"thread{'s' if chosen.threads > 1 else ''}: {chosen.wall_ms} ms a picture, {chosen.cpu_ms} ms of CPU; "
        + reason.format(chosen)
        + f". In site.yaml: analyser: {{detector: {chosen.model}, runtime: {chosen.runtime.value}, "
        f"threads: {chosen.threads}}}"
    )


def made_up_samples() -> list[Sample]:
    """Grey noise, which takes as long as any picture of its size."""
    rng = np.random.default_rng(1)
    return [Sample(picture=rng.integers(90, 160, (432, 768, 3), dtype=np.uint8), people_px=None)]


def read_samples(video: Path, truth: Path | None, *, step: int) -> list[Sample]:
    """Every `step`-th picture of a video file, at most `PICTURES_MAX`, with the people that `truth` has in them.

    Args: truth: a MOTChallenge file (frame, id, x, y, width, height, …; the first frame is 1), or None.
    Raises: CameraError for a file that is no video, InvalidArgument for a truth file that cannot be read.
    """
    people = None if truth is None else read_truth(truth)
    nobody = np.zeros((0, 4), np.float32)
    samples: list[Sample] = []
    for number, picture in enumerate(_pictures(video, step * PICTURES_MAX), 1):
        if number % step == 0 or step == 1:
            samples.append(Sample(picture=picture, people_px=None if people is None else people.get(number, nobody)))
    if not samples:
        raise InvalidArgument(f"{video} gave no picture to try; expected a video of at least {step} frames")
    return samples


def read_truth(path: Path) -> dict[int, Boxes]:
    """Boxes per frame of a MOTChallenge file. Raises: InvalidArgument, naming the line."""
    boxes: dict[int, list[list[float]]] = {}
    number = 0
    try:
        if path.stat().st_size > _TRUTH_BYTES_MAX:
            raise InvalidArgument(f"{path} is larger than {_TRUTH_BYTES_MAX} bytes")
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.reader(stream):
                number += 1
                x, y, width, height = (float(value) for value in row[2:6])
                boxes.setdefault(int(float(row[0])), []).append([x, y, x + width, y + height])
    except (OSError, ValueError, IndexError) as error:
        raise InvalidArgument(
            f"{path}, line {number}: expected frame,id,x,y,width,height as numbers ({error})"
        ) from error
    return {frame: np.array(rows, np.float32) for frame, rows in boxes.items()}


def _pictures(video: Path, limit: int) -> list[Picture]:
    """RGB pictures in display order."""
    demuxer = Demuxer(str(video), where=video.name, options={}, open_timeout_s=10, read_timeout_s=10)
    scaler, pictures = RgbScaler(), []
    try:
        info = demuxer.info(CameraId("trial"), RunId("0" * 12))
        decoder = FrameDecoder(info)
        frames = []
        try:
            for seq, raw in enumerate(demuxer.packets()):
                packet = Packet(camera_id=info.camera_id, run=info.run, seq=seq, payload=raw.payload, pts=seq, dts=seq,
                                duration=raw.duration, is_keyframe=raw.is_keyframe, is_corrupt=raw.is_corrupt,
                                utc_ns=Ns(seq + 1))  # fmt: skip
                frames += decoder.decode(packet)
                while frames:
                    frame = frames.pop(0)
                    pictures.append(scaler.to_rgb(frame, frame.y.shape[1], frame.y.shape[0]))
                if len(pictures) >= limit:
                    break
        except CameraEnded:
            pictures += [scaler.to_rgb(frame, frame.y.shape[1], frame.y.shape[0]) for frame in decoder.flush()]
    finally:
        demuxer.close()
    return pictures[:limit]
