"""What the matcher counts of a zone."""

from dataclasses import replace

import numpy as np
import pytest
from tests.warden.office import CONTRACT, GATE, face, probe

from custodes.face.calibration import KNOWN
from custodes.face.matching import Matching, learn_from, shelf_of
from custodes.face.threshold import NORMAL
from custodes.types.face_message import ScoreSource, ZoneRule


def matching_with(people: int) -> Matching:
    matching = Matching()
    matching.rules = {"z": ZoneRule(zone_id="z", camera_id=GATE, fpir=0.01, samples=4)}
    for number in range(people):
        matching.gallery.add(
            contract=shelf_of("z", CONTRACT), person_id=f"p{number}", template_id=f"t{number}", vector=face(number)
        )
    return matching


def test_loads_when_the_network_was_changed_then_the_zone_says_that_nobody_can_be_compared() -> None:
    matching = matching_with(3)
    other = replace(probe("z", 1), contract="face-reidentification-retail-0095:0")
    assert matching.compare(other) is None
    (load,) = matching.loads()
    assert (load.foreign, load.probes, load.candidates) == (1, 1, 0)


def test_loads_when_one_is_enrolled_then_no_face_can_reach_the_threshold() -> None:
    (load,) = matching_with(1).loads()
    assert load.threshold > 1
    assert load.source is ScoreSource.NETWORK


@pytest.mark.parametrize("people", [1, 2, 5])
def test_loads_when_many_strangers_passed_then_the_threshold_rests_on_them(people: int) -> None:
    matching = matching_with(people)
    for number in range(100, 140):
        matching.compare(probe("z", number))
    (load,) = matching.loads()
    assert load.source is ScoreSource.PROBES
    assert 0.8 < load.threshold < 1


def test_compare_when_done_then_the_probe_that_came_is_as_it_was_and_none_is_kept() -> None:
    matching = matching_with(4)
    one = probe("z", 1)
    before = np.array(one.vector)
    assert matching.compare(one) is not None
    assert (one.vector == before).all()


def _between(people: int, traits: int) -> np.ndarray:
    """Cosines between people who differ in so many traits: the fewer, the more is whoever is near one near others."""
    own = np.random.default_rng(3).normal(size=(people, traits))
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    model = KNOWN["dlib-face-resnet"]
    scores = own @ own.T
    np.fill_diagonal(scores, np.nan)
    deviations = (scores - np.nanmean(scores)) / np.nanstd(scores)
    return model.other_mean + model.other_sd * deviations


def test_independence_when_who_is_near_one_is_near_others_then_people_count_as_fewer():
    model = replace(KNOWN["dlib-face-resnet"], tail=NORMAL)
    many, few = (learn_from(_between(300, traits), model).independence for traits in (300, 12))
    assert many > 0.7
    assert few < 0.4


def test_independence_when_people_are_few_then_they_count_nearly_whole():
    few = learn_from(_between(4, 9), KNOWN["dlib-face-resnet"])
    assert few.independence > 0.8
    assert few.chances(1) == 1.0
    assert learn_from(_between(3, 9)[:2, :2], KNOWN["dlib-face-resnet"]).independence == 1.0
