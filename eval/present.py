"""Hints at a picture of a face (`face.presentation`): how often they are right, by kind of attack.

Run `python -m eval.present --data ../shared/data [--smoke]`.

Of each kind the share that is said to be a face, a fake, or nothing (ISO/IEC 30107-3: a fake said to be a face is an
error of APCER, a face said to be fake one of BPCER; nothing is an error of neither, and stops nobody).

- `sim_*`: landmarks of a head and of its print 30 to 60 cm before a camera, off by .01 and .02 eye distances, turned
  at random within an angle. The head: eyes 63 mm apart, tip of the nose 32 mm out.
- `film_live`: five people on film (asl-gestures), six looks 0.4 s apart, by the product's own finder; nobody was asked
  to turn, so this measures who is wrongly called fake.
- `film_print_tilted`, `film_print_still`, `film_fed`: one frame of each such look drawn on a plane that is tilted to
  both sides, held still by a hand, or fed to the camera as a file. Drawn, not printed: paper, screens and their light
  are not in it. Replays of a film are not in it either: there the turn that was asked for decides.

Nothing of the film moved a constant of the product.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from custodes.adapters.model.faces import load_face_tools
from custodes.face.presentation import depth_of, signals_of, worst
from custodes.pipeline.faces import FaceTools
from custodes.types.face import Side, Speaks
from eval.report import Report

Picture = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]

HEAD_MM = np.array([[-31.5, 0, 0], [31.5, 0, 0], [0, 38, -32], [-25, 68, -4], [25, 68, -4]])
LOOKS = 6
BETWEEN_S = 0.4
BLANK = np.zeros((150, 150, 3), np.uint8)


def turned(yaw: float, pitch: float, roll: float) -> npt.NDArray[np.float64]:
    """Rotation by three angles in degrees."""
    matrix = np.eye(3)
    for axis, angle in ((1, yaw), (0, pitch), (2, roll)):
        vector = np.zeros(3)
        vector[axis] = np.radians(angle)
        matrix = np.asarray(cv2.Rodrigues(vector)[0], np.float64) @ matrix
    return matrix


def simulated(report: Report, trials: int) -> None:
    """Heads and prints, by angle and by what landmarks are off."""
    random = np.random.default_rng(0)
    for name, shape in (("head", HEAD_MM), ("print", HEAD_MM * [1, 1, 0])):
        for angle in (3, 20, 30, 45) if name == "print" else (3, 10, 20, 25):
            for off in (0.01, 0.02):
                said: Counter[Speaks] = Counter()
                depths = []
                for _ in range(trials):
                    away = random.uniform(300, 600)
                    looks = []
                    for _ in range(LOOKS):
                        angles = random.uniform(-angle, angle), 0.3 * angle * random.normal(), 4 * random.normal()
                        placed = (shape - [0, 30, 0]) @ turned(*angles).T
                        placed[:, 2] += away * float(np.exp(0.05 * random.normal()))
                        points = placed[:, :2] / placed[:, 2:] * 900
                        eyes = float(np.linalg.norm(points[1] - points[0]))
                        looks.append((points + off * eyes * random.normal(size=points.shape)).astype(np.float32))
                    noise = [random.integers(0, 255, BLANK.shape, dtype=np.uint8) for _ in looks]
                    said[worst(signals_of(noise, looks, Side.NONE))] += 1
                    depths.append(depth_of(looks).depth)
                put(report, f"sim_{name}_{angle}_off_{off:.2f}", said)
                report.results[f"sim_{name}_{angle}_off_{off:.2f}_depth_p95"] = round(
                    float(np.quantile(depths, 0.95)), 4
                )


def put(report: Report, key: str, said: Counter[Speaks]) -> None:
    """Shares of what was said."""
    total = max(said.total(), 1)
    shares = {one.name.lower(): round(said[one] / total, 3) for one in Speaks}
    report.results |= {f"{key}_{name}": share for name, share in shares.items()}
    report.note(
        f"{key}: {said.total()} presentations, " + ", ".join(f"{share} {name}" for name, share in shares.items())
    )


def windows(data: Path, is_smoke: bool) -> Iterator[list[Picture]]:
    """Looks of one person `BETWEEN_S` apart."""
    folder = data / "faces" / "asl-gestures"
    listing = next(path for path in (folder.parent / "identities.json", folder / "identities.json") if path.is_file())
    clips = [clip for own in json.loads(listing.read_text())["asl-gestures"].values() for clip in own]
    for clip in clips[: 2 if is_smoke else None]:
        with av.open(str(folder / clip)) as container:
            step = max(round(BETWEEN_S * float(container.streams.video[0].average_rate or 30)), 1)
            looks: list[Picture] = []
            for number, frame in enumerate(container.decode(video=0)):
                if number % step == 0:
                    looks.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
                if len(looks) == LOOKS:
                    yield looks
                    looks = []
                    if is_smoke:
                        break


def drawn(picture: Picture, angle: float, shift: tuple[float, float], random: np.random.Generator) -> Picture:
    """The picture on a plane turned by an angle, seen from twice its width, with a sensor's noise."""
    height, width = picture.shape[:2]
    corners = np.array([[-width, -height, 0], [width, -height, 0], [width, height, 0], [-width, height, 0]]) / 2
    placed = corners @ turned(angle, 0.2 * angle, 0.1 * angle).T + [*shift, 2.0 * width]
    to = placed[:, :2] / placed[:, 2:] * 2.0 * width + [width / 2, height / 2]
    matrix = cv2.getPerspectiveTransform((corners[:, :2] + [width / 2, height / 2]).astype(np.float32),
                                         to.astype(np.float32))  # fmt: skip
    flat = cv2.warpPerspective(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.clip(flat + 2.0 * random.normal(size=flat.shape), 0, 255).astype(np.uint8)


def judged(tools: FaceTools, pictures: list[Picture]) -> Speaks | None:
    """What is said of these looks; None where no face was found in the first."""
    seen, looks = [], []
    for picture in pictures:
        faces = tools.finder.find(picture)
        if faces:
            seen.append(picture)
            looks.append(max(faces, key=lambda one: float(one.box_px[2] - one.box_px[0])).points_px)
    return worst(signals_of(seen, looks, Side.NONE)) if looks else None


def film(report: Report, data: Path, is_smoke: bool) -> None:
    """See the module's text."""
    tools, random = load_face_tools(models_dir=None), np.random.default_rng(2)
    said: dict[str, Counter[Speaks]] = {kind: Counter() for kind in ("live", "print_tilted", "print_still", "fed")}
    for count, looks in enumerate(windows(data, is_smoke), start=1):
        first = looks[0]
        tilts = random.uniform(-40, 40, LOOKS)
        kinds = {
            "live": looks,
            "print_tilted": [drawn(first, float(angle), (0, 0), random) for angle in tilts],
            "print_still": [
                drawn(first, 2 * random.normal(), tuple(4 * random.normal(size=2)), random) for _ in looks
            ],
            "fed": [first] * LOOKS,
        }
        for kind, pictures in kinds.items():
            found = judged(tools, pictures)
            if found is not None:
                said[kind][found] += 1
        report.progress(count, count, "film")
    for kind, counted in said.items():
        put(report, f"film_{kind}", counted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    report = Report("eval.present", smoke=arguments.smoke, config={"looks": LOOKS, "between_s": BETWEEN_S})
    simulated(report, 40 if arguments.smoke else 400)
    film(report, arguments.data, arguments.smoke)
    report.finish()


if __name__ == "__main__":
    main()
