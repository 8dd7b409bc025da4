"""What outlives a look: numbers of one hour, that no other hour has, until its flows are made."""

import os

import numpy as np

from custodes.journey.link_hours import MAX_HOURS, LinkHours
from custodes.journey.link_pairs import FinalLinks
from custodes.types.flow import FlowGroup
from custodes.units import NS_PER_HOUR, CameraId, RunId

T0 = 470_000 * NS_PER_HOUR
CAMERAS = (CameraId("gate"), CameraId("hall"))


def key(number):
    return CameraId("gate"), RunId("r"), number


def final(starts_s, whole=7):
    count = len(starts_s)
    return FinalLinks(
        np.full(count, whole), np.zeros(count, np.int64), np.ones(count, np.int64), np.full(count, 40.0),
        np.full(count, 0.8), np.array(starts_s, np.float64), np.ones(count, bool),
        tuple((key(number), start_s) for number, start_s in enumerate(starts_s)),
    )  # fmt: skip


def test_links_lie_with_the_hour_in_which_the_later_track_began():
    hours = LinkHours(os.urandom)
    hours.put(FlowGroup.PEOPLE, final([10.0, 20.0, 3700.0]), T0)
    first = hours.of(T0, FlowGroup.PEOPLE, CAMERAS)
    second = hours.of(T0 + NS_PER_HOUR, FlowGroup.PEOPLE, CAMERAS)
    assert (len(first.whole), len(second.whole)) == (2, 1)
    assert [first.took_part(key(number)) for number in range(4)] == [True, True, False, False]
    assert hours.of(T0, FlowGroup.VEHICLES, CAMERAS) is None, "groups are never mixed"


def test_an_object_has_another_number_in_each_hour_and_none_of_them_is_the_books():
    hours = LinkHours(os.urandom)
    hours.put(FlowGroup.PEOPLE, final([10.0, 20.0, 3700.0]), T0)
    first, second = (hours.of(start_ns, FlowGroup.PEOPLE, CAMERAS).whole for start_ns in (T0, T0 + NS_PER_HOUR))
    assert first[0] == first[1] != second[0]
    assert 7 not in {*first.tolist(), *second.tolist()}
    again = LinkHours(os.urandom)
    again.put(FlowGroup.PEOPLE, final([10.0]), T0)
    assert again.of(T0, FlowGroup.PEOPLE, CAMERAS).whole[0] != first[0]


def test_an_hour_whose_flows_are_made_is_gone_with_its_key():
    hours = LinkHours(os.urandom)
    hours.put(FlowGroup.PEOPLE, final([10.0]), T0)
    kept = hours.of(T0, FlowGroup.PEOPLE, CAMERAS)
    names = hours._hours[T0].names
    hours.forget(T0)
    assert hours.of(T0, FlowGroup.PEOPLE, CAMERAS) is None
    assert not any(names._key)
    assert not kept.took_part(key(0)), "whoever still holds the hour cannot ask it any more"


def test_hours_that_nobody_makes_do_not_pile_up():
    hours = LinkHours(os.urandom)
    for number in range(MAX_HOURS + 5):
        hours.put(FlowGroup.PEOPLE, final([10.0 + number * 3600]), T0)
    assert len(hours._hours) == MAX_HOURS
    hours.forget_all()
    assert not hours._hours
