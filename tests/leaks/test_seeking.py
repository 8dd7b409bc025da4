"""Laid everywhere: places without corners are found, the right camera is looked at first, shortcuts lose nobody."""

import cv2
import numpy as np
import pytest
from tests.leaks.scenes import scene

from custodes.app.serving.leaks import CLOSELY, likely_first
from custodes.leaks import alignment
from custodes.leaks.alignment import Original, Suspect, fit
from custodes.leaks.place import is_ours
from custodes.leaks.ranking import Ranker, rank_plane
from custodes.leaks.seeking import seek


def ground(number: int) -> np.ndarray:
    """Like asphalt: slow light, soft grain, no corner anywhere."""
    random = np.random.default_rng(number)
    grain = sum(cv2.GaussianBlur(random.normal(0, 40 * s, (540, 960)), (0, 0), s) for s in (6.0, 14.0, 30.0))
    return np.clip(120 + grain, 16, 235).astype(np.uint8)


def cut(y: np.ndarray, *, turn: float = 0.0, share: float = 0.5, flip: bool = False) -> np.ndarray:
    height, width = y.shape
    about = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
    turned = cv2.warpAffine(y, about, (width, height), flags=cv2.INTER_CUBIC)
    down, across = round(height * (1 - share) / 2), round(width * (1 - share) / 2)
    part = turned[down : height - down, across : width - across]
    part = part[:, ::-1] if flip else part
    return cv2.imdecode(cv2.imencode(".jpg", np.ascontiguousarray(part), [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 0)


def photographed(y: np.ndarray) -> np.ndarray:
    """From a screen with its surroundings, at an angle."""
    height, width = y.shape
    corners = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    seen = np.float32([[90, 70], [880, 40], [900, 500], [60, 470]])
    matrix = cv2.getPerspectiveTransform(corners, seen)
    return cv2.warpPerspective(y, matrix, (width, height), borderMode=cv2.BORDER_CONSTANT, borderValue=25)


def blurred(y: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(y, (0, 0), 4)


def test_fit_when_there_is_no_corner_then_found_by_structure():
    place = ground(4)
    found = fit(Suspect(cut(place, turn=5, flip=True)), Original(place))
    assert is_ours(found)
    assert found.likeness > 0.8
    assert found.registration.is_mirrored
    middle = cv2.perspectiveTransform(np.array([[[0.5, 0.5 * 540 / 960]]]), found.registration.matrix)[0, 0]
    assert np.abs(middle - (0.5, 0.5 * 540 / 960)).max() < 0.01
    assert not is_ours(fit(Suspect(cut(ground(5))), Original(place)))


def test_seek_when_several_places_are_asked_then_they_differ():
    suspect, original = Suspect(cut(ground(1))), Original(ground(1))
    first, second = seek(suspect.templates, original.seekable)
    assert first.weight > second.weight
    assert first.is_mirrored != second.is_mirrored or np.abs(first.matrix - second.matrix).max() > 0.15


def test_ranker_when_cut_turned_or_photographed_then_the_right_camera_is_first():
    cameras = [scene(n) for n in range(3)] + [ground(n) for n in range(3)]
    planes = [rank_plane(y) for y in cameras]
    pictures = {0: cut(cameras[0], turn=3), 4: cut(cameras[4], flip=True), 2: photographed(cameras[2])}
    for number, picture in pictures.items():
        ranker = Ranker(Suspect(picture).sides)
        assert int(np.argmax([ranker.weight(plane) for plane in planes])) == number


def test_likely_first_when_weighed_then_by_weight_and_what_has_no_view_is_never_put_off():
    streams = [f"c{n}" for n in range(20)]
    weights = {one: float(n) for n, one in enumerate(streams[:15])}
    first, rest = likely_first(streams, weights)
    assert first[:CLOSELY] == [f"c{n}" for n in range(14, 14 - CLOSELY, -1)]
    assert set(first[CLOSELY:]) == set(streams[15:])
    assert rest == [f"c{n}" for n in range(14 - CLOSELY, -1, -1)]


@pytest.mark.slow
def test_shortcuts_when_left_out_then_the_same_pictures_are_ours(monkeypatch: pytest.MonkeyPatch):
    """`_WORTH`, `_COARSE`, `_BACKED` save time: on drawn places of our own they may cost no picture."""

    def ours() -> list[bool]:
        found = []
        for place, pictures in ((scene(11), (cut, photographed)), (scene(12), (blurred,))):
            found += [is_ours(fit(Suspect(change(place)), Original(place))) for change in pictures]
        return [*found, is_ours(fit(Suspect(scene(31)), Original(scene(11))))]

    quick = ours()
    monkeypatch.setattr(alignment, "_WORTH", -2.0)
    monkeypatch.setattr(alignment, "_BACKED", 10**6)
    assert quick == ours() == [True, True, True, False]
