"""What an operator's trials prove: rates with intervals, the rule of three, groups that are large enough."""

import math
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.errors import InvalidArgument
from custodes.face.trials import (
    LEAST_GROUP,
    Rate,
    Trial,
    by_group,
    by_zone,
    det,
    det_svg,
    differential,
    rate,
    rates_of,
    read_groups,
    read_trials,
)

HEADER = "trial,zone,person,found,score,threshold"


def walk(number: int, *, person: str = "", found: str = "ann", score: float = 0.0, zone: str = "door") -> Trial:
    return Trial(trial=str(number), zone=zone, person=person, found=found, score=score, threshold=3.0)


def test_rates_when_somebody_else_is_found_or_no_face_then_it_is_a_miss() -> None:
    trials = [
        walk(1, person="ann", score=4.0), walk(2, person="ann", found="ben", score=4.0),
        walk(3, person="ann", score=2.0), walk(4, person="ann", found="", score=math.nan),
        walk(5, score=4.0), walk(6, score=1.0), walk(7, found="", score=math.nan),
    ]  # fmt: skip
    fnir, fpir, fta = rates_of(trials)
    assert (fnir.errors, fnir.trials, fpir.errors, fpir.trials, fta.errors) == (3, 4, 1, 3, 1)


def test_claim_when_there_is_no_error_then_it_is_the_rule_of_three_and_else_an_interval() -> None:
    assert "no trial" in Rate(errors=0, trials=0).claim
    assert "0.10%" in Rate(errors=0, trials=3000).claim
    assert "too few" in Rate(errors=5, trials=1000).claim
    assert Rate(errors=50, trials=1000).claim.startswith("5.00%")


@pytest.mark.parametrize(
    ("walks", "errors_of", "low", "high"),
    [
        # (walks a person, who errs each time or by turns, as how many trials they count)
        (10, "nobody", 20, 20),
        (10, "everybody once", 200, 200),
        (10, "two always", 20, 25),
        (1, "two always", 20, 20),
    ],
)
def test_rate_when_people_walk_several_times_then_alike_walks_count_once(walks, errors_of, low, high) -> None:
    rows = []
    for person in range(20):
        for step in range(walks):
            wrong = {"nobody": False, "everybody once": step == 0, "two always": person < 2}[errors_of]
            rows.append((wrong, f"v{person}"))
    found = rate(rows)
    assert low <= found.counted <= high
    assert found.interval[0] <= found.value <= found.interval[1]
    assert ("of 20 people" in found.claim) is (walks > 1)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcde")), max_size=60))
def test_rate_when_walks_are_anybody_s_then_it_never_counts_more_than_walks_nor_fewer_than_people(rows) -> None:
    found = rate(rows)
    plain = rate([(wrong, "") for wrong, _ in rows])
    assert (found.errors, found.trials) == (plain.errors, plain.trials)
    assert found.counted <= len(rows) + 1e-9
    assert found.interval[1] >= plain.interval[1] - 1e-9 or found.errors == found.trials


def test_groups_when_labels_are_by_volunteer_then_few_people_are_no_group() -> None:
    trials = [replace(walk(n, person="ann", score=4.0), volunteer=f"v{n % 8}") for n in range(80)]
    labels = read_groups(["volunteer,group", *(f"v{n},{'older' if n < 5 else 'younger'}" for n in range(8))])
    older, younger = by_group(trials, labels)
    assert older.fnir is not None and older.fnir.people == 5
    assert younger.fnir is None, "thirty walks, but three people"
    with pytest.raises(InvalidArgument, match="volunteer,group"):
        read_groups(["name,group", "x,y"])


@pytest.mark.parametrize(("trials", "is_proven"), [(0, False), (299, False), (300, True)])
def test_proves_when_there_are_fewer_than_three_over_the_rate_then_not(trials: int, is_proven: bool) -> None:
    assert Rate(errors=0, trials=trials).proves(0.01) is is_proven


@given(st.lists(st.tuples(st.booleans(), st.floats(-5, 5)), min_size=2, max_size=60))
def test_det_when_thresholds_move_then_one_error_falls_as_the_other_rises(rows: list[tuple[bool, float]]) -> None:
    trials = [walk(n, person="ann" if own else "", score=score) for n, (own, score) in enumerate(rows)]
    curve = det(trials)
    assert all(a[0] >= b[0] and a[1] <= b[1] for a, b in pairwise(curve))
    assert all(0 <= value <= 1 for point in curve for value in point)


def test_det_when_one_point_is_computed_by_hand_then_it_is_on_the_curve() -> None:
    trials = [
        walk(1, person="ann", score=4.0),
        walk(2, person="ann", score=1.0),
        walk(3, score=2.0),
        walk(4, score=0.5),
    ]
    assert det(trials) == [(0.5, 0.0), (0.0, 0.5)]


def test_det_svg_when_drawn_then_it_is_xml_that_names_both_axes() -> None:
    random = np.random.default_rng(1)
    trials = [walk(n, person="ann" if n % 2 else "", score=float(random.normal() + 3 * (n % 2))) for n in range(400)]
    tree = ElementTree.fromstring(det_svg(det(trials), 3 / 200))
    text = "".join(tree.itertext())
    assert "FPIR" in text
    assert "FNIR" in text


def test_by_zone_when_there_are_two_then_each_has_its_own() -> None:
    trials = [walk(1, person="ann", score=4.0), walk(2, person="ann", score=1.0, zone="gate")]
    assert [(one.zone, one.fnir.errors) for one in by_zone(trials)] == [("door", 0), ("gate", 1)]


def test_by_group_when_a_group_is_small_then_nothing_is_said_of_it() -> None:
    trials = [walk(n, person="ann", score=4.0 if n % 2 else 1.0) for n in range(LEAST_GROUP)]
    trials.append(walk(1000, person="ann", score=1.0))
    groups = {one.trial: "a" for one in trials} | {"1000": "b"}
    rates = by_group(trials, groups)
    assert [(one.group, one.fnir is None) for one in rates] == [("a", False), ("b", True)]
    assert differential("FNIR", [(one.group, one.fnir) for one in rates]) is None


@pytest.mark.parametrize(("errors", "is_shown"), [((2, 60), True), ((20, 24), False)])
def test_differential_when_intervals_overlap_then_none_is_shown(errors: tuple[int, int], is_shown: bool) -> None:
    low, high = (Rate(errors=count, trials=200) for count in errors)
    found = differential("FNIR", [("a", low), ("b", high), ("c", None)])
    assert found is not None
    assert (found.worst, found.best, found.is_shown) == ("b", "a", is_shown)
    assert found.ratio == pytest.approx(errors[1] / errors[0])


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ([], "columns"),
        (["trial,zone"], "columns"),
        ([HEADER, "1,door,ann,ann,high,3"], "line 2"),
        ([HEADER, "1,door,ann,ann,4,"], "line 2"),
        ([HEADER, "1,door,ann,ann,inf,3"], "finite"),
        ([HEADER, "1,door,ann,ann,4,nan"], "finite"),
        ([HEADER, "1,door,ann,ann,4,3", "1,door,ann,ann,4,3"], "twice"),
        ([HEADER, ",door,ann,ann,4,3"], "empty"),
    ],
)
def test_read_trials_when_a_file_is_wrong_then_it_says_where(lines: list[str], word: str) -> None:
    with pytest.raises(InvalidArgument, match=word):
        read_trials(lines)


def test_read_groups_when_a_column_is_missing_then_it_says_so() -> None:
    assert read_groups(["trial,group", "1,a", "2,"]) == {"1": "a"}
    with pytest.raises(InvalidArgument):
        read_groups(["trial,label"])


def test_trials_when_there_are_no_numbers_then_candidates_count_and_nothing_else_is_claimed() -> None:
    lines = ["trial,zone,person,found", "1,door,ann,ann", "2,door,ann,", "3,door,ann,ben", "4,door,,ann", "5,door,,"]
    trials = read_trials(lines)
    fnir, fpir, fta = rates_of(trials)
    assert (fnir.errors, fnir.trials, fpir.errors, fpir.trials) == (2, 3, 1, 2)
    assert fta.trials == 0, "whether a face was seen is not known"
    assert det(trials) == []
    with pytest.raises(InvalidArgument, match="a score has no threshold"):
        read_trials([HEADER, "1,door,ann,ann,3.1,"])
