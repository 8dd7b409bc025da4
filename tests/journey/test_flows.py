"""Flows: right where they are told, silent about few, deaf to subtraction; pseudonyms that end."""

import gc
import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.errors import InvalidArgument
from custodes.journey.flows import LEAST_GROUP, ROUND_TO, flow_hour, heat_cells, lane_of, released, stood_in
from custodes.journey.link_hours import HourLinks
from custodes.journey.pseudonyms import MAX_LIFE_NS, Pseudonyms
from custodes.types.codec import encode
from custodes.types.flow import HEAT_COLUMNS, HEAT_ROWS, FlowGroup
from custodes.types.vision import ObjectClass, Tracklet
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId, Ns, RunId

T0 = 470_000 * NS_PER_HOUR
GATE, HALL, YARD = CameraId("gate"), CameraId("hall"), CameraId("yard")
CAMERAS = (GATE, HALL, YARD)


def track(camera_id, number, start_s, seconds=10.0, to_right=True):
    first, last = (0.1, 0.3, 0.2, 0.6), (0.8, 0.3, 0.9, 0.6)
    return Tracklet(
        camera_id=camera_id,
        run=RunId("feedfacecafe"),
        track_id=number,
        object_class=ObjectClass.PERSON,
        start_ns=Ns(T0 + int(start_s * NS_PER_S)),
        end_ns=Ns(T0 + int((start_s + seconds) * NS_PER_S)),
        frames=20,
        mean_score=0.8,
        first_box_norm=first if to_right else last,
        last_box_norm=last if to_right else first,
    )


def walkers(count, every_s=25.0, leg_s=40.0):
    """They come at the gate as they like; each is in the hall 40 ± 2 s after it left the gate."""
    rng = np.random.default_rng(6)
    tracks = []
    for number, start_s in enumerate(np.cumsum(rng.exponential(every_s, count)) * 3400 / max(count * every_s, 3400)):
        tracks.append(track(GATE, number + 1, start_s))
        tracks.append(track(HALL, number + 1, start_s + 10 + leg_s + rng.normal(0, 2)))
    return tracks


def links_of(pairs, took_part=(), chance=1.0):
    """`pairs`: (object, from, to) of CAMERAS; `took_part`: numbers of tracks."""
    columns = np.array(pairs, np.int64).reshape(-1, 3)
    keys = {("feedfacecafe", number) for number in took_part}
    return HourLinks(
        cameras=CAMERAS,
        whole=columns[:, 0],
        first=columns[:, 1],
        second=columns[:, 2],
        gap_s=30.0 + np.arange(len(columns)) * 8 % 21,
        chance=np.full(len(columns), chance),
        took_part=lambda key: (key[1], key[2]) in keys,
    )


def hour(tracks, *, min_group=10, coverage=1.0, stood=None, links=None, analysed=None):
    return flow_hour(
        start_ns=Ns(T0),
        end_ns=Ns(T0 + NS_PER_HOUR),
        group=FlowGroup.PEOPLE,
        min_group=min_group,
        cameras=CAMERAS,
        tracks=tracks,
        coverage=dict.fromkeys(CAMERAS, coverage),
        stood=stood or {},
        links=links,
        analysed=analysed,
    )


def test_a_flow_is_about_as_large_and_as_long_as_it_was():
    made = hour(walkers(120), coverage=0.8)
    (cell,) = made.cells
    assert (cell.from_camera, cell.to_camera, cell.coverage) == (GATE, HALL, 0.8)
    assert abs(cell.count - 120) <= 15
    assert abs(cell.median_s - 40) <= 5
    assert abs(sum(one.count for one in cell.times) - cell.count) <= ROUND_TO * len(cell.times)
    assert all(one.count >= LEAST_GROUP for one in cell.times)
    assert cell.times[0].from_s == 0 and cell.times[-1].to_s is None and len(cell.times) >= 2
    gate = next(one for one in made.places if one.camera_id == GATE)
    assert gate.dwell_median_s == 10.0
    assert abs(gate.mean_present - 120 * 10 / 3600) < 0.06
    assert 1 <= gate.peak_present <= 5


def test_how_many_were_there_is_of_the_analysed_time_alone():
    """Tracks last over stretches that nobody analysed: three cameras that shed work said more than were ever there."""
    tracks = [track(GATE, number, 200.0 * number, 190.0) for number in range(16)]
    every = [(T0 + at * NS_PER_S, T0 + (at + 4) * NS_PER_S) for at in range(0, 3600, 12)]
    place = next(one for one in hour(tracks, coverage=1 / 3, analysed={GATE: every}).places if one.camera_id == GATE)
    assert place.peak_present == 1
    assert abs(place.mean_present - 16 * 190 / 3600) <= 0.06
    none = next(one for one in hour(tracks, analysed={GATE: []}).places if one.camera_id == GATE)
    assert none.mean_present == 0.0


def test_few_are_held_back_everywhere():
    made = hour(walkers(LEAST_GROUP - 1))
    assert made.cells == ()
    assert all(
        (one.mean_present, one.peak_present, one.dwell_median_s, one.dwell_p90_s, one.heat) == (None,) * 4 + ((),)
        for one in made.places
    )


def test_somebody_who_goes_to_and_fro_is_one_not_ten():
    tracks = []
    for turn in range(40):
        tracks.append(track(GATE, 2 * turn + 1, turn * 80))
        tracks.append(track(HALL, 2 * turn + 2, turn * 80 + 40, to_right=False))
    assert hour(tracks).cells == ()


@given(st.floats(0, 1e6), st.integers(LEAST_GROUP, 200))
def test_no_count_below_the_group_is_ever_told_and_all_are_rounded(count, min_group):
    told = released(count, min_group)
    assert told == 0 or told >= min_group
    assert told % ROUND_TO == 0 or told == min_group
    assert (told == 0) == (count < min_group)
    assert told == 0 or abs(told - count) <= max(ROUND_TO / 2, min_group - count) + 1e-9


COUNTS = st.lists(st.integers(0, 40), min_size=12, max_size=12)


@settings(max_examples=40)
@given(COUNTS, COUNTS, st.lists(st.booleans(), min_size=12, max_size=12), st.integers(10, 25))
def test_subtracting_answers_tells_nothing_of_what_is_held_back(counts, others, chosen, min_group):
    """Whatever set of cells two questions cover, their difference is a sum of cells that are told anyway; what lies in
    held-back cells could be anything below the group."""
    hidden = [min(other, min_group - 1) for other in others]
    twin = [other if count < min_group else count for count, other in zip(counts, hidden, strict=True)]
    told, told_twin = ([released(one, min_group) for one in each] for each in (counts, twin))
    small, large = (sum(one for one, is_in in zip(told, chosen, strict=True) if is_in), sum(told))
    assert (small, large) == (
        sum(one for one, is_in in zip(told_twin, chosen, strict=True) if is_in),
        sum(told_twin),
    )
    assert large - small == 0 or large - small >= min_group


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 9), st.integers(0, 9), st.floats(1, 60))
def test_an_hour_with_other_few_people_reads_the_same(few, other_few, seconds):
    """Differencing with and without somebody: a camera that saw few tells nothing of them, or through others."""
    many = [track(GATE, number + 1, number * 30.0) for number in range(30)]
    first = hour([*many, *(track(YARD, 100 + n, 7 + n * 300.0, seconds) for n in range(few))])
    second = hour([*many, *(track(YARD, 500 + n, 11 + n * 200.0, 5.0) for n in range(other_few))])
    assert first.places == second.places
    assert first.cells == second.cells == ()


def test_a_group_smaller_than_ten_is_refused():
    with pytest.raises(AssertionError):
        hour(walkers(20), min_group=9)


def test_nothing_in_an_hour_leads_back_to_a_track():
    made = hour(walkers(60), stood={GATE: np.full(HEAT_COLUMNS * HEAT_ROWS, 12)})
    assert made.cells
    payload = encode(made)
    assert b"feedfacecafe" not in payload
    assert b"track" not in payload


def test_a_flow_from_links_is_their_sum_and_says_that_it_is():
    tracks = walkers(60)
    numbers = range(1, 61)
    made = hour(tracks, links=links_of([(n, 0, 1) for n in numbers], numbers, chance=0.75))
    (cell,) = made.cells
    assert (cell.from_camera, cell.to_camera, cell.count, cell.median_s, cell.by_links) == (GATE, HALL, 45, 40.0, 1.0)
    assert made.linked == 1.0
    assert hour(tracks).linked is None


def test_links_about_few_are_held_back_however_often_they_went():
    few = [(n % (LEAST_GROUP - 1), 0, 1) for n in range(200)]
    assert hour(walkers(60), links=links_of(few, range(1, 61))).cells == ()
    assert hour(walkers(60), links=links_of([(n, 0, 1) for n in range(9)], range(1, 61))).cells == ()


def test_times_of_links_are_bands_about_a_group_of_objects_each():
    """One who ran forty times within an hour is one."""
    many = [(n, 0, 1) for n in range(1, 31)]
    links = links_of([*many, *[(99, 0, 1)] * 40], range(1, 61))
    links.gap_s[:] = np.where(links.whole == 99, 4.0, 44.0)
    (cell,) = hour(walkers(60), links=links).cells
    assert cell.count == 30
    (band,) = cell.times
    assert (band.from_s, band.to_s, band.count) == (0.0, None, 30)


def test_an_hour_of_which_half_was_linked_is_blind_for_the_rest_and_each_half_is_a_group():
    tracks = walkers(120)
    late = [one for one in tracks if one.start_ns >= T0 + NS_PER_HOUR // 2]
    part = range(min(one.track_id for one in late), 121)
    whole = hour(tracks, links=links_of([(n, 0, 1) for n in part], part))
    (cell,) = whole.cells
    assert abs(cell.count - 120) <= 20
    assert 0.3 < cell.by_links < 0.75
    assert abs(whole.linked - len(part) / 120) < 0.05
    # Nine of the links' part may be nine of the other's: they do not make a group of eighteen.
    (rest,) = hour(tracks, links=links_of([(n, 0, 1) for n in part[:9]], part)).cells
    assert rest.by_links == 0.0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2), st.integers(0, 2)), max_size=80), st.floats(0.01, 1))
def test_no_cell_from_links_is_about_fewer_than_the_group(pairs, chance):
    made = hour(walkers(30), links=links_of(pairs, range(1, 31), chance))
    objects = {}
    for whole, first, second in pairs:
        objects.setdefault((CAMERAS[first], CAMERAS[second]), set()).add(whole)
    for cell in made.cells:
        assert cell.from_camera != cell.to_camera
        assert cell.count >= LEAST_GROUP
        assert len(objects[cell.from_camera, cell.to_camera]) >= LEAST_GROUP


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from([(0, 2), (2, 1)])), max_size=60),
    st.lists(st.tuples(st.integers(20, 28), st.sampled_from([(0, 2), (2, 1)])), max_size=60),
)
def test_links_of_other_few_people_read_the_same(few, other_few):
    """Differencing: with whatever nine people go elsewhere, the hour is the same: none of its cells tells of them."""
    many = [(100 + n, 0, 1) for n in range(25)]
    first, second = (
        hour(walkers(30), links=links_of([*many, *((whole, *way) for whole, way in each)], range(1, 31)))
        for each in (few, other_few)
    )
    assert [(one.from_camera, one.to_camera, one.count) for one in first.cells] == [(GATE, HALL, 25)]
    assert [replace(one, median_s=0) for one in first.cells] == [replace(one, median_s=0) for one in second.cells]
    assert (first.places, first.linked) == (second.places, second.linked)


def test_nothing_in_an_hour_from_links_leads_back_to_one():
    made = hour(walkers(60), links=links_of([(2**60 + n, 0, 1) for n in range(60)], range(1, 61)))
    payload = encode(made)
    assert made.cells
    for number in range(60):
        assert (2**60 + number).to_bytes(8, "big") not in payload
    assert b"feedfacecafe" not in payload


def test_the_lane_in_which_somebody_left_is_told_apart():
    right, left = (track(GATE, 1, 0, to_right=way) for way in (True, False))
    assert lane_of(right) != lane_of(left)
    low = replace(right, last_box_norm=(0.8, 0.6, 0.9, 0.95))
    assert len({lane_of(right), lane_of(low), lane_of(left), 0}) == 4
    stays = replace(right, last_box_norm=right.first_box_norm)
    assert lane_of(stays) == 0
    assert all(0 <= lane_of(one) <= 12 for one in (right, left, low, stays))


def test_heat_counts_different_tracks_not_looks():
    feet = np.array([[0.5, 0.5]] * 30 + [[0.99, 1.0]])
    ids = np.array([1] * 29 + [2, 3])
    stood = stood_in(ids, feet)
    assert stood[heat_cells(feet[:1])[0]] == 2
    assert stood[-1] == 1
    assert stood.sum() == 3
    made = hour(walkers(20), stood={GATE: np.where(np.arange(len(stood)) == 5, 12, 9)})
    assert [one for one in made.places[0].heat if one] == [10]


def test_pseudonyms_hold_within_their_time_and_cannot_be_joined_beyond():
    names = Pseudonyms(os.urandom, life_ns=NS_PER_HOUR)
    now = T0 + 5
    first = [names.of(number, now) for number in range(50)]
    assert first == [names.of(number, now + NS_PER_HOUR // 2) for number in range(50)]
    later = [names.of(number, now + NS_PER_HOUR) for number in range(50)]
    assert all(one != other for one, other in zip(first, later, strict=True)) or len(set(first) & set(later)) < 3
    again = Pseudonyms(os.urandom, life_ns=NS_PER_HOUR)
    assert [again.of(number, now) for number in range(50)] != first


def test_a_destroyed_pseudonym_leaves_no_key_behind():
    drawn = []

    def draw(count):
        drawn.append(os.urandom(count))
        return drawn[-1]

    names = Pseudonyms(draw)
    names.of(1, T0)
    key = bytes(drawn.pop())
    names.destroy()
    held = [one for one in gc.get_objects() if isinstance(one, bytearray) and bytes(one) == key]
    assert held == []
    assert key not in {bytes(names._key)}
    names.of(1, T0)
    names.rotate(T0 + 2 * NS_PER_HOUR)
    assert bytes(drawn[-2]) != bytes(names._key) == drawn[-1]


@pytest.mark.parametrize("life_ns", [0, -1, MAX_LIFE_NS + 1])
def test_a_pseudonym_that_lives_for_more_than_a_day_is_refused(life_ns):
    with pytest.raises(InvalidArgument):
        Pseudonyms(os.urandom, life_ns=life_ns)


def test_cameras_of_an_hour_are_told_apart_by_coverage():
    made = flow_hour(
        start_ns=Ns(T0),
        end_ns=Ns(T0 + NS_PER_HOUR),
        group=FlowGroup.PEOPLE,
        min_group=10,
        cameras=CAMERAS,
        tracks=[replace(one) for one in walkers(30)],
        coverage={GATE: 0.5, HALL: 1.0, YARD: 0.0},
        stood={},
    )
    assert {one.camera_id: one.coverage for one in made.places} == {GATE: 0.5, HALL: 1.0}
