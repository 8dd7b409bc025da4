"""HOTA, IDF1 and MOTA of the tracker with given boxes: MOT17-02 at several rates, PETS; beside it other trackers.

Run `python -m eval.track --data DIR [--smoke]`. Detections are given, so that only tracking is judged; PETS is scored
with Faster R-CNN's boxes (`pets_`) and with those of the packaged detector (`pets_packaged_`, not in smoke), in the
picture; `_ground` with the clip's homography. Keys without `_nocal` are with the camera file. `_disturbed`: 25 %
jitter and 20 % of the frames dropped; `disturbed_cost_hota_*` is the difference to the same frames undisturbed.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from custodes.adapters.model import load_detector
from custodes.geometry.homography import Homography
from custodes.track.tracker import Tracker
from custodes.types.vision import Detections, ObjectClass
from custodes.units import NS_PER_S, Ns
from eval.detect import PETS, frames
from eval.mot import Output, Sequence2D, boxes_of, mot17_02, pets, read_rows, score
from eval.report import Report
from eval.track_peers import missing, peers, run_peer

RATES = (30, 15, 10, 5, 3)
JITTER, DROPPED = 0.25, 0.2
_SEEDS = 5


def follow(
    sequence: Sequence2D, homography: Homography | None, *, fps: float = 0.0, seed: int | None = None
) -> Output:
    """Our output: confirmed tracks, measured or hidden behind others. With a `seed`, times jitter and frames are lost;
    frames that were lost are missing in the output."""
    tracker = Tracker(homography=homography)
    rng = np.random.default_rng(seed)
    output: Output = {}
    scale = np.array([*sequence.frame_size, *sequence.frame_size])
    for frame in sequence.frames:
        utc_s = frame / sequence.native_fps
        if seed is not None:
            utc_s += JITTER * rng.uniform(-1, 1) / fps
            if rng.random() < DROPPED:
                continue
        columns = tracker.step(detections_of(sequence, frame), Ns(int(utc_s * NS_PER_S)), sequence.frame_size)
        keep = columns.is_confirmed & (columns.is_measured | columns.is_hidden)
        output[frame] = (columns.track_ids[keep], columns.boxes_norm[keep] * scale)
    return output


def detections_of(sequence: Sequence2D, frame: int) -> Detections:
    rows = sequence.detections[sequence.detections[:, 0] == frame]
    return Detections(
        boxes_px=boxes_of(rows).astype(np.float32),
        scores=rows[:, 6].astype(np.float32),
        class_ids=np.full(len(rows), int(ObjectClass.PERSON), np.int16),
    )


def disturbed_cost(sequence: Sequence2D, homography: Homography | None, fps: int) -> tuple[float, float]:
    """HOTA with disturbed times and lost frames, and how much less that is than undisturbed on the same frames; means
    over several seeds, because one draw is worth ± 2 by itself."""
    steady = follow(sequence, homography)
    pairs = []
    for seed in range(_SEEDS):
        output = follow(sequence, homography, fps=fps, seed=seed)
        kept = list(output)
        pairs.append((score(output, sequence, kept)["hota"], score(steady, sequence, kept)["hota"]))
    shaken, undisturbed = np.mean(pairs, axis=0)
    return float(shaken), float(undisturbed - shaken)


def frames_per_s(objects: int, steps: int, street: Homography) -> tuple[float, float]:
    """On one core: `objects` walkers with boxes of 5 % noise, 5 % missed; processor time, median of the steps, in the
    picture and on the ground."""
    results = []
    for homography in (None, street):
        rng, spent, half = np.random.default_rng(1), [], np.array([25.0, 65.0])
        tracker = Tracker(homography=homography)
        start, speed = (
            rng.uniform((100, 400), (1700, 700), (objects, 2)),
            rng.uniform(-40, 40, (objects, 2)) * (1, 0.2),
        )
        for step in range(steps):
            centre = start + speed * step / 10
            boxes = np.concatenate([centre - half, centre + half], axis=1) + rng.normal(0, 3, (objects, 4))
            seen = rng.random(objects) > 0.05
            found = Detections(
                boxes_px=boxes[seen].astype(np.float32),
                scores=rng.uniform(0.6, 0.95, int(seen.sum())).astype(np.float32),
                class_ids=np.zeros(int(seen.sum()), np.int16),
            )
            started = time.process_time()
            tracker.step(found, Ns(step * NS_PER_S // 10), (1920, 1080))
            spent.append(time.process_time() - started)
        results.append(1 / float(np.median(spent[steps // 5 :])))
    return results[0], results[1]


def packaged_detections(data: Path, report: Report) -> np.ndarray:
    """Boxes of the default detector on the PETS clip, as MOTChallenge rows."""
    detector, rows = load_detector(models_dir=None, name=None, threads=1), []
    for number, picture in enumerate(frames(data / f"{PETS}.avi"), 1):
        found = detector.detect([picture])[0]
        is_person = found.class_ids == int(ObjectClass.PERSON)
        for box, weight in zip(found.boxes_px[is_person], found.scores[is_person], strict=True):
            rows.append([number, -1, box[0], box[1], box[2] - box[0], box[3] - box[1], weight])
        if number % 80 == 0:
            report.progress(number // 80, 9, "detecting on PETS")
    return np.array(rows)


def put(report: Report, prefix: str, suffix: str, values: dict[str, float]) -> None:
    for key, value in values.items():
        report.results[f"{prefix}{key}{suffix}"] = value


def judge_mot(data: Path, report: Report, *, smoke: bool) -> None:
    for step, fps in enumerate(RATES, 1):
        sequence = mot17_02(data, fps)
        for homography, suffix in ((sequence.homography, ""), (None, "_nocal")):
            put(report, "", f"_{fps}{suffix}", score(follow(sequence, homography), sequence, sequence.frames))
            if fps in (10, 5, 3) and not smoke:
                shaken, cost = disturbed_cost(sequence, homography, fps)
                report.results[f"hota_{fps}_disturbed{suffix}"] = round(shaken, 1)
                report.results[f"disturbed_cost_hota_{fps}{suffix}"] = round(cost, 1)
        if not smoke:
            for name, (least, make) in peers().items():
                values = score(run_peer(sequence, fps, least, make), sequence, sequence.frames)
                report.peers.setdefault(name, {}).update({f"{k}_{fps}": values[k] for k in ("hota", "idf1", "mota")})
        ours = report.results
        report.progress(step, len(RATES), f"{fps} fps: {ours[f'hota_{fps}']}/{ours[f'idf1_{fps}']}, without "
                        f"calibration {ours[f'hota_{fps}_nocal']}/{ours[f'idf1_{fps}_nocal']}")  # fmt: skip


def judge_pets(data: Path, report: Report, *, smoke: bool) -> None:
    given = read_rows(data / "tracking" / "mot15" / "PETS09-S2L1.det.txt")
    sequences = [("pets_", pets(data, given, "pets"))]
    if not smoke:
        sequences.append(("pets_packaged_", pets(data, packaged_detections(data, report), "pets_packaged")))
    for prefix, sequence in sequences:
        put(report, prefix, "", score(follow(sequence, None), sequence, sequence.frames))
        if smoke:
            continue
        put(report, prefix, "_ground", score(follow(sequence, sequence.homography), sequence, sequence.frames))
        for name, (least, make) in peers().items():
            values = score(run_peer(sequence, sequence.native_fps, least, make), sequence, sequence.frames)
            report.peers.setdefault(name, {}).update({f"{prefix}{k}": values[k] for k in ("hota", "idf1", "mota")})


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true", help="no peers, no disturbances, PETS with given boxes only")
    arguments = parser.parse_args()
    absent = missing()
    report = Report("eval.track", smoke=arguments.smoke, config={
        "rates": RATES, "jitter": JITTER, "dropped": DROPPED, "seeds": _SEEDS, "peers_missing": absent})  # fmt: skip
    if absent and not arguments.smoke:
        report.note(f"not compared with {', '.join(absent)}: not installed (make peers)")
    judge_mot(arguments.data, report, smoke=arguments.smoke)
    judge_pets(arguments.data, report, smoke=arguments.smoke)
    picture, ground = frames_per_s(40, 100 if arguments.smoke else 500, mot17_02(arguments.data, 30).homography)
    report.results["frames_per_s_40"] = round(picture)
    report.results["frames_per_s_40_ground"] = round(ground)
    report.finish()


if __name__ == "__main__":
    main()
