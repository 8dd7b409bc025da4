"""Which attacked stills still name their copy, and whether an innocent copy is ever named.

    python -m eval.mark --data ../shared/data [--smoke]

Real clips as they are (no upscaling), marked, encoded as a view delivers them (libx264 ultrafast), attacked
(`eval.attacks`, luma), laid over the archived frame and scored. z ≥ 9 names. Innocent scores use rows of a Hadamard
matrix with columns flipped by secret signs: each row alone is a uniform pattern of independent signs, and 65,536 of
them cost a millisecond.
"""

import argparse
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import PictureType

from custodes.leaks.alignment import Original, Suspect, align, fit
from custodes.leaks.rule import NAMED_Z
from custodes.media.decode import FrameDecoder
from custodes.testing.media import read_clip
from custodes.types.mark import SLOT_NS, slot_of
from custodes.types.media import Frame
from custodes.units import NS_PER_S, Ns
from custodes.watermark.mark import DELIVERED_DB, Marker
from custodes.watermark.pattern import chip_bytes, session_key, slot_key
from custodes.watermark.residual import evidence_of
from custodes.watermark.score import Evidence, agreement
from eval.attacks import ATTACKS, Attack, Luma, jpeg, screenshot
from eval.mark_peers import measure_peers
from eval.report import Report

START_NS = Ns(1_767_225_600 * NS_PER_S)
CLIPS = (
    ("people/intel-one-by-one-person-detection.mp4", (205, 700)),
    ("people/pets09-s2l1-view001.avi", (105, 600)),
    ("people/intel-people-detection.264", (100, 500)),
    ("traffic/intel-car-detection.mp4", (60, 290)),
)
LEAD = 6
"""Frames encoded before the one that leaks, so that it is no keyframe."""

_STRATEGIES = ("mean", "median", "min", "max", "midrange", "random pixel", "blocks", "mean + noise")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A frame of a clip with those before it."""

    clip: str
    frames: tuple[Frame, ...]

    @property
    def leaked(self) -> Frame:
        return self.frames[-1]


def key_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def moments(data: Path, clips: Sequence[tuple[str, Sequence[int]]]) -> list[Moment]:
    found = []
    for name, numbers in clips:
        info, packets = read_clip(data / name, frames=max(numbers) + 1, start_ns=START_NS)
        decoder, frames = FrameDecoder(info), []
        for packet in packets:
            frames += decoder.decode(packet)
        frames += decoder.flush()
        for number in numbers:
            if len(frames) > number:
                found.append(Moment(clip=name, frames=tuple(frames[number - LEAD : number + 1])))
    return found


def delivered(frames: Sequence[Frame], key: bytes, *, psnr_db: float, crf: int) -> Luma:
    """The last frame, as a viewer of these gets it."""
    height, width = (side // 2 * 2 for side in frames[0].y.shape)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": str(crf)}
    encoder.framerate = 10
    decoder, marker = av.CodecContext.create("h264", "r"), Marker(key, psnr_db=psnr_db)
    shown: list[av.VideoFrame] = []
    slots = [slot_of(frame.utc_ns) for frame in frames]
    for number, frame in enumerate(frames):
        planes = np.concatenate([
            marker.mark(frame).y[:height, :width].ravel(),
            frame.u[: height // 2, : width // 2].ravel(),
            frame.v[: height // 2, : width // 2].ravel(),
        ]).reshape(height * 3 // 2, width)  # fmt: skip
        picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        picture.pts = number
        if number and slots[number] != slots[number - 1]:  # as `media.encode` does
            picture.pict_type = PictureType.I
        for packet in encoder.encode(picture):
            shown += decoder.decode(packet)
    for packet in encoder.encode(None):
        shown += decoder.decode(packet)
    shown += decoder.decode(None)
    return np.ascontiguousarray(shown[-1].to_ndarray()[:height])


def read(picture: Luma, original: Original) -> tuple[Evidence, ...]:
    """Evidence of a found picture; none when it cannot be laid over the original."""
    suspect = Suspect(np.ascontiguousarray(picture))
    found = fit(suspect, original)
    return () if found is None else evidence_of(align(suspect, original, found.registration))


def best(evidence: Sequence[Evidence], keys: Sequence[bytes]) -> npt.NDArray[np.float64]:
    if not evidence:
        return np.zeros(len(keys))
    return np.asarray(agreement(evidence, keys).max(axis=0))


def innocent(evidence: Evidence, seed: int) -> npt.NDArray[np.float64]:
    """65,536 scores of patterns that shaped nothing, by a fast Walsh-Hadamard transform of randomly flipped cells."""
    bits = np.frombuffer(chip_bytes(key_of(f"innocent {seed}")), dtype=np.uint8)
    values = np.zeros(65_536)
    values[: len(evidence.values)] = evidence.values * (np.unpackbits(bits) * 2.0 - 1)
    half = 1
    while half < len(values):
        pairs = values.reshape(-1, 2, half)
        values = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).reshape(-1)
        half *= 2
    return values


def colluded(copies: Sequence[Luma], strategy: str, random: np.random.Generator) -> Luma:
    stack = np.stack(copies).astype(np.float32)
    height, width = copies[0].shape
    if strategy in ("mean", "mean + noise"):
        out = stack.mean(axis=0) + (random.normal(0, 3, (height, width)) if "noise" in strategy else 0)
    elif strategy == "median":
        out = np.median(stack, axis=0)
    elif strategy == "min":
        out = stack.min(axis=0)
    elif strategy == "max":
        out = stack.max(axis=0)
    elif strategy == "midrange":
        out = (stack.min(axis=0) + stack.max(axis=0)) / 2
    else:
        step = 1 if strategy == "random pixel" else 32
        choice = random.integers(0, len(copies), (-(-height // step), -(-width // step)))
        whole = np.kron(choice, np.ones((step, step), dtype=np.int64))[:height, :width]
        out = np.take_along_axis(stack, whole[None], axis=0)[0]
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


class Study:
    def __init__(self, report: Report, points: list[Moment], *, is_smoke: bool) -> None:
        self.report = report
        self.points = points
        self.is_smoke = is_smoke
        self.seen: list[Evidence] = []
        self.guilty = [key_of(f"session {n}") for n in range(10)]

    def battery(self, attacks: Sequence[Attack], *, psnr_db: float, crf: int) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {attack.name: [] for attack in attacks}
        for number, point in enumerate(self.points):
            original = Original(point.leaked.y)
            picture = delivered(point.frames, self.guilty[0], psnr_db=psnr_db, crf=crf)
            slot = slot_of(point.leaked.utc_ns)
            for attack in attacks:
                evidence = read(attack.act(picture, np.random.default_rng(number)), original)
                found[attack.name].append(float(best(evidence, [slot_key(self.guilty[0], slot)])[0]))
                self.seen += evidence[:1]
            least = min(values[-1] for values in found.values())
            self.report.progress(number + 1, len(self.points), f"{psnr_db:.0f} dB, crf {crf}, least z {least:.1f}")
        return found

    def main_battery(self) -> None:
        chosen = [attack for attack in ATTACKS if not self.is_smoke or attack.name in _SMOKE]
        found = self.battery(chosen, psnr_db=48, crf=28)
        results = self.report.results
        usual = [z for attack in chosen if not attack.is_extreme for z in found[attack.name]]
        results["named_share_48db_crf28"] = _share(usual)
        results["stills_48db_crf28"] = len(usual)
        results["attacks_48db_crf28"] = sum(not attack.is_extreme for attack in chosen)
        extreme = [z for attack in chosen if attack.is_extreme for z in found[attack.name]]
        if extreme:
            results["named_share_extreme_48db_crf28"] = _share(extreme)
        results["z_min_phone_photo_48db"] = round(min(found["phone photo"]), 1)
        for name, values in found.items():
            results[f"z_min {name}"] = round(min(values), 1)

    def grid(self) -> None:
        few = [attack for attack in ATTACKS if attack.name in _GRID]
        for psnr_db, crf in ((44, 28), (46, 28), (48, 23), (48, 33), (46, 33)):
            values = [z for each in self.battery(few, psnr_db=psnr_db, crf=crf).values() for z in each]
            self.report.results[f"named_share_{psnr_db}db_crf{crf}"] = _share(values)

    def collusion(self, sizes: Sequence[int], *, psnr_db: float, suffix: str = "") -> None:
        others = [key_of(f"bystander {n}") for n in range(200 if self.is_smoke else 2000)]
        point = self.points[0]
        slot, original = slot_of(point.leaked.utc_ns), Original(point.leaked.y)
        copies = [delivered(point.frames, key, psnr_db=psnr_db, crf=23) for key in self.guilty[: max(sizes)]]
        innocents = [slot_key(key, slot) for key in others]
        for size in sizes:
            named: list[float] = []
            for number, strategy in enumerate(_STRATEGIES):
                merged = colluded(copies[:size], strategy, np.random.default_rng(number))
                pictures = [merged] if self.is_smoke else [merged, screenshot(merged, np.random.default_rng(0))]
                for picture in pictures:
                    evidence = read(picture, original)
                    named += best(evidence, [slot_key(key, slot) for key in self.guilty[:size]]).tolist()
                    highest = float(np.abs(best(evidence, innocents)).max())
                    self.report.results["collusion_innocent_z_max"] = round(
                        max(highest, self.report.results.get("collusion_innocent_z_max", 0.0)), 2
                    )
            self.report.results[f"colluders_named_{size}{suffix}"] = _share(named)
            self.report.results[f"colluders_z_min_{size}{suffix}"] = round(min(named), 1)

    def frame_up(self, exports: int) -> None:
        """Median of own and of the victim's exports of a still scene; the difference goes into an own picture."""
        point = self.points[0]
        own, victim = key_of("attacker"), key_of("victim")

        def export(key: bytes, number: int) -> Luma:
            frames = [replace(one, utc_ns=Ns(one.utc_ns + number * SLOT_NS)) for one in point.frames[-2:]]
            return delivered(frames, key, psnr_db=46, crf=23)

        mine = np.median([export(own, n) for n in range(1, exports + 1)], axis=0)
        theirs = np.median([export(victim, n) for n in range(exports + 1, 2 * exports + 1)], axis=0)
        forged = np.clip(export(own, 0) + theirs - mine, 0, 255).astype(np.uint8)
        slot, original = slot_of(point.leaked.utc_ns), Original(point.leaked.y)
        victims, attackers, sessions = [], [], []
        for picture in (forged, jpeg(forged, 70), screenshot(forged, np.random.default_rng(0))):
            z = best(read(picture, original), [slot_key(victim, slot), slot_key(own, slot), session_key(victim)])
            victims.append(float(z[0]))
            attackers.append(float(z[1]))
            sessions.append(float(z[2]))
        self.report.results["frameup_victim_z_max"] = round(max(victims), 2)
        self.report.results["frameup_attacker_z_min"] = round(min(attackers), 1)
        self.report.results["frameup_victim_session_layer_z"] = round(max(sessions), 1)

    def after_expiry(self, data: Path, clips: Sequence[tuple[str, Sequence[int]]]) -> None:
        """Against the median background alone: right session and ten seconds of a day first, and at z ≥ 9.

        `…_within_a_slot_share` takes the neighbours, too: the first pictures of a slot are predicted from its
        predecessor's, and carry that one's mark still.
        """
        chosen = [attack for attack in ATTACKS if attack.name in ("screenshot", "phone photo")]
        values: list[float] = []
        near: list[float] = []
        for (name, numbers), background in zip(clips, _backgrounds(data, clips), strict=True):
            original = Original(background)
            for point in (one for one in self.points if one.clip == name):
                slot = slot_of(point.leaked.utc_ns)
                picture = delivered(point.frames, self.guilty[0], psnr_db=46, crf=28)
                day = range(slot - 500, slot + 500) if self.is_smoke else range(slot - 4320, slot + 4320)
                keys = [slot_key(self.guilty[0], n) for n in day]
                for attack in chosen:
                    z = best(read(attack.act(picture, np.random.default_rng(numbers[0])), original), keys)
                    off = abs(int(z.argmax()) - day.index(slot))
                    values.append(float(z[day.index(slot)]) if not off else 0.0)
                    near.append(float(z.max()) if off <= 1 else 0.0)
        self.report.results["after_expiry_named_share"] = _share(values)
        self.report.results["after_expiry_within_a_slot_share"] = _share(near)
        self.report.results["after_expiry_z_min"] = round(min(values), 1)

    def innocents(self, wanted: int) -> None:
        random = np.random.default_rng(5)
        pool = [self.seen[n] for n in random.permutation(len(self.seen))[:200]]
        highest, total, squares = 0.0, 0, 0.0
        for seed in range(-(-wanted // 65_536)):
            z = innocent(pool[seed % len(pool)], seed)
            highest, total, squares = max(highest, float(np.abs(z).max())), total + len(z), squares + float(z @ z)
        self.report.results["innocent_z_max"] = round(highest, 2)
        self.report.results["innocent_scores"] = total
        self.report.results["innocent_variance"] = round(squares / total, 4)


def _backgrounds(data: Path, clips: Sequence[tuple[str, Sequence[int]]]) -> Iterator[Luma]:
    for name, numbers in clips:
        info, packets = read_clip(data / name, frames=max(numbers) + 1, start_ns=START_NS)
        decoder = FrameDecoder(info)
        frames = [frame.y for packet in packets for frame in decoder.decode(packet)]
        yield np.median(np.stack(frames[:: max(len(frames) // 25, 1)]), axis=0).astype(np.uint8)


def _share(values: Sequence[float]) -> float:
    return round(sum(z >= NAMED_Z for z in values) / max(len(values), 1), 4)


_SMOKE = {"none", "jpeg 30", "crop 25 %", "screenshot", "phone photo"}
_GRID = {"none", "jpeg 30", "scale 25 %, jpeg 50", "crop 25 %", "screenshot", "phone photo", "meme"}


def _collusion(study: Study, *, is_smoke: bool) -> None:
    study.collusion((5,) if is_smoke else (2, 3, 5, 8, 10), psnr_db=DELIVERED_DB)
    if not is_smoke:
        study.collusion((3, 5), psnr_db=48, suffix="_48db")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--stills", type=int, default=2, help="of each clip; fewer are faster")
    parser.add_argument("--only", nargs="*", choices=("battery", "collusion", "frame-up", "after expiry", "grid"))
    arguments = parser.parse_args()
    chosen = tuple((name, numbers[: arguments.stills]) for name, numbers in CLIPS)
    clips = ((CLIPS[0][0], CLIPS[0][1][:1]),) if arguments.smoke else chosen
    points = moments(arguments.data, clips)
    config = {"stills": len(points), "attacks": len(ATTACKS), "named_from_z": NAMED_Z, "width_px": "native"}
    report = Report("eval.mark", smoke=arguments.smoke, config=config)
    study = Study(report, points, is_smoke=arguments.smoke)
    parts: dict[str, Callable[[], None]] = {
        "battery": study.main_battery,
        # As delivered; weaker marks beside it.
        "collusion": lambda: _collusion(study, is_smoke=arguments.smoke),
        "frame-up": lambda: study.frame_up(6 if arguments.smoke else 25),
        "after expiry": lambda: study.after_expiry(arguments.data, clips),
        "grid": study.grid,
        "innocents": lambda: study.innocents(10_000_000 if arguments.smoke else 100_000_000),
        "peers": lambda: measure_peers(
            report, points[:1] if arguments.smoke else points[::3], is_smoke=arguments.smoke
        ),
    }
    for name in arguments.only or [one for one in parts if one != "grid" or not arguments.smoke]:
        parts[name]()
        report.part(name)
    report.finish()


if __name__ == "__main__":
    main()
