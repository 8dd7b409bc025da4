"""What the wall shows, from statuses and silence."""

import asyncio
from dataclasses import replace

import pytest
from tests.server.conftest import ScriptedSupervisor, Site

from custodes.app.serving.live_state import RECORDER_DOWN, STALE_NS, UNKNOWN, ServerLiveState
from custodes.testing.catalog import CAMERA, make_segment, make_spec, make_track
from custodes.testing.clock import ManualClock
from custodes.types.event import HEARD, AnalyserStatus, CameraState, CameraStatus, DeviceSaying, DeviceWord
from custodes.types.media import ClockReading, ClockSource
from custodes.types.message import CameraRow
from custodes.types.stream import SecondStream, second_of
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from custodes.web.words import clock_words, second_words

RUN = RunId("0123456789ab")


def camera_status(clock: ManualClock, state: CameraState = CameraState.RECORDING, detail: str = "") -> CameraStatus:
    return CameraStatus(
        camera_id=CAMERA,
        state=state,
        detail=detail,
        run=RUN,
        utc_ns=clock.now_ns(),
        recorded_ns=Ns(0),
        packets=0,
        bytes_received=0,
        fps=0.0,
        bitrate_bps=0.0,
        width_px=0,
        height_px=0,
        codec="h264",
        reconnects=0,
        dropped_analysis_gops=0,
        dropped_live_gops=0,
    )


def analyser_status(clock: ManualClock, decoded: int, *, people: int = 0) -> AnalyserStatus:
    return AnalyserStatus(
        camera_id=CAMERA,
        run=RUN,
        utc_ns=clock.now_ns(),
        packets=decoded,
        frames_decoded=decoded,
        frames_analysed=decoded // 2,
        frames_skipped_rate=0,
        frames_skipped_quiet=0,
        gops_shed=0,
        decode_errors=0,
        detector_calls=0,
        tracks_people=0,
        tracks_vehicles=0,
        live_people=people,
        live_vehicles=0,
        lag_ns=Ns(0),
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def live(site: Site, clock: ManualClock) -> ServerLiveState:
    async def main() -> ServerLiveState:
        async with site.catalog() as catalog:
            await catalog.put_cameras([make_spec(), make_spec("off", is_enabled=False)], is_exclusive=False)
            await catalog.take_journal("j", 1, [make_segment(0, 60)], [])
            await catalog.put_analysis([], [make_track(1, 0, 5)])
            state = ServerLiveState(catalog, ScriptedSupervisor(site.paths.socket("x")), clock)
            await state.refresh()
            return state

    return asyncio.run(main())


def gate(live: ServerLiveState) -> CameraRow:
    return next(row for row in live.camera_rows() if row.camera_id == CAMERA)


def test_row_when_nothing_was_heard_starts_and_then_says_who_is_down(
    live: ServerLiveState, clock: ManualClock
) -> None:
    assert gate(live).state == CameraState.STARTING
    clock.advance(STALE_NS + NS_PER_S)
    assert (gate(live).state, gate(live).detail, gate(live).is_recording) == (UNKNOWN, RECORDER_DOWN, False)
    off = next(row for row in live.camera_rows() if row.camera_id == CameraId("off"))
    assert off.state == CameraState.DISABLED


def test_row_when_the_recorder_falls_silent_is_unknown_after_a_while(
    live: ServerLiveState, clock: ManualClock
) -> None:
    live.take_camera(camera_status(clock))
    clock.advance(STALE_NS)
    assert gate(live).is_recording
    clock.advance(NS_PER_S // 10)
    assert (gate(live).state, gate(live).is_recording) == (UNKNOWN, False)
    live.take_camera(camera_status(clock, CameraState.UNREACHABLE, "nothing answers"))
    assert (gate(live).state, gate(live).detail) == ("unreachable", "nothing answers")


def test_row_says_what_the_device_says_until_the_recorder_falls_silent(
    live: ServerLiveState, clock: ManualClock
) -> None:
    said = DeviceSaying(word=DeviceWord.INPUT, start_ns=Ns(1), detail="DigitalInput door")
    live.take_camera(replace(camera_status(clock), lost_packets=7, device_events=HEARD, device_says=(said,)))
    assert (gate(live).device_events, gate(live).device_says) == (HEARD, ("input (DigitalInput door)",))
    assert gate(live).lost_packets == 7
    clock.advance(STALE_NS + NS_PER_S)
    assert (gate(live).device_events, gate(live).device_says) == ("", ())


def test_row_when_the_second_stream_fails_says_so_beside_the_first(site: Site, clock: ManualClock) -> None:
    async def main() -> None:
        async with site.catalog() as catalog:
            spec = replace(make_spec(), second=SecondStream(url="rtsp://192.0.2.1/2"))
            await catalog.put_cameras([spec], is_exclusive=False)
            live = ServerLiveState(catalog, ScriptedSupervisor(site.paths.socket("x")), clock)
            await live.refresh()
            live.take_camera(camera_status(clock))
            refused = camera_status(clock, CameraState.UNREACHABLE, "nobody answers")
            live.take_camera(replace(refused, camera_id=second_of(CAMERA)))
            await live.refresh()
            row = gate(live)
            assert (row.state, row.second, row.second_detail) == ("recording", "unreachable", "nobody answers")
            assert "nobody answers" in second_words(row)
            live.take_camera(replace(camera_status(clock), camera_id=second_of(CAMERA)))
            assert (gate(live).second, second_words(gate(live))) == ("recording", "")

    asyncio.run(main())


def test_wall_when_the_smaller_second_stream_is_analysed_shows_it_as_long_as_it_comes(
    site: Site, clock: ManualClock
) -> None:
    async def main() -> None:
        async with site.catalog() as catalog:
            spec = replace(make_spec(), second=SecondStream(url="rtsp://192.0.2.1/2", is_analysed=True))
            await catalog.put_cameras([spec], is_exclusive=False)
            live = ServerLiveState(catalog, ScriptedSupervisor(site.paths.socket("x")), clock)
            await live.refresh()
            large = replace(camera_status(clock), width_px=1920, height_px=1080)
            small = replace(large, camera_id=second_of(CAMERA), width_px=640, height_px=360)
            live.take_camera(large)
            assert gate(live).wall == "first"
            live.take_camera(small)
            assert gate(live).wall == "second"
            clock.advance(NS_PER_S)
            live.take_camera(replace(small, utc_ns=clock.now_ns(), state=CameraState.UNREACHABLE))
            assert gate(live).wall == "first", "a picture rather than none"
            clock.advance(STALE_NS + NS_PER_S)
            assert gate(live).wall == "second", "the first is not heard of either"

    asyncio.run(main())


def test_status_when_older_than_the_known_one_is_ignored(live: ServerLiveState, clock: ManualClock) -> None:
    old = camera_status(clock, CameraState.STALLED)
    clock.advance(NS_PER_S)
    live.take_camera(camera_status(clock))
    live.take_camera(old)
    assert gate(live).is_recording


def test_status_when_the_wall_clock_went_back_is_taken_again(live: ServerLiveState, clock: ManualClock) -> None:
    live.take_camera(camera_status(clock))
    clock.jump(-3600 * NS_PER_S)
    clock.advance(STALE_NS + NS_PER_S)
    live.take_camera(camera_status(clock, CameraState.STALLED))
    assert gate(live).state == "stalled"


def test_counts_when_the_analyser_restarts_go_on(live: ServerLiveState, clock: ManualClock) -> None:
    live.take_analyser(analyser_status(clock, 100, people=2))
    assert (gate(live).tracks, gate(live).people, gate(live).live_people) == (3, 3, 2)
    clock.advance(NS_PER_S)
    live.take_analyser(analyser_status(clock, 10))
    assert (gate(live).frames_decoded, gate(live).frames_analysed) == (110, 55)
    live.take_analyser(replace(analyser_status(clock, 20), utc_ns=Ns(clock.now_ns() + 1)))
    assert gate(live).frames_decoded == 120


def test_live_counts_when_the_analyser_falls_silent_are_zero(live: ServerLiveState, clock: ManualClock) -> None:
    live.take_analyser(analyser_status(clock, 100, people=2))
    clock.advance(STALE_NS + NS_PER_S)
    row = gate(live)
    assert (row.live_people, row.people, row.frames_decoded, row.recorded_s) == (0, 3, 100, 60.0)


def test_row_when_the_recorder_tells_how_well_times_are_known_then_says_it_in_words(
    live: ServerLiveState, clock: ManualClock
) -> None:
    reading = ClockReading(source=ClockSource.ARRIVAL, error_ns=500_000_000, camera_offset_ns=-3600 * NS_PER_S)
    live.take_camera(replace(camera_status(clock), clock=reading))
    row = gate(live)
    assert clock_words(row) == "time by arrival, ±500 ms; the camera's clock is 60 min behind"
    assert clock_words(replace(row, camera_offset_s=None)).endswith("the camera tells no time")
    assert clock_words(replace(row, clock_source="camera")) == "time by the camera's clock, ±500 ms"
    live.take_camera(replace(camera_status(clock, CameraState.STALLED), clock=reading))
    assert clock_words(gate(live)) == ""
