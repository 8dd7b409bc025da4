"""Gaps: every stretch without video has one cause and no stretch has none."""

from custodes.record.gaps import GapTracker
from custodes.types.media import Gap, GapCause
from custodes.units import NS_PER_S, CameraId, Ns

S = NS_PER_S
CAM = CameraId("cam")


def tracker(last_end_s: int | None = None) -> GapTracker:
    return GapTracker(CAM, last_end_ns=None if last_end_s is None else Ns(last_end_s * S))


def gap(start_s: float, end_s: float, cause: GapCause) -> Gap:
    return Gap(camera_id=CAM, start_ns=Ns(int(start_s * S)), end_ns=Ns(int(end_s * S)), cause=cause)


def test_recorded_when_the_recorder_was_away_then_a_gap_says_so() -> None:
    assert tracker(10).recorded(Ns(30 * S), Ns(31 * S)) == [gap(10, 30, GapCause.RECORDER_DOWN)]


def test_recorded_when_the_recorder_was_away_for_a_moment_then_a_gap_says_so_all_the_same() -> None:
    assert tracker(10).recorded(Ns(int(10.4 * S)), Ns(11 * S)) == [gap(10, 10.4, GapCause.RECORDER_DOWN)]


def test_recorded_when_the_camera_is_new_then_no_gap() -> None:
    assert tracker().recorded(Ns(30 * S), Ns(31 * S)) == []


def test_lost_when_the_cause_changes_then_each_stretch_has_its_own() -> None:
    gaps = tracker(10)
    assert gaps.lost(GapCause.UNREACHABLE, Ns(20 * S)) == [gap(10, 20, GapCause.RECORDER_DOWN)]
    assert gaps.lost(GapCause.UNREACHABLE, Ns(25 * S)) == []
    assert gaps.lost(GapCause.UNAUTHORIZED, Ns(30 * S)) == [gap(20, 30, GapCause.UNREACHABLE)]
    assert gaps.recorded(Ns(40 * S), Ns(41 * S)) == [gap(30, 40, GapCause.UNAUTHORIZED)]
    assert gaps.recorded(Ns(41 * S), Ns(42 * S)) == []


def test_lost_when_video_was_recorded_then_begins_at_its_end_not_at_the_news() -> None:
    gaps = tracker()
    gaps.recorded(Ns(0), Ns(100 * S))
    gaps.lost(GapCause.STALLED, Ns(110 * S))
    assert gaps.recorded(Ns(120 * S), Ns(121 * S)) == [gap(100, 120, GapCause.STALLED)]


def test_growing_when_a_gap_stays_open_then_it_is_noted_now_and_then_with_the_same_start() -> None:
    gaps = tracker()
    gaps.lost(GapCause.UNREACHABLE, Ns(0))
    noted = [found for second in range(100) for found in gaps.growing(Ns(second * S))]
    assert [found.end_ns // S for found in noted] == [1, 31, 61, 91]
    assert {found.start_ns for found in noted} == {0}
    assert gaps.ended(Ns(99 * S)) == [gap(0, 99, GapCause.UNREACHABLE)]


def test_recorded_when_a_hole_is_within_a_run_then_it_is_a_stall_and_short_ones_are_none() -> None:
    gaps = tracker()
    gaps.recorded(Ns(0), Ns(10 * S))
    assert gaps.recorded(Ns(int(10.9 * S)), Ns(12 * S)) == []
    assert gaps.recorded(Ns(15 * S), Ns(16 * S)) == [gap(12, 15, GapCause.STALLED)]
