"""Camera and second of attacked stills among real clips, pictures that are not ours, and what the index costs.

    python -m eval.leak --data ../shared/data [--smoke]

Each clip is a camera; its archive is a keyframe a second, and every frame near the likeliest. Stills are attacked
(`eval.attacks`) and searched in all cameras. Not ours: stills of a camera that is left out, and photographs of faces.
`second_right_moving` counts stills in which at least 1 % of the cells differ from the background; in the others the
told stretch has to hold the truth (`interval_holds_still`; of all, `interval_holds`).
"""

import argparse
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from custodes.app.serving.leaks import CLOSELY, is_settled
from custodes.errors import CustodesError
from custodes.leaks.alignment import Fit, Original, Suspect, align
from custodes.leaks.background import Background, pack_background, unpack_background
from custodes.leaks.moment import NEAR_STRETCHES, compare, compare_stretches, sketch_of_found
from custodes.leaks.place import background_of, best_fit, is_ours, references_of
from custodes.leaks.ranking import Ranker, rank_plane
from custodes.leaks.sketch import Plane, Sketch, sketch
from custodes.leaks.sketchbook import Dated, pack, unpack
from custodes.leaks.stretch import Looked, covered_by_nothing, stretch
from custodes.media.decode import FrameDecoder
from custodes.testing.media import read_clip
from custodes.types.leak import PictureTraced
from custodes.types.media import Frame
from custodes.units import NS_PER_S, CameraId, Ns
from eval.attacks import ATTACKS, Luma
from eval.report import Report

START_NS = Ns(1_767_225_600 * NS_PER_S)
CLIPS = {
    "table": ("people/intel-one-by-one-person-detection.mp4", 1000),
    "walkers": ("people/pets09-s2l1-view001.avi", 600),
    "hall": ("people/intel-people-detection.264", 590),
    "cars": ("traffic/intel-car-detection.mp4", 320),
    "terrace": ("multicam/epfl/terrace1-c0.mp4", 600),
    "highway": ("traffic/cdnet-highway.mp4", 600),
}
UNTIMED_FPS = 10.0
"""Of a bare H.264 stream, which says nothing of time."""
PLAIN = ("none", "jpeg 30", "webp 50", "scale 25 %", "gamma .6", "mirror", "overlay 15 %", "h264 crf 35")
PHOTO = ("screenshot", "phone photo")
HARD = ("crop 25 %", "meme", "phone photo, hard")
MOVING_SHARE = 0.01
SKETCH_EVERY_S = 2.0
"""GOPs of common cameras: what the index holds is a sketch of each keyframe."""

FILE_SKETCHES = 300
"""Ten minutes of them, as analysers keep them."""

SAME_ROOM = {"table", "hall"}
"""Two clips of one room, which a good search finds out: its pillar, window and boards are in both."""

DAY_S = 86_400
RIVALS = 100
"""Cameras that a picture is ranked among."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    name: str
    frames: list[Frame]
    fps: float
    originals: list[Original]
    background: Luma
    keyframes: list[int]

    def looked(self, numbers: list[int], found: Sketch) -> Looked:
        sketches = [sketch(self.frames[n].y, found.luma.shape[1]) for n in numbers]
        times = [int(self.frames[n].utc_ns) for n in numbers]
        return Looked(times_ns=times, sketches=sketches, costs=compare(found, sketches))

    def is_moving(self, number: int) -> bool:
        difference = np.abs(sketch(self.frames[number].y).luma - sketch(self.background).luma)
        return float((difference > 12).mean()) >= MOVING_SHARE


def archives(data: Path, names: list[str], report: Report) -> Iterator[Archive]:
    for name in names:
        path, count = CLIPS[name]
        info, packets = read_clip(data / path, frames=count, start_ns=START_NS)
        decoder, frames = FrameDecoder(info), []
        for packet in packets:
            frames += decoder.decode(packet)
        frames += decoder.flush()
        if path.endswith(".264"):
            step_ns = round(NS_PER_S / UNTIMED_FPS)
            frames = [replace(one, utc_ns=Ns(START_NS + n * step_ns)) for n, one in enumerate(frames)]
        fps = (len(frames) - 1) * NS_PER_S / (frames[-1].utc_ns - frames[0].utc_ns)
        every = max(round(fps), 1)
        samples = [frame.y for frame in frames[:: max(len(frames) // 9, 1)]][:9]
        background = background_of(samples)
        originals = references_of(background, samples[:2])
        keyframes = list(range(0, len(frames), every))
        report.note(f"{name}: {len(frames)} frames at {fps:.1f}/s, {len(originals)} references")
        yield Archive(
            name=name, frames=frames, fps=fps, originals=originals, background=background, keyframes=keyframes
        )


def camera_of(
    suspect: Suspect, known: Sequence[Archive], planes: Sequence[Plane]
) -> tuple[Archive | None, Fit | None]:
    """As the leak desk decides: by a first look who is looked at closely first, until it is settled; of those that are
    ours the likeliest. Args: planes: `rank_plane` of each camera's view without people."""
    ranker = Ranker(suspect.sides)
    weights = {archive.name: ranker.weight(plane) for archive, plane in zip(known, planes, strict=True)}
    answers: list[PictureTraced] = []
    ours: list[tuple[Archive, Fit]] = []
    for archive in sorted(known, key=lambda one: -weights[one.name]):
        if is_settled(answers, weights, CameraId(archive.name)):
            continue
        fit = best_fit(suspect, archive.originals)[0]
        if fit is not None and is_ours(fit):
            ours.append((archive, fit))
            likeness = fit.likeness
            answers.append(PictureTraced(camera_id=CameraId(archive.name), is_found=True, likeness=likeness))
    return max(ours, key=lambda one: (one[1].likeness, one[1].registration.inliers), default=(None, None))


def moment_of(suspect: Suspect, archive: Archive, fit: Fit) -> tuple[Ns, Ns, Ns]:
    """(best, earliest, latest), as a trace finds them."""
    aligned = align(suspect, archive.originals[0], fit.registration)
    frames, numbers = archive.frames, archive.keyframes
    found, fine = sketch_of_found(aligned), sketch_of_found(aligned, 192)
    keys = archive.looked(numbers, found)
    every = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    chosen = compare_stretches(found, keys.sketches).argsort()[:NEAR_STRETCHES].tolist()
    near = archive.looked(
        sorted({n for at in chosen for n in range(numbers[at], min(numbers[at] + every, len(frames)))}), fine
    )
    uncovered = covered_by_nothing(fine, near.sketches[near.best], sketch(archive.background, 192))
    return Ns(int(near.times_ns[near.best])), *stretch(found, keys, near, uncovered=uncovered)


class Study:
    def __init__(self, report: Report, known: list[Archive], *, stills: int) -> None:
        self.report = report
        self.known = known
        self.stills = stills
        self.planes = [rank_plane(one.background) for one in known]

    def attacked(self, names: tuple[str, ...], *, stills: int | None = None) -> Iterator[tuple[Archive, int, Suspect]]:
        chosen = [attack for attack in ATTACKS if attack.name in names]
        for archive in self.known:
            numbers = np.linspace(len(archive.frames) * 0.1, len(archive.frames) * 0.9, stills or self.stills).astype(
                int
            )
            numbers += 3
            for number in numbers.tolist():
                for attack in chosen:
                    y = attack.act(archive.frames[number].y, np.random.default_rng(number))
                    yield archive, number, Suspect(np.ascontiguousarray(y))

    def found(self, kind: str, names: tuple[str, ...]) -> None:
        right = total = seconds = moving = held = still = told = 0
        width_s: list[float] = []
        count = len(self.known) * self.stills * len(names)
        for archive, number, suspect in self.attacked(names):
            camera, fit = camera_of(suspect, self.known, self.planes)
            total += 1
            self.report.progress(total, count, kind)
            right += camera is archive
            if camera is not archive or fit is None:
                continue
            best, earliest, latest = moment_of(suspect, archive, fit)
            truth = archive.frames[number].utc_ns
            is_held = earliest <= truth <= latest
            told += is_held
            if archive.is_moving(number):
                moving += 1
                seconds += abs(best - truth) <= NS_PER_S
            else:
                still += 1
                held += is_held
            width_s.append((latest - earliest) / NS_PER_S)
        results = self.report.results
        results[f"camera_right_{kind}"] = round(right / max(total, 1), 4)
        results[f"stills_{kind}"] = total
        suffix = "" if kind == "plain" else f"_{kind}"
        if width_s:
            results[f"interval_holds{suffix}"] = round(told / len(width_s), 4)
        if moving:
            results[f"second_right_moving{suffix}"] = round(seconds / moving, 4)
        if still:
            results[f"interval_holds_still{suffix}"] = round(held / still, 4)
        results[f"interval_s_median_{kind}"] = round(float(np.median(width_s)), 1) if width_s else 0.0

    def strangers(self, data: Path, count: int) -> None:
        """Pictures of no camera that is searched: false "ours" per comparison of a picture with a camera."""
        wrong = total = 0
        for archive in self.known:
            others = [one for one in self.known if one is not archive and {one.name, archive.name} != SAME_ROOM]
            for number in (5, len(archive.frames) // 2):
                suspect = Suspect(archive.frames[number].y)
                for other in others:
                    wrong += is_ours(best_fit(suspect, other.originals)[0])
                    total += 1
        for done, y in enumerate(_faces(data, count)):
            suspect = Suspect(y)
            for archive in self.known:
                wrong += is_ours(best_fit(suspect, archive.originals[:1])[0])
                total += 1
            self.report.progress(done + 1, count, "not ours")
        self.report.results["false_ours"] = round(wrong / max(total, 1), 5)
        self.report.results["comparisons_not_ours"] = total

    def index(self) -> None:
        per_day: list[float] = []
        for archive in self.known:
            every = max(round(archive.fps * SKETCH_EVERY_S), 1)
            dated = [Dated(utc_ns=one.utc_ns, sketch=sketch(one.y)) for one in archive.frames[::every]]
            # The first of a file, which is nobody's difference, comes once in ten minutes, not once a clip.
            first = len(pack(dated[:1]))
            each = first / FILE_SKETCHES + (len(pack(dated)) - first) / (len(dated) - 1)
            per_day.append(each * DAY_S / SKETCH_EVERY_S / 1e6)
        self.report.results["index_mb_per_camera_day"] = round(float(np.mean(per_day)), 2)
        self.report.results["index_mb_per_camera_day_max"] = round(max(per_day), 2)

    def speed(self, rivals: Sequence[Plane]) -> None:
        """100 cameras, a day each: a first look at all, fits with the likeliest, sketches of the day of the found one.

        Of the cameras that are looked at closely all but one are wrong, and those take longest: nothing fits, so
        everything is tried. How many they are is counted (`_wrong_looked_at`); `…_eight_s`: all `CLOSELY`, as for
        a picture that is found but not as a copy is. Their features are made for each trace, and are in it.
        `…_exhaustive`: as for a picture that is of none of them.
        """
        archive = self.known[0]
        own_s, other_s, fit = self._fits_s(archive)
        assert fit is not None
        suspect = Suspect(ATTACKS[0].act(archive.frames[7].y, np.random.default_rng(0)))
        every = max(round(archive.fps * SKETCH_EVERY_S), 1)
        packed = pack([Dated(utc_ns=one.utc_ns, sketch=sketch(one.y)) for one in archive.frames[::every]])
        begun = time.process_time()
        opened = unpack(packed)
        unpack_s = (time.process_time() - begun) / len(opened)
        many = [one.sketch for one in opened] * (6000 // len(opened) + 1)
        begun = time.process_time()
        compare(sketch_of_found(align(suspect, archive.originals[0], fit.registration)), many)
        compare_s = (time.process_time() - begun) / len(many)
        day = DAY_S / SKETCH_EVERY_S
        results = self.report.results
        results["fit_own_camera_s"], results["fit_other_camera_s"] = round(own_s, 3), round(other_s, 3)
        results["compare_sketch_us"] = round(compare_s * 1e6, 1)
        make_s, view_s, weigh_s = self._first_look_s(archive)
        look_s = view_s + weigh_s
        wrong = self._wrong_looked_at(rivals)
        results["wrong_cameras_looked_at"] = round(wrong, 2)
        close_s = own_s + wrong * other_s
        sketch_s = unpack_s + compare_s
        results["first_look_s"], results["first_look_camera_ms"] = round(make_s, 3), round(look_s * 1e3, 1)
        results["search_100_camera_days_s"] = round(make_s + 100 * look_s + close_s + day * sketch_s, 1)
        eight_s = make_s + 100 * look_s + own_s + (CLOSELY - 1) * other_s + day * sketch_s
        results["search_100_camera_days_eight_s"] = round(eight_s, 1)
        results["search_1000_camera_years_s"] = round(make_s + 1000 * look_s + close_s + 365 * day * sketch_s, 0)
        results["search_100_camera_days_exhaustive_s"] = round(own_s + 99 * other_s + day * sketch_s, 1)
        self.report.note(
            f"search, CPU s: make {make_s:.2f} + cameras × first look {look_s:.3f} + own fit {own_s:.2f} + "
            f"{wrong:.2f} × other fit {other_s:.2f} + sketches of the found camera × (unpack {unpack_s * 1e6:.0f} "
            f"+ compare {compare_s * 1e6:.0f} µs); 43,200 sketches a day"
        )

    def _wrong_looked_at(self, rivals: Sequence[Plane]) -> float:
        """Mean number of wrong cameras that are looked at closely before the search is settled, as the leak desk does,
        among the known ones and the rivals: a still of each camera, as it is and photographed."""
        counts: list[int] = []
        planes = [*self.planes, *rivals]
        for archive, _, suspect in self.attacked(("none", *PHOTO), stills=1):
            own = self.known.index(archive)
            ranker = Ranker(suspect.sides)
            weights = {str(at): ranker.weight(plane) for at, plane in enumerate(planes)}
            fit = best_fit(suspect, archive.originals)[0]
            likeness = fit.likeness if fit is not None and is_ours(fit) else 0.0
            answer = PictureTraced(camera_id=CameraId(str(own)), is_found=likeness > 0, likeness=likeness)
            looked = sum(
                weight > weights[str(own)] or not is_settled([answer], weights, CameraId(name))
                for name, weight in weights.items()
            )
            counts.append(min(looked, CLOSELY) - 1)
        return float(np.mean(counts))

    def _first_look_s(self, archive: Archive) -> tuple[float, float, float]:
        """(templates once, opening a kept view, weighing a camera) in CPU seconds."""
        made = Background(
            y=archive.background,
            known=np.ones(tuple(-(-side // 8) for side in archive.background.shape), dtype=bool),
            start_ns=START_NS,
            end_ns=START_NS,
        )
        packed = pack_background(made)
        begun = time.process_time()
        for _ in range(5):
            rank_plane(unpack_background(packed).y)
        view_s = (time.process_time() - begun) / 5
        attack = next(one for one in ATTACKS if one.name == "screenshot")
        y = np.ascontiguousarray(attack.act(archive.frames[7].y, np.random.default_rng(0)))
        begun = time.process_time()
        ranker = Ranker(Suspect(y).sides)
        ranker.weight(self.planes[0])  # spectra are made once for all cameras of one shape
        make_s = time.process_time() - begun
        begun = time.process_time()
        for plane in (one for _ in range(3) for one in self.planes):
            ranker.weight(plane)
        return make_s, view_s, (time.process_time() - begun) / (3 * len(self.planes))

    def ranking(self, rivals: Sequence[Plane]) -> None:
        """Whether the first look leaves a camera out that looking at all of them closely finds, in pairs.

        Beside the known cameras stand others, so that there are `RIVALS`: views of clips that are no camera here,
        as they are, mirrored and cut.
        """
        ours = kept = first = total = 0
        for archive, _, suspect in self.attacked((*PLAIN, *PHOTO, *HARD), stills=1):
            weights = [Ranker(suspect.sides).weight(plane) for plane in (*self.planes, *rivals)]
            own = weights[self.known.index(archive)]
            rank = sum(weight > own for weight in weights)
            total += 1
            first += rank == 0
            if rank < CLOSELY:
                ours += 1
                kept += 1
                continue
            # Only these can be hits that the first look costs.
            ours += is_ours(best_fit(suspect, archive.originals)[0])
            self.report.note(f"first look: {archive.name} is number {rank + 1} of {len(weights)}")
        results = self.report.results
        results["first_look_cameras"], results["first_look_stills"] = len(self.planes) + len(rivals), total
        results["first_look_right_first"] = round(first / max(total, 1), 4)
        results["first_look_hits_kept"] = round(kept / max(ours, 1), 4)

    def _fits_s(self, archive: Archive) -> tuple[float, float, Fit | None]:
        """(CPU seconds with the picture's own camera, mean with another, the first fit) over three attacks."""
        own_s: list[float] = []
        other_s: list[float] = []
        kept: Fit | None = None
        for attack in (one for one in ATTACKS if one.name in ("none", *PHOTO)):
            suspect = Suspect(np.ascontiguousarray(attack.act(archive.frames[7].y, np.random.default_rng(0))))
            for is_mirrored, is_blurred in ((False, False), (True, False), (False, True), (True, True)):
                suspect.features(is_mirrored=is_mirrored, is_blurred=is_blurred)
            for one in self.known:
                begun = time.process_time()
                found = best_fit(suspect, [Original(each.y) for each in one.originals])[0]
                (own_s if one is archive else other_s).append(time.process_time() - begun)
                kept = found if kept is None and one is archive else kept
        return float(np.mean(own_s)), float(np.mean(other_s)), kept


def _rivals(data: Path, count: int) -> Iterator[Luma]:
    """Views that are of no camera here: frames of other clips, whole, mirrored, and cut in two ways."""
    taken = {path for path, _ in CLIPS.values()}
    found = 0
    for path in sorted(one for kind in ("*.mp4", "*.avi", "*.264") for one in data.glob(f"**/{kind}")):
        if str(path.relative_to(data)) in taken:
            continue
        try:
            info, packets = read_clip(path, frames=2, start_ns=START_NS)
            decoder = FrameDecoder(info)
            frames = [one for packet in packets for one in decoder.decode(packet)] + decoder.flush()
        except CustodesError:  # files that are broken on purpose lie there, too
            continue
        if not frames:
            continue
        y = frames[0].y
        height, width = y.shape
        for view in (y, y[:, ::-1], y[: height * 2 // 3, : width * 2 // 3], y[height // 3 :, width // 3 :]):
            if found == count:
                return
            found += 1
            yield np.ascontiguousarray(view)


def _faces(data: Path, count: int) -> Iterator[Luma]:
    """Photographs of anybody but ours, only to be told that they are not of any camera."""
    found = 0
    for path in sorted((data / "faces" / "lfw").glob("**/*.tar")):
        with tarfile.open(path) as opened:
            for member in opened:
                if found == count:
                    return
                if member.name.endswith(".jpg") and (stream := opened.extractfile(member)) is not None:
                    y = cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_GRAYSCALE)
                    found += 1
                    yield np.asarray(y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--stills", type=int, default=4, help="of each clip; fewer are faster")
    parser.add_argument("--strangers", type=int, default=100, help="pictures that are of no camera")
    arguments = parser.parse_args()
    names = ["table", "terrace"] if arguments.smoke else list(CLIPS)
    stills = 1 if arguments.smoke else arguments.stills
    report = Report("eval.leak", smoke=arguments.smoke, config={"cameras": len(names), "stills": stills})
    study = Study(report, list(archives(arguments.data, names, report)), stills=stills)
    study.index()
    report.part("index")
    count = 1 if arguments.smoke else RIVALS - len(study.known)
    rivals = [rank_plane(y) for y in _rivals(arguments.data, count)]
    study.speed(rivals)
    report.part("speed")
    study.found("photo", PHOTO[:1] if arguments.smoke else PHOTO)
    report.part("photo")
    study.found("plain", PLAIN[1:2] if arguments.smoke else PLAIN)
    report.part("plain")
    study.strangers(arguments.data, 1 if arguments.smoke else arguments.strangers)
    report.part("not ours")
    if not arguments.smoke:
        study.found("hard", HARD)
        report.part("hard")
        study.ranking(rivals)
    report.finish()


if __name__ == "__main__":
    main()
