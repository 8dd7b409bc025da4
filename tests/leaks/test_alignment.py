"""A found picture is laid over the archived one, whatever was done to it, and still names the copy."""

import hashlib

import cv2
import numpy as np
import pytest
from tests.leaks.scenes import NOW_NS, frame_of, scene

from custodes.leaks.alignment import Original, Suspect, align, fit
from custodes.leaks.place import MIN_LIKENESS, best_of, is_ours, references_of
from custodes.leaks.registration import features_of, match, mirrored, mirrored_features
from custodes.leaks.rule import NAMED_Z
from custodes.types.mark import slot_of
from custodes.units import Ns
from custodes.watermark.mark import Marker
from custodes.watermark.pattern import slot_key
from custodes.watermark.residual import evidence_of
from custodes.watermark.score import scores

KEY = hashlib.sha256(b"the session").digest()


@pytest.fixture(scope="module")
def original() -> Original:
    return Original(scene(1))


@pytest.fixture(scope="module")
def delivered() -> np.ndarray:
    return Marker(KEY).mark(frame_of(scene(1), Ns(NOW_NS))).y


def jpeg(y: np.ndarray, quality: int) -> np.ndarray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", y, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0))


def turned(y: np.ndarray) -> np.ndarray:
    height, width = y.shape
    return cv2.warpAffine(y, cv2.getRotationMatrix2D((width / 2, height / 2), 8, 0.9), (width, height))


def tilted(y: np.ndarray) -> np.ndarray:
    height, width = y.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + np.array([[60, 30], [-20, 10], [-50, -40], [10, -20]], np.float32)
    return cv2.warpPerspective(y, cv2.getPerspectiveTransform(corners, moved), (width, height))


ATTACKS = {
    "jpeg": lambda y: jpeg(y, 40),
    "mirror and crop": lambda y: jpeg(np.ascontiguousarray(y[60:300, 100:560][:, ::-1]), 70),
    "rotation": turned,
    "perspective": tilted,
    "scale": lambda y: jpeg(cv2.resize(y, (400, 225), interpolation=cv2.INTER_AREA), 70),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_fit_when_picture_was_changed_then_its_copy_is_named_and_no_other(name, original, delivered):
    suspect = Suspect(ATTACKS[name](delivered))
    found = fit(suspect, original)
    assert found is not None
    evidence = evidence_of(align(suspect, original, found.registration))
    slot = slot_of(Ns(NOW_NS))
    others = [slot_key(hashlib.sha256(b"%d" % n).digest(), slot) for n in range(300)]
    z = np.max([scores(each, [slot_key(KEY, slot), slot_key(KEY, slot + 1), *others]) for each in evidence], axis=0)
    assert z[0] >= NAMED_Z
    assert np.abs(z[1:]).max() < 5, "neither the session's next slot nor anybody else"


def test_features_when_turned_over_then_those_of_the_mirrored_picture():
    y = scene(1)
    derived, looked = mirrored_features(features_of(y)), features_of(mirrored(y))
    agreed = max(one.inliers for one in match(derived, looked))
    itself = max(one.inliers for one in match(looked, looked))
    assert agreed >= 0.8 * itself
    assert not match(features_of(y), looked), "as they are they fit nowhere"


def test_fit_when_another_place_then_unlike(original):
    found = fit(Suspect(scene(2)), original)
    assert not is_ours(found)
    assert found is None or found.likeness < MIN_LIKENESS, "nor would it be if it had places in common"


def test_best_of_when_a_clip_has_a_title_then_the_picture_that_is_ours(original, delivered):
    suspects = [Suspect(scene(7)), Suspect(jpeg(delivered, 60)), Suspect(np.full((300, 400), 90, np.uint8))]
    chosen, found, tried = best_of(suspects, [original])
    assert chosen is suspects[1]
    assert is_ours(found)
    assert tried >= found.hypotheses


@pytest.mark.parametrize("shift_px", [12, 20])
def test_fit_when_no_place_backs_a_displaced_blurred_picture_then_small_pictures_bring_it_near(shift_px: int) -> None:
    y = scene(1)
    moved = cv2.warpAffine(
        y, np.array([[1, 0, shift_px], [0, 1, 0]], np.float64), (960, 540), borderMode=cv2.BORDER_REFLECT
    )
    found = fit(Suspect(cv2.GaussianBlur(moved, (0, 0), 9)), Original(y))
    assert found is not None
    assert found.registration.inliers == 0, "features were to say nothing"
    assert found.likeness > 0.8
    landed = cv2.perspectiveTransform(np.array([[[0.5, 0.28]]]), found.registration.matrix)[0, 0]
    assert landed == pytest.approx([0.5 - shift_px / 960, 0.28], abs=2 / 960)


def test_references_when_they_look_like_the_background_then_only_those_of_other_light_or_place_are_laid_on() -> None:
    background = scene(1)
    passed = background.copy()
    passed[300:480, 400:470] = 30  # somebody
    brighter = np.clip(background * 1.3 + 10, 0, 255).astype(np.uint8)
    drifted = np.roll(background, 25, axis=1)
    taller = scene(1, height=720)
    found = references_of(background, [passed, brighter, drifted, scene(2), taller])
    shown = [any(np.array_equal(one.y, y) for one in found) for y in (background, passed, brighter, drifted, taller)]
    assert shown == [True, False, False, True, True]
    assert len(found) == 4
