"""What looks at clothes cost (ADR 132)."""

import time
from collections.abc import Sequence

import numpy as np

from custodes.app.analyser_colours import looks_of
from custodes.types.codec import encode
from custodes.types.event import FrameAnalysed
from custodes.types.media import Frame


def clothes_s(frames: Sequence[Frame], told: Sequence[FrameAnalysed]) -> tuple[float, int]:
    """CPU seconds of looks of all who were measured, as they are made and sent, and how many they are."""
    by_seq, count = {frame.seq: frame for frame in frames}, 0
    seen = [(by_seq[one.frame.seq], one.frame) for one in told if one.frame.seq in by_seq]
    started_s = time.process_time()
    for frame, found in seen:
        looks = looks_of(frame, found, np.zeros((0, 4)))
        if looks is not None:
            encode(looks)
            count += len(looks.track_ids)
    return time.process_time() - started_s, count
