"""What the matcher counts of a zone."""

from dataclasses import replace

import numpy as np
from tests.warden.office import CONTRACT, GATE, face, probe

from custodes.face.matching import Matching, shelf_of
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


def test_loads_when_many_strangers_passed_then_the_threshold_rests_on_them() -> None:
    matching = matching_with(5)
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
