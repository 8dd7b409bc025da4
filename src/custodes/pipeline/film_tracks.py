"""Looks at a whole film into masks' facts, tracked forwards and backwards in time.

Backwards finds who was missed before they were first surely seen: a track that began at a large, sure box is followed
back into the small and doubtful ones. Both directions' tracks are kept, and with them where each must have been when
others hid them (`film_paths`); whoever one of them covers is covered.
"""

from collections.abc import Sequence

import numpy as np

from custodes.geometry.boxes import empty_boxes
from custodes.pipeline.film_ends import ends_moved
from custodes.pipeline.film_looks import Look
from custodes.pipeline.film_paths import FilmPath, bridged, steadied
from custodes.track.config import TrackerConfig
from custodes.track.tracker import NO_TRACK, Tracker
from custodes.types.event import FrameAnalysed
from custodes.types.vision import ObjectClass, TrackedFrame
from custodes.units import CameraId, Ns, RunId

VOUCH_MAX_NS = 2_000_000_000
"""Longest time between two looks that a film's facts vouch for; corrupt stretches are longer, and masked whole."""

_BACKWARDS_FROM = 1 << 40
"""Ids of tracks found backwards begin here."""

_MENDED_FROM = 1 << 41
"""And here those of what is added to tracks."""

Row = tuple[int, FilmPath, int]
"""Track id, and which position of which path."""


def track_film(
    looks: Sequence[Look],
    *,
    camera_id: CameraId,
    run: RunId,
    config: TrackerConfig | None = None,
    is_mended: bool = True,
) -> list[FrameAnalysed]:
    """Facts of a film, one a look. Time and memory O(looks × objects).

    Args: looks: in order of time. config: of the tracker, both ways. is_mended: with what `film_paths` adds; without
        it only to measure what that is worth.
    """
    config = config or TrackerConfig()
    forwards = _follow(looks, config)
    backwards = _follow(looks[::-1], config)
    rows: list[list[Row]] = [[] for _ in looks]
    for offset, paths in ((0, forwards), (_BACKWARDS_FROM, backwards)):
        for track_id, path in paths.items():
            # Lone detections are reported the same both ways; once is enough.
            if track_id < 0 and offset:
                continue
            for position in path.trimmed():
                at = path.looks[position] if not offset else len(looks) - 1 - path.looks[position]
                rows[at].append((track_id if track_id < 0 else track_id + offset, path, position))
    mended = 0
    for ordered, paths in ((looks, forwards), (looks[::-1], backwards)) if is_mended else ():
        for path in (*steadied(paths, ordered), *bridged(paths, ordered)):
            for position, index in enumerate(path.looks):
                at = index if ordered is looks else len(looks) - 1 - index
                rows[at].append((_MENDED_FROM + mended, path, position))
            mended += 1
    facts = _facts(looks, rows, camera_id, run)
    return _facts(looks, _with_ends(looks, rows, facts), camera_id, run) if is_mended else facts


def _with_ends(
    looks: Sequence[Look], rows: Sequence[Sequence[Row]], facts: Sequence[FrameAnalysed]
) -> list[list[Row]]:
    """Rows, and as single faces, which are covered as they are, what moved beyond the ends of tracks."""
    more = []
    for look, own, boxes in zip(range(len(looks)), rows, ends_moved(looks, facts), strict=True):
        path = FilmPath()
        for box in boxes:
            path.add(look, np.array(box, np.float32), 0.0, int(ObjectClass.FACE), is_measured=False)
        more.append([*own, *((NO_TRACK, path, position) for position in range(len(boxes)))])
    return more


def _facts(
    looks: Sequence[Look], rows: Sequence[Sequence[Row]], camera_id: CameraId, run: RunId
) -> list[FrameAnalysed]:
    return [
        _fact(look, rows[index], looks[index - 1] if index else None, camera_id, run)
        for index, look in enumerate(looks)
    ]


def _follow(looks: Sequence[Look], config: TrackerConfig) -> dict[int, FilmPath]:
    """Tracks over looks in the given order; lone detections under ids below zero."""
    tracker = Tracker(first_id=1, config=config)
    start_ns = looks[0].utc_ns if looks else 0
    paths: dict[int, FilmPath] = {}
    lone = 0
    for index, look in enumerate(looks):
        columns = tracker.step(look.found, Ns(abs(look.utc_ns - start_ns)), look.size_px)
        for row, track_id in enumerate(columns.track_ids.tolist()):
            if track_id == NO_TRACK:
                lone += 1
                track_id = -lone
            paths.setdefault(track_id, FilmPath()).add(
                index,
                columns.boxes_norm[row],
                float(columns.scores[row]),
                int(columns.class_ids[row]),
                is_measured=bool(columns.is_measured[row]),
            )
    return paths


def _fact(look: Look, rows: Sequence[Row], before: Look | None, camera_id: CameraId, run: RunId) -> FrameAnalysed:
    is_joined = before is not None and look.utc_ns - before.utc_ns <= VOUCH_MAX_NS
    boxes = np.array([path.boxes[at] for _, path, at in rows], np.float32) if rows else empty_boxes()
    frame = TrackedFrame(
        camera_id=camera_id, run=run, seq=look.seq, utc_ns=look.utc_ns,
        track_ids=np.array([max(track_id, NO_TRACK) for track_id, _, _ in rows], np.int64),
        class_ids=np.array([path.classes[at] for _, path, at in rows], np.int16),
        boxes_norm=boxes.reshape(-1, 4),
        scores=np.array([path.scores[at] for _, path, at in rows], np.float32),
        is_measured=np.array([path.measured[at] for _, path, at in rows], bool),
    )  # fmt: skip
    return FrameAnalysed(
        frame=frame, valid_from_ns=before.utc_ns if is_joined and before is not None else look.utc_ns
    )  # fmt: skip
