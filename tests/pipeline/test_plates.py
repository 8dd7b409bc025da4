"""Plates in a zone: the real networks on drawn plates; what is asked, what is not, what is forgotten."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageDraw

from custodes.adapters.model.plates import load_plate_reader
from custodes.pipeline.plates import ASKS_MAX, LOOK_EVERY_NS, LOOKS_MAX, PlateWatch
from custodes.testing.plates import plate_picture
from custodes.types.face import ZoneKind, ZonePermit
from custodes.types.media import Frame
from custodes.types.vision import ObjectClass, TrackedFrame
from custodes.units import CameraId, Ns, RunId

GATE, RUN = CameraId("gate"), RunId("0" * 12)
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def permit(zone_id="z1", polygon=LEFT, until=10**12):
    return ZonePermit(
        site_id="s", zone_id=zone_id, camera_id=GATE, polygon=polygon, samples=1, digest=b"", from_ns=Ns(0),
        until_ns=Ns(until), kind=ZoneKind.PLATES,
    )  # fmt: skip


@cache
def street():
    """A car with a plate on the left, another on the right; (360, 640, 3)."""
    picture = Image.new("RGB", (640, 360), (120, 125, 120))
    draw = ImageDraw.Draw(picture)
    for left, text in ((40, "KA RL 471"), (380, "MA XY 99")):
        draw.rectangle((left, 100, left + 220, 330), fill=(60, 70, 110))
        picture.paste(Image.fromarray(plate_picture(text, 36)), (left + 30, 260))
    return np.asarray(picture)


def frame(at_ns):
    grey = np.asarray(Image.fromarray(street()).convert("L"))
    chroma = np.full((180, 320), 128, np.uint8)
    return Frame(camera_id=GATE, run=RUN, seq=0, utc_ns=Ns(at_ns), y=grey, u=chroma, v=chroma, is_keyframe=True,
                 is_corrupt=False)  # fmt: skip


def tracked(at_ns, *, classes=(ObjectClass.CAR, ObjectClass.CAR), run=RUN):
    boxes = np.array([[40, 100, 260, 330], [380, 100, 600, 330]], np.float32) / np.array([640, 360] * 2, np.float32)
    return TrackedFrame(
        camera_id=GATE, run=run, seq=0, utc_ns=Ns(at_ns), track_ids=np.array([1, 2]), boxes_norm=boxes,
        class_ids=np.array([int(one) for one in classes], np.int16), scores=np.full(2, 0.9, np.float32),
        is_measured=np.ones(2, bool),
    )  # fmt: skip


class Asked(list):
    """A warden that knows some plates."""

    def __init__(self, known=()):
        self.known = known

    def __call__(self, question):
        self.append(question)
        return any(text in self.known for text in question.texts)


class Says:
    """A reader that says what it is told to."""

    def __init__(self, *texts):
        self.texts_ = texts
        self.looks = 0

    def texts(self, picture):
        self.looks += 1
        return [self.texts_[min(self.looks - 1, len(self.texts_) - 1)]]


def look(watch, count, *, start=0, **more):
    for step in range(count):
        at = (start + step) * LOOK_EVERY_NS
        watch.look(frame(at), tracked(at, **more))


@pytest.fixture(scope="module")
def reader():
    return load_plate_reader()


def test_the_vehicle_in_the_zone_is_asked_about_and_the_one_beside_it_is_not(reader):
    asked = Asked(known=("KARL471",))
    watch = PlateWatch(GATE, reader, asked)
    watch.set_permits([permit()])
    look(watch, 4)
    assert [(one.zone_id, one.texts) for one in asked] == [("z1", ("KARL471",))], "once, after two looks that agree"
    assert "MAXY99" not in repr(asked)


def test_a_picture_without_text_asks_nothing(reader):
    assert reader.texts(np.full((230, 220, 3), 90, np.uint8)) == []


def test_two_looks_have_to_agree_and_a_stranger_is_asked_about_a_few_times_at_most():
    asked, says = (
        Asked(),
        Says("AB 1", "AB 12", "AB 12", "CD 34", "CD 34", "EF 56", "EF 56", "GH 78", "GH 78", "IJ 90"),
    )
    watch = PlateWatch(GATE, says, asked)
    watch.set_permits([permit()])
    look(watch, LOOKS_MAX + 5)
    assert [one.texts[0] for one in asked] == ["A812", "C034", "EF56"]
    assert len(asked) == ASKS_MAX
    assert says.looks == LOOKS_MAX, "who could not be read is left alone"


def test_people_are_never_read_and_nobody_without_a_permit():
    asked, says = Asked(), Says("AB 12")
    watch = PlateWatch(GATE, says, asked)
    look(watch, 3)
    watch.set_permits([permit(until=1)])
    look(watch, 3, start=5)
    watch.set_permits([permit()])
    look(watch, 3, start=10, classes=(ObjectClass.PERSON, ObjectClass.PERSON))
    assert (says.looks, asked) == (0, [])


def test_what_was_read_is_forgotten_with_the_vehicle_the_zone_and_the_run():
    watch = PlateWatch(GATE, Says("AB 12"), Asked())
    watch.set_permits([permit()])
    look(watch, 1)
    assert watch.held == 1
    watch.set_permits([])
    assert watch.held == 0
    watch.set_permits([permit()])
    look(watch, 1, start=20)
    watch.look(frame(10**11), tracked(10**11, classes=(ObjectClass.PERSON,) * 2))
    assert watch.held == 0
    look(watch, 1, start=2000)
    watch.look(frame(10**12 - 1), tracked(10**12 - 1, run=RunId("00000000cafe"), classes=(ObjectClass.PERSON,) * 2))
    assert watch.held == 0


HERE, THERE, BESIDE = (40, 100, 260, 330), (120, 100, 330, 330), (380, 100, 600, 330)
VAN = Says("AB 12")


def passed(*stays):
    """Of stays (track, box in pixels, first second, seconds, run): when each question's vehicle came, in seconds."""
    asked = Asked(known=("A812",))
    watch = PlateWatch(GATE, VAN, asked)
    watch.set_permits([permit(until=10**13)])
    for track, box, start, seconds, *run in stays:
        for step in range(int(seconds * 3) + 1):
            at = round((start + step / 3) * 1e9)
            seen = tracked(at, run=RunId(run[0]) if run else RUN)
            boxes = np.array([box], np.float32) / np.array([640, 360] * 2, np.float32)
            one = {name: getattr(seen, name)[:1] for name in ("class_ids", "scores", "is_measured")}
            watch.look(frame(at), replace(seen, track_ids=np.array([track]), boxes_norm=boxes, **one))
    return [round(one.since_ns / 1e9) for one in asked]


@pytest.mark.parametrize(
    ("stays", "came"),
    [
        ([(1, HERE, 100, 5)], [100]),
        ([(1, HERE, 100, 5), (2, HERE, 108, 5)], [100, 100]),
        ([(1, HERE, 100, 5), (2, HERE, 108, 5), (3, HERE, 120, 5)], [100, 100, 100]),
        ([(1, HERE, 100, 5), (1, HERE, 110, 5, "00000000cafe")], [100, 100]),
        ([(1, HERE, 100, 5), (1, BESIDE, 106, 3), (1, HERE, 112, 5)], [100, 112]),
        ([(1, HERE, 100, 5), (2, BESIDE, 107, 1), (2, HERE, 110, 5)], [100, 110]),
        ([(1, HERE, 100, 5), (2, HERE, 121, 5)], [100, 121]),
        ([(1, (200, 200, 300, 330), 100, 5), (2, HERE, 108, 5)], [100, 108]),
    ],
    ids=["stands", "track-breaks", "breaks-twice", "connects-anew", "drives-out-and-back", "comes-from-outside",
         "long-after", "elsewhere"],
)  # fmt: skip
def test_a_vehicle_that_came_back_came_anew_and_one_whose_track_broke_did_not(stays, came):
    assert passed(*stays) == came


def test_of_a_vehicle_on_no_list_nothing_is_kept_when_it_is_gone():
    watch = PlateWatch(GATE, Says("CD 34"), Asked(known=("A812",)))
    watch.set_permits([permit()])
    look(watch, 6)
    assert watch.remembered == 0
    listed = PlateWatch(GATE, Says("AB 12"), Asked(known=("A812",)))
    listed.set_permits([permit()])
    look(listed, 6)
    assert listed.remembered == 1
    listed.set_permits([])
    assert listed.remembered == 0
