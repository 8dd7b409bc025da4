"""A street with given boxes for `eval.redact --part street`: MOT17-02, second half, without pictures.

Boxes of YOLOX (another detector than ours, and a stronger one) at ten looks a second, as a film is looked at; heads
are the top of the truth's boxes, in their middle, of pedestrians of whom at least half can be seen. The film mends of
ADR 51 were chosen on PETS; here they meet people that they were not chosen on.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from custodes.geometry.cells import Grid
from custodes.pipeline.film_looks import LOOKS_PER_S, Look
from custodes.types.vision import Detections, ObjectClass
from custodes.units import NS_PER_S, Ns
from eval.mot import boxes_of, mot17_02
from eval.redact_truth import HEAD_SHARE, Heads, Unjudged, around

NAME = "tracking/mot17_02"
_SEEN_MIN = 0.5
_PEDESTRIAN = 1
_PEOPLE = frozenset({1, 2, 7, 8, 12})
"""MOT16's classes that look like people: pedestrian, on a vehicle, static, distractor, reflection."""


def street(data: Path) -> tuple[Heads, Unjudged, list[int], tuple[int, int], list[Look]]:
    """Heads by track and frame (from 0), the unjudged, times of all frames, the frame's size, looks."""
    given = mot17_02(data, 30)
    first = given.frames[0]
    times_ns = [round(number * NS_PER_S / given.native_fps) for number in range(len(given.frames))]
    heads: Heads = defaultdict(dict)
    others: Unjudged = defaultdict(list)
    for frame, track, x, y, width, height, counts, kind, seen in given.truth[:, :9].tolist():
        if int(frame) not in given.frames:
            continue
        if counts == 1 and int(kind) == _PEDESTRIAN and seen >= _SEEN_MIN:
            side, middle = HEAD_SHARE * height, x + width / 2
            heads[int(track)][int(frame) - first] = (middle - side / 2, y, middle + side / 2, y + side)
        elif int(kind) in _PEOPLE:
            others[int(frame) - first].append(around((x, y, x + width, y + height)))
    looks = []
    for number in range(0, len(times_ns), round(given.native_fps / LOOKS_PER_S)):
        rows = given.detections[given.detections[:, 0] == first + number]
        found = Detections(
            boxes_px=boxes_of(rows).astype(np.float32),
            scores=rows[:, 6].astype(np.float32),
            class_ids=np.full(len(rows), int(ObjectClass.PERSON), np.int16),
        )
        # Nothing of the picture is at hand; tracks and masks do not ask for it.
        grid: Grid = np.zeros((1, 1), np.float32)
        looks.append(Look(seq=number, utc_ns=Ns(times_ns[number]), size_px=given.frame_size, found=found, grid=grid))
    return heads, others, times_ns, given.frame_size, looks
