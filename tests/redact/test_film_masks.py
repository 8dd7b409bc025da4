"""A film's masks are those of all its facts, however long it is."""

import numpy as np
import pytest

from custodes.media.film import FILM_CAMERA, FILM_RUN
from custodes.redact import timeline as timeline_module
from custodes.redact.film_masks import FilmMasks
from custodes.redact.levels import MaskLevel
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.types.event import FrameAnalysed
from custodes.types.vision import ObjectClass, TrackedFrame
from custodes.units import NS_PER_MS, Ns

STEP = 500 * NS_PER_MS
POLICY = MaskPolicy(level=MaskLevel.HEAD, margin=0.1)


def fact(number: int) -> FrameAnalysed:
    """Somebody walks to and fro, unseen for nine of every thirty seconds; somebody else is a single detection."""
    x = 0.4 + 0.3 * np.sin(number / 20)
    rows = [(1, (x, 0.3, x + 0.1, 0.8))] if number % 60 < 42 else []
    rows += [(-1, (0.8, 0.1, 0.9, 0.5))] if number % 7 == 0 else []
    at = Ns(number * STEP)
    return FrameAnalysed(
        frame=TrackedFrame(
            camera_id=FILM_CAMERA, run=FILM_RUN, seq=number, utc_ns=at,
            track_ids=np.array([row[0] for row in rows], np.int64),
            class_ids=np.full(len(rows), int(ObjectClass.PERSON), np.int16),
            boxes_norm=np.array([row[1] for row in rows], np.float32).reshape(-1, 4),
            scores=np.full(len(rows), 0.9, np.float32), is_measured=np.ones(len(rows), bool),
        ),
        valid_from_ns=Ns(max(0, at - STEP)),
    )  # fmt: skip


def test_film_longer_than_a_timeline_remembers_is_covered_as_if_it_were_not(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = [fact(number) for number in range(400)]
    every = MaskTimeline(POLICY)
    every.add(facts)
    monkeypatch.setattr(timeline_module, "MAX_BOXES", 100)
    bounded = MaskTimeline(POLICY)
    bounded.add(facts)
    film = FilmMasks(POLICY, facts)
    assert bounded.masks_at(Ns(0), FILM_RUN, 1.5) is None, "else it tests nothing"
    for at in range(0, 399 * STEP, 3 * STEP // 4):
        wanted, found = every.masks_at(Ns(at), FILM_RUN, 1.5), film.masks_at(Ns(at), FILM_RUN, 1.5)
        assert wanted is not None and found is not None
        assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, wanted.tolist()))
