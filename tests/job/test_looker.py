"""The part of the looks job that looks, in this process: what it leaves out, what it refuses, and that it forgets."""

import time
from pathlib import Path

import pytest
from tests.job.test_looks import BLUE, FPS, FRAMES, GATE, RED, RUN, dressed

from custodes.app.job_looks import MAX_PAIRS, Film, Looker
from custodes.errors import InvalidArgument, KeyMissing, ResourceExhausted
from custodes.review.archive import Archive
from custodes.review.keys import ViewKeys
from custodes.sealing.unwrap import generate_camera_day_key
from custodes.testing.media import encode_clip, people_at, vouch, write_segment
from custodes.types.journey_job import (
    CompareTracks,
    FindStay,
    LookMoment,
    LooksTask,
    LookTrack,
    OpenCamera,
    StayFound,
)
from custodes.types.message import KeysReleased
from custodes.types.scene import CameraScene, GroundPoint
from custodes.units import NS_PER_MS, NS_PER_S, Ns


def _looker(tmp_path: Path, released, wear=(RED, BLUE)):
    start_ns = 1_700_000_000 * NS_PER_S
    frames = (dressed(number, start_ns, wear) for number in range(FRAMES))
    info, packets = encode_clip(frames, fps=FPS, gop=10, start_ns=start_ns, camera_id=GATE)
    _, public_key = generate_camera_day_key()
    segment, data_key = write_segment(tmp_path, info, packets, public_key=public_key, key_id=f"{GATE}/20231114")
    keys = ViewKeys(lambda headers: released(data_key), GATE)
    archive = Archive(data_dir=tmp_path, camera_id=GATE, keys=keys)
    archive.put((segment,))
    times = [start_ns + number * 100 * NS_PER_MS for number in range(0, FRAMES, 2)]
    boxes = [people_at(number) for number in range(0, FRAMES, 2)]
    facts = vouch(times, boxes, camera_id=GATE)
    ground = tuple(
        GroundPoint(at=at, place_m=(10 * at[0], 10 * at[1])) for at in ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    )
    opened = OpenCamera(
        camera_id=GATE, grant_token="t", start_ns=Ns(times[0]), end_ns=Ns(times[-1]),
        scene=CameraScene(ground=ground, floor="yard"), segments=(segment,),
    )  # fmt: skip
    looker = Looker(
        LooksTask(request_id="r", deadline_ns=Ns(time.time_ns()), budget_ns=Ns(3600 * NS_PER_S)),
        open_film=lambda one, budget: Film(one, archive, keys, budget),
        ask_frames=lambda camera_id, low, high: [one for one in facts if low <= one.frame.utc_ns <= high],
    )
    looker.open(opened)
    tracks = tuple(
        LookTrack(
            index=number, camera_id=GATE, run=RUN, track_id=number, start_ns=Ns(times[0]),
            end_ns=Ns(times[-1]),
            moments=tuple(
                LookMoment(utc_ns=Ns(at), box_norm=box[number - 1])
                for at, box in zip(times[::5], boxes[::5], strict=True)
            ),
        )
        for number in (1, 2)
    )  # fmt: skip
    return looker, tracks, Ns(times[10])


def _given(data_key, **changes):
    return KeysReleased(data_keys=(data_key,), mark_key=b"", log_index=1, **changes)


def test_looker_when_a_track_is_a_protected_persons_then_it_is_not_looked_at(tmp_path: Path) -> None:
    looker, tracks, _ = _looker(tmp_path, lambda key: _given(key, hides=True, covered=((RUN, 2),)))
    assert looker.compare(CompareTracks(tracks=tracks, pairs=((1, 2),))).nats == (None,)
    free, tracks, _ = _looker(tmp_path, _given)
    assert free.compare(CompareTracks(tracks=tracks, pairs=((1, 2),))).nats[0] < -1


def test_looker_when_the_key_is_shredded_or_the_quota_is_used_then_nobody_is_seen(tmp_path: Path) -> None:
    for error in (KeyMissing("gone"), ResourceExhausted("quota")):

        def refused(_, error=error):
            raise error

        looker, tracks, at_ns = _looker(tmp_path, refused)
        assert looker.compare(CompareTracks(tracks=tracks, pairs=((1, 2),))).nats == (None,)
        asked = FindStay(camera_ids=(GATE,), camera_id=GATE, run=RUN, track_id=1, at_ns=at_ns)
        assert looker.find_stay(asked) == StayFound(tracks=(), is_seen=False, left_ns=looker.left_ns)


def test_looker_finds_where_a_dot_was_and_forgets_everything(tmp_path: Path) -> None:
    looker, tracks, at_ns = _looker(tmp_path, _given)
    found = looker.find_stay(FindStay(camera_ids=(GATE,), camera_id=GATE, run=RUN, track_id=1, at_ns=at_ns))
    assert [one.track_id for one in found.tracks] == [1]
    assert looker._vectors == [], "those of a stay are overwritten with its answer"
    looker.compare(CompareTracks(tracks=tracks, pairs=((1, 2),)))
    kept = [one.vectors for one in looker._closet._looked.values()]
    assert all(one.any() for one in kept)
    looker.forget()
    assert not any(one.any() for one in kept)


def test_looker_when_asked_for_too_much_then_refuses(tmp_path: Path) -> None:
    looker, tracks, _ = _looker(tmp_path, _given)
    with pytest.raises(InvalidArgument, match="never sent"):
        looker.compare(CompareTracks(tracks=tracks[:1], pairs=((1, 2),)))
    with pytest.raises(InvalidArgument, match="more tracks"):
        looker.compare(CompareTracks(tracks=(), pairs=((1, 1),) * (MAX_PAIRS + 1)))
    looker.compare(CompareTracks(tracks=tracks[1:], pairs=((1, 2),)))
    with pytest.raises(InvalidArgument, match="never sent"):
        looker.compare(CompareTracks(tracks=(), pairs=((1, 2),), one=(3,)))
    for chances in ((0.5, 0.5), (1.5,)):
        with pytest.raises(InvalidArgument, match="chances"):
            looker.compare(CompareTracks(tracks=(), pairs=((1, 2),), chances=chances))
