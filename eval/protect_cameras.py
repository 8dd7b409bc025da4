"""When does a track count as a protected person? Errors of both kinds by threshold, on simulated cameras.

Run `python -m eval.protect_cameras --data ../shared/data [--smoke]`. Not the film that `eval.protect` measures on: 160
people of LFW with two pictures or more, twenty before each of eight simulated cameras, which differ in resolution (28
to 70 % of a 250-pixel picture), blur, exposure, colour, noise and JPEG quality. Strangers are those before the same
camera. Pictures that people gave are clean (`clean`), or of that camera, too (`same`): then everybody is alike.

- `miss_{n}_{clean,same}_t{10 T}`: own looks of which the log10 likelihood is T or less, with n pictures given.
- `false_…`: looks of others above it. Single looks; fused ones are better on both sides.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from custodes.access import protection
from custodes.adapters.model.faces import load_face_tools
from custodes.face.calibration import expected, log10_likelihood, model_of
from custodes.face.quality import judge
from custodes.units import Ns
from eval.faces import Picture, central, decode_jpeg, folds, permit
from eval.report import Report

CAMERAS, PEOPLE, PICTURES = 8, 20, 4
THRESHOLDS = (0.0, 0.5, 1.0, 1.5, 2.0)

Look = tuple[int, npt.NDArray[np.float32], float]
"""Number of the picture, unit vector, quality."""
Looks = dict[str, dict[str, list[Look]]]
"""Person → `clean` or `same` → looks."""


def camera(seed: int) -> Callable[[Picture, int], Picture]:
    """One camera's way of spoiling a picture, and the noise of one look."""
    random = np.random.default_rng(seed)
    scale, blur = float(random.uniform(0.28, 0.7)), float(random.uniform(0, 1.2))
    gamma, noise = float(np.exp(0.35 * random.normal())), float(random.uniform(0, 8))
    quality, tint = int(random.uniform(25, 80)), random.normal(0, 8, 3)

    def take(picture: Picture, number: int) -> Picture:
        height, width = picture.shape[:2]
        small = cv2.resize(picture, (int(width * scale), int(height * scale)), interpolation=cv2.INTER_AREA)
        soft = cv2.GaussianBlur(small, (0, 0), blur) if blur > 0.2 else small
        grain = np.random.default_rng(number).normal(0, noise, soft.shape)
        shown = np.clip(255 * (soft / 255.0) ** gamma + tint + grain, 0, 255).astype(np.uint8)
        packed = cv2.imencode(".jpg", shown[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        back = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1]
        large = cv2.resize(back, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(large, np.uint8)

    return take


def gather(data: Path, report: Report, *, cameras: int, people: int) -> list[Looks]:
    """What each camera's people look like to the packaged network."""
    tools, lawful = load_face_tools(models_dir=None), permit()
    images = {name: jpeg for _, one in folds(data, None) for name, jpeg in one.items() if name.endswith(".jpg")}
    names: dict[str, list[str]] = defaultdict(list)
    for name in sorted(images):
        names[name.split("/")[0]].append(name)
    several = [who for who in sorted(names) if len(names[who]) > 1]
    drawn = [several[n] for n in np.random.default_rng(11).permutation(len(several))]
    found: list[Looks] = []
    for number in range(cameras):
        take = camera(100 + number)
        looks: Looks = {}
        for row, who in enumerate(drawn[number * people : (number + 1) * people]):
            looks[who] = {"clean": [], "same": []}
            for at, name in enumerate(names[who][:PICTURES]):
                plain = decode_jpeg(images[name])
                for kind, picture in (("clean", plain), ("same", take(plain, 10 * row + at))):
                    faces = tools.finder.find(picture, floor=0.3)
                    if not faces:
                        continue
                    face = central(faces)
                    quality = judge(picture, face.points_px, face.box_px, face.score)
                    vector = tools.vector(picture, face, lawful, utc_ns=Ns(0))
                    looks[who][kind].append((at, vector / np.linalg.norm(vector), quality.score))
        found.append(looks)
        report.progress(number + 1, cameras, "cameras")
    return found


def likelihoods(found: list[Looks], kind: str, given: int, contract: str) -> tuple[list[float], list[float]]:
    """Of own looks and of others', each with `given` pictures of one person, by the warden's rule."""
    model = model_of(contract)
    assert model is not None
    own: list[float] = []
    others: list[float] = []
    for looks in found:
        for who, kinds in looks.items():
            pictures = kinds[kind][:given]
            if len(pictures) < given:
                continue
            used = {at for at, *_ in pictures}
            for other, theirs in looks.items():
                for at, vector, quality in theirs["same"]:
                    if other == who and at in used:
                        continue
                    one = expected(model, 1, quality)
                    (own if other == who else others).append(
                        protection.likelihood_of(
                            [log10_likelihood(float(vector @ picture), one) for _, picture, _ in pictures]
                        )
                    )
    return own, others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    cameras, people = (1, 3) if arguments.smoke else (CAMERAS, PEOPLE)
    report = Report("eval.protect_cameras", smoke=arguments.smoke, config={"cameras": cameras, "people": people})
    found = gather(arguments.data, report, cameras=cameras, people=people)
    contract = load_face_tools(models_dir=None).embedder.contract
    for kind in ("clean", "same"):
        for given in (1, 2, 3):
            own, others = likelihoods(found, kind, given, contract)
            if not own or not others:
                continue
            for threshold in THRESHOLDS:
                name = f"{given}_{kind}_t{round(10 * threshold)}"
                report.results[f"miss_{name}"] = round(float(np.mean(np.array(own) <= threshold)), 4)
                report.results[f"false_{name}"] = round(float(np.mean(np.array(others) > threshold)), 4)
            report.note(f"{given} pictures, {kind}: {len(own)} own looks, {len(others)} of others")
    report.results["threshold"] = protection.LIKELIHOOD
    report.finish()


if __name__ == "__main__":
    main()
