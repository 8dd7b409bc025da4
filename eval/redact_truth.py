"""Where heads and faces are in the shared clips: annotations for `eval.redact`, made by a documented procedure.

`python -m eval.redact_truth --data ../shared/data --sheets FOLDER` makes the files under `eval/truth` anew and
draws contact sheets to check them by eye. None of the procedures uses a model that custodes redacts with:

- **asl-gestures** (faces): YuNet on every second frame, one face per person followed by distance, gaps (hands before
  the face) and frames between filled linearly. The bystanders at the edges of bird.mkv and
  please.mkv are not in it, but unjudged (`BYSTANDERS`). Every sheet was looked at.
- **one-by-one**, **people-detection** (heads): difference to an empty picture, the largest blobs, of each the top:
  as wide as the blob is there, as high as 1.3 of that. No detector at all. Blobs lower than `_MIN_BLOB` of the
  picture, and moments at which two people are one blob, are left out. Boxes were looked at then (of one-by-one every
  third): `WRONG` are no heads (shadows on the floor after somebody left, a shoulder whose head is beyond the edge),
  and `PERSONS` says where a blob is another person's, or the same one's who left the picture's blob and came back.
  Who comes in over the lower edge is a low blob for half a second: there heads were drawn by eye
  (`intel-entering.csv`, as far as at least half of the head is in the picture; every frame, or every second with the
  ones between filled linearly).
- **PETS 2009** is not stored: its boxes are another's work under CC BY-NC-SA. `pets_heads` makes heads of them when
  evaluated: the top 16 % of each box, as wide as high, around the centre of what differs from the median picture
  there (heads are up to .1 of the height off the middle). Where nothing differs, something hides the head: left out.
  Whoever is seen there without a head in the truth (two in one blob, low, hidden, cut) is *unjudged*: what is covered
  of them is neither right nor wrong.
- **EPFL terrace** (`eval.terrace`): boxes of people by eye, every third second, and heads drawn by eye in the upper
  third of each, enlarged, without masks (`epfl-terrace-heads.csv`). Whose head is hidden or cut off is unjudged.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from custodes.adapters.model import load_detector
from custodes.types.vision import ModelTask
from eval.detect import PETS

TRUTH = Path(__file__).parent / "truth"
ASL = "faces/asl-gestures"
ONE_BY_ONE = "people/intel-one-by-one-person-detection.mp4"
PEOPLE = "people/intel-people-detection.264"
TERRACE = "multicam/epfl/terrace1-"

HEAD_SHARE = 0.16
"""Of a standing person: 1/7.5 by the canon, and hair."""

_DIFFERS = 22
_MIN_BLOB = 0.25
_FACE_MIN = 0.6
_SAME_FACE_PX = 60

Box = tuple[float, float, float, float]
Heads = dict[int, dict[int, Box]]
"""Track → frame (from 0) → box in pixels."""

Unjudged = dict[int, list[Box]]
"""Frame → where somebody is of whom the truth knows no head."""

_NEAR = 5
"""Frames before and after: half a second."""

BYSTANDERS: dict[str, Box] = {"bird.mkv": (480, 30, 640, 480), "please.mkv": (480, 30, 640, 480)}
"""asl-gestures: where somebody stands at the edge, with half a face or less, by eye."""

WRONG: dict[str, dict[int, tuple[int, ...]]] = {
    ONE_BY_ONE: {0: (202,), 8: (863, 872, 873), 11: (1346, 1351), 13: (1354, 1355, 1365)},
    PEOPLE: {0: (28, 29)},
}
"""Clip → blob's track → frames in which its top is no head, by eye; unjudged."""

PERSONS: dict[str, tuple[tuple[int, int, int], ...]] = {
    ONE_BY_ONE: ((6, 0, 5), (8, 0, 5), (13, 0, 11)),
    PEOPLE: ((10, 0, 7), (9, 394, 8), (11, 402, 8), (11, 0, 9)),
}
"""Clip → (blob's track, from this frame on, person), by eye; the first that fits. Others are their own."""

_UNJUDGED = -1
"""Their track's number in the files."""

_LOW_BLOB = 0.1
"""Of the picture's height: smaller ones that are not annotated are no people."""

Luma = npt.NDArray[np.uint8]


def lumas(path: Path) -> Iterator[Luma]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="gray"), np.uint8)


def read_heads(name: str) -> dict[str, Heads]:
    """Clip → heads, from `eval/truth/NAME.csv`."""
    clips: dict[str, Heads] = defaultdict(lambda: defaultdict(dict))
    with (TRUTH / f"{name}.csv").open() as stream:
        for row in csv.DictReader(stream):
            box = (float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"]))
            if int(row["track"]) != _UNJUDGED:
                clips[row["clip"]][int(row["track"])][int(row["frame"])] = box
    return clips


def read_unjudged(name: str) -> dict[str, Unjudged]:
    """Clip → the unjudged, from the same file."""
    clips: dict[str, Unjudged] = defaultdict(lambda: defaultdict(list))
    with (TRUTH / f"{name}.csv").open() as stream:
        for row in csv.DictReader(stream):
            if int(row["track"]) == _UNJUDGED:
                box = (float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"]))
                clips[row["clip"]][int(row["frame"])].append(box)
    return clips


def around(box: Box) -> Box:
    """A person's box and a tenth of its height on every side: masks of a head reach beyond it."""
    grown = 0.1 * (box[3] - box[1])
    return (box[0] - grown, box[1] - grown, box[2] + grown, box[3] + grown)


def write_heads(name: str, clips: dict[str, Heads], unjudged: dict[str, Unjudged] | None = None) -> None:
    with (TRUTH / f"{name}.csv").open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["clip", "track", "frame", "x1", "y1", "x2", "y2"])
        for clip, heads in sorted(clips.items()):
            for track, boxes in sorted(heads.items()):
                for frame, box in sorted(boxes.items()):
                    out.writerow([clip, track, frame, *(round(float(value), 1) for value in box)])
            for frame, left_out in sorted((unjudged or {}).get(clip, {}).items()):
                for box in left_out:
                    out.writerow([clip, _UNJUDGED, frame, *(round(float(value), 1) for value in box)])


def pets_heads(data: Path, frames: int | None = None) -> tuple[Heads, Unjudged]:
    """Heads of PETS 2009 from its ground truth boxes; see above. Frames from 0, at most `frames`."""
    rows: dict[int, list[tuple[int, float, float, float, float]]] = defaultdict(list)
    with (data / f"{PETS}.gt.txt").open() as stream:
        for row in csv.reader(stream):
            rows[int(float(row[0])) - 1].append((int(float(row[1])), *(float(value) for value in row[2:6])))
    sample = [picture for number, picture in enumerate(lumas(data / f"{PETS}.avi")) if number % 10 == 0]
    empty = np.median(np.stack(sample), axis=0)
    heads: Heads = defaultdict(dict)
    hidden: Unjudged = defaultdict(list)
    for number, picture in enumerate(lumas(data / f"{PETS}.avi")):
        if number == frames:
            break
        differs = np.abs(picture - empty) > _DIFFERS
        for track, x, y, width, height in rows[number]:
            side = HEAD_SHARE * height
            top, left, right = max(0, round(y)), max(0, round(x)), round(x + width)
            band = differs[top : max(top + 1, round(y + side)), left:right]
            if not band.size or band.mean() < 0.15:
                hidden[number].append(around((x, y, x + width, y + height)))
                continue
            middle = left + float(np.average(np.arange(band.shape[1]) + 0.5, weights=band.sum(axis=0)))
            heads[track][number] = (middle - side / 2, y, middle + side / 2, y + side)
    return heads, hidden


def terrace_heads(frames: int) -> dict[str, tuple[Heads, Unjudged]]:
    """View → heads, of frames below `frames`. People who are mostly hidden or cut have none."""
    drawn: dict[tuple[str, str, str], Box] = {}
    with (TRUTH / "epfl-terrace-heads.csv").open() as stream:
        for row in csv.DictReader(stream):
            box = (float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"]))
            drawn[row["camera"], row["frame"], row["person"]] = box
    views: dict[str, tuple[Heads, Unjudged]] = {}
    with (TRUTH / "epfl-terrace.csv").open() as stream:
        for row in csv.DictReader(stream):
            number, person = int(row["frame"]), int(row["person"])
            if number >= frames:
                continue
            x1, y1, x2, y2 = (float(row[key]) for key in ("x1", "y1", "x2", "y2"))
            heads, hidden = views.setdefault(f"c{row['camera']}", ({}, {}))
            head = drawn.get((row["camera"], row["frame"], row["person"]))
            if head is not None:
                heads.setdefault(person, {})[number] = head
            else:
                hidden.setdefault(number, []).append(around((x1, y1, x2, y2)))
    return dict(sorted(views.items()))


def make_faces(data: Path) -> dict[str, Heads]:
    detector = load_detector(
        models_dir=data.parent / "models", name="yunet-n", threads=2, task=ModelTask.FACE_DETECT, floor=_FACE_MIN
    )
    clips: dict[str, Heads] = {}
    for path in sorted((data / ASL).glob("*.mkv")):
        followed: list[dict[int, Box]] = []
        with av.open(str(path)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number % 2:
                    continue
                found = detector.detect([np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)])[0]
                for box in found.boxes_px.tolist():
                    _follow(followed, number, tuple(box))
        longest = [boxes for boxes in followed if len(boxes) >= 8]
        clips[path.name] = {track: _filled(boxes) for track, boxes in enumerate(longest)}
        print(path.name, [len(boxes) for boxes in followed])
    return clips


def _follow(followed: list[dict[int, Box]], number: int, box: Box) -> None:
    for boxes in followed:
        last = boxes[max(boxes)]
        if abs(last[0] + last[2] - box[0] - box[2]) / 2 < _SAME_FACE_PX and max(boxes) < number:
            boxes[number] = box
            return
    followed.append({number: box})


def _filled(boxes: dict[int, Box]) -> dict[int, Box]:
    known = sorted(boxes)
    columns = np.array([boxes[number] for number in known])
    every = np.arange(known[0], known[-1] + 1)
    filled = np.stack([np.interp(every, known, columns[:, side]) for side in range(4)], axis=1)
    return {int(number): tuple(box) for number, box in zip(every, filled.tolist(), strict=True)}


def make_heads(path: Path, empty_frames: range, *, slim: float) -> tuple[Heads, Unjudged]:
    """Tops of the blobs that differ from the empty picture and are `slim` times as high as wide; and the others."""
    pictures = list(lumas(path))
    empty = np.median(np.stack([pictures[number] for number in empty_frames]), axis=0)
    heads: Heads = {}
    others: Unjudged = defaultdict(list)
    whole: dict[tuple[int, int], Box] = {}
    last: dict[int, tuple[int, float]] = {}
    for number, picture in enumerate(pictures):
        difference = picture.astype(np.float32) - empty
        differs = np.abs(difference - np.median(difference)) > _DIFFERS
        solid = ndimage.binary_opening(differs, iterations=1)
        # A closing with a square of 9: filters of its sides are the same and take a tenth of the time.
        for side_filter in (ndimage.maximum_filter, ndimage.minimum_filter):
            solid = side_filter(solid, size=9, mode="constant", cval=0)
        labels, _ = ndimage.label(solid)
        for index, part in enumerate(ndimage.find_objects(labels), 1):
            blob = labels[part] == index
            extent = (part[1].start, part[0].start, part[1].stop, part[0].stop)
            is_small = blob.shape[0] < _MIN_BLOB * picture.shape[0] or blob.shape[1] < 20
            # Wide ones: two people, or somebody with an arm stretched out.
            if is_small or blob.sum() < 0.3 * blob.size or blob.shape[0] < slim * blob.shape[1]:
                if blob.shape[0] >= _LOW_BLOB * picture.shape[0]:
                    others[number].append(around(extent))
                continue
            box = _top_of(blob, part[0].start, part[1].start)
            middle = (box[0] + box[2]) / 2
            near = [track for track, (seen, x) in last.items()
                    if number - seen <= 10 and abs(x - middle) < 60 and seen < number]  # fmt: skip
            track = near[-1] if near else len(last)
            last[track] = (number, middle)
            heads.setdefault(track, {})[number] = box
            whole[track, number] = around(extent)
    for track, boxes in list(heads.items()):
        for number in _jumps(boxes):
            del boxes[number]
            others[number].append(whole[track, number])
        if len(boxes) < 5:
            del heads[track]
            for number in boxes:
                others[number].append(whole[track, number])
    return heads, others


def by_eye(name: str, heads: Heads, others: Unjudged) -> tuple[Heads, Unjudged]:
    """With `WRONG` unjudged, `PERSONS` in the place of blobs' tracks, and those who come in."""
    people: Heads = defaultdict(dict)
    for track, boxes in read_heads("intel-entering")[name].items():
        people[track] = _filled(boxes)
    for track, boxes in heads.items():
        for number, box in boxes.items():
            if number in WRONG[name].get(track, ()):
                others[number].append(around(box))
                continue
            named = [person for blob, since, person in PERSONS[name] if blob == track and number >= since]
            people[named[0] if named else track][number] = box
    return people, others


def _jumps(boxes: dict[int, Box]) -> list[int]:
    """Frames in which a top is more than its own height from where it is around: the blob fell into pieces."""
    found = []
    for number, box in boxes.items():
        near = [boxes[other][1] for other in range(number - _NEAR, number + _NEAR + 1) if other in boxes]
        if abs(box[1] - float(np.median(near))) > box[3] - box[1]:
            found.append(number)
    return found


def _top_of(blob: npt.NDArray[np.bool_], top: int, left: int) -> Box:
    rows = blob[: max(8, blob.shape[0] // 8)]
    widths = rows.sum(axis=1)
    width = float(np.percentile(widths, 80))
    columns = np.flatnonzero(rows.any(axis=0))
    middle = left + float(np.average(np.arange(rows.shape[1]) + 0.5, weights=rows.sum(axis=0)))
    width = min(width, float(columns[-1] - columns[0] + 1))
    return (middle - width / 2, float(top), middle + width / 2, top + min(1.3 * width, blob.shape[0] / 4))


def draw_sheets(path: Path, heads: Heads, target: Path, *, every: int) -> None:
    """Pictures with the boxes drawn white, 4 a row, halved."""
    tiles: list[Luma] = []
    for number, picture in enumerate(lumas(path)):
        if number % every:
            continue
        drawn = picture.copy()
        for boxes in heads.values():
            if number in boxes:
                x1, y1, x2, y2 = (max(0, round(value)) for value in boxes[number])
                drawn[y1 : y2 + 1, [x1, min(x2, drawn.shape[1] - 1)]] = 255
                drawn[[y1, min(y2, drawn.shape[0] - 1)], x1 : x2 + 1] = 255
        tiles.append(drawn[::2, ::2])
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 6)
    sheet = np.vstack([np.hstack(tiles[at : at + 6]) for at in range(0, len(tiles), 6)])
    with av.open(str(target), "w", format="image2") as out:
        stream = out.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = sheet.shape[1], sheet.shape[0], "gray"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(sheet), format="gray")))
        out.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sheets", type=Path, default=None)
    parser.add_argument("--only", choices=["faces", "heads", "pets"], default=None)
    arguments = parser.parse_args()
    data: Path = arguments.data
    if arguments.only in (None, "faces"):
        clips = make_faces(data)
        write_heads("asl-gestures", clips)
        if arguments.sheets:
            for name, heads in clips.items():
                draw_sheets(data / ASL / name, heads, arguments.sheets / f"{name}.png", every=12)
    if arguments.only in (None, "heads"):
        made = {
            name: by_eye(name, *make_heads(data / name, range(0, 20), slim=slim))
            for name, slim in ((ONE_BY_ONE, 1.1), (PEOPLE, 1.8))
        }
        write_heads(
            "intel",
            {name: heads for name, (heads, _) in made.items()},
            {name: others for name, (_, others) in made.items()},
        )
        if arguments.sheets:
            draw_sheets(data / ONE_BY_ONE, made[ONE_BY_ONE][0], arguments.sheets / "one.png", every=25)
            draw_sheets(data / PEOPLE, made[PEOPLE][0], arguments.sheets / "people.png", every=8)
    if arguments.only == "pets" and arguments.sheets:
        draw_sheets(data / f"{PETS}.avi", pets_heads(data)[0], arguments.sheets / "pets.png", every=60)


if __name__ == "__main__":
    main()
