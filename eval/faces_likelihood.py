"""Whether likelihood ratios mean what they say, by quality of the picture: a part of `eval.faces`.

Run alone: `python -m eval.faces --data ../shared/data --likelihood [--pairs PEOPLE]`. LFW's people with two pictures
or more: one picture as enrolled, the other as a camera may see it: as it is, smaller, softer, darker. The product
judges its quality; scores with the same person and with one other are kept by bin. Half of the people, by their names'
hash, fit how much wider looks are in a bin (`fit_*`); of the other half: Cllr (0 knows all, 1 nothing, above 1
misleads) with the shipped widths, with none, with those fitted.
"""

import hashlib
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from custodes.face.calibration import (
    LOOK_OF_BIN,
    QUALITY_BINS,
    ScoreModel,
    expected,
    log10_likelihood,
    model_of,
)
from custodes.face.lawful import Lawful
from custodes.pipeline.faces import FaceTools
from custodes.units import Ns
from eval.report import Report

Picture = npt.NDArray[np.uint8]
NAMES = ("low", "middle", "high")
WIDTHS = np.geomspace(0.5, 6.0, 45)
"""Tried for a bin."""


def spoilt(picture: Picture, how: int) -> Picture:
    """As it is; .7 and .5 of its size; out of focus; a tenth of the light with the noise of little light."""
    if how in (1, 2):
        scale = (0.7, 0.5)[how - 1]
        return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    if how == 3:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), 2.0), np.uint8)
    if how == 4:
        noise = np.random.default_rng(int(picture[0, 0, 0])).normal(0, 4, picture.shape)
        return np.clip(picture * 0.25 + noise, 0, 255).astype(np.uint8)
    return picture


def likelihood(
    report: Report, tools: FaceTools, lawful: Lawful, pictures: dict[str, list[Picture]], limit: int | None
) -> None:
    """Args: pictures: by person, two or more each."""
    model = model_of(tools.embedder.contract)
    assert model is not None
    people = sorted(pictures)[:limit]
    enrolled = {name: _vector(tools, lawful, pictures[name][0]) for name in people}
    rows = []  # (bin, fits, quality, cosine with the same, cosine with the next person)
    for number, name in enumerate(people):
        report.progress(number + 1, len(people), "likelihood")
        other = enrolled[people[(number + 1) % len(people)]]
        own = enrolled[name]
        fits = hashlib.sha256(name.encode()).digest()[0] % 2 == 0
        for how in range(5):
            found = _vector(tools, lawful, spoilt(pictures[name][1], how))
            if found is None or own is None or other is None:
                continue
            (vector, quality), (mate, _), (stranger, _) = found, own, other
            where = int(np.searchsorted(QUALITY_BINS, quality))
            rows.append((where, fits, quality, float(vector @ mate), float(vector @ stranger)))
    for where, name in enumerate(NAMES):
        mine = [row for row in rows if row[0] == where]
        train, test = [row for row in mine if row[1]], [row for row in mine if not row[1]]
        report.results[f"likelihood_{name}_faces"] = len(mine)
        if len(train) < 20 or len(test) < 20:
            continue
        report.results[f"likelihood_{name}_same_mean"] = round(float(np.mean([row[3] for row in mine])), 4)
        report.results[f"likelihood_{name}_same_sd"] = round(float(np.std([row[3] for row in mine])), 4)
        report.results[f"likelihood_{name}_other_mean"] = round(float(np.mean([row[4] for row in mine])), 4)
        report.results[f"likelihood_{name}_other_sd"] = round(float(np.std([row[4] for row in mine])), 4)
        best = min(WIDTHS, key=lambda width: cllr(train, model, float(width)))
        report.results[f"fit_{name}"] = round(float(best), 2)
        for label, width in (("shipped", LOOK_OF_BIN[where]), ("none", 1.0), ("fitted", float(best))):
            report.results[f"cllr_{name}_{label}"] = round(cllr(test, model, width), 4)


def cllr(rows: list[tuple[int, bool, float, float, float]], model: ScoreModel, width: float) -> float:
    """Brümmer and du Preez 2006, eq. 18, over the ratios that the product would tell."""
    one = expected(model, 1, look_of_bin=(width, width, width))
    same = np.array([log10_likelihood(row[3], one) for row in rows]) * np.log(10)
    other = np.array([log10_likelihood(row[4], one) for row in rows]) * np.log(10)
    return float(np.mean(np.log2(1 + np.exp(-same))) + np.mean(np.log2(1 + np.exp(other)))) / 2


def _vector(tools: FaceTools, lawful: Lawful, picture: Picture) -> tuple[npt.NDArray[np.float32], float] | None:
    faces = tools.judged(picture)
    if not faces:
        return None
    middle = np.array(picture.shape[1::-1], np.float32) / 2
    best = min(faces, key=lambda one: float(np.hypot(*((one.found.box_px[:2] + one.found.box_px[2:]) / 2 - middle))))
    return tools.vector(picture, best.found, lawful, utc_ns=Ns(0)), best.quality.score


def people_of(archives: list[dict[str, bytes]], read: Callable[[bytes], Picture]) -> dict[str, list[Picture]]:
    """Everybody with two pictures or more, the first two of each."""
    names: dict[str, list[bytes]] = {}
    for images in archives:
        for image in sorted(images):
            names.setdefault(image.partition("/")[0], []).append(images[image])
    return {name: [read(one) for one in found[:2]] for name, found in names.items() if len(found) > 1}
