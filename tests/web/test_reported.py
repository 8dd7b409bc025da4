"""Errors in other languages: read off the lines that raise them, recognised by their text, English wherever else."""

import functools
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from tests.web.conftest import Site

import custodes
from custodes.errors import FailedPrecondition, NotFound
from custodes.web.errors import describe
from custodes.web.language.gather_errors import errors_of_module, gather_errors
from custodes.web.language.reported import CONTEXT, reported
from custodes.web.language.speech import CATALOGS, ENGLISH, LANGUAGES, Language, language_of, speaking

SOURCE = Path(custodes.__file__).parent
RAISED = functools.cache(lambda: gather_errors(SOURCE))
OTHERS = [one for one in LANGUAGES if one is not ENGLISH]


def german() -> Language:
    found = language_of("de")
    assert found is not None
    return found


def filled(message: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda place: f"zq{len(place[1])}", message)


def test_messages_of_lines_that_raise() -> None:
    source = """WRONG = "That is wrong."
def f(camera_id, row, name, wait):
    raise NotFound(f"There is no camera {camera_id[:64]!r} on this site.")
    raise PermissionDenied(f"The zone is {row.kind.value}, not {row.state.value.replace('_', ' ')}.")
    raise Unauthenticated(WRONG)
    raise PermissionDenied(" ".join(row.reasons) or "no policy allows it")
    raise InvalidArgument(f"{name}: {wait}") from None
    raise DataLoss("bytes are not what they were")
    raise KeyError("not one of ours")"""
    assert errors_of_module(source) == [
        "There is no camera {camera_id} on this site.",
        "The zone is {word}, not {word2}.",
        "That is wrong.",
        "no policy allows it",
    ]


@pytest.mark.parametrize("language", OTHERS, ids=[one.tag for one in OTHERS])
def test_each_translated_error_is_recognised_as_itself(language: Language) -> None:
    """No message swallows another one, and what stands in the places comes out again."""
    with (CATALOGS / f"{language.tag}.po").open("rb") as file:
        catalog = read_po(file, locale=language.locale, charset="utf-8")
    translated = {str(one.id): str(one.string) for one in catalog if one.context == CONTEXT and one.string}
    # a line that changed since is said in English until `make words`
    assert len(translated.keys() & RAISED().keys()) > 400
    with speaking(language):
        wrong = [
            (message, reported(filled(message)))
            for message, translation in translated.items()
            if reported(filled(message)) != filled(translation)
        ]
    assert not wrong


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("There is no camera 'front' on this site.", "Es gibt keine Kamera 'front' an diesem Standort."),
        # a name is put in as it is: no place, no tag, no word of it counts
        ("There is no camera '{one}\\1<b>' on this site.", "Es gibt keine Kamera '{one}\\1<b>' an diesem Standort."),
        ("There is no camera 'Alarm' on this site.", "Es gibt keine Kamera 'Alarm' an diesem Standort."),
        ("Too many wrong tries. Wait 1 minute and try again.", "Zu viele falsche Versuche. Warten Sie eine Minute"),
        # words of a fixed set
        ("The request is refused already.", "Der Antrag ist schon abgelehnt."),
        ("No policy lets no role play back, unmasked, for live duty without a reference.", "abspielen, unverdeckt"),
        # several sentences, and a field before what is wrong with it
        ("An auditor may see all cases. Xyz.", "Ein Prüfer darf alle Fälle sehen. Xyz."),
        ("Password: Field required", "Passwort: Dieses Feld wird gebraucht"),
        # why a camera is not recorded, what a view says, why it is decoded otherwise, what an analyser sees
        ("rtsp://10.0.0.9/main: connection refused; nothing listens there", "rtsp://10.0.0.9/main: Verbindung abgel"),
        ("The view was restarted: the view job died.", "neu begonnen: die Ansicht ist abgebrochen."),
        ("2 of 40 quiet GOPs held motion (1.0% to 9.0%)", "2 von 40 ruhigen GOPs enthielten Bewegung (1.0% bis"),
        (
            "slowly, by 12% of the width to the left, 3% of the height down since half a day",
            "der Breite nach links, 3%",
        ),
        ("Ann: 12 looks on 2026-11-01, 4.0 times the habit.", "Ann: 12 Einsichten am 2026-11-01, das 4.0-Fache"),
        ("Line 3 of the list is no CSV: 'x'.", "Zeile 3 der Liste ist kein CSV: 'x'."),
    ],
)
def test_said_in_german(text: str, said: str) -> None:
    with speaking(german()):
        assert said in reported(text)


@pytest.mark.parametrize("text", ["", "Nobody wrote this line.", ": ", "x" * 5000, "There is no camera", ". " * 900])
def test_what_is_not_recognised_stays_as_it_is(text: str) -> None:
    with speaking(german()):
        assert reported(text) == text


def test_english_is_what_was_raised_and_a_defect_says_nothing_of_itself() -> None:
    error = FailedPrecondition("The case is closed.")
    assert describe(error) == (409, "failed_precondition", "The case is closed.")
    with speaking(german()):
        assert describe(error)[2] == "Der Fall ist geschlossen."
        assert describe(NotFound("There is no camera 'x' on this site."))[2].startswith("Es gibt keine Kamera 'x'")


def test_answer_of_the_api_stays_english_and_carries_what_the_page_shows(site: Site) -> None:
    site.claim()
    asked = {"accept": "application/json", "accept-language": "de"}
    body = site.client.get("/api/v1/cameras/nowhere/timeline?from=0&to=1", headers=asked).json()
    assert body["detail"] == "There is no camera 'nowhere' on this site."
    assert body["title"] == "Nothing here"
    assert body["said"] == "Es gibt keine Kamera 'nowhere' an diesem Standort."
    english = site.client.get("/api/v1/cameras/nowhere/timeline?from=0&to=1", headers={"accept": "application/json"})
    assert english.json() == {key: value for key, value in body.items() if key != "said"}


def test_wrong_password_and_missing_page_are_told_in_german(site: Site) -> None:
    site.claim()
    page = site.client.get("/cameras/nowhere", headers={"accept": "text/html", "accept-language": "de"})
    assert page.status_code == 404
    assert "Hier ist nichts" in page.text
    assert "Es gibt keine Kamera &#39;nowhere&#39; an diesem Standort." in page.text
    site.client.cookies.clear()
    wrong = site.client.post(
        "/login", data={"name": "x", "password": "y"}, headers={"accept": "text/html", "accept-language": "de"}
    )
    assert "Name oder Passwort ist falsch." in wrong.text
