"""The papers of a subject access: who saw somebody, in words and as data."""

import json
from dataclasses import replace

import pytest

from custodes.access.subject import PAGE, TABLE, SubjectFacts, Viewing, how_seen, papers
from custodes.units import NS_PER_S, Ns

T0 = Ns(1_700_000_000 * NS_PER_S)
FACTS = SubjectFacts(
    site_name="Harbour <1>",
    camera_name="Gate",
    start_ns=T0,
    end_ns=Ns(T0 + 60 * NS_PER_S),
    reference="SAR-7",
    tracks=("000000000000/3",),
    controller="Harbour Ltd",
    contact="dpo@example.org",
    purpose="keeping people safe",
    legal_basis="art. 6(1)(f)",
    retention_h=72,
    has_names=True,
    reaches_back=True,
)
LOOK = Viewing(
    index=12,
    utc_ns=T0,
    person="Ann <script>",
    roles="investigator,privacy_officer",
    camera_id="gate",
    action="play_back",
    fidelity="masked",
    purpose="case",
    reference="2026-7",
    start_ns=T0,
    end_ns=Ns(T0 + NS_PER_S),
    request_id="",
    shown="",
    frames_shown="25",
)


def test_papers_name_who_looked_why_and_at_what() -> None:
    made = papers(FACTS, [LOOK])
    page, table = made[PAGE].decode(), json.loads(made[TABLE])
    assert "Ann &lt;script&gt;" in page and "Harbour &lt;1&gt;" in page and "dpo@example.org" in page
    (row,) = table["viewings"]
    assert (row["who"], row["how"], row["why"], row["entry"]) == ("Ann <script>", "masked", "case 2026-7", 12)
    assert table["is_complete"] is True


def test_papers_when_names_are_kept_back_tell_what_the_people_are() -> None:
    made = papers(replace(FACTS, has_names=False), [LOOK])
    assert b"Ann" not in made[PAGE] + made[TABLE]
    assert json.loads(made[TABLE])["viewings"][0]["who"] == "investigator,privacy officer"


def test_papers_when_the_log_was_not_read_to_its_beginning_say_so() -> None:
    made = papers(replace(FACTS, reaches_back=False), [])
    assert b"there may be more" in made[PAGE] and b"Nobody." in made[PAGE]
    assert json.loads(made[TABLE])["is_complete"] is False


@pytest.mark.parametrize(
    ("fidelity", "shown", "words"),
    [
        ("masked", "", "masked"),
        ("unmasked", "", "without masks"),
        ("unmasked", "0/1 000000000000/3", "without a mask"),
        ("unmasked", "000000000000/33", "masked; somebody else was shown"),
    ],
)
def test_how_seen_tells_whether_this_person_was_masked(fidelity: str, shown: str, words: str) -> None:
    assert how_seen(replace(LOOK, fidelity=fidelity, shown=shown), FACTS.tracks) == words
