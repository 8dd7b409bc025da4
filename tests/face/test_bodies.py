"""Whose body a face belongs to."""

from collections import Counter

import numpy as np
import pytest
from tests.face.test_boundary import CAMERAS, people_in

from custodes.face.bodies import NO_BODY, agreed, bodies_of
from custodes.types.media import Frame
from custodes.units import Ns, RunId

ADULT, CHILD = (0.30, 0.10, 0.50, 0.95), (0.36, 0.50, 0.48, 0.95)
ADULTS_FACE, CHILDS_FACE = (0.37, 0.12, 0.43, 0.20), (0.39, 0.52, 0.45, 0.60)


def found(bodies: dict[int, tuple[float, float, float, float]], **changed: object):
    grey = np.zeros((2, 2), np.uint8)
    frame = Frame(camera_id=CAMERAS[0], run=RunId("r"), seq=1, utc_ns=Ns(1), y=grey, u=grey, v=grey, is_keyframe=True,
                  is_corrupt=False)  # fmt: skip
    one = people_in(frame, bodies)
    for name, value in changed.items():
        getattr(one, name)[:] = value
    return one


@pytest.mark.parametrize(
    ("faces", "bodies", "wanted"),
    [
        ([ADULTS_FACE], {5: ADULT}, [5]),
        ([], {5: ADULT}, []),
        ([ADULTS_FACE], {}, [NO_BODY]),
        ([CHILDS_FACE], {5: ADULT}, [NO_BODY]),
        ([CHILDS_FACE, ADULTS_FACE], {5: ADULT, 6: CHILD}, [6, 5]),
        ([CHILDS_FACE], {5: ADULT, 6: CHILD}, [6]),
        ([(0.48, 0.12, 0.54, 0.20)], {5: ADULT}, [NO_BODY]),
        ([(0.2, 0.35, 0.8, 0.9)], {5: (0.0, 0.15, 1.0, 1.0)}, [5]),
    ],
    ids=["own", "no face", "no body", "before somebody tall", "child and adult", "child alone", "beside", "portrait"],
)
def test_face_is_given_to_the_body_whose_head_it_is(faces, bodies, wanted) -> None:
    assert bodies_of(np.array(faces, np.float32).reshape(-1, 4), found(bodies)) == wanted


@pytest.mark.parametrize("changed", [{"class_ids": 2}, {"is_measured": False}, {"track_ids": -1}], ids=str)
def test_what_is_no_person_that_was_seen_has_no_face(changed) -> None:
    assert bodies_of(np.array([ADULTS_FACE], np.float32), found({5: ADULT}, **changed)) == [NO_BODY]


@pytest.mark.parametrize(
    ("looks", "wanted"),
    [({}, NO_BODY), ({NO_BODY: 9}, NO_BODY), ({NO_BODY: 9, 5: 1}, 5), ({5: 3, 6: 1}, 5), ({5: 3, 6: 2}, NO_BODY)],
    ids=str,
)
def test_face_track_has_a_body_where_its_looks_agree(looks, wanted) -> None:
    assert agreed(Counter(looks)) == wanted
