"""Timestamps: growing and near each other whatever the camera sends."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from custodes.ingest.timeline import Timeline

FRAME_NS = 100_000_000


def timeline() -> Timeline:
    return Timeline(time_base_num=1, time_base_den=90_000, fps=10.0)


def stamps(line: Timeline, values: list[tuple[int | None, int | None]]) -> list[tuple[int, int]]:
    made = [line.stamp(pts=pts, dts=dts, duration=0, elapsed_ns=FRAME_NS) for pts, dts in values]
    return [(stamp.pts, stamp.dts) for stamp in made]


def test_stamp_when_times_are_sound_then_nothing_is_touched() -> None:
    line = timeline()
    values = [(9000 * n + 18_000 * (n % 2), 9000 * n) for n in range(20)]
    assert stamps(line, values) == values
    assert (line.jumps, line.repairs) == (0, 0)


def test_stamp_when_there_are_no_times_then_counts_frames() -> None:
    assert stamps(timeline(), [(None, None)] * 3) == [(0, 0), (9000, 9000), (18_000, 18_000)]


def test_stamp_when_there_are_no_times_but_lengths_then_adds_the_lengths() -> None:
    line = timeline()
    made = [line.stamp(pts=None, dts=None, duration=length, elapsed_ns=0) for length in (12_857, 12_857, 90)]
    assert [stamp.dts for stamp in made] == [0, 12_857, 25_714]


def test_stamp_when_the_first_pts_is_missing_then_the_next_continue() -> None:
    line = timeline()
    assert [dts for _, dts in stamps(line, [(None, None), (0, 0), (9000, 9000)])] == [0, 1, 9000]


def test_stamp_when_the_camera_jumps_then_the_packet_follows_by_real_time() -> None:
    for jump in (90_000 * 3600, -90_000 * 30):
        line = timeline()
        made = stamps(line, [(900_000_000, None), (900_009_000, None), (900_018_000 + jump, None)])
        assert [dts for _, dts in made] == [900_000_000, 900_009_000, 900_018_000]
        assert line.jumps == 1


def test_stamp_when_dts_repeats_then_grows_by_one_unit() -> None:
    line = timeline()
    assert [dts for _, dts in stamps(line, [(0, 0), (0, 0), (9000, 9000)])] == [0, 1, 9000]
    assert (line.jumps, line.repairs) == (0, 1)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-(2**62), 2**62)), st.one_of(st.none(), st.integers(-(2**62), 2**62))
        ),
        max_size=50,
    )
)
def test_stamp_when_anything_comes_then_dts_grows_and_pts_stays_near(
    values: list[tuple[int | None, int | None]],
) -> None:
    made = stamps(timeline(), values)
    assert all(after[1] > before[1] for before, after in pairwise(made))
    assert all(abs(pts - dts) <= 90_000 + 9000 for pts, dts in made)
