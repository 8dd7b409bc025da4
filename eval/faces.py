"""Face pair accuracy on LFW (View 2, the folds that are there): detect, five landmarks, align, embed, cosine.

Run `python -m eval.faces --data ../shared/data [--smoke]`. Chains: the packaged one (CenterFace landmarks, MobileFace
vectors) and, when `../models` (or CUSTODES_MODELS) has it, Open Model Zoo's. Accuracy is the mean over folds with the
threshold taken from the other folds; an image without a face counts as an error of its pairs (the score is -1).
Verification of pairs only: identification, fusion and zones are the recognition issue's.
"""

import argparse
import dataclasses
import io
import os
import statistics
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from custodes.adapters.model import find_model, open_session, scan
from custodes.detect.decode import centerface, ssd
from custodes.detect.picture import fill_input, place
from custodes.types.vision import ModelTask
from eval.report import Report, bootstrap

Picture = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]
Chain = Callable[[Picture], npt.NDArray[np.float32] | None]

TEMPLATE_112 = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
                         [70.7299, 92.2041]], np.float32)  # fmt: skip
"""Eyes, nose, corners of the mouth in a 112×112 crop. Source: insightface `utils/face_align.py`."""

TEMPLATE_OMZ = (TEMPLATE_112 - np.array([8, 0], np.float32)) / np.array([96, 112], np.float32) * 128
"""The same for a 96×112 crop, stretched to 128×128. Source: Open Model Zoo `demos/common/face_identifier`."""

MIDDLE = np.array([125, 125], np.float32)
"""LFW's subject is in the middle of a 250×250 picture; others may be beside."""


def similarity(source: Points, target: Points) -> npt.NDArray[np.float64]:
    """The 2×3 matrix of rotation, scale and shift that brings source to target with least squares (Umeyama 1991)."""
    mean_s, mean_t = source.mean(axis=0), target.mean(axis=0)
    a, b = (source - mean_s).astype(np.float64), (target - mean_t).astype(np.float64)
    cosine, sine = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    linear = np.array([[cosine, -sine], [sine, cosine]]) / (a**2).sum()
    return np.column_stack([linear, mean_t - linear @ mean_s])


def align(picture: Picture, points: Points, template: Points, size: int) -> npt.NDArray[np.float32]:
    """(size, size, 3) crop whose landmarks lie on the template; bilinear, the border repeated."""
    matrix = similarity(template, points)
    y, x = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    places = np.stack([x.ravel(), y.ravel(), np.ones(size * size)])
    at = np.clip(matrix @ places, 0, np.array([[picture.shape[1] - 1.001], [picture.shape[0] - 1.001]]))
    low = at.astype(int)
    share = (at - low)[:, :, None]
    corner = [picture[low[1] + dy, low[0] + dx].astype(np.float64) for dy in (0, 1) for dx in (0, 1)]
    top = corner[0] * (1 - share[0]) + corner[1] * share[0]
    bottom = corner[2] * (1 - share[0]) + corner[3] * share[0]
    return (top * (1 - share[1]) + bottom * share[1]).reshape(size, size, 3).astype(np.float32)


def _central(boxes: Points, scores: npt.NDArray[np.float32]) -> int:
    """The large box near the middle, not the best one: LFW is labelled by it."""
    distance = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - MIDDLE, axis=1)
    return int(np.argmax(scores - distance / 125))


def packaged_chain(models_dir: Path | None) -> Chain:
    finder = find_model(models_dir=models_dir, name="centerface", task=ModelTask.FACE_DETECT)
    embedder = find_model(models_dir=models_dir, name="mobileface", task=ModelTask.FACE_EMBED)
    detect, embed = (open_session(item, threads=1, acknowledged=frozenset()) for item in (finder, embedder))
    # Landmarks are best on faces of about 100 pixels: 250×250 at 320² gave .975, at 256² .955 (200 pairs, 2026-11).
    spec = dataclasses.replace(finder.manifest.input, width_px=320, height_px=320)
    output = embedder.manifest.output.names[0]

    def run(picture: Picture) -> npt.NDArray[np.float32] | None:
        placement = place(picture.shape[1], picture.shape[0], spec)
        result = detect.run({spec.name: fill_input(picture, placement, spec)})
        outputs = [np.asarray(result[name], np.float32) for name in finder.manifest.output.names]
        found = centerface(outputs, 0.2, placement.width_px)
        if not len(found.scores):
            return None
        scale = np.array([placement.scale_x, placement.scale_y], np.float32)
        boxes = found.boxes_px / np.tile(scale, 2)
        row = _central(boxes, found.scores)
        cell = (found.boxes_px[row, :2] + found.boxes_px[row, 2:]) / 2
        points = _centerface_points(outputs, found.boxes_px[row], cell, found.scores[row]) / scale
        crop = align(picture, points, TEMPLATE_112, 112)
        # The face and its mirror image, added: .975 to .980 on the same pairs.
        views = np.ascontiguousarray(np.stack([crop, crop[:, ::-1]]))
        return np.asarray(embed.run({embedder.manifest.input.name: views})[output], np.float32).sum(axis=0)

    return run


def _centerface_points(outputs: list[npt.NDArray[np.float32]], box: Points, centre: Points, score: float) -> Points:
    """Landmarks of the cell that gave the box: shares of its size, y before x, from its top left."""
    y, x = np.nonzero(outputs[0][0, 0] == score)
    nearest = np.argmin(np.hypot(x * 4 - centre[0], y * 4 - centre[1]))
    marks = outputs[3][0, :, y[nearest], x[nearest]].reshape(5, 2)[:, ::-1]
    return (marks * (box[2:] - box[:2]) + box[:2]).astype(np.float32)


def zoo_chain(models_dir: Path) -> Chain:
    names = (("face-detection-retail-0004", ModelTask.FACE_DETECT),
             ("landmarks-regression-retail-0009", ModelTask.FACE_DETECT),
             ("face-reidentification-retail-0095", ModelTask.FACE_EMBED))  # fmt: skip
    entries = [find_model(models_dir=models_dir, name=name, task=task) for name, task in names]
    detect, marks, embed = (open_session(item, threads=1, acknowledged=frozenset()) for item in entries)

    def feed(number: int, picture: Picture) -> dict[str, npt.NDArray[np.generic]]:
        spec = entries[number].manifest.input
        result = (detect, marks, embed)[number].run({spec.name: fill_input(picture, place(
            picture.shape[1], picture.shape[0], spec), spec)})  # fmt: skip
        return dict(result)

    def run(picture: Picture) -> npt.NDArray[np.float32] | None:
        height, width = picture.shape[:2]
        found = ssd([np.asarray(feed(0, picture)["detection_out"], np.float32)], 0.2, width, height)
        if not len(found.scores):
            return None
        box = found.boxes_px[_central(found.boxes_px, found.scores)]
        x1, y1, x2, y2 = np.clip(np.rint(box), 0, [width, height, width, height]).astype(int)
        if x2 - x1 < 8 or y2 - y1 < 8:
            return None
        shares = np.asarray(feed(1, picture[y1:y2, x1:x2])["95"], np.float32).reshape(5, 2)
        points = shares * np.array([x2 - x1, y2 - y1], np.float32) + np.array([x1, y1], np.float32)
        crop = np.rint(align(picture, points, TEMPLATE_OMZ, 128)).astype(np.uint8)
        return np.asarray(feed(2, crop)["658"], np.float32).reshape(-1)

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


def evaluate(report: Report, name: str, chain: Chain, data: Path, limit: int | None) -> None:
    scores, truth, spent, missed = [], [], [], 0
    for fold, (pairs, images) in enumerate(folds(data, limit), 1):
        vectors: dict[str, npt.NDArray[np.float32] | None] = {}
        for image in {image for pair in pairs for image in pair[:2]}:
            picture = decode_jpeg(images[image])
            started = time.process_time()
            vectors[image] = chain(picture)
            spent.append((time.process_time() - started) * 1e3)
        missed += sum(vector is None for vector in vectors.values())
        scores.append(np.array([_cosine(vectors[a], vectors[b]) for a, b, _ in pairs]))
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
    report.note(f"{name}: LFW {report.results[f'lfw_{name}']} [{low:.4f}, {high:.4f}]")


def _cosine(a: npt.NDArray[np.float32] | None, b: npt.NDArray[np.float32] | None) -> float:
    if a is None or b is None:
        return -1.0
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=None)
    parser.add_argument("--pairs", type=int, default=None, help="of each kind in each fold, instead of all 300")
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    data: Path = arguments.data
    folder = arguments.models or Path(os.environ.get("CUSTODES_MODELS") or data.parent / "models")
    models_dir = folder if folder.is_dir() else None
    limit = 12 if arguments.smoke else arguments.pairs
    report = Report(
        "eval.faces", smoke=arguments.smoke, config={"pairs": "LFW View 2, 5 folds", "limit": limit, "threads": 1}
    )
    chains = {"packaged": packaged_chain(models_dir)}
    if models_dir and any(item.manifest.name == "face-reidentification-retail-0095" for item in scan(models_dir)[0]):
        chains["best"] = zoo_chain(models_dir)
    for name, chain in chains.items():
        evaluate(report, name, chain, data, limit)
    report.results["tar_far_1e3"] = report.results["tar_far_1e3_packaged"]
    report.finish()


if __name__ == "__main__":
    main()
