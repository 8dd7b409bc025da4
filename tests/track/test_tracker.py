"""The tracker in clock time: one number per object at every rate, votes, limits, bit-identical restore."""

import numpy as np
import pytest

from custodes.errors import DataLoss
from custodes.track.config import TrackerConfig
from custodes.track.tracker import NO_TRACK, Tracker
from custodes.types.vision import Detections, ObjectClass
from custodes.units import NS_PER_S, Ns

T0 = 1_700_000_000 * NS_PER_S
SIZE = (1280, 720)
PERSON, CAR, TRUCK = ObjectClass.PERSON, ObjectClass.CAR, ObjectClass.TRUCK


def seen(*rows):
    """rows: (box, score, class)."""
    return Detections(
        boxes_px=np.array([r[0] for r in rows], np.float32).reshape(-1, 4),
        scores=np.array([r[1] for r in rows], np.float32),
        class_ids=np.array([r[2] for r in rows], np.int16),
    )


def at(seconds):
    return Ns(T0 + round(seconds * NS_PER_S))


def walker(seconds, *, left=100.0, speed=90.0, top=300.0):
    x = left + speed * seconds
    return (x, top, x + 50, top + 130)


def scene(seed=3, frames=40, fps=5.0):
    """Noisy detections of crossing walkers and a car, with misses and false alarms; yields (detections, utc_ns)."""
    rng = np.random.default_rng(seed)
    for n in range(frames):
        t = n / fps + rng.uniform(-0.2, 0.2) / fps
        rows = []
        for left, speed, top in ((50, 80, 300), (900, -90, 320), (300, 20, 500)):
            if rng.random() < 0.85:
                rows.append(
                    (
                        np.array(walker(t, left=left, speed=speed, top=top)) + rng.normal(0, 2, 4),
                        rng.uniform(0.3, 0.95),
                        PERSON,
                    )
                )
        rows.append(((600 + 200 * t, 100, 760 + 200 * t, 200), 0.9, CAR if rng.random() < 0.7 else TRUCK))
        if rng.random() < 0.3:
            x, y = rng.uniform(0, 1000), rng.uniform(0, 600)
            rows.append(((x, y, x + 40, y + 90), rng.uniform(0.1, 0.6), PERSON))
        yield seen(*rows), at(t)


def as_bytes(columns):
    return tuple(getattr(columns, name).tobytes() for name in columns.__slots__)


@pytest.mark.parametrize("fps", [30, 15, 10, 7, 5, 3])
def test_two_people_who_cross_keep_their_numbers_at_any_rate(fps):
    tracker = Tracker()
    ids = {0: set(), 1: set()}
    for n in range(8 * fps):
        t = n / fps
        boxes = [walker(t, left=100, speed=100, top=300), walker(t, left=900, speed=-100, top=340)]
        columns = tracker.step(seen(*[(b, 0.9, PERSON) for b in boxes]), at(t), SIZE)
        for person, box in enumerate(boxes):
            norm = np.array(box) / np.array([*SIZE, *SIZE])
            row = np.abs(columns.boxes_norm - np.clip(norm, 0, 1)).sum(axis=1).argmin()
            ids[person].add(int(columns.track_ids[row]))
    assert [len(s) for s in ids.values()] == [1, 1]


def test_jittered_times_and_missing_frames_keep_the_number():
    tracker, rng, ids = Tracker(), np.random.default_rng(1), set()
    for n in range(60):
        t = n / 5 + rng.uniform(-0.05, 0.05)
        if rng.random() < 0.25:
            continue
        columns = tracker.step(seen((walker(t, speed=60), 0.9, PERSON)), at(t), SIZE)
        ids |= set(columns.track_ids.tolist())
    assert len(ids) == 1


def test_an_occlusion_shorter_than_the_limit_keeps_the_number_and_coasts():
    tracker = Tracker()
    for n in range(10):
        before = tracker.step(seen((walker(n / 5), 0.9, PERSON)), at(n / 5), SIZE)
    hidden = tracker.step(seen(), at(10 / 5), SIZE)
    assert hidden.track_ids.tolist() == before.track_ids.tolist()
    assert not hidden.is_measured[0]
    assert hidden.boxes_norm[0, 0] > before.boxes_norm[0, 0]
    after = tracker.step(seen((walker(16 / 5), 0.9, PERSON)), at(16 / 5), SIZE)
    assert after.track_ids.tolist() == before.track_ids.tolist()


def test_a_track_ends_after_the_limit_in_seconds_and_is_summed_up_once():
    tracker = Tracker()
    for n in range(10):
        tracker.step(seen((walker(n / 5), 0.8, PERSON)), at(n / 5), SIZE)
    tracker.step(seen(), at(9 / 5 + 2.0), SIZE)
    assert tracker.ended() == []
    tracker.step(seen(), at(9 / 5 + 2.3), SIZE)
    (track,) = tracker.ended()
    assert (track.object_class, track.frames, track.start_ns, track.end_ns) == (PERSON, 10, at(0), at(9 / 5))
    assert track.mean_score == pytest.approx(0.8)
    assert track.first_box_norm[0] < track.last_box_norm[0]
    assert tracker.ended() == []
    assert tracker.live == 0


def test_a_flicker_is_reported_at_once_but_never_becomes_a_track():
    tracker = Tracker()
    columns = tracker.step(seen((walker(0), 0.9, PERSON)), at(0), SIZE)
    assert len(columns.track_ids) == 1
    assert not columns.is_confirmed[0]
    for n in range(1, 20):
        tracker.step(seen(), at(n / 5), SIZE)
    tracker.finish()
    assert tracker.ended() == []


@pytest.mark.parametrize(
    ("score", "object_class", "ids"),
    [(0.9, PERSON, [1]), (0.4, PERSON, [NO_TRACK]), (0.05, PERSON, []), (0.4, CAR, []), (0.9, CAR, [1])],
)
def test_a_person_too_weak_to_begin_a_track_is_still_reported_for_masking(score, object_class, ids):
    columns = Tracker().step(seen((walker(0), score, object_class)), at(0), SIZE)
    assert columns.track_ids.tolist() == ids


def test_a_class_is_decided_by_vote_and_a_person_never_becomes_a_car():
    tracker = Tracker()
    for n in range(9):
        cls = CAR if n % 3 else TRUCK
        columns = tracker.step(
            seen(((100 + n, 100, 300 + n, 220), 0.9, cls), (walker(n / 5), 0.9, PERSON)), at(n / 5), SIZE
        )
    assert sorted(columns.class_ids.tolist()) == [PERSON, CAR]
    x = walker(9 / 5)
    columns = tracker.step(seen((x, 0.9, CAR)), at(9 / 5), SIZE)
    assert sorted(columns.class_ids[columns.is_measured].tolist()) == [CAR]
    assert PERSON in columns.class_ids[~columns.is_measured]


def test_a_long_pause_ends_everything():
    tracker = Tracker()
    for n in range(5):
        tracker.step(seen((walker(n / 5), 0.9, PERSON)), at(n / 5), SIZE)
    columns = tracker.step(seen((walker(1), 0.9, PERSON)), at(60), SIZE)
    assert len(tracker.ended()) == 1
    assert columns.track_ids.tolist() == [2]


def test_time_that_stands_still_or_goes_back_does_no_harm():
    tracker = Tracker()
    for seconds in (0, 0.2, 0.2, 0.1, 0.4):
        columns = tracker.step(seen((walker(seconds), 0.9, PERSON)), at(seconds), SIZE)
    assert columns.track_ids.tolist() == [1]
    assert np.isfinite(columns.boxes_norm).all()


def test_hostile_detections_are_ignored():
    bad = seen(
        ((np.nan, 0, 10, 10), 0.9, PERSON),
        ((10, 10, 5, 20), 0.9, PERSON),
        ((0, 0, np.inf, 10), 0.9, PERSON),
        (walker(0), 0.9, 99),
        (walker(0), 0.9, -1),
        (walker(0), np.nan, PERSON),
    )
    assert len(Tracker().step(bad, at(0), SIZE).track_ids) == 0


def test_the_number_of_tracks_is_bounded_and_what_does_not_fit_is_still_reported():
    tracker = Tracker(config=TrackerConfig(max_tracks=10))
    rows = [((40 * n, 100, 40 * n + 30, 180), 0.9, PERSON) for n in range(30)]
    columns = tracker.step(seen(*rows), at(0), SIZE)
    assert tracker.live == 10
    assert (columns.track_ids == NO_TRACK).sum() == 20


def test_numbers_begin_where_told():
    columns = Tracker(first_id=7000).step(seen((walker(0), 0.9, PERSON)), at(0), SIZE)
    assert columns.track_ids.tolist() == [7000]


@pytest.mark.parametrize("cut", [1, 7, 20, 39])
def test_a_restored_tracker_goes_on_bit_identically(cut):
    steps = list(scene())
    whole, first, second = Tracker(), Tracker(), Tracker()
    expected = [as_bytes(whole.step(found, utc, SIZE)) for found, utc in steps]
    got = [as_bytes(first.step(found, utc, SIZE)) for found, utc in steps[:cut]]
    second.restore(first.snapshot())
    got += [as_bytes(second.step(found, utc, SIZE)) for found, utc in steps[cut:]]
    assert got == expected
    whole.finish()
    second.finish()
    assert second.ended() == whole.ended()


def test_a_broken_snapshot_is_refused_and_changes_nothing():
    steps = list(scene(frames=12))
    tracker, untouched = Tracker(), Tracker()
    for found, utc in steps[:6]:
        tracker.step(found, utc, SIZE)
        untouched.step(found, utc, SIZE)
    state = tracker.snapshot()
    for broken in (b"", state[:-1], state[: len(state) // 2], b"\xff" * 50, state[:1] + b"\x09" + state[2:]):
        with pytest.raises(DataLoss):
            tracker.restore(broken)
    assert [as_bytes(tracker.step(f, u, SIZE)) for f, u in steps[6:]] == [
        as_bytes(untouched.step(f, u, SIZE)) for f, u in steps[6:]
    ]


def test_what_is_only_held_from_an_earlier_look_confirms_nobody():
    for is_new, confirmed in ((True, 1), (False, 0)):
        tracker = Tracker()
        for n in range(6):
            rows = np.array([is_new or n == 0])
            tracker.step(seen(((600, 100, 760, 200), 0.6, CAR)), at(n / 5), SIZE, is_new=rows)
        assert tracker.confirmed(frozenset({CAR})) == confirmed


def feet_y(columns):
    return float(columns.feet_norm[0, 1]) * SIZE[1]


@pytest.mark.parametrize("height", [80, 95], ids=["knees", "shins"])
def test_whose_legs_something_hides_stands_where_they_stood(height):
    tracker = Tracker()
    for n in range(10):
        tracker.step(seen(((400, 300, 450, 430), 0.9, PERSON)), at(n / 5), SIZE)
    for n in range(10, 15):
        columns = tracker.step(seen(((400, 300, 450, 300 + height), 0.7, PERSON)), at(n / 5), SIZE)
    assert columns.is_measured[0]
    assert feet_y(columns) == pytest.approx(430, abs=15)


def test_who_walks_away_from_the_camera_is_no_shorter_for_hidden_legs():
    tracker = Tracker()
    for n in range(30):
        bottom = 500 - 6 * n
        box = (400 + n / 3, bottom - (200 - 4 * n), 480 - n / 3, bottom)
        columns = tracker.step(seen((box, 0.9, PERSON)), at(n / 5), SIZE)
    assert feet_y(columns) == pytest.approx(bottom, abs=6)


def runner(n):
    """Stands, then is off; blurred from then on."""
    left = 400 + 30 * max(n - 10, 0)
    return ((left, 300, left + 90, 430), 0.9 if n <= 10 else 0.4, PERSON)


def test_who_begins_to_run_keeps_the_number_though_blurred():
    tracker = Tracker()
    for n in range(17):
        columns = tracker.step(seen(runner(n)), at(n / 5), SIZE)
        if n > 1:
            assert columns.is_measured.tolist() == [True]
            assert columns.track_ids.tolist() == [1]


def test_a_weak_box_beside_a_strong_one_takes_no_track_along():
    tracker = Tracker()
    for n in range(10):
        both = ((400, 300, 450, 430), 0.9, PERSON), ((460, 300, 510, 430), 0.9, PERSON)
        tracker.step(seen(*both), at(n / 5), SIZE)
    double = ((428, 300, 478, 430), 0.4, PERSON)  # between both, and half upon the one that is seen
    columns = tracker.step(seen(((400, 300, 450, 430), 0.9, PERSON), double), at(2), SIZE)
    assert columns.is_measured[columns.track_ids == 2].tolist() == [False]


def test_a_thing_that_looks_a_little_like_a_person_does_not_hold_on_to_who_passed_it():
    tracker = Tracker()
    for n in range(10):
        tracker.step(seen((walker(n / 5), 0.9, PERSON)), at(n / 5), SIZE)
    thing = walker(2)
    for n in range(10, 40):
        tracker.step(seen((thing, 0.4, PERSON)), at(n / 5), SIZE)
    assert tracker.live == 0
    (ended,) = tracker.ended()
    assert ended.end_ns <= at(9 / 5 + 2.4)


def test_who_sits_still_is_there_for_as_long_as_nothing_contradicts():
    tracker = Tracker()
    for n in range(10):
        tracker.step(seen(((400, 300, 450, 430), 0.9 if n < 5 else 0.5, PERSON)), at(n / 5), SIZE)
    for n in range(10, 60):
        held = np.zeros(1, bool)
        columns = tracker.step(seen(((400, 300, 450, 430), 0.5, PERSON)), at(n / 5), SIZE, is_new=held)
    assert columns.is_measured.tolist() == [True]
    assert columns.track_ids.tolist() == [1]
