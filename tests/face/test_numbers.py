"""Thresholds keep their word, likelihoods rise with scores, fused looks are zeroed, quality names what failed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.errors import InvalidArgument, PermissionDenied
from custodes.face import quality
from custodes.face.calibration import KNOWN, expected, log10_likelihood, normalise
from custodes.face.cohort import synthetic_cohort
from custodes.face.fusion import APART_NS, TrackLooks
from custodes.face.holder import Held, read_token, write_token
from custodes.face.threshold import NORMAL, Tail, expected_fpir, fit_tail, share_above, solve
from custodes.types.face import FaceQuality
from custodes.units import Ns

MODEL = KNOWN["dlib-face-resnet"]
TAILS = st.builds(Tail, offset=st.floats(-0.5, 0.5), slope=st.floats(0.8, 1.5), bend=st.sampled_from([0.0, 0.05, 0.1]))


@given(st.floats(1e-5, 0.5), st.integers(1, 10**6), TAILS)
def test_solve_is_the_inverse_of_expected_fpir(fpir: float, gallery: int, tail: Tail) -> None:
    threshold = solve(fpir, gallery, tail)
    if threshold > tail.offset + 0.1:
        assert expected_fpir(threshold, gallery, tail) == pytest.approx(fpir, rel=1e-3)


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


def test_solve_when_gallery_of_simulated_strangers_then_fpir_is_as_asked() -> None:
    random = np.random.default_rng(2)
    asked, people, one = 0.05, 200, expected(MODEL, 1)
    at, hits = solve(asked, people), 0
    for _ in range(2000):
        mean = one.other_mean + one.other_sd * 0.5 * random.normal()
        scores = mean + one.other_sd * 0.87 * random.normal(size=people)
        cohort = mean + one.other_sd * 0.87 * random.normal(size=2048)
        hits += float(normalise(scores, MODEL, 1, cohort).max()) >= at
    assert 0.7 <= hits / 2000 / asked <= 1.3


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 16), st.floats(0, 1))
def test_likelihood_when_the_score_rises_then_it_does_not_fall(a: float, b: float, samples: int, good: float) -> None:
    low, high = sorted((a, b))
    assert log10_likelihood(low, MODEL, samples, good) <= log10_likelihood(high, MODEL, samples, good) + 1e-9


def test_expected_when_looks_are_fused_then_one_person_and_two_come_apart() -> None:
    gaps = [
        (one.same_mean - one.other_mean) / np.hypot(one.same_sd, one.other_sd)
        for one in (expected(MODEL, samples) for samples in (1, 2, 4, 8))
    ]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 1.2 * gaps[0]


def test_cohort_when_people_are_few_then_none_and_else_like_nobody() -> None:
    random = np.random.default_rng(3)
    people = random.normal(size=(200, 128)).astype(np.float32) + 1.5
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    assert len(synthetic_cohort(people[:5], seed=1)) == 0
    cohort = synthetic_cohort(people, seed=1, count=300)
    assert (cohort == synthetic_cohort(people, seed=1, count=300)).all()
    others = people @ people.T
    np.fill_diagonal(others, -1)
    assert float((cohort @ people.T).max()) < 0.99
    assert float((cohort @ people.T).mean()) == pytest.approx(float(others[others > -1].mean()), abs=0.02)


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
