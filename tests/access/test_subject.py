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


def test_row_says_everything_of_a_look_and_what_is_not_told() -> None:
    (row,) = json.loads(papers(FACTS, [LOOK])[TABLE])["viewings"]
    assert row == {
        "when": "2023-11-14 22:13:20",
        "who": "Ann <script>",
        "what": "play back",
        "how": "masked",
        "from": "2023-11-14 22:13:20",
        "to": "2023-11-14 22:13:21",
        "why": "case 2026-7",
        "pictures": "25",
        "entry": 12,
    }
    bare = replace(LOOK, roles="", frames_shown="", purpose="live_duty", reference="")
    (row,) = json.loads(papers(replace(FACTS, has_names=False), [bare])[TABLE])["viewings"]
    assert (row["who"], row["pictures"], row["why"]) == ("a person of the site", "not told", "live duty")


def test_table_names_camera_time_and_who_is_shown() -> None:
    made = json.loads(papers(replace(FACTS, camera_name="Gate é"), [])[TABLE])
    assert {**made, "viewings": None} == {
        "camera": "Gate é",
        "from": "2023-11-14 22:13:20",
        "to": "2023-11-14 22:14:20",
        "shown": ["000000000000/3"],
        "is_complete": True,
        "viewings": None,
    }
    assert "é".encode() in papers(replace(FACTS, camera_name="é"), [])[TABLE]


def test_page_tells_whose_responsibility_it_is_and_what_the_person_may_do() -> None:
    text = papers(FACTS, [LOOK])[PAGE].decode()
    for label, words in (
        ("Camera", "Gate"),
        ("Time", "2023-11-14 22:13:20 to 2023-11-14 22:14:20 (UTC)"),
        ("Your request", "SAR-7"),
        ("Who is responsible", "Harbour Ltd"),
        ("Whom to ask", "dpo@example.org"),
        ("Why there is a camera", "keeping people safe"),
        ("Legal basis", "art. 6(1)(f)"),
        ("How long recordings are kept", "72 hours, unless they are held as evidence"),
        ("Where the pictures come from", "from this camera; nothing was added"),
        ("Your rights", "to have this corrected or erased, to object, and to complain to the supervisory authority"),
    ):
        assert f"<dt>{label}</dt><dd>{words}</dd>" in text
    heads = ["When (UTC)", "Who", "What", "You were", "Pictures from", "to", "Why", "Pictures", "Log entry"]
    assert "<thead><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr></thead>" in text
    cells = ["2023-11-14 22:13:20", "Ann &lt;script&gt;", "play back", "masked", "2023-11-14 22:13:20"]
    cells += ["2023-11-14 22:13:21", "case 2026-7", "25", "12"]
    assert "<tbody><tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr></tbody>" in text
    assert "The film shows you (1 piece of track); everybody else in it is masked." in text
    assert "<p>Nobody.</p>" not in text and "there may be more" not in text and "named by what they do" not in text
    assert text.startswith("<!doctype html>") and text.endswith("</body></html>\n")
    assert "README.txt says how to check it" in text and "<h1>Your data at Harbour &lt;1&gt;</h1>" in text


def test_page_when_little_is_known_says_so() -> None:
    bare = replace(FACTS, controller="", contact="", purpose="", legal_basis="", tracks=(), has_names=False)
    text = papers(bare, [])[PAGE].decode()
    assert text.count("<dd>not given</dd>") == 4
    assert "<p>Everybody in the film is masked.</p>" in text
    assert (
        "<p>People of the site are named by what they do there; ask if you need their names.</p><p>Nobody.</p>" in text
    )
    assert "(2 pieces of track)" in papers(replace(FACTS, tracks=("a/1", "b/2")), [])[PAGE].decode()
