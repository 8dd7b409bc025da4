"""What may be said follows from scores by the house rule, and no sentence accuses a person."""

from dataclasses import replace

import pytest

from custodes.leaks.finding import Delivered, place_sentence, verdict_sentence
from custodes.leaks.verdict import judge, named_slot
from custodes.types.access import Fidelity
from custodes.types.leak import CandidateScore, PictureTraced
from custodes.units import NS_PER_S, CameraId, Ns, SessionId

NOW = 1_767_225_605 * NS_PER_S


def scored(name: str, z: float, session_z: float = 0.0, slot: int = 176_722_560) -> CandidateScore:
    return CandidateScore(
        session_id=SessionId(name), slot=slot, z=z, session_z=session_z, slot_key=bytes(32),
        fidelity=Fidelity.MASKED, granted_index=4, released_index=5,
    )  # fmt: skip


TRACED = PictureTraced(
    camera_id=CameraId("gate"), is_found=True, utc_ns=NOW, earliest_ns=NOW, latest_ns=NOW + NS_PER_S
)
DELIVERED = {
    "a": Delivered(
        session_id="a", person="Ada", purpose="case", reference="7", fidelity="masked", granted_index=4,
        released_index=5, granted_ns=Ns(NOW),
    )
}  # fmt: skip


@pytest.mark.parametrize(
    ("candidates", "kind", "named"),
    [
        ((scored("a", 12.0), scored("b", 3.0)), "named", ["a"]),
        ((scored("a", 12.0), scored("b", 9.0)), "composite", ["a", "b"]),
        ((scored("a", 8.0), scored("b", 7.0)), "supported", ["a"]),
        ((scored("a", 6.7), scored("b", 1.0)), "unmarked", []),
        ((scored("a", 2.0, session_z=30.0),), "transplanted", []),
        ((), "unseen", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_judge_when_scores_are_known_then_only_what_they_allow(candidates, kind, named):
    verdict = judge(candidates, trials=100)
    assert verdict.kind == kind
    assert [str(one.session_id) for one in verdict.sessions] == named
    said = verdict_sentence(verdict, TRACED, DELIVERED)
    assert "leaked" not in said
    assert all(f"session {name}" in said for name in named)
    assert named or "session a" not in said


def test_judge_when_more_was_tried_then_the_bound_is_wider():
    few, many = (judge([scored("a", 9.5)], trials=count) for count in (10, 10_000_000))
    assert few.bound < many.bound < 1e-9
    assert many.log10_ratio <= 6


def test_place_when_nothing_moved_then_an_interval_is_told():
    assert " to " not in place_sentence(TRACED, "Gate") and "could be" not in place_sentence(TRACED, "Gate")
    long = PictureTraced(camera_id=CameraId("gate"), is_found=True, utc_ns=NOW, latest_ns=NOW + 3600 * NS_PER_S)
    assert "could be from any moment between" in place_sentence(long, "Gate")


@pytest.mark.parametrize(
    ("candidates", "slot"),
    [
        ((scored("a", 12.0, slot=7), scored("b", 8.9, slot=8)), 7),
        ((scored("a", 12.0, slot=7), scored("b", 9.0, slot=7)), 7),
        ((scored("a", 12.0, slot=7), scored("b", 9.0, slot=8)), None),
        ((scored("a", 8.9, slot=7),), None),
    ],
)
def test_slot_when_copies_are_named_then_the_one_that_all_are_of(candidates, slot):
    assert named_slot(candidates) == slot


def test_place_when_the_mark_told_which_time_then_both_are_told():
    hour = NOW - 3600 * NS_PER_S, NOW + 3600 * NS_PER_S
    said = place_sentence(replace(TRACED, by_content_ns=hour), "Gate")
    assert "content alone it could be from any moment between 2025-12-31 23:00:05 UTC" in said
    assert "the mark of the named copy says 2026-01-01 00:00:00 UTC to 00:00:10 UTC" in said
