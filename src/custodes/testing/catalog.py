"""What every `ports.catalog.Catalog` must do, as a pytest class to inherit, and makers of synthetic facts.

class TestMine(CatalogSuite):
    @pytest.fixture
    def catalog(self, clock): ...
"""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from custodes.errors import AlreadyExists, FailedPrecondition, NotFound
from custodes.ports.catalog import Account, CameraTotals, Catalog, Coverage, Hold, LoginSession, PasswordReset
from custodes.testing.clock import ManualClock
from custodes.types.access import CameraScope, Purpose, PurposeKind, Role
from custodes.types.backfill import AnalysedStretch, Backfill, BackfillState
from custodes.types.event import (
    FrameAnalysed,
    GateChanged,
    GateHour,
    GateMode,
    LineCrossed,
    SiteEvent,
    SiteEventKind,
    TrackEnded,
)
from custodes.types.media import ClockReading, ClockSource, FrameShape, Gap, GapCause, Segment, SegmentHeader
from custodes.types.message import CameraSpec
from custodes.types.place import DrawnWay, FloorPlan, PlacedCamera, SiteLayout
from custodes.types.push import PushDevice
from custodes.types.rule import RuleBook
from custodes.types.scene import CameraScene, CountLine, GroundPoint
from custodes.types.search import TrackQuestion, TracksFound
from custodes.types.stream import SecondStream
from custodes.types.traffic import ClassCount, Incident, LineFigures, Movement, Quarter
from custodes.types.vision import DetectArea, ObjectClass, TrackedFrame, Tracklet
from custodes.types.wall import WallLayout
from custodes.units import NS_PER_S, CameraId, KeyId, Ns, RunId, SegmentId

START_NS = 1_700_000_000 * NS_PER_S
CAMERA = CameraId("gate")
RUN = RunId("0123456789ab")


def at(seconds: float) -> Ns:
    """A moment of the synthetic day."""
    return Ns(START_NS + round(seconds * NS_PER_S))


def make_spec(camera_id: str = CAMERA, *, name: str = "", is_enabled: bool = True) -> CameraSpec:
    """A camera on RTSP."""
    return CameraSpec(
        camera_id=CameraId(camera_id),
        name=name or camera_id,
        url=f"rtsp://192.0.2.1/{camera_id}",
        username="viewer",
        password_ref="env:GATE_PASSWORD",  # noqa: S106 - a reference, not a password
        transport="tcp",
        is_enabled=is_enabled,
        is_looped=False,
    )


def make_segment(
    start_s: float, end_s: float, *, camera_id: str = CAMERA, is_sealed: bool = True, run: str = RUN
) -> Segment:
    """A segment whose id, key and root follow from camera and start."""
    segment_id = SegmentId(f"{at(start_s)}-{run}-0")
    header = SegmentHeader(
        version=1,
        site_id="site",
        camera_id=CameraId(camera_id),
        run=RunId(run),
        segment_id=segment_id,
        start_ns=at(start_s),
        key_id=KeyId(f"{camera_id}/20231114"),
        wrapped_key=hashlib.sha512(segment_id.encode()).digest(),
    )
    return Segment(
        header=header,
        path=f"segments/{camera_id}/20231114/{segment_id}.seg",
        end_ns=at(end_s),
        bytes_on_disk=int((end_s - start_s) * 100_000),
        fragments=int(end_s - start_s) + 1,
        root=hashlib.sha256(segment_id.encode()).digest() if is_sealed else b"",
        is_sealed=is_sealed,
        media_ns=int((end_s - start_s) * NS_PER_S) + 4_000_000,
        clock=ClockReading(source=ClockSource.CAMERA, error_ns=80_000_000, camera_offset_ns=-80_000_000),
    )


def make_frame(
    seq: int,
    second: float,
    *,
    since: float | None = None,
    camera_id: str = CAMERA,
    run: str = RUN,
    tracks: int = 2,
) -> FrameAnalysed:
    """A frame with `tracks` boxes that follow from its number; vouches from `since` on."""
    random = np.random.default_rng(seq)
    corners = random.random((tracks, 2, 2), np.float32)
    return FrameAnalysed(
        frame=TrackedFrame(
            camera_id=CameraId(camera_id),
            run=RunId(run),
            seq=seq,
            utc_ns=at(second),
            track_ids=np.arange(tracks, dtype=np.int64),
            class_ids=np.zeros(tracks, np.int16),
            boxes_norm=np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32),
            scores=random.random(tracks, np.float32),
            is_measured=np.ones(tracks, np.bool_),
        ),
        valid_from_ns=at(second if since is None else since),
    )


def make_track(
    track_id: int, start_s: float, end_s: float, *, kind: ObjectClass = ObjectClass.PERSON, camera_id: str = CAMERA
) -> TrackEnded:
    """A finished track."""
    return TrackEnded(
        tracklet=Tracklet(
            camera_id=CameraId(camera_id),
            run=RUN,
            track_id=track_id,
            object_class=kind,
            start_ns=at(start_s),
            end_ns=at(end_s),
            frames=5,
            mean_score=0.75,
            first_box_norm=(0.1, 0.2, 0.3, 0.4),
            last_box_norm=(0.5, 0.6, 0.7, 0.8),
            quality=0.625,
        )
    )


def make_quarter(camera_id: str, second: float) -> Quarter:
    """Figures of one line, from `second` on."""
    counts = (ClassCount(object_class=ObjectClass.CAR, count=3),)
    line = LineFigures(
        line="gate",
        is_forward=True,
        counts=counts,
        vehicles_per_h=12.0,
        speeds=None,
        headway_s=4.5,
        occupancy=None,
        density_per_km=None,
        level_of_service="",
    )
    return Quarter(
        camera_id=CameraId(camera_id),
        start_ns=at(second),
        end_ns=at(second + 900),
        coverage=0.5,
        is_calibrated=False,
        lines=(line,),
        movements=(Movement(entry="gate", exit="yard", object_class=ObjectClass.CAR, count=2),),
        queue=None,
    )


def make_crossing(track_id: int, second: float) -> LineCrossed:
    """A person forward over the line `gate`."""
    return LineCrossed(
        camera_id=CAMERA,
        run=RUN,
        line="gate",
        track_id=track_id,
        object_class=ObjectClass.PERSON,
        utc_ns=at(second),
        is_forward=True,
    )


def make_hold(start_s: float, end_s: float, *, expires_s: float, camera_id: str = CAMERA) -> Hold:
    """A hold whose id follows from its interval."""
    return Hold(
        hold_id=f"{camera_id}-{start_s}-{end_s}",
        owner="Ada",
        reason="case 7",
        camera_id=CameraId(camera_id),
        start_ns=at(start_s),
        end_ns=at(end_s),
        expires_ns=at(expires_s),
    )


def same_frames(left: list[FrameAnalysed], right: list[FrameAnalysed]) -> bool:
    """Equal values and arrays."""
    arrays = ("track_ids", "class_ids", "boxes_norm", "scores", "is_measured")
    plain = ("camera_id", "run", "seq", "utc_ns")
    return len(left) == len(right) and all(
        (a.valid_from_ns, a.quiet_from_ns) == (b.valid_from_ns, b.quiet_from_ns)
        and all(getattr(a.frame, name) == getattr(b.frame, name) for name in plain)
        and all(
            np.array_equal(getattr(a.frame, name), getattr(b.frame, name))
            and getattr(a.frame, name).dtype == getattr(b.frame, name).dtype
            for name in arrays
        )
        for a, b in zip(left, right, strict=True)
    )


ALL = (Ns(0), Ns(2**62))


class CatalogSuite:
    """Inherit and give the fixture `catalog`: an empty catalog that uses the fixture `clock`."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Time of the catalog."""
        return ManualClock(START_NS)

    # cameras
    def test_cameras_when_put_are_read_by_id(self, catalog: Catalog) -> None:
        """Round trip."""
        specs = [make_spec("yard"), make_spec("gate", is_enabled=False)]
        assert catalog.put_cameras(specs, is_exclusive=False) == ["gate", "yard"]
        assert catalog.cameras() == [specs[1], specs[0]]

    def test_cameras_when_put_again_then_only_changed_ids_return(self, catalog: Catalog) -> None:
        """Idempotence."""
        catalog.put_cameras([make_spec("a"), make_spec("b")], is_exclusive=False)
        assert catalog.put_cameras([make_spec("a"), make_spec("b", name="B")], is_exclusive=False) == ["b"]

    def test_camera_when_it_has_zones_and_masks_then_they_are_read_as_put(self, catalog: Catalog) -> None:
        """Also taken away again."""
        corner = ((0.0, 0.0), (0.25, 0.0), (0.0, 0.125))
        areas = (DetectArea(polygon=corner, classes=(ObjectClass.CAR,)), DetectArea(polygon=corner, is_mask=True))
        catalog.put_cameras([replace(make_spec(), detect_areas=areas)], is_exclusive=False)
        assert catalog.cameras()[0].detect_areas == areas
        assert catalog.put_cameras([make_spec()], is_exclusive=False) == [CAMERA]
        assert catalog.cameras()[0].detect_areas == ()

    def test_camera_when_it_has_a_second_stream_then_it_is_read_as_put(self, catalog: Catalog) -> None:
        """And it may go again."""
        zone = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5))
        second = SecondStream(url="rtsp://192.0.2.1/2", retention_h=9.0, is_analysed=True, privacy=(zone,))
        spec = replace(make_spec(), second=second)
        catalog.put_cameras([spec], is_exclusive=False)
        assert catalog.cameras() == [spec]
        assert catalog.put_cameras([make_spec()], is_exclusive=False) == [CAMERA]
        assert catalog.cameras() == [make_spec()]

    def test_cameras_when_put_exclusively_then_others_are_disabled(self, catalog: Catalog) -> None:
        """Their history stays reachable."""
        catalog.put_cameras([make_spec("a"), make_spec("b")], is_exclusive=False)
        assert catalog.put_cameras([make_spec("a")], is_exclusive=True) == ["b"]
        assert [(spec.camera_id, spec.is_enabled) for spec in catalog.cameras()] == [("a", True), ("b", False)]

    def test_camera_when_removed_is_gone_but_its_recording_stays(self, catalog: Catalog) -> None:
        """Only the configuration goes."""
        catalog.put_cameras([make_spec()], is_exclusive=False)
        catalog.take_journal("j", 1, [make_segment(0, 60)], [])
        catalog.remove_camera(CAMERA)
        assert catalog.cameras() == []
        assert catalog.segments(CAMERA, *ALL, 9) == [make_segment(0, 60)]
        with pytest.raises(NotFound):
            catalog.remove_camera(CAMERA)

    def test_sizes_of_pictures_when_put_are_each_cameras_newest_and_go_with_it(self, catalog: Catalog) -> None:
        """What people change of a camera leaves them alone."""
        assert catalog.frame_shapes() == {}
        small = FrameShape(camera_id=CAMERA, width_px=704, height_px=576, pixel_aspect=16 / 11)
        other = FrameShape(camera_id=CameraId("other"), width_px=640, height_px=480)
        catalog.put_cameras([make_spec(), make_spec("other")], is_exclusive=False)
        catalog.put_frame_shapes([small, other])
        catalog.put_cameras([replace(make_spec(), name="renamed")], is_exclusive=False)
        assert catalog.frame_shapes() == {CAMERA: small, "other": other}
        large = replace(small, width_px=1920, height_px=1080, pixel_aspect=1.0)
        catalog.put_frame_shapes([large])
        catalog.put_frame_shapes([])
        assert catalog.frame_shapes() == {CAMERA: large, "other": other}
        catalog.remove_camera(CAMERA)
        assert catalog.frame_shapes() == {"other": other}

    # recording
    def test_journal_when_taken_twice_changes_nothing(self, catalog: Catalog) -> None:
        """Rows, position and sums."""
        segments = [make_segment(0, 0, is_sealed=False), make_segment(0, 60), make_segment(60, 61, is_sealed=False)]
        gaps = [Gap(camera_id=CAMERA, start_ns=at(70), end_ns=at(75), cause=GapCause.STALLED)]
        for _ in range(2):
            catalog.take_journal("j", 100, segments, gaps)
        assert catalog.journal_position("j") == 100
        assert catalog.journal_position("other") == 0
        assert catalog.segments(CAMERA, *ALL, 9) == segments[1:]
        assert catalog.gaps(CAMERA, *ALL) == gaps
        expected = CameraTotals(
            recorded_ns=Ns(61 * NS_PER_S), gaps_ns=Ns(5 * NS_PER_S), tracks=0, people=0, vehicles=0
        )
        assert catalog.totals() == {CAMERA: expected}

    def test_segment_when_sealed_never_opens_or_shrinks_again(self, catalog: Catalog) -> None:
        """Late news of an open segment are old news."""
        catalog.take_journal("j", 1, [make_segment(0, 0, is_sealed=False)], [])
        catalog.grow_segments([make_segment(0, 30, is_sealed=False)])
        catalog.grow_segments([make_segment(0, 20, is_sealed=False)])
        assert catalog.segments(CAMERA, *ALL, 9)[0].end_ns == at(30)
        catalog.take_journal("j", 2, [make_segment(0, 25)], [])  # cut to the last whole fragment after a crash
        catalog.grow_segments([make_segment(0, 40, is_sealed=False)])
        assert catalog.segments(CAMERA, *ALL, 9) == [make_segment(0, 25)]
        assert catalog.totals()[CAMERA].recorded_ns == 25 * NS_PER_S

    def test_segments_when_asked_for_an_interval_overlap_it_in_order(self, catalog: Catalog) -> None:
        """A long one that began far before is found too."""
        catalog.take_journal(
            "j",
            1,
            [make_segment(600, 660), make_segment(0, 300), make_segment(300, 310), make_segment(310, 320)],
            [],
        )
        found = catalog.segments(CAMERA, at(290), at(310), 9)
        assert found == [make_segment(0, 300), make_segment(300, 310), make_segment(310, 320)]
        assert catalog.segments(CAMERA, at(290), at(310), 2) == found[:2]
        assert catalog.segments(CameraId("yard"), at(290), at(310), 9) == []
        assert catalog.segments(CAMERA, at(330), at(590), 9) == []

    def test_gap_when_it_grows_keeps_one_row(self, catalog: Catalog) -> None:
        """The last word on a start counts."""
        for end in (5, 9, 12):
            gap = Gap(camera_id=CAMERA, start_ns=at(1), end_ns=at(end), cause=GapCause.UNREACHABLE)
            catalog.take_journal("j", end, [], [gap])
        assert catalog.gaps(CAMERA, at(11), at(20)) == [gap]
        assert catalog.totals()[CAMERA].gaps_ns == 11 * NS_PER_S

    def test_unlogged_when_marked_is_empty_and_the_newest_index_is_known(self, catalog: Catalog) -> None:
        """Open segments are not to be logged."""
        first, second = make_segment(0, 60), make_segment(60, 120)
        catalog.take_journal("j", 1, [second, first, make_segment(120, 121, is_sealed=False)], [])
        assert catalog.newest_log_index() == -1
        assert catalog.unlogged_segments(9) == [first, second]
        catalog.mark_logged({first.header.segment_id: 7, SegmentId("unknown"): 8})
        assert catalog.unlogged_segments(9) == [second]
        catalog.take_journal("j", 1, [first], [])
        catalog.mark_logged({second.header.segment_id: 3})
        assert catalog.unlogged_segments(9) == []
        assert catalog.newest_log_index() == 8

    # analysis
    def test_frames_when_stored_come_back_equal_and_in_order(self, catalog: Catalog) -> None:
        """Across chunk borders, cameras and runs."""
        frames = [make_frame(seq, seq / 5, tracks=seq % 4) for seq in range(200)]
        other = [make_frame(seq, 50 + seq / 5, run="bbbbbbbbbbbb") for seq in range(3)]
        for first in range(0, 200, 7):
            catalog.put_analysis([*frames[first : first + 7], make_frame(first, first, camera_id="yard")], [])
        catalog.put_analysis(other, [])
        assert same_frames(catalog.analysed(CAMERA, *ALL), frames + other)
        assert same_frames(catalog.analysed(CAMERA, at(10), at(11)), frames[50:56])
        assert len(catalog.analysed(CameraId("yard"), *ALL)) == 29

    def test_frames_when_repeated_or_late_are_stored_once(self, catalog: Catalog) -> None:
        """Any order, any overlap."""
        frames = [make_frame(seq, seq / 5, since=max(0, seq - 1) / 5) for seq in range(100)]
        catalog.put_analysis(frames[:40], [])
        catalog.put_analysis(frames[60:], [])
        catalog.put_analysis(frames[30:70], [])
        catalog.put_analysis(list(reversed(frames)), [])
        assert same_frames(catalog.analysed(CAMERA, *ALL), frames)
        assert catalog.coverage(CAMERA, *ALL) == [Coverage(start_ns=at(0), end_ns=at(99 / 5))]

    def test_frames_when_two_runs_alternate_are_all_kept(self, catalog: Catalog) -> None:
        """An old run's last frames may arrive after the new run's first."""
        runs = ("aaaaaaaaaaaa", "bbbbbbbbbbbb")
        frames = [make_frame(seq, seq / 5, run=runs[seq % 2]) for seq in range(40)]
        for first in range(0, 40, 5):
            catalog.put_analysis(frames[first : first + 5], [])
        assert same_frames(catalog.analysed(CAMERA, *ALL), frames)

    def test_coverage_when_vouching_pauses_has_a_hole_that_late_frames_close(self, catalog: Catalog) -> None:
        """Touching intervals are one."""
        catalog.put_analysis([make_frame(0, 0), make_frame(5, 1, since=0), make_frame(20, 4, since=3)], [])
        hole = [Coverage(start_ns=at(0), end_ns=at(1)), Coverage(start_ns=at(3), end_ns=at(4))]
        assert catalog.coverage(CAMERA, *ALL) == hole
        assert catalog.coverage(CAMERA, at(1.5), at(2.5)) == []
        assert catalog.coverage(CAMERA, at(3.5), at(3.6)) == hole[1:]
        catalog.put_analysis([make_frame(15, 3, since=1)], [])
        assert catalog.coverage(CAMERA, *ALL) == [Coverage(start_ns=at(0), end_ns=at(4))]

    def test_analysis_when_replaced_is_the_newer_one_in_its_stretch_alone(self, catalog: Catalog) -> None:
        """Frames by time, tracks and crossings by their beginning; what vouched over the cut does so no more."""
        frames = [make_frame(seq, seq / 5, since=max(0, seq - 1) / 5) for seq in range(200)]
        catalog.put_analysis(frames, [make_track(1, 5, 12), make_track(2, 11, 25), make_track(3, 21, 22)])
        catalog.put_crossings([make_crossing(1, 9), make_crossing(2, 15)])
        other = [make_frame(seq, seq / 5, since=max(50, seq - 1) / 5, tracks=1) for seq in range(50, 100)]
        stretch = AnalysedStretch(camera_id=CAMERA, start_ns=at(10), end_ns=at(20), version=1, model="new")
        for _ in range(2):
            catalog.replace_analysis(stretch, other, [make_track(4, 13, 14)], [make_crossing(4, 13.5)])
        read = catalog.analysed(CAMERA, *ALL)
        parted = replace(frames[100], valid_from_ns=frames[100].frame.utc_ns)
        assert same_frames(read, [*frames[:50], *other, parted, *frames[101:]])
        assert [one.track_id for one in catalog.tracks(CAMERA, *ALL, 9)] == [1, 4, 3]
        assert [one.utc_ns for one in catalog.crossings(CAMERA, *ALL, 9)] == [at(9), at(13.5)]
        assert catalog.totals()[CAMERA].tracks == 3
        assert catalog.coverage(CAMERA, at(9), at(19)) == [Coverage(start_ns=at(0), end_ns=at(99 / 5))]
        assert catalog.analysed_stretches(CAMERA, *ALL) == [stretch]
        newer = replace(stretch, start_ns=at(12), end_ns=at(14), version=2, model="newest")
        catalog.replace_analysis(newer, [], [], [])
        spans = [(one.start_ns, one.end_ns, one.version) for one in catalog.analysed_stretches(CAMERA, *ALL)]
        assert spans == [(at(10), at(12), 1), (at(12), at(14), 2), (at(14), at(20), 1)]
        assert catalog.analysed(CAMERA, at(12), at(13.9)) == []
        catalog.put_analysis([make_frame(200, 40, since=39.8)], [])
        assert len(catalog.analysed(CAMERA, at(39), at(41))) == 6

    def test_rules_when_put_then_the_newest_version_is_read_and_none_is_skipped(self, catalog: Catalog) -> None:
        """Rules of the page, by version."""
        assert catalog.rules() is None
        first = RuleBook(version=1, utc_ns=Ns(1), editor="Ada", rules=('{"name": "crowd"}',))
        catalog.put_rules(first)
        second = replace(first, version=2, rules=())
        catalog.put_rules(second)
        assert catalog.rules() == second
        for version in (2, 4):
            with pytest.raises(FailedPrecondition):
                catalog.put_rules(replace(first, version=version))
        assert catalog.rules() == second

    def test_layout_when_put_then_versions_follow_and_shown_pictures_stay(self, catalog: Catalog) -> None:
        """Somebody else's version in between is not overwritten."""
        assert catalog.layouts(5) == []
        catalog.put_floor_plan("a" * 64, b"jpeg a")
        catalog.put_floor_plan("a" * 64, b"jpeg a")
        camera = PlacedCamera(
            camera_id=CAMERA, floor="hall", place_m=(1.5, -2.0), heading_deg=90.0, view_deg=70.0, range_m=12.0
        )
        way = DrawnWay(from_camera=CAMERA, to_camera=CameraId("yard"), seconds=20.0)
        floor = FloorPlan(name="hall", plan_sha256="a" * 64, width_px=800, height_px=600)
        first = SiteLayout(version=1, utc_ns=at(0), editor="Ada", floors=(floor,), cameras=(camera,), ways=(way,))
        catalog.put_layout(first)
        with pytest.raises(FailedPrecondition):
            catalog.put_layout(first)
        second = replace(first, version=2, floors=(), cameras=())
        catalog.put_layout(second)
        assert catalog.layouts(5) == [second, first]
        assert catalog.layouts(1) == [second]
        assert catalog.floor_plan("a" * 64) == b"jpeg a"
        catalog.put_floor_plan("b" * 64, b"jpeg b")
        catalog.put_layout(replace(second, version=3))
        assert catalog.floor_plan("b" * 64) is None
        assert catalog.floor_plan("a" * 64) == b"jpeg a"

    def test_gates_when_put_again_keep_changes_and_replace_the_hour(self, catalog: Catalog) -> None:
        """Of the last 90 days."""
        first = GateChanged(
            camera_id=CAMERA, run=RUN, utc_ns=at(5), mode_before=GateMode.LEARNING, mode=GateMode.PACKETS, reason="why"
        )
        second = replace(first, utc_ns=at(9), mode_before=GateMode.PACKETS, mode=GateMode.PIXELS)
        hour = GateHour(
            camera_id=CAMERA, start_ns=at(0), mode=GateMode.PACKETS, trials=40, missed=1, miss_low=0.01, miss_high=0.1
        )
        later = replace(hour, start_ns=at(3600), trials=50)
        catalog.put_gates([first], [replace(hour, trials=30)])
        catalog.put_gates([first, second], [hour, later])
        assert catalog.gate_changes(CAMERA, 9) == [first, second]
        assert catalog.gate_changes(CAMERA, 1) == [second]
        assert catalog.gate_hours(CAMERA, at(0), at(3600)) == [hour, later]
        assert catalog.gate_hours(CAMERA, at(1), at(4000)) == [later]
        newest = replace(hour, start_ns=at(91 * 86_400))
        catalog.put_gates([], [newest])
        assert catalog.gate_hours(CAMERA, *ALL) == [newest]
        assert catalog.gate_changes(CAMERA, 9) == []

    def test_backfills_when_put_are_read_newest_first(self, catalog: Catalog) -> None:
        """Each gets a number of its own."""
        asked = Backfill(
            version=0,
            camera_id=CAMERA,
            start_ns=at(0),
            end_ns=at(60),
            position_ns=at(0),
            state=BackfillState.RUNNING,
            detail="",
            person="Tess",
            purpose=Purpose(kind=PurposeKind.MAINTENANCE, reference="T-1"),
            model="",
            created_ns=at(100),
        )
        first, second = catalog.put_backfill(asked), catalog.put_backfill(asked)
        paused = replace(first, state=BackfillState.PAUSED, position_ns=at(30), model="new", detail="why")
        catalog.put_backfill(paused)
        assert catalog.backfills() == [second, paused]
        with pytest.raises(NotFound):
            catalog.put_backfill(replace(first, version=99))

    def test_tracks_when_stored_twice_count_once(self, catalog: Catalog) -> None:
        """Sums by class."""
        ended = [make_track(1, 0, 500), make_track(2, 10, 12, kind=ObjectClass.CAR), make_track(3, 600, 601)]
        for _ in range(2):
            catalog.put_analysis([], ended)
        assert catalog.tracks(CAMERA, at(400), at(700), 9) == [ended[0].tracklet, ended[2].tracklet]
        assert catalog.tracks(CAMERA, at(0), at(700), 2) == [ended[0].tracklet, ended[1].tracklet]
        sums = catalog.totals()[CAMERA]
        assert (sums.tracks, sums.people, sums.vehicles) == (3, 2, 1)

    def test_figures_when_put_again_replace_and_are_told_apart_by_kind_and_camera(self, catalog: Catalog) -> None:
        """A quarter that is made again while it runs."""
        first, other = make_quarter("gate", 0), make_quarter("yard", 0)
        catalog.put_figures([first, other, make_quarter("gate", 900)])
        newer = replace(first, coverage=1.0)
        catalog.put_figures([newer])
        assert catalog.figures(Quarter, CameraId("gate"), at(0), at(900), 9) == [newer]
        assert catalog.figures(Quarter, None, at(0), at(900), 9) == [newer, other]
        assert catalog.figures(Incident, None, at(0), at(9000), 9) == []
        catalog.forget_figures(at(901))
        assert [one.start_ns for one in catalog.figures(Quarter, None, at(0), at(9000), 9)] == [at(900)]

    def test_site_event_when_it_ends_is_the_same_event_and_newest_come_first(self, catalog: Catalog) -> None:
        """While it lasts its end is 0."""
        full = SiteEvent(kind=SiteEventKind.DISK_FULL, start_ns=at(1), end_ns=Ns(0), camera_ids=(CAMERA,), detail="x")
        error = replace(full, kind=SiteEventKind.DISK_ERROR, start_ns=at(9))
        for event in (full, error, replace(full, end_ns=at(5))):
            catalog.put_site_event(event)
        assert catalog.site_events(9) == [error, replace(full, end_ns=at(5))]
        assert catalog.site_events(1) == [error]

    def test_find_tracks_when_a_camera_has_more_than_is_looked_at_says_how_far_back_it_got(
        self, catalog: Catalog
    ) -> None:
        """And loses nothing on the way back."""
        catalog.put_analysis([], [make_track(n, n, n + 0.5) for n in range(2100)])
        catalog.put_analysis([], [make_track(n, n, n + 0.5, camera_id="yard") for n in range(3)])
        question = TrackQuestion(start_ns=at(0), end_ns=at(9999), classes=frozenset({ObjectClass.PERSON}))
        scope = CameraScope(is_all=False, camera_ids=frozenset({CAMERA, CameraId("yard")}))
        seen: list[tuple[str, int]] = []
        while question.end_ns > question.start_ns:
            found = catalog.find_tracks(scope, question, 5000)
            assert found.searched_to_ns < question.end_ns
            seen += [(one.camera_id, one.track_id) for one in found.tracks]
            question = replace(question, end_ns=found.searched_to_ns)
        assert len(seen) == len(set(seen)) == 2103
        nothing = replace(question, end_ns=at(9999), classes=frozenset({ObjectClass.BUS}))
        assert catalog.find_tracks(scope, nothing, 9) == TracksFound(tracks=(), searched_to_ns=at(0))

    def test_lanes_when_asked_for_bins_tell_what_touches_each_and_of_the_scope_alone(self, catalog: Catalog) -> None:
        """Also of a segment that began long before, and of a gap beside what is recorded."""
        hole = Gap(camera_id=CAMERA, start_ns=at(60), end_ns=at(95), cause=GapCause.UNREACHABLE)
        yard = make_segment(0, 30, camera_id="yard", run="0123456789ac")
        catalog.take_journal("one", 1, [make_segment(0, 60), make_segment(95, 119), yard], [hole])
        catalog.put_analysis(
            [make_frame(n, n / 5) for n in range(100)], [make_track(1, 41, 80), make_track(2, 99, 99.5)]
        )
        scope = CameraScope(is_all=False, camera_ids=frozenset({CAMERA}))
        (lane,) = catalog.lanes(scope, at(5), at(125), 12)
        assert (lane.camera_id, lane.width_ns, lane.newest_ns) == (CAMERA, 10 * NS_PER_S, at(119))
        assert lane.recorded == (0, 1, 2, 3, 4, 5, 8, 9, 10, 11)  # from 5 to 65, and from 85 on
        assert lane.analysed == (0, 1)
        assert lane.seen == (3, 9)
        assert lane.gaps == (hole,)
        (short,) = catalog.lanes(scope, at(30), at(31), 2)
        assert (short.recorded, short.analysed, short.seen, short.gaps) == ((0, 1), (), (), ())
        both = CameraScope(is_all=False, camera_ids=frozenset({CAMERA, CameraId("yard"), CameraId("none")}))
        found = {lane.camera_id: lane for lane in catalog.lanes(both, at(0), at(120), 4)}
        assert {name: lane.recorded for name, lane in found.items()} == {
            CAMERA: (0, 1, 2, 3),
            "none": (),
            "yard": (0, 1),
        }
        assert (found[CameraId("none")].newest_ns, found[CameraId("yard")].newest_ns) == (0, at(30))

    def test_lanes_when_analysis_is_in_many_pieces_then_as_in_few(self, catalog: Catalog) -> None:
        """More than twice as many as there are bins are looked up one by one, not read."""
        pieces = [(4 * n, 4 * n + 0.2) for n in range(7)]
        for number, (first, last) in enumerate(pieces):
            catalog.put_analysis([make_frame(2 * number, first), make_frame(2 * number + 1, last)], [])
        scope = CameraScope(is_all=False, camera_ids=frozenset({CAMERA}))
        for bins, width_s in ((3, 30), (60, 1.5)):
            (lane,) = catalog.lanes(scope, at(0), at(90), bins)
            expected = [n for n in range(bins) if any(a <= (n + 1) * width_s and b >= n * width_s for a, b in pieces)]
            assert lane.analysed == tuple(expected), bins

    def test_crossings_when_found_again_after_a_kill_count_once(self, catalog: Catalog) -> None:
        """The way back, and another line, are others."""
        there = make_crossing(1, 5)
        back, again = replace(there, is_forward=False, utc_ns=at(6)), replace(there, utc_ns=at(5.4))
        other, later = replace(there, line="yard"), replace(there, utc_ns=at(60))
        catalog.put_crossings([there, back])
        catalog.put_crossings([again, other, later])
        assert catalog.crossings(CAMERA, *ALL, 9) == [there, other, back, later]
        assert catalog.crossings(CAMERA, at(5.5), at(59), 9) == [back]
        assert catalog.crossings(CAMERA, *ALL, 2) == [there, other]
        assert catalog.crossings(CameraId("other"), *ALL, 9) == []

    def test_cameras_when_they_have_ground_and_lines_keep_them(self, catalog: Catalog) -> None:
        """And lose them when put without."""
        scene = CameraScene(
            ground=tuple(GroundPoint(at=(n / 10, 0.5), place_m=(1.5 * n, -2.0)) for n in range(4)),
            lines=(CountLine(name="gate", start=(0.0, 0.5), end=(1.0, 0.5)),),
        )
        spec = replace(make_spec(), scene=scene)
        catalog.put_cameras([spec], is_exclusive=False)
        assert catalog.cameras() == [spec]
        assert catalog.put_cameras([make_spec()], is_exclusive=False) == [spec.camera_id]
        assert catalog.cameras() == [make_spec()]

    def test_track_when_ids_begin_again_after_an_analysers_restart_is_kept(self, catalog: Catalog) -> None:
        """The run is the camera's, the counter is the analyser's."""
        catalog.put_analysis([], [make_track(1, 0, 5)])
        catalog.put_analysis([], [make_track(1, 20, 25)])
        assert catalog.totals()[CAMERA].tracks == 2

    # retention
    def test_condemned_when_sealed_and_unheld_becomes_garbage_and_stays_away(self, catalog: Catalog) -> None:
        """Late news of it does not bring it back; its row goes when log and file are settled."""
        old, held, growing = make_segment(0, 60), make_segment(60, 120), make_segment(120, 130, is_sealed=False)
        catalog.take_journal("j", 1, [old, held, growing], [])
        catalog.put_hold(make_hold(100, 101, expires_s=500))
        everything = {one.header.segment_id: "old" for one in (old, held, growing)} | {SegmentId("unknown"): "old"}
        assert catalog.deletable_segments(None, at(200), at(200), 9) == [old]
        (garbage,) = catalog.condemn(everything, {}, at(200))
        assert (garbage.segment_id, garbage.path, garbage.reason) == (old.header.segment_id, old.path, "old")
        catalog.take_journal("j", 2, [old], [])
        catalog.grow_segments([make_segment(0, 61, is_sealed=False)])
        assert catalog.segments(CAMERA, *ALL, 9) == [held, growing]
        assert catalog.known_segments(CAMERA) == {one.header.segment_id for one in (old, held, growing)}
        catalog.note_deletion_logged([old.header.segment_id])
        (garbage,) = catalog.garbage(9)
        assert garbage.is_logged and not garbage.is_gone
        catalog.note_files_gone([old.header.segment_id])
        assert catalog.garbage(9) == []

    def test_hold_when_expired_or_ended_holds_no_more(self, catalog: Catalog) -> None:
        """Of its own camera and interval only."""
        catalog.take_journal("j", 1, [make_segment(0, 60), make_segment(0, 60, camera_id="yard", run="b" * 12)], [])
        hold = make_hold(60, 90, expires_s=500)
        catalog.put_hold(hold)
        assert catalog.holds(at(499)) == [hold]
        assert [one.header.camera_id for one in catalog.deletable_segments(None, at(99), at(499), 9)] == ["yard"]
        assert catalog.deletable_segments(CAMERA, at(99), at(499), 9) == []
        assert catalog.deletable_segments(CAMERA, at(99), at(500), 9) == [make_segment(0, 60)]
        assert catalog.deletable_segments(CAMERA, at(59), at(500), 9) == []
        assert catalog.holds(at(500)) == []
        catalog.end_hold(hold.hold_id)
        catalog.end_hold(hold.hold_id)
        assert catalog.deletable_segments(CAMERA, at(99), at(0), 9) == [make_segment(0, 60)]

    def test_hold_when_on_a_camera_holds_both_its_streams(self, catalog: Catalog) -> None:
        """And no other camera's; one on a second stream holds that alone."""
        names = (CAMERA, f"{CAMERA}.second", "yard.second")
        segments = [make_segment(0, 60, camera_id=name, run=f"{n:012x}") for n, name in enumerate(names)]
        catalog.take_journal("j", 1, segments, [])
        hold = make_hold(0, 60, expires_s=500)

        def left() -> list[str]:
            return sorted(one.header.camera_id for one in catalog.deletable_segments(None, at(99), at(99), 9))

        catalog.put_hold(hold)
        assert left() == ["yard.second"]
        assert catalog.condemn({one.header.segment_id: "old" for one in segments[:2]}, {}, at(99)) == []
        catalog.end_hold(hold.hold_id)
        catalog.put_hold(replace(hold, camera_id=CameraId(names[1])))
        assert left() == sorted((CAMERA, "yard.second"))

    def test_facts_when_their_segment_goes_go_too_except_where_one_remains(self, catalog: Catalog) -> None:
        """A held segment keeps its masks; frames that come after go on as before."""
        segments = [make_segment(start, start + 60) for start in (0, 60, 120, 180)]
        gaps = [
            Gap(camera_id=CAMERA, start_ns=at(start), end_ns=at(start + 5), cause=GapCause.STALLED)
            for start in (-10, 300)
        ]
        catalog.take_journal("j", 1, segments, gaps)
        frames = [make_frame(second, second, since=max(0, second - 1)) for second in range(240)]
        catalog.put_crossings([make_crossing(n, 60 * n + 10) for n in range(4)])
        catalog.put_analysis(frames, [make_track(n, 60 * n + 5, 60 * n + 15) for n in range(4)])
        catalog.put_hold(make_hold(70, 80, expires_s=900))
        doomed = {one.header.segment_id: "old" for one in segments[:3]}
        assert len(catalog.condemn(doomed, {CAMERA: at(180)}, at(300))) == 2
        assert [track.track_id for track in catalog.tracks(CAMERA, *ALL, 9)] == [1, 3]
        assert [one.track_id for one in catalog.crossings(CAMERA, *ALL, 9)] == [1, 3]
        assert catalog.gaps(CAMERA, *ALL) == gaps[1:]
        assert catalog.coverage(CAMERA, *ALL) == [
            Coverage(start_ns=at(60), end_ns=at(120)),
            Coverage(start_ns=at(180), end_ns=at(239)),
        ]
        seconds = [(fact.frame.utc_ns - at(0)) // NS_PER_S for fact in catalog.analysed(CAMERA, *ALL)]
        assert set(range(60, 121)) | set(range(180, 240)) <= set(seconds)
        assert not set(seconds) & {*range(45), *range(135, 165)}, "chunks at the edge may stay, at most 10 s each"
        catalog.put_analysis([make_frame(240, 240, since=239)], [])
        assert catalog.coverage(CAMERA, at(200), at(999)) == [Coverage(start_ns=at(180), end_ns=at(240))]
        assert catalog.totals()[CAMERA].tracks == 4, "sums tell what ever was"

    def test_keys_when_no_segment_needs_them_are_named_until_forgotten(self, catalog: Catalog) -> None:
        """Not before the day is over, not while a file is on its way out."""
        first, second = make_segment(0, 60), make_segment(60, 120)
        key_id = first.header.key_id
        catalog.take_journal("j", 1, [first, second], [])
        catalog.condemn({first.header.segment_id: "old"}, {}, at(200))
        catalog.note_files_gone([first.header.segment_id])
        assert catalog.unneeded_keys("20231115", 9) == []
        catalog.condemn({second.header.segment_id: "old"}, {}, at(200))
        assert catalog.unneeded_keys("20231115", 9) == []
        catalog.note_files_gone([second.header.segment_id])
        assert catalog.unneeded_keys("20231114", 9) == []
        assert catalog.unneeded_keys("20231115", 9) == [key_id]
        catalog.forget_key(key_id)
        assert catalog.unneeded_keys("20231115", 9) == []

    def test_catalog_when_rebuilt_knows_what_was_deleted(self, catalog: Catalog) -> None:
        """From the journal of deletions; the key is a candidate again."""
        first, second = make_segment(0, 60), make_segment(60, 120)
        catalog.take_journal("recorder", 1, [first, second], [])
        catalog.take_journal("retention", 1, [], [], [first.header.segment_id, second.header.segment_id])
        assert catalog.segments(CAMERA, *ALL, 9) == []
        assert catalog.garbage(9) == []
        assert catalog.recorded_bytes() == 0
        assert catalog.unneeded_keys("20231115", 9) == [first.header.key_id]

    def test_what_is_recorded_is_counted_in_whole_bytes(self, catalog: Catalog) -> None:
        """An int, whatever the database adds up in: it is told to centres and divided by the clock's floats."""
        segments = [make_segment(0, 60), make_segment(60, 120)]
        catalog.take_journal("recorder", 1, segments, [])
        recorded = catalog.recorded_bytes()
        assert type(recorded) is int
        assert recorded == sum(one.bytes_on_disk for one in segments)

    # people
    def test_account_when_put_is_read_and_its_name_is_taken(self, catalog: Catalog) -> None:
        """Names differ by more than case."""
        anna = Account(
            user_id="u1",
            name="Anna",
            password_hash="$argon2id$x",  # noqa: S106 - not a password
            roles=frozenset({Role.OPERATOR, Role.AUDITOR}),
            created_ns=at(0),
        )
        catalog.put_account(anna)
        catalog.put_account(anna)
        assert catalog.accounts() == [anna]
        assert catalog.account(anna.user_id) == anna
        assert catalog.account("nobody") is None
        impostor = Account(
            user_id="u2",
            name="ANNA",
            password_hash="x",  # noqa: S106 - not a password
            roles=frozenset(),
            created_ns=at(1),
        )
        with pytest.raises(AlreadyExists):
            catalog.put_account(impostor)
        assert catalog.accounts() == [anna]

    def test_second_factor_when_sealed_replaces_the_bare_secret_of_before(self, catalog: Catalog) -> None:
        """And nothing else: who set up another one meanwhile keeps that."""
        ann, ben, eve = (
            Account(
                user_id=name,
                name=name,
                password_hash="x",  # noqa: S106 - not a password
                roles=frozenset(),
                created_ns=at(0),
                **factor,
            )
            for name, factor in (
                ("ann", {"totp_secret": "A" * 32, "totp_step": 7}),
                ("ben", {"totp_sealed": b"newer"}),
                ("eve", {}),
            )
        )
        for one in (ann, ben, eve):
            catalog.put_account(one)
        assert [one.has_totp for one in catalog.accounts()] == [True, True, False]
        catalog.keep_sealed({"ann": b"sealed", "ben": b"older"})
        assert catalog.accounts() == [replace(ann, totp_secret="", totp_sealed=b"sealed"), ben, eve]

    def test_reset_when_taken_or_expired_or_replaced_is_gone(self, catalog: Catalog) -> None:
        """One is taken once."""

        def link(number: int, user_id: str) -> PasswordReset:
            return PasswordReset(
                token_hash=bytes([number]) * 32, user_id=user_id, made_by="Eve", forgets_code=True, expires_ns=at(100)
            )

        first, second, other = link(1, "ann"), link(2, "ann"), link(3, "ben")
        for one in (first, second, other):
            catalog.put_reset(one)
        assert catalog.take_reset(first.token_hash, at(1)) is None, "the newer one of the same account counts"
        assert catalog.take_reset(second.token_hash, at(99)) == second
        assert catalog.take_reset(second.token_hash, at(99)) is None
        assert catalog.take_reset(other.token_hash, at(100)) is None
        assert catalog.take_reset(other.token_hash, at(1)) is None, "an expired one is gone for good"

    def test_push_devices_when_put_again_are_replaced_and_when_removed_are_gone(self, catalog: Catalog) -> None:
        """One person's browsers."""
        first = PushDevice(
            device_id="a", user_id="u1", name="Phone", endpoint="https://push.example/1", p256dh=b"\4" * 65,
            auth=b"s" * 16, created_ns=at(2),
        )  # fmt: skip
        older = replace(first, device_id="b", created_ns=at(1))
        for one in (first, older, replace(first, name="My phone")):
            catalog.put_push_device(one)
        assert catalog.push_devices() == [older, replace(first, name="My phone")]
        for _ in range(2):
            catalog.remove_push_device("b")
        assert [one.device_id for one in catalog.push_devices()] == ["a"]

    def test_wall_layouts_when_put_again_are_replaced_and_when_removed_are_gone(self, catalog: Catalog) -> None:
        """By name, everybody's."""
        night = WallLayout(
            layout_id="a", user_id="u1", name="Night", cameras=(CAMERA, CameraId("yard")), tiles=4,
            is_shared=True, changed_ns=at(1),
        )  # fmt: skip
        day = replace(night, layout_id="b", user_id="u2", name="Day", cameras=(), is_shared=False)
        for one in (night, day, replace(night, tiles=0)):
            catalog.put_wall_layout(one)
        assert catalog.wall_layouts() == [day, replace(night, tiles=0)]
        for _ in range(2):
            catalog.remove_wall_layout("a")
        assert catalog.wall_layouts() == [day]

    def test_session_when_expired_or_ended_is_gone(self, catalog: Catalog, clock: ManualClock) -> None:
        """Time is the catalog's clock."""
        session = LoginSession(
            token_hash=b"h" * 32,
            user_id="u1",
            csrf_token="c",  # noqa: S106 - synthetic
            created_ns=at(0),
            last_seen_ns=at(0),
            expires_ns=at(900),
        )
        catalog.put_session(session)
        assert catalog.session(b"h" * 32) == session
        assert catalog.session(b"other") is None
        renewed = replace(session, token_hash=b"n" * 32, proven_ns=at(5))
        assert catalog.renew_session(b"h" * 32, renewed)
        assert (catalog.session(b"h" * 32), catalog.session(b"n" * 32)) == (None, renewed)
        assert not catalog.renew_session(b"h" * 32, session), "it ended: nothing comes back"
        assert catalog.sessions("u1") == [renewed]
        assert catalog.renew_session(b"n" * 32, session)
        clock.advance(901 * NS_PER_S)
        assert catalog.session(b"h" * 32) is None
        clock.jump(-901 * NS_PER_S)
        catalog.end_session(b"h" * 32)
        catalog.end_session(b"h" * 32)
        assert catalog.session(b"h" * 32) is None
