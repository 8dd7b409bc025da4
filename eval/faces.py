"""Faces as the product sees them: pairs of LFW, identification with strangers, and whether thresholds keep their word.

Run `python -m eval.faces --data ../shared/data [--smoke]`.

- `lfw_packaged`, `lfw_best`: LFW View 2, the folds that are there, by the product's own finder, alignment and
embedder; the threshold of a fold comes from the others. `best` adds Open Model Zoo's network from `../models`,
weighed by the spread of its scores. An image without a face counts as an error of its pairs. Beside it dlib as
`face_recognition` runs it (HOG, five points, ResNet), when `dlib-bin` and its models are installed.
- `fnir_fpir_1e2_{frame,fused}`: of LFW, everybody with four pictures: one enrolled, the others as probes, one alone or
  three fused; strangers are those who have three pictures or more and are not enrolled.
- `fnir_fpir_1e3_*`, `*_solved_1e3_*`: the same at .1 %, all others of LFW as strangers; not with fewer than 3,000.
- `asl_*`: five people on film, enrolled from one clip, probed with the others; every two of them as strangers in turn.
- `fpir_ratio_{min,max}`: achieved over requested FPIR on simulated scores, N = 10…10⁵: places and probes differ in
mean and spread; place and tail are learnt on at most 400 simulated people, as the matcher does on its gallery.
- `fpir_asked_1e2_n*`: random galleries of 1 to 400 people of LFW, where 1 % is asked; `…_low`, `…_high` by galleries,
because who is enrolled decides more than who walks by (ADR 62).
- `{fpir,fnir}_alone_1e2*`: one person enrolled alone, where a zone's own tracks teach: `eval.faces_alone`.
- `cllr_*`, `fit_*`: likelihood ratios by quality of the picture, with `--likelihood` alone (`eval.faces_likelihood`).
- `asl_checkpoint_{fnmr,fmr}`: 1:1 by the checkpoint's rule, everybody filmed by the same camera.

The alignment templates and the weighing are published or follow from the spread of scores; nothing was fitted to LFW
but the numbers in `face.calibration`, which say what scores mean and move no pair.
"""

import argparse
import io
import itertools
import json
import math
import os
import statistics
import tarfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from scipy.special import ndtr

from custodes.adapters.model import scan
from custodes.adapters.model.faces import load_face_tools
from custodes.app.enroller import SAME_LIKELIHOOD
from custodes.detect.faces import FoundFace
from custodes.face.calibration import KNOWN, Expected, Others, expected, log10_likelihood, model_of, read_score
from custodes.face.lawful import Lawful, sample_lawful, sign_permit
from custodes.face.matching import Learnt, Matching, learn_from
from custodes.face.threshold import NORMAL, rate_interval, solve
from custodes.pipeline.faces import FaceTools
from custodes.types.face import SamplePermit
from custodes.units import Ns
from eval.faces_alone import alone
from eval.faces_likelihood import likelihood, people_of
from eval.report import Report, bootstrap

Picture = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]
Chain = Callable[[Picture], npt.NDArray[np.float32] | None]

MIDDLE = np.array([125, 125], np.float32)
"""LFW's subject is in the middle of a 250×250 picture; others may be beside."""

BEST = "dlib-face-resnet+face-reidentification-retail-0095"
FOREVER = Ns(2**62)


def permit() -> Lawful:
    """The evaluation is its own warden: its pictures are a benchmark's, and nothing of them is kept."""
    key = Ed25519PrivateKey.generate()
    signed = sign_permit(key, SamplePermit(site_id="eval", subject="benchmark", until_ns=FOREVER))
    return sample_lawful(signed, key.public_key().public_bytes_raw(), "eval", Ns(0))


def central(faces: list[FoundFace]) -> FoundFace:
    """The large box near the middle, not the best one: LFW is labelled by it."""
    return max(
        faces, key=lambda one: one.score - float(np.hypot(*((one.box_px[:2] + one.box_px[2:]) / 2 - MIDDLE))) / 125
    )


def product_chain(tools: FaceTools, lawful: Lawful) -> Chain:
    def run(picture: Picture) -> npt.NDArray[np.float32] | None:
        faces = tools.finder.find(picture, floor=0.2)
        if not faces:
            return None
        return tools.vector(picture, central(faces), lawful, utc_ns=Ns(0))

    return run


def dlib_chain() -> Chain | None:
    """As the package face_recognition does it; None where dlib or its models are not installed."""
    try:
        import dlib
        import face_recognition_models
    except ImportError:
        return None
    folder = Path(face_recognition_models.__file__).parent / "models"
    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
    encoder = dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat"))

    def run(picture: Picture) -> npt.NDArray[np.float32] | None:
        picture = np.ascontiguousarray(picture)  # dlib takes no padded rows
        boxes = detector(picture, 1)
        if not boxes:
            return None
        box = min(boxes, key=lambda one: float(np.hypot(one.center().x - 125, one.center().y - 125)))
        return np.array(encoder.compute_face_descriptor(picture, predictor(picture, box)), np.float32)

    return run


def folds(data: Path, limit: int | None) -> Iterator[tuple[list[tuple[str, str, bool]], dict[str, bytes]]]:
    """Per fold with a tar: pairs (image, image, is same person) and the JPEGs."""
    lines = (data / "faces" / "lfw" / "pairs.txt").read_text().splitlines()
    per_half = int(lines[0].split("\t")[1])
    for number, path in enumerate(sorted((data / "faces" / "lfw").glob("*-fold*.tar"))):
        rows = [line.split("\t") for line in lines[1 + number * 2 * per_half : 1 + (number + 1) * 2 * per_half]]
        if limit is not None:
            rows = rows[:limit] + rows[per_half : per_half + limit]
        pairs = [(_image(row[0], row[1]), _image(row[0] if len(row) == 3 else row[2], row[-1]), len(row) == 3)
                 for row in rows]  # fmt: skip
        with tarfile.open(path) as archive:
            images = {member.name: archive.extractfile(member).read()  # type: ignore[union-attr]
                      for member in archive if member.isfile()}  # fmt: skip
        yield pairs, images


def _image(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"


def decode_jpeg(content: bytes) -> Picture:
    with av.open(io.BytesIO(content), format="image2pipe", options={"framerate": "1"}) as container:
        return np.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)


def threshold(scores: npt.NDArray[np.float64], is_same: npt.NDArray[np.bool_]) -> float:
    """The score that divides best; O(n log n)."""
    order = np.argsort(scores)
    right_above = is_same[order][::-1].cumsum()[::-1]
    right_below = np.concatenate([[0], (~is_same[order]).cumsum()[:-1]])
    return float(scores[order][np.argmax(right_above + right_below)])


def accuracy(scores: list[npt.NDArray[np.float64]], truth: list[npt.NDArray[np.bool_]]) -> list[npt.NDArray[np.bool_]]:
    """Per fold, which pairs are right with the threshold of the other folds."""
    result = []
    for fold in range(len(scores)):
        others = [index for index in range(len(scores)) if index != fold]
        at = threshold(np.concatenate([scores[i] for i in others]), np.concatenate([truth[i] for i in others]))
        result.append((scores[fold] >= at) == truth[fold])
    return result


def evaluate(
    report: Report, name: str, chain: Chain, data: Path, limit: int | None, *, is_euclidean: bool = False
) -> dict[str, npt.NDArray[np.float32] | None]:
    """Accuracy on pairs; returns the vectors by picture."""
    scores, truth, spent, missed = [], [], [], 0
    kept: dict[str, npt.NDArray[np.float32] | None] = {}
    measure = _nearness if is_euclidean else _cosine
    for fold, (pairs, images) in enumerate(folds(data, limit), 1):
        vectors: dict[str, npt.NDArray[np.float32] | None] = {}
        for image in {image for pair in pairs for image in pair[:2]}:
            picture = decode_jpeg(images[image])
            started = time.process_time()
            vectors[image] = chain(picture)
            spent.append((time.process_time() - started) * 1e3)
        missed += sum(vector is None for vector in vectors.values())
        kept |= vectors
        scores.append(np.array([measure(vectors[a], vectors[b]) for a, b, _ in pairs]))
        truth.append(np.array([is_same for *_, is_same in pairs]))
        report.progress(fold, 5, name)
    right = accuracy(scores, truth)
    low, high = bootstrap([[float(value), 1.0] for fold in right for value in fold], lambda s: s[0] / s[1])
    all_scores, all_truth = np.concatenate(scores), np.concatenate(truth)
    impostors = np.sort(all_scores[~all_truth])
    at = impostors[-max(len(impostors) // 1000, 1)]
    report.results[f"lfw_{name}"] = round(float(np.mean([fold.mean() for fold in right])), 4)
    report.results[f"lfw_{name}_low"], report.results[f"lfw_{name}_high"] = round(low, 4), round(high, 4)
    report.results[f"tar_far_1e3_{name}"] = round(float((all_scores[all_truth] > at).mean()), 4)
    report.results[f"missed_faces_{name}"] = missed
    report.results[f"cpu_ms_{name}"] = round(statistics.median(spent), 1)
    same, other = all_scores[all_truth & (all_scores > -1)], all_scores[~all_truth & (all_scores > -1)]
    report.note(
        f"{name}: LFW {report.results[f'lfw_{name}']} [{low:.4f}, {high:.4f}]; scores of one person "
        f"{same.mean():.3f} ± {same.std():.3f}, of two {other.mean():.3f} ± {other.std():.3f}"
    )
    return kept


def _cosine(a: npt.NDArray[np.float32] | None, b: npt.NDArray[np.float32] | None) -> float:
    if a is None or b is None:
        return -1.0
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9))


def _nearness(a: npt.NDArray[np.float32] | None, b: npt.NDArray[np.float32] | None) -> float:
    if a is None or b is None:
        return -9.0
    return -float(np.linalg.norm(a - b))


class Desk:
    """The matcher's own gallery and thresholds over one set of enrolled people."""

    def __init__(self, contract: str, looks: list[tuple[str, npt.NDArray[np.float32]]]) -> None:
        model = model_of(contract)
        assert model is not None
        self.model = model
        self.matching = Matching()
        self.matching.gallery.add_many(
            contract=contract,
            person_ids=[name for name, _ in looks],
            template_ids=[str(number) for number in range(len(looks))],
            vectors=np.stack([look for _, look in looks]).astype(np.float32),
        )
        self._contract = contract

    def best(self, looks: list[npt.NDArray[np.float32]], fpir: float) -> tuple[float, float, str]:
        """Score, threshold and the best person of looks that are fused."""
        fused = np.mean(looks, axis=0).astype(np.float32)
        scan = self.matching.gallery.scan(contract=self._contract, probe=fused)
        assert scan is not None
        one = expected(self.model, len(looks))
        score, threshold, _ = self.matching.read(self._contract, scan, self.model, one, fpir)
        return score, threshold, scan.best.person_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSet:
    """Rates at the threshold that gives the asked FPIR on these strangers, and at the one that the matcher solves."""

    fnir: float
    fnir_solved: float
    fpir_solved: float
    low: float
    high: float
    """95 % interval of `fpir_solved`."""


Probe = tuple[str, tuple[float, float, str]]
"""Who walks by, and what `Desk.best` says."""


def probes(
    desk: Desk,
    people: dict[str, list[npt.NDArray[np.float32]]],
    names: Sequence[str],
    *,
    size: int,
    fpir: float,
    first: int = 0,
) -> list[Probe]:
    """Of each person `size` looks at a time, from the `first` on."""
    return [
        (name, desk.best(people[name][at : at + size], fpir))
        for name in names
        for at in range(first, len(people[name]) - size + 1, size)
    ]


def open_set(mated: list[Probe], unmated: list[Probe], *, fpir: float) -> OpenSet:
    """Of the enrolled, and of strangers."""
    at = float(np.quantile([score for _, (score, *_) in unmated], 1 - fpir))
    missed = [score <= at or found != name for name, (score, _, found) in mated]
    missed_solved = [score < solved or found != name for name, (score, solved, found) in mated]
    false = sum(score >= solved for _, (score, solved, _) in unmated)
    low, high = rate_interval(false, len(unmated))
    return OpenSet(
        fnir=float(np.mean(missed)),
        fnir_solved=float(np.mean(missed_solved)),
        fpir_solved=false / len(unmated),
        low=low,
        high=high,
    )


def identification(
    report: Report, contract: str, vectors: dict[str, npt.NDArray[np.float32] | None], kind: str
) -> None:
    """FNIR of the enrolled at an FPIR of strangers, single looks against three fused, with the product's scores."""
    people: dict[str, list[npt.NDArray[np.float32]]] = defaultdict(list)
    for image, vector in sorted(vectors.items()):
        if vector is not None:
            people[image.split("/")[0]].append(vector / np.linalg.norm(vector))
    many = [name for name in sorted(people) if len(people[name]) >= 4]
    enrolled, strangers = many[::2], [*many[1::2], *(name for name in sorted(people) if len(people[name]) == 3)]
    if len(enrolled) < 5 or len(strangers) < 5:
        report.note("too few people with several pictures for identification in this size")
        return
    desk = Desk(contract, [(name, people[name][0]) for name in enrolled])
    for mode, size in (("frame", 1), ("fused", 3)):
        mated = probes(desk, people, enrolled, size=size, fpir=0.01, first=1)
        unmated = probes(desk, people, strangers, size=size, fpir=0.01)
        found = open_set(mated, unmated, fpir=0.01)
        report.results[f"fnir_fpir_1e2_{mode}{kind}"] = round(found.fnir, 4)
        report.results[f"fpir_solved_1e2_{mode}{kind}"] = round(found.fpir_solved, 4)
        report.results[f"fnir_solved_1e2_{mode}{kind}"] = round(found.fnir_solved, 4)
        report.note(
            f"LFW{kind}, {len(enrolled)} enrolled, {mode}: FNIR {found.fnir:.4f} at FPIR .01; asked .01, got "
            f"{found.fpir_solved:.4f} [{found.low:.4f}, {found.high:.4f}] ({len(mated)} and {len(unmated)} probes; "
            "below 300 strangers nothing is claimed at .01, rule of three)"
        )
    with_distractors(report, desk, people, frozenset(enrolled), kind)
    small_galleries(report, contract, people, kind)
    alone(report, contract, people, kind)


def with_distractors(
    report: Report, desk: Desk, people: dict[str, list[npt.NDArray[np.float32]]], enrolled: frozenset[str], kind: str
) -> None:
    """FNIR at FPIR .1 %, all others of LFW as strangers; nothing where they are fewer than the rule of three asks."""
    strangers = sorted(people.keys() - enrolled)
    for mode, size in (("frame", 1), ("fused", 3)):
        unmated = probes(desk, people, strangers, size=size, fpir=0.001)
        if len(unmated) < 3 / 0.001:
            report.note(
                f"LFW{kind}, {mode}: {len(unmated)} looks of strangers claim nothing at FPIR .001 (rule of three)"
            )
            continue
        mated = probes(desk, people, sorted(enrolled), size=size, fpir=0.001, first=1)
        found = open_set(mated, unmated, fpir=0.001)
        report.results[f"fnir_fpir_1e3_{mode}{kind}"] = round(found.fnir, 4)
        report.results[f"fnir_solved_1e3_{mode}{kind}"] = round(found.fnir_solved, 4)
        report.results[f"fpir_solved_1e3_{mode}{kind}"] = round(found.fpir_solved, 5)
        report.note(
            f"LFW{kind}, {mode}, {len(unmated)} looks of strangers: FNIR {found.fnir:.4f} at FPIR .001; asked .001, "
            f"got {found.fpir_solved:.5f} [{found.low:.5f}, {found.high:.5f}]"
        )


def small_galleries(
    report: Report, contract: str, people: dict[str, list[npt.NDArray[np.float32]]], kind: str
) -> None:
    """Whether few enrolled people are few false candidates too: random galleries, strangers with one look."""
    random = np.random.default_rng(5)
    names = sorted(people)
    for size in (1, 3, 13, 50, 111, 200, 400):
        if len(names) < 2 * size + 20:
            continue
        counts: list[tuple[float, float]] = []
        missed = mated = 0
        for _ in range(40):
            drawn = [names[n] for n in random.permutation(len(names))]
            desk = Desk(contract, [(name, people[name][0]) for name in drawn[:size]])
            tried = [desk.best([people[name][0]], 0.01) for name in drawn[size : size + 150]]
            counts.append((float(sum(score >= solved for score, solved, _ in tried)), float(len(tried))))
            own = [(name, desk.best([people[name][1]], 0.01)) for name in drawn[:size] if len(people[name]) > 1]
            missed += sum(score < solved or found != name for name, (score, solved, found) in own)
            mated += len(own)
        rate = sum(row[0] for row in counts) / sum(row[1] for row in counts)
        low, high = bootstrap(counts, lambda sums: sums[0] / sums[1])
        key = f"fpir_asked_1e2_n{size}{kind}"
        report.results[key] = round(rate, 4)
        report.results[f"{key}_low"], report.results[f"{key}_high"] = round(low, 4), round(high, 4)
        report.results[f"fnir_asked_1e2_n{size}{kind}"] = round(missed / max(mated, 1), 4)
        report.note(
            f"LFW{kind}, {size} enrolled at random, asked .01: FPIR {rate:.4f} [{low:.4f}, {high:.4f}] over 40 "
            f"galleries, FNIR {missed / max(mated, 1):.3f} of {mated}"
        )


def checkpoint(
    report: Report,
    contract: str,
    clips: dict[str, list[str]],
    looks: dict[str, list[npt.NDArray[np.float32]]],
    kind: str,
) -> None:
    """1:1 at the checkpoint's own rule: a holder's mean of three looks against one look of every clip's first five."""
    model = model_of(contract)
    assert model is not None
    counts = [0, 0, 0, 0]
    for holder, name in itertools.product(sorted(clips), repeat=2):
        held = np.mean(looks[clips[holder][0]][:3], axis=0)
        for look in itertools.chain.from_iterable(looks[clip][:5] for clip in clips[name][1:]):
            cosine = float(held @ look / (np.linalg.norm(held) * np.linalg.norm(look)))
            is_same = log10_likelihood(cosine, expected(model, 3)) >= SAME_LIKELIHOOD
            own = holder == name
            counts[0 if own else 2] += is_same != own
            counts[1 if own else 3] += 1
    report.results[f"asl_checkpoint_fnmr{kind}"] = round(counts[0] / max(counts[1], 1), 4)
    report.results[f"asl_checkpoint_fmr{kind}"] = round(counts[2] / max(counts[3], 1), 4)
    report.note(f"film{kind}, checkpoint 1:1: {counts[0]} of {counts[1]} holders refused, {counts[2]} of {counts[3]} "
                "others let through; all filmed by one camera, as holder and other at one desk are")  # fmt: skip


def film(report: Report, data: Path, tools: FaceTools, lawful: Lawful, step: int, kind: str) -> None:
    """Five people on film: enrolled from one clip, probed with the others; strangers are every two of them in turn."""
    folder = data / "faces" / "asl-gestures"
    listing = next(
        (path for path in (folder.parent / "identities.json", folder / "identities.json") if path.is_file()), None
    )
    if listing is None:
        return
    clips = json.loads(listing.read_text())["asl-gestures"]
    looks: dict[str, list[npt.NDArray[np.float32]]] = {}
    for clip in sorted(itertools.chain.from_iterable(clips.values())):
        looks[clip] = []
        with av.open(str(folder / clip)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number % step or len(looks[clip]) >= 8:
                    continue
                picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                faces = tools.finder.find(picture)
                if faces:
                    largest = max(faces, key=lambda one: float(one.box_px[2] - one.box_px[0]))
                    looks[clip].append(tools.vector(picture, largest, lawful, utc_ns=Ns(0)))
        report.progress(len(looks), 20, "film")
    film_counts(report, tools.embedder.contract, clips, looks, kind)
    checkpoint(report, tools.embedder.contract, clips, looks, kind)


def film_counts(
    report: Report,
    contract: str,
    clips: dict[str, list[str]],
    looks: dict[str, list[npt.NDArray[np.float32]]],
    kind: str,
) -> None:
    """Identification of film: see `film`."""
    counts = {mode: [0, 0, 0, 0] for mode in ("frame", "fused")}
    for out in itertools.combinations(sorted(clips), 2):
        enrolled = [name for name in sorted(clips) if name not in out and looks[clips[name][0]]]
        desk = Desk(contract, [(name, look) for name in enrolled for look in looks[clips[name][0]][:3]])
        for name, mode in itertools.product(sorted(clips), counts):
            for clip in clips[name][1:] if name in enrolled else clips[name]:
                probes = [[one] for one in looks[clip]] if mode == "frame" else [looks[clip][:4]]
                for probe in (one for one in probes if one):
                    score, solved, found = desk.best(probe, 0.01)
                    if name in enrolled:
                        counts[mode][0] += score < solved or found != name
                        counts[mode][1] += 1
                    else:
                        counts[mode][2] += score >= solved
                        counts[mode][3] += 1
    for mode, (missed, mated, false, unmated) in counts.items():
        report.results[f"asl_fnir_{mode}{kind}"] = round(missed / max(mated, 1), 4)
        report.results[f"asl_fpir_{mode}{kind}"] = round(false / max(unmated, 1), 4)
        report.note(
            f"film{kind}, {mode}: {missed} of {mated} missed, {false} of {unmated} strangers taken for somebody"
        )


def simulated(report: Report, probes: int) -> None:
    """Whether a solved threshold lets through what was asked. Normal scores; places, probes differ in mean and spread.

    A probe's chance to exceed the threshold among N is computed, not drawn: what varies is the place, what the matcher
    learnt of it from its gallery, the probe and what it scores with others.
    """
    random = np.random.default_rng(3)
    model = replace(KNOWN["dlib-face-resnet"], tail=NORMAL)
    ratios = {}
    for people, samples in itertools.product((10, 100, 1000, 10_000, 100_000), (1, 4)):
        chances: list[float] = []
        places = probes // 5 if people <= 100 else 12
        for _ in range(places):
            shift, width = 1.5 * random.normal(), float(np.exp(0.25 * random.normal()))
            size = min(people, 400)
            own = random.normal(size=size)
            drawn = np.triu(random.normal(size=(size, size)), 1)
            between = shift + width * (0.5 * (own[:, None] + own[None]) + 0.5**0.5 * (drawn + drawn.T))
            np.fill_diagonal(between, np.nan)
            learnt = learn_from(_of(expected(model, 1), between), model)
            one = expected(model, samples)
            chances += [_chance(people, one, learnt, shift, width, random) for _ in range(max(probes // places, 1))]
        ratios[people, samples] = float(np.mean(chances)) / 0.01
    report.results["fpir_ratio_min"] = round(min(ratios.values()), 3)
    report.results["fpir_ratio_max"] = round(max(ratios.values()), 3)
    words = ", ".join(f"N {people} k {samples}: {ratio:.2f}" for (people, samples), ratio in ratios.items())
    report.note(f"achieved over requested FPIR .01, {probes} simulated strangers each: {words}")


def _of(one: Expected, deviations: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return one.other_mean + one.other_sd * deviations


def _chance(
    people: int, one: Expected, learnt: Learnt, shift: float, width: float, random: np.random.Generator
) -> float:
    """How likely one simulated stranger is to give a candidate: a quarter of the variance is the stranger's own."""
    # A spread of which the variance's logarithm varies by .053, as on LFW (face.calibration.PROBE_FREEDOM).
    spread = width * 0.75**0.5 * math.exp(0.115 * random.normal())
    mean, count = shift + 0.5 * width * random.normal(), people - 1
    seen = Others(
        count=count,
        mean=one.other_mean + one.other_sd * (mean + spread * random.normal() / count**0.5),
        square_sum=one.other_sd**2 * spread**2 * random.chisquare(count - 1),
    )
    reading = read_score(1.0, seen, one, learnt.place)
    at = reading.other_mean + reading.other_sd * solve(0.01, learnt.chances(people), learnt.tail, reading.freedom)
    above = float(ndtr(-((at - one.other_mean) / one.other_sd - mean) / spread))
    return -math.expm1(people * math.log1p(-above))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=None)
    parser.add_argument("--pairs", type=int, default=None, help="of each kind in each fold, instead of all 300")
    parser.add_argument("--likelihood", action="store_true", help="likelihood ratios by quality, and nothing else")
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    data: Path = arguments.data
    folder = arguments.models or Path(os.environ.get("CUSTODES_MODELS") or data.parent / "models")
    models_dir = folder if folder.is_dir() else None
    limit = 3 if arguments.smoke else arguments.pairs
    report = Report(
        "eval.faces", smoke=arguments.smoke, config={"pairs": "LFW View 2, 5 folds", "limit": limit, "threads": 1}
    )
    lawful = permit()
    tools = load_face_tools(models_dir=models_dir)
    if arguments.likelihood:
        archives = [images for _, images in folds(data, limit)]
        likelihood(report, tools, lawful, people_of(archives, decode_jpeg), limit)
        report.finish()
        return
    simulated(report, 500 if arguments.smoke else 3000)
    vectors = evaluate(report, "packaged", product_chain(tools, lawful), data, limit)
    report.results["tar_far_1e3"] = report.results["tar_far_1e3_packaged"]
    identification(report, tools.embedder.contract, vectors, "")
    if not arguments.smoke:
        film(report, data, tools, lawful, 8, "")
    if models_dir and any(item.manifest.name == BEST.partition("+")[2] for item in scan(models_dir)[0]):
        best = load_face_tools(models_dir=models_dir, embedder=BEST)
        found = evaluate(report, "best", product_chain(best, lawful), data, limit)
        if not arguments.smoke:
            identification(report, best.embedder.contract, found, "_best")
            film(report, data, best, lawful, 8, "_best")
    if not arguments.smoke:
        peer = dlib_chain()
        if peer is not None:
            evaluate(report, "face_recognition", peer, data, limit, is_euclidean=True)
            report.peers["face_recognition"] = {
                key: report.results.pop(key) for key in list(report.results) if key.endswith("_face_recognition")
            }
    report.finish()


if __name__ == "__main__":
    main()
