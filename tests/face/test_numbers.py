"""Thresholds keep their word, likelihoods rise with scores, fused looks are zeroed, quality names what failed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.errors import InvalidArgument, PermissionDenied
from custodes.face import quality
from custodes.face.calibration import (
    ANYWHERE,
    KNOWN,
    NOBODY,
    Others,
    Reading,
    expected,
    log10_likelihood,
    place_of_gallery,
    read_score,
)
from custodes.face.fusion import APART_NS, TrackLooks
from custodes.face.holder import Held, read_token, write_token
from custodes.face.threshold import NORMAL, Tail, expected_fpir, fit_tail, rate_interval, share_above, shrunk, solve
from custodes.types.face import FaceQuality
from custodes.units import Ns

MODEL = KNOWN["dlib-face-resnet"]
TAILS = st.builds(Tail, offset=st.floats(-0.5, 0.5), slope=st.floats(0.8, 1.5), bend=st.sampled_from([0.0, 0.05, 0.1]))


FREEDOM = st.sampled_from([8.0, 30.0, 1000.0, float("inf")])


@given(st.floats(1e-5, 0.5), st.integers(1, 10**6), TAILS, FREEDOM)
def test_solve_is_the_inverse_of_expected_fpir(fpir: float, gallery: int, tail: Tail, freedom: float) -> None:
    threshold = solve(fpir, gallery, tail, freedom)
    if threshold > tail.offset + 0.1:
        assert expected_fpir(threshold, gallery, tail, freedom) == pytest.approx(fpir, rel=1e-3)


def test_solve_when_less_is_known_then_the_threshold_rises() -> None:
    thresholds = [solve(0.01, 13, NORMAL, freedom) for freedom in (3.0, 10.0, 100.0, 2999.0, float("inf"))]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[-2] == pytest.approx(thresholds[-1], abs=0.01)


@given(st.integers(1, 10**5), st.integers(2, 10))
def test_solve_when_the_gallery_grows_then_the_threshold_rises(gallery: int, factor: int) -> None:
    assert solve(0.01, gallery * factor) > solve(0.01, gallery)


@pytest.mark.parametrize(("fpir", "gallery"), [(0.0, 1), (1.0, 1), (0.1, 0), (float("nan"), 1)])
def test_solve_when_nonsense_is_asked_then_says_so(fpir: float, gallery: int) -> None:
    with pytest.raises(InvalidArgument):
        solve(fpir, gallery)


def test_fit_tail_when_scores_are_normal_or_few_then_it_is_nearly_normal() -> None:
    random = np.random.default_rng(1)
    assert fit_tail(random.normal(size=100)) == NORMAL
    tail = fit_tail(random.normal(size=200_000))
    assert share_above(4.0, tail) == pytest.approx(share_above(4.0), rel=0.4)


def of(shift: float, width: float, random: np.random.Generator, count: int) -> Others:
    """What one stranger scores with `count` people in a place that differs from where the network was measured."""
    one = expected(MODEL, 1)
    scores = one.other_mean + one.other_sd * (shift + width * random.normal(size=count))
    return Others(count=count, mean=float(scores.mean()), square_sum=float(((scores - scores.mean()) ** 2).sum()))


def reading_of(cosine: float, others: Others) -> Reading:
    return read_score(cosine, others, expected(MODEL, 1), ANYWHERE)


@pytest.mark.parametrize("shift", [-2.0, 0.0, 2.0])
def test_read_score_when_the_place_differs_then_no_more_strangers_pass_than_asked(shift: float) -> None:
    random = np.random.default_rng(2)
    asked, people, one = 0.05, 40, expected(MODEL, 1)
    hits = 0.0
    for _ in range(1500):
        reading = reading_of(1.0, of(shift, 0.8, random, people - 1))
        at = reading.other_mean + reading.other_sd * solve(asked, people, NORMAL, reading.freedom)
        quantile = ((at - one.other_mean) / one.other_sd - shift) / 0.8
        hits += -np.expm1(people * np.log1p(-share_above(quantile)))
    assert 0.4 <= hits / 1500 / asked <= 1.2


def test_read_score_when_spreads_of_probes_differ_then_a_well_known_place_lets_no_more_pass_than_asked() -> None:
    random = np.random.default_rng(4)
    asked, people, one = 0.01, 111, expected(MODEL, 1)
    pairs = people * (people - 1)
    place = place_of_gallery(Others(count=pairs, mean=0.0, square_sum=0.83 * pairs), people)
    hits = 0.0
    for _ in range(1500):
        width = 0.83**0.5 * np.exp(0.115 * random.normal())
        reading = read_score(1.0, of(0.0, width, random, people - 1), one, place)
        at = (reading.other_mean - one.other_mean) / one.other_sd + (
            reading.other_sd / one.other_sd * solve(asked, people, NORMAL, reading.freedom)
        )
        hits += -np.expm1(people * np.log1p(-share_above(at / width)))
    assert 0.6 <= hits / 1500 / asked <= 1.25


def test_read_score_when_nobody_else_is_enrolled_then_no_face_is_above_the_threshold() -> None:
    reading = reading_of(0.99, NOBODY)
    assert reading.score < solve(0.01, 1, MODEL.tail, reading.freedom)


def test_read_score_when_all_are_alike_then_a_high_cosine_says_nothing() -> None:
    random, one = np.random.default_rng(3), expected(MODEL, 1)
    high = one.other_mean + 3 * one.other_sd
    apart = reading_of(high, of(0.0, 0.8, random, 30))
    alike = reading_of(high, of(2.5, 0.8, random, 30))
    assert alike.score < 1 < 3 < apart.score


def test_place_when_the_enrolled_are_two_then_they_teach_nothing() -> None:
    assert place_of_gallery(Others(count=2, mean=3.0, square_sum=1.0), 2) == ANYWHERE
    learnt = place_of_gallery(Others(count=90, mean=2.0, square_sum=30.0), 10)
    assert 1.5 < learnt.mean < 2.0
    assert learnt.weight > ANYWHERE.weight


def test_shrunk_when_half_then_in_the_middle() -> None:
    assert shrunk(Tail(offset=1, slope=2, bend=0.2), NORMAL, 0.5) == Tail(offset=0.5, slope=1.5, bend=0.1)


@pytest.mark.parametrize(
    ("errors", "trials", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 300, 0.0, 0.01), (0, 2, 0.0, 1.0), (5, 100, 0.0215, 0.1118), (100, 100, 0.963, 1.0)],
)
def test_rate_interval_when_counted_then_wilson_or_the_rule_of_three(errors, trials, low, high) -> None:
    assert rate_interval(errors, trials) == pytest.approx((low, high), abs=1e-3)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 16), st.floats(0, 1))
def test_likelihood_when_the_score_rises_then_it_does_not_fall(a: float, b: float, samples: int, good: float) -> None:
    low, high = sorted((a, b))
    one = expected(MODEL, samples, good)
    assert log10_likelihood(low, one) <= log10_likelihood(high, one) + 1e-9


def test_expected_when_looks_are_fused_then_one_person_and_two_come_apart() -> None:
    gaps = [
        (one.same_mean - one.other_mean) / np.hypot(one.same_sd, one.other_sd)
        for one in (expected(MODEL, samples) for samples in (1, 2, 4, 8))
    ]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 1.2 * gaps[0]


def good(score: float = 0.8) -> FaceQuality:
    return FaceQuality(inter_eye_px=80, size=1, pose=1, sharpness=1, light=1, whole=1, score=score)


def test_looks_when_forgotten_then_nothing_is_left_in_memory() -> None:
    looks = TrackLooks.begin(Ns(0), 32)
    vector = np.ones(32, np.float32)
    total = looks.total
    assert looks.add(vector, good(), Ns(1))
    looks.keep_picture(b"picture")
    picture = looks.picture
    assert not vector.any()
    assert not looks.wants(Ns(1 + APART_NS - 1))
    assert looks.wants(Ns(1 + APART_NS))
    looks.forget()
    assert not total.any()
    assert not any(picture)
    assert not looks.wants(Ns(10**12))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"inter_eye_px": 20.0}, "size"),
        ({"whole": 0.1}, "occlusion"),
        ({"pose": 0.1}, "pose"),
        ({"light": 0.1}, "light"),
        ({"sharpness": 0.01}, "blur"),
        ({}, ""),
    ],
)
def test_problem_when_a_component_fails_then_it_is_named(changes: dict[str, float], word: str) -> None:
    parts = {
        "inter_eye_px": 80.0,
        "size": 1.0,
        "pose": 1.0,
        "sharpness": 1.0,
        "light": 1.0,
        "whole": 1.0,
        "score": 0.8,
    }
    said = quality.problem(FaceQuality(**(parts | changes)), quality.ENROLMENT)
    assert said.split(":")[0] == word


def test_token_when_changed_expired_or_of_another_site_then_it_does_not_open() -> None:
    key, other = bytes(32), bytes([1]) * 32
    held = Held(person_id="p", contract="c:1", expires_ns=Ns(100), vector=np.linspace(-1, 1, 128).astype(np.float32))
    text = write_token(key, "site", held)
    assert len(text) < 700
    found = read_token(key, "site", text, Ns(99))
    assert found.vector == pytest.approx(held.vector, abs=1e-3)
    for wrong in ((other, "site", text, 99), (key, "elsewhere", text, 99), (key, "site", text, 100)):
        with pytest.raises(PermissionDenied):
            read_token(wrong[0], wrong[1], wrong[2], Ns(wrong[3]))
    for wrong_text in ("", "CUSTODES1.", "CUSTODES1.!!!", text[:-5], "x" * 5000):
        with pytest.raises((PermissionDenied, InvalidArgument)):
            read_token(key, "site", wrong_text, Ns(1))
