"""Uptime, bitrate, storage: from segments and gaps alone."""

import asyncio
from collections import namedtuple
from dataclasses import replace

import pytest
from tests.fleet.fingerprints import GOLDEN
from tests.web.conftest import site_in
from tests.web.test_matrix import session_of

from custodes.adapters.sql import sqlite_catalog
from custodes.app.fleet_files import write_observations
from custodes.app.serving.fleet import FleetShelf
from custodes.app.serving.health import HealthDesk
from custodes.config import SiteConfig, SitePaths
from custodes.fleet.health import StreamNeed, camera_health, forecast
from custodes.testing.catalog import RUN, at, make_segment, make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.web import InlineCatalog
from custodes.types.access import Role
from custodes.types.media import Gap, GapCause
from custodes.units import NS_PER_DAY, NS_PER_HOUR, CameraId, Ns

Hours = namedtuple("Hours", "start count megabytes")
END_NS = Ns((at(0) // NS_PER_HOUR + 24) * NS_PER_HOUR)
START_NS = Ns(END_NS - NS_PER_DAY)


def recorded(*stretches):
    """A segment an hour, of so many megabytes."""
    found = []
    for start, count, megabytes in stretches:
        for hour in range(start, start + count):
            begin_ns = Ns(START_NS + hour * NS_PER_HOUR)
            one = make_segment(0, 3600)
            header = replace(one.header, start_ns=begin_ns, segment_id=f"{begin_ns}-{RUN}-0")
            found.append(
                replace(one, header=header, end_ns=Ns(begin_ns + NS_PER_HOUR), bytes_on_disk=megabytes * 1_000_000)
            )
    return found


def gap(start_h, hours, cause=GapCause.UNREACHABLE):
    begin_ns = Ns(START_NS + int(start_h * NS_PER_HOUR))
    return Gap(
        camera_id=CameraId("gate"), start_ns=begin_ns, end_ns=Ns(begin_ns + int(hours * NS_PER_HOUR)), cause=cause
    )


def judge(segments, gaps=()):
    return camera_health(make_spec(), segments, gaps, start_ns=START_NS, end_ns=END_NS)


def test_a_day_without_an_interruption_has_no_problem():
    found = judge(recorded(Hours(0, 24, 900)))
    assert (found.uptime_share, found.gaps, found.problems) == (1.0, 0, ())
    assert found.bytes_per_s == pytest.approx(250_000)
    assert found.usual_bytes_per_s == pytest.approx(250_000)


def test_two_hours_away_are_missed_and_named():
    found = judge(recorded(Hours(0, 10, 900), Hours(12, 12, 900)), [gap(10, 1.5), gap(11.5, 0.5, GapCause.STALLED)])
    assert found.uptime_share == pytest.approx(22 / 24)
    assert (found.gaps, found.longest_gap_s, found.main_cause) == (2, 5400.0, "unreachable")
    assert found.problems == ("recorded 91.7% of the time",)


def test_a_camera_of_today_is_judged_from_its_first_picture_on():
    assert judge(recorded(Hours(20, 4, 900))).uptime_share == 1.0


@pytest.mark.parametrize(("megabytes", "word"), [(250, "fell"), (3000, "rose"), (500, ""), (2000, "")])
def test_a_bitrate_far_from_the_usual_is_a_reason_to_look(megabytes, word):
    found = judge(recorded(Hours(0, 23, 900), Hours(23, 1, megabytes)))
    assert [one.split()[2] for one in found.problems] == ([word] if word else [])


def test_an_hour_that_was_recorded_in_part_says_nothing_about_the_bitrate():
    assert judge(recorded(Hours(0, 23, 900))).bytes_per_s == 0.0
    assert judge(recorded(Hours(20, 4, 900))).usual_bytes_per_s == 0.0


def test_nothing_recorded_is_a_problem():
    assert judge([], [gap(0, 24)]).problems == ("nothing was recorded",)


def need(bytes_per_day, kept_h, camera_id="gate"):
    return StreamNeed(camera_id=CameraId(camera_id), bytes_per_day=bytes_per_day, kept_h=kept_h)


def test_storage_fits_or_is_full_after_so_many_days():
    fits = forecast([need(10, 72.0)], recorded_bytes=20, free_bytes=50, reserve_bytes=10)
    assert (fits.needed_bytes, fits.available_bytes, fits.full_in_days) == (30, 60, None)
    full = forecast([need(10, 720.0), need(10, 720.0)], recorded_bytes=20, free_bytes=50, reserve_bytes=10)
    assert full.full_in_days == pytest.approx(2.0)
    assert forecast([], recorded_bytes=0, free_bytes=1, reserve_bytes=0).full_in_days is None


def test_stream_that_is_kept_short_stops_growing_and_leaves_its_room_to_the_others():
    streams = [need(100, 24.0, "short"), need(10, 240.0, "long")]
    found = forecast(streams, recorded_bytes=110, free_bytes=60, reserve_bytes=0)  # a day of both lies there
    assert found.needed_bytes == 200 and found.available_bytes == 170
    assert found.reach_days == pytest.approx(7.0)  # 100 stay 100, the other grows from 10 to 70
    assert found.full_in_days == pytest.approx(6.0)
    assert found.growth[0] == (0.0, 110)
    assert found.growth[-1] == (pytest.approx(9.0), 200)
    sizes = [size for _, size in found.growth]
    assert sizes == sorted(sizes)
    assert [one.camera_id for one in found.streams] == ["short", "long"]


def test_what_the_configuration_allows_counts_as_the_disks_end():
    found = forecast([need(10, 240.0)], recorded_bytes=20, free_bytes=10**6, reserve_bytes=0, max_bytes=50)
    assert (found.available_bytes, found.reach_days, found.full_in_days) == (
        50,
        pytest.approx(5.0),
        pytest.approx(3.0),
    )
    fits = forecast([need(10, 48.0)], recorded_bytes=20, free_bytes=10**6, reserve_bytes=0, max_bytes=50)
    assert (fits.full_in_days, fits.reach_days) == (None, pytest.approx(2.0))


def test_page_shows_health_of_the_cameras_that_the_person_may_see(tmp_path):
    clock = ManualClock()
    catalog = sqlite_catalog(tmp_path / "own.db", site_id="ab" * 8, clock=clock)
    catalog.put_cameras([make_spec("gate", name="Main gate"), make_spec("yard", name="Back yard")], is_exclusive=False)
    config = SiteConfig.model_validate({"data_dir": tmp_path})
    paths = SitePaths(tmp_path)
    write_observations(paths, [GOLDEN["silent"].seen("gate")])
    desk = HealthDesk(catalog=InlineCatalog.over(catalog), clock=clock, config=config, data_dir=tmp_path)
    try:
        report = asyncio.run(desk.read())
        assert [one.problems for one in report.cameras] == [("nothing was recorded",)] * 2
        with site_in(tmp_path, fleet=FleetShelf(paths, clock, desk).read) as site:
            session_of(site, Role.TECHNICIAN)
            page = site.client.get("/fleet").text
            assert "The recordings fit" in page
            assert "Back yard" in page
            assert len(site.client.get("/api/v1/fleet").json()["health"]["cameras"]) == 2
    finally:
        catalog.close()


@pytest.mark.parametrize(
    ("damage", "share", "is_told"),
    [((0, 0), None, False), ((0, 5000), 0.0, False), ((4, 100), 0.04, False), ((40, 20_000), 0.002, True)],
)
def test_pictures_that_come_damaged_are_lost_packets(damage, share, is_told):
    found = camera_health(make_spec(), recorded((0, 24, 10)), [], start_ns=START_NS, end_ns=END_NS, damage=damage)
    assert found.damaged_share == (None if share is None else pytest.approx(share))
    assert any("packets are lost" in one for one in found.problems) is is_told
