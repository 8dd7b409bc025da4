"""Face comparison on redacted output, by an attacker who knows where every face is: `eval.redact --attack`.

Gallery: each person's first asl-gestures clip, original, the mean of its faces. Probes: faces of the other clips as
they are in the redacted frames, aligned by the landmarks of the *original* frame, which no real attacker has.
Embedding: Open Model Zoo's face-reidentification-retail-0095 (LFW 99.3 %). Four attacks: as it is, sharpened by a
Wiener filter for an assumed blur, against a gallery redacted the same way ("parrot"), and everything again on
deface's default blur.

TPIR at FPIR 1 %: the threshold is the score that 1 % of the probes exceed when their own person is not in the
gallery. `attack_tpir_over_chance` is the greatest TPIR of ours minus what labels drawn at random reach (95th
percentile of 200).
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal

from custodes.adapters.model import find_model, open_session
from custodes.detect.picture import fill_input, place
from custodes.face.align import OMZ_128, align
from custodes.media.film import FilmReader
from custodes.redact.fill import FILL_Y
from custodes.types.vision import ModelTask
from eval.redact import Clip, MasksOf, rgb_of, their_masks
from eval.redact_truth import ASL
from eval.report import Report

FPIR = 0.01
_EVERY = 6
_SHUFFLES = 200

Picture = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float64]
Redact = Callable[[Picture, npt.NDArray[np.float64]], Picture]


class Comparer:
    """Embeds faces whose place is known."""

    def __init__(self, models_dir: Path) -> None:
        self._entries = [find_model(models_dir=models_dir, name=name, task=task) for name, task in (
            ("landmarks-regression-retail-0009", ModelTask.FACE_DETECT),
            ("face-reidentification-retail-0095", ModelTask.FACE_EMBED))]  # fmt: skip
        self._sessions = [open_session(entry, threads=2, acknowledged=frozenset()) for entry in self._entries]

    def _run(self, number: int, picture: Picture, output: str) -> npt.NDArray[np.float32]:
        spec = self._entries[number].manifest.input
        filled = fill_input(picture, place(picture.shape[1], picture.shape[0], spec), spec)
        return np.asarray(self._sessions[number].run({spec.name: filled})[output], np.float32).reshape(-1)

    def points(self, original: Picture, box: Sequence[float]) -> npt.NDArray[np.float32]:
        """Five landmarks in the original."""
        height, width = original.shape[:2]
        x1, y1, x2, y2 = np.clip(np.rint(box), 0, [width, height, width, height]).astype(int)
        shares = self._run(0, np.ascontiguousarray(original[y1:y2, x1:x2]), "95").reshape(5, 2)
        return (shares * np.array([x2 - x1, y2 - y1]) + np.array([x1, y1])).astype(np.float32)

    def vector(self, crop: Picture) -> Vectors:
        """Unit length."""
        found = self._run(1, crop, "658").astype(np.float64)
        return found / np.linalg.norm(found)


def solid(picture: Picture, boxes: npt.NDArray[np.float64]) -> Picture:
    out = picture.copy()
    for x1, y1, x2, y2 in boxes:
        rows = slice(max(0, int(y1) & ~1), -(-int(np.ceil(y2)) // 2) * 2)
        out[rows, max(0, int(x1) & ~1) : -(-int(np.ceil(x2)) // 2) * 2] = FILL_Y
    return out


def blurred(picture: Picture, boxes: npt.NDArray[np.float64]) -> Picture:
    """deface's default: a box filter of half the box's size (without its ellipse, so all of the box)."""
    out = picture.copy()
    for x1, y1, x2, y2 in np.rint(boxes).astype(int):
        part = out[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)]
        if part.size:
            size = (max(1, (y2 - y1) // 2), max(1, (x2 - x1) // 2), 1)
            part[:] = ndimage.uniform_filter(part.astype(np.float32), size=size, mode="reflect")
    return out


def sharpened(crop: Picture) -> Picture:
    """A Wiener filter against a box blur of a quarter of the crop, with little noise assumed."""
    size = crop.shape[0] // 4
    kernel = np.zeros(crop.shape[:2])
    kernel[:size, :size] = 1 / size**2
    kernel = np.roll(kernel, (-size // 2, -size // 2), axis=(0, 1))
    transfer = np.fft.fft2(kernel)
    inverse = np.conj(transfer) / (np.abs(transfer) ** 2 + 1e-3)
    restored = [np.real(np.fft.ifft2(np.fft.fft2(crop[:, :, channel]) * inverse)) for channel in range(3)]
    smooth = np.nan_to_num(signal.wiener(np.stack(restored, axis=2), (3, 3, 1)))  # flat parts have no variance
    return np.clip(smooth, 0, 255).astype(np.uint8)


def crops_of(data: Path, clip: Clip, masks: MasksOf, redact: Redact, comparer: Comparer
             ) -> tuple[list[Picture], list[Picture]]:  # fmt: skip
    """Aligned faces of every sixth frame: as they were, and as they are after redaction."""
    before: list[Picture] = []
    after: list[Picture] = []
    heads = clip.heads.get(0, {})
    with FilmReader(data / clip.name) as reader:
        for number, frame in enumerate(reader.frames()):
            if number % _EVERY or number not in heads or number >= len(masks):
                continue
            picture = rgb_of(frame)
            points = comparer.points(picture, heads[number])
            for kept, source in ((before, picture), (after, redact(picture, masks[number]))):
                kept.append(np.rint(align(source, points, OMZ_128, 128)).astype(np.uint8))
    return before, after


def tpir(probes: Vectors, owners: npt.NDArray[np.intp], gallery: Vectors) -> float:
    """Share of probes whose best candidate is their owner, above the score that 1 % exceed without their owner."""
    scores = probes @ gallery.T
    others = scores.copy()
    others[np.arange(len(owners)), owners] = -np.inf
    threshold = np.quantile(others.max(axis=1), 1 - FPIR, method="higher")
    is_found = (scores.argmax(axis=1) == owners) & (scores.max(axis=1) > threshold)
    return float(is_found.mean())


def chance(probes: Vectors, owners: npt.NDArray[np.intp], gallery: Vectors) -> float:
    """What random owners reach, 95th percentile."""
    rng = np.random.default_rng(11)
    return float(np.quantile([tpir(probes, rng.permutation(owners), gallery) for _ in range(_SHUFFLES)], 0.95))


def attack(data: Path, clips: Sequence[Clip], ours: Callable[..., MasksOf], report: Report, *, smoke: bool
           ) -> dict[str, float]:  # fmt: skip
    models_dir = data.parent / "models"
    if not models_dir.is_dir():
        report.note("no models beside the data: no attack")
        return {}
    people: dict[str, list[str]] = json.loads((data / "faces" / "identities.json").read_text())["asl-gestures"]
    comparer = Comparer(models_dir)
    owner_of = {f"{ASL}/{name}": row for row, names in enumerate(sorted(people)) for name in people[names]}
    known = [clip for clip in clips if clip.name in owner_of]
    if smoke:
        return _smoke(data, known[0], ours, comparer)
    enrolled = {owner_of[f"{ASL}/{people[name][0]}"]: f"{ASL}/{people[name][0]}" for name in sorted(people)}
    systems: dict[str, tuple[Callable[..., MasksOf], Redact]] = {"": (ours, solid)}
    if all(clip.theirs for clip in known):
        systems["deface_"] = (their_masks, blurred)
    found: dict[str, float] = {}
    for who, (make, redact) in systems.items():
        crops = {clip.name: crops_of(data, clip, make(clip, misses=0.0, seed=1), redact, comparer) for clip in known}
        gallery = [_mean(comparer, crops[enrolled[row]][0]) for row in sorted(enrolled)]
        parrot = [_mean(comparer, crops[enrolled[row]][1]) for row in sorted(enrolled)]
        probed = [clip.name for clip in known if clip.name not in enrolled.values()]
        owners = np.array([owner_of[name] for name in probed for _ in crops[name][0]])
        before, after = (np.stack([comparer.vector(crop) for name in probed for crop in crops[name][side]])
                         for side in (0, 1))  # fmt: skip
        restored = np.stack([comparer.vector(sharpened(crop)) for name in probed for crop in crops[name][1]])
        trials = {"original": (before, np.stack(gallery)), "redacted": (after, np.stack(gallery)),
                  "deblurred": (restored, np.stack(gallery)), "parrot": (after, np.stack(parrot))}  # fmt: skip
        for name, (probes, templates) in trials.items():
            found[f"attack_tpir_{who}{name}"] = round(tpir(probes, owners, templates), 4)
            found[f"attack_chance_{who}{name}"] = round(chance(probes, owners, templates), 4)
        found[f"attack_probes_{who.rstrip('_') or 'ours'}"] = float(len(owners))
        told = " ".join(f"{name} {found[f'attack_tpir_{who}{name}']}" for name in trials)
        report.note(f"attack {who.rstrip('_') or 'ours'}, TPIR at FPIR 1 % of {len(owners)} probes: {told}")
    found["attack_tpir_over_chance"] = round(max(
        found[f"attack_tpir_{name}"] - found[f"attack_chance_{name}"] for name in ("redacted", "deblurred", "parrot")
    ), 4)  # fmt: skip
    return found


def _mean(comparer: Comparer, crops: Sequence[Picture]) -> Vectors:
    total = np.sum([comparer.vector(crop) for crop in crops], axis=0)
    return np.asarray(total / np.linalg.norm(total))


def _smoke(data: Path, clip: Clip, ours: Callable[..., MasksOf], comparer: Comparer) -> dict[str, float]:
    """One clip: cosine of a face with itself once redacted, to see that the chain works."""
    before, after = crops_of(data, clip, ours(clip, misses=0.0, seed=1), solid, comparer)
    cosines = [float(comparer.vector(a) @ comparer.vector(b)) for a, b in zip(before, after, strict=True)]
    return {"attack_cosine_after": round(float(np.mean(cosines)), 4)}
