"""Tampering on real footage: false alarms on untouched clips, and what is found of four attacks made upon them.

`python -m eval.tamper --data ../shared/data [--smoke]`. Each clip of a fixed camera is looked at once a second, as the
analyser does. A clip of two minutes leaves one minute after the usual picture is learnt, so untouched clips are also
played around and around for an hour (`repeated_h`; this says less than an hour of footage would). Attacks begin after
the usual picture is learnt: black or grey cover, a shift of the picture by 4 to 30 % with what comes in taken from the
other edge, blur of 2 to 8 pixels, and the stream's own packets once more. They are made on decoded pictures, so a
camera's own encoder has no part in them; a loop that was encoded anew is not among them, because it is not noticed.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from custodes.pipeline.tampering import TamperWatch
from custodes.types.event import TamperKind
from custodes.types.media import Frame, Packet
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from eval.report import Report

CLIPS = (
    "multicam/epfl/terrace1-c0.mp4",
    "multicam/epfl/terrace1-c1.mp4",
    "people/intel-one-by-one-person-detection.mp4",
    "people/pets09-s2l1-view001.avi",
    "traffic/cdnet-highway.mp4",
    "traffic/intel-car-detection.mp4",
)
SMOKE_CLIPS = CLIPS[2:3]
LEARN = 75
"""Looks before an attack begins."""
ATTACK = 40
"""Looks that it lasts; it counts as found when it is told within them."""

Luma = npt.NDArray[np.uint8]
Change = Callable[[Luma], Luma]


def once_a_second(path: Path) -> list[Luma]:
    """A picture for each second of the clip."""
    found: list[Luma] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            if frame.time is not None and frame.time >= len(found):
                found.append(frame.to_ndarray(format="gray8"))
    return found


def around(pictures: list[Luma], looks: int) -> Iterator[Luma]:
    """Forth and back, so that there is no jump."""
    turn = [*range(len(pictures)), *range(len(pictures) - 2, 0, -1)]
    for number in range(looks):
        yield pictures[turn[number % len(turn)]]


def frame_of(luma: Luma, second: int) -> Frame:
    half = (luma.shape[0] // 2, luma.shape[1] // 2)
    grey = np.full(half, 128, np.uint8)
    return Frame(camera_id=CameraId("eval"), run=RunId("r"), seq=second, utc_ns=Ns(second * NS_PER_S), y=luma,
                 u=grey, v=grey, is_keyframe=True, is_corrupt=False)  # fmt: skip


def watch(pictures: list[Luma], change: Change | None, looks: int) -> tuple[list[str], bool]:
    """Kinds that were told, in order; and whether the usual picture was known at the end of learning."""
    tamper, told, is_known = TamperWatch(), [], False
    for second, luma in enumerate(around(pictures, looks)):
        shown = luma if change is None or second < LEARN else change(luma)
        tamper.look(frame_of(shown, second + 1))
        is_known |= tamper.is_known
        told += [one.kind.value for one in tamper.tampering() if one.kind.value not in told]
    return told, is_known


def blurred(luma: Luma, sigma: float) -> Luma:
    """Gaussian, separable."""
    reach = int(3 * sigma) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    wide = np.pad(luma.astype(np.float32), reach, mode="edge")
    rows = sum(kernel[k] * wide[:, k : k + luma.shape[1]] for k in range(len(kernel)))
    both = sum(kernel[k] * rows[k : k + luma.shape[0]] for k in range(len(kernel)))
    return both.round().astype(np.uint8)


def attacks() -> dict[str, tuple[str, Change]]:
    """Name to the kind that should be told, and what is done to a picture."""
    noise = np.random.default_rng(1)

    def cover(level: int, share: float) -> Change:
        def change(luma: Luma) -> Luma:
            shown = luma.copy()
            columns = int(luma.shape[1] * share)
            part = noise.normal(level, 2.0, (luma.shape[0], columns))
            shown[:, :columns] = part.clip(0, 255).astype(np.uint8)
            return shown

        return change

    def shift(share: float) -> Change:
        return lambda luma: np.roll(luma, (int(luma.shape[0] * share / 2), int(luma.shape[1] * share)), (0, 1))

    def blur(sigma: float) -> Change:
        return lambda luma: blurred(luma, sigma)

    return {
        "black": ("covered", cover(16, 1.0)),
        "grey": ("covered", cover(120, 1.0)),
        "three quarters": ("covered", cover(60, 0.75)),
        "shift 4 %": ("moved", shift(0.04)),
        "shift 10 %": ("moved", shift(0.10)),
        "shift 30 %": ("moved", shift(0.30)),
        "blur 2 px": ("defocused", blur(2.0)),
        "blur 4 px": ("defocused", blur(4.0)),
        "blur 8 px": ("defocused", blur(8.0)),
    }


def replay(path: Path) -> tuple[bool, bool]:
    """(told on the stream once, told when it comes again)."""
    tamper, keyframes = TamperWatch(), []
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.is_keyframe and packet.size:
                keyframes.append(bytes(packet))
    second = 0
    answers = []
    for _ in range(2):
        for payload in keyframes:
            second += 2
            tamper.take(
                Packet(camera_id=CameraId("eval"), run=RunId("r"), seq=second, payload=payload, pts=0, dts=0,
                       duration=0, is_keyframe=True, is_corrupt=False, utc_ns=Ns(second * NS_PER_S))
            )  # fmt: skip
        answers.append(any(one.kind is TamperKind.REPLAYED for one in tamper.tampering()))
    return answers[0], answers[1]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true", help="one clip, ten minutes of it; an hour of each otherwise")
    arguments = parser.parse_args()
    looks, clips = (600, SMOKE_CLIPS) if arguments.smoke else (3600, CLIPS)
    report = Report("eval.tamper", smoke=arguments.smoke, config={"looks_repeated": looks, "clips": len(clips)})
    sums: Counter[str] = Counter()
    for step, name in enumerate(clips):
        report.progress(step, len(clips), name)
        one_clip(report, sums, arguments.data / name, looks)
    report.results |= {
        "untouched_s": sums["seconds"],
        "false_alarms_untouched": sums["false_once"],
        "repeated_h": round(looks * len(clips) / 3600, 2),
        "false_alarms_repeated": sums["false_repeated"],
        "attacks": sums["attacks"],
        "attacks_told_share": sums["told"] / max(sums["attacks"], 1),
        "attacks_named_share": sums["named"] / max(sums["attacks"], 1),
        "replays": len(clips),
        "replays_told_share": sums["replays_told"] / len(clips),
        "replays_false": sums["replays_false"],
    }
    report.progress(len(clips), len(clips), "done")
    report.finish()


def one_clip(report: Report, sums: Counter[str], path: Path, looks: int) -> None:
    """Untouched once and around, each attack, and the stream once more."""
    pictures = once_a_second(path)
    told, is_known = watch(pictures, None, looks)
    sums["seconds"] += len(pictures)
    sums["false_once"] += len(watch(pictures, None, len(pictures))[0])
    sums["false_repeated"] += len(told)
    if not is_known:
        report.note(f"{path.name}: what is usual there was not learnt")
    for attack, (kind, change) in attacks().items() if is_known else ():
        told, _ = watch(pictures, change, LEARN + ATTACK)
        sums["attacks"] += 1
        sums["told"] += bool(told)
        sums["named"] += told[:1] == [kind]
        if told[:1] != [kind]:
            report.note(f"{path.name}: {attack} was told as {told or 'nothing'}")
    before, again = replay(path)
    sums["replays_told"] += again
    sums["replays_false"] += before


if __name__ == "__main__":
    main()
