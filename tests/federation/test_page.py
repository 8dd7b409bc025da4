"""The centre's page: who may read it, and that nothing that a site says becomes a part of it."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from custodes.app.centre import centre_store
from custodes.app.centre_asking import Asking
from custodes.app.centre_log import centre_log
from custodes.app.centre_page import Desk
from custodes.app.centre_people import add_person, is_signed
from custodes.app.centre_reading import site_summaries, site_summary, site_view
from custodes.app.witness import make_witness, read_receipt_key
from custodes.config.centre import CentreConfig, CentreSiteConfig
from custodes.federation.sites import SiteRow, SiteSummary, ago
from custodes.testing.catalog import START_NS
from custodes.testing.clock import ManualClock
from custodes.testing.outbox import make_counts
from custodes.types.federation import (
    CameraNow,
    CamerasChanged,
    CaseAnswered,
    DeviceRow,
    FleetAudited,
    MovementFound,
    SiteHealth,
)
from custodes.units import NS_PER_S
from custodes.web.centre import MAP_HEIGHT, MAP_WIDTH, centre_app, map_dots

PASSWORD = "a password of the test's own"
ADA, WORD = "Ada Müller", "four words in a row"
FORM = {
    "sites": "a",
    "case_id": "C-7",
    "reason": "a bag left in the hall",
    "begin": "2023-11-14T20:00",
    "end": "2023-11-14T21:00",
    "classes": "person",
    "password": WORD,
}
NOW_NS = START_NS + 3600 * NS_PER_S
EVIL = "<script>alert(1)</script>"

SITES = [
    {"id": "a", "key": "k", "name": "Town hall", "latitude": 52.5, "longitude": 13.3},
    {"id": "b", "key": "k", "name": "Harbour", "latitude": 52.4, "longitude": 13.5},
    {"id": "c", "key": "k", "name": "Nowhere"},
]
CONFIG = CentreConfig.model_validate(
    {"nats": {"url": "nats://localhost:4222"}, "page": {"password": "env:X"}, "sites": SITES}
)


def health(cameras: int, recording: int) -> SiteHealth:
    return SiteHealth(
        utc_ns=NOW_NS,
        version="1",
        cameras=cameras,
        recording=recording,
        recorded_bytes=1,
        free_bytes=1,
        facts_dropped=0,
    )


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr("custodes.app.centre_people._MEMORY_KIB", 8)
    monkeypatch.setattr("custodes.app.centre_people._PARALLELISM", 1)
    make_witness(tmp_path / "centre", "council.example/centre")
    config = CONFIG.model_copy(update={"data_dir": tmp_path / "centre"})
    store = centre_store(tmp_path / "centre")
    add_person(store, ADA, WORD, 1)
    device = DeviceRow(device="gate", maker=EVIL, model="m", firmware="1", worst="high", findings=2)
    states = (CameraNow(camera_id="gate", state="stalled", is_recording=False),)
    facts = [
        health(2, 1),
        CamerasChanged(utc_ns=NOW_NS, cameras=states),
        FleetAudited(judged_ns=5, devices=(device,)),
        make_counts(0, count=35),
        make_counts(1, count=10),
    ]
    store.take(SiteRow(site_id="a", seq=5, heard_ns=NOW_NS, log_size=9, log_ns=NOW_NS, alarm=EVIL), facts)
    store.take(SiteRow(site_id="b", seq=1, heard_ns=NOW_NS - 7200 * NS_PER_S), [health(1, 1)])

    async def summaries() -> list[SiteSummary]:
        return site_summaries(store, CONFIG.sites)

    async def view(site: object) -> object:
        return site_view(store, site, NOW_NS)  # type: ignore[arg-type]

    desk = Desk(config, store, ManualClock(NOW_NS))
    app = centre_app(config, password=PASSWORD, summaries=summaries, view=view, now_ns=lambda: NOW_NS, desk=desk)  # type: ignore[arg-type]
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as client:
        client.auth = ("centre", PASSWORD)
        client.app_state = {"store": store, "folder": tmp_path / "centre"}
        yield client
    store.close()


@pytest.mark.parametrize("path", ["/", "/sites/a", "/questions", "/questions/x"])
@pytest.mark.parametrize("login", [None, ("centre", "wrong"), ("wrong", PASSWORD), ("centre", "")])
def test_page_when_not_logged_in_shows_nothing(page: TestClient, path: str, login: tuple[str, str] | None) -> None:
    page.auth = login
    answer = page.get(path)
    assert answer.status_code == 401 and "Town hall" not in answer.text and "www-authenticate" in answer.headers


def test_page_when_asked_under_another_name_or_with_a_form_refuses(page: TestClient) -> None:
    assert page.get("/", headers={"host": "evil.example"}).status_code == 421
    assert page.post("/").status_code in (403, 405)
    assert page.get("/sites/x").status_code == 404


def test_list_when_read_has_what_needs_somebody_first(page: TestClient) -> None:
    text = page.get("/").text
    assert text.index('href="/sites/a">Town hall', text.index("<tbody>")) < text.index(
        "Harbour", text.index("<tbody>")
    )
    assert "silent for 2 h" in text and "never heard" in text and "1 of 2" in text


def test_what_a_site_says_when_it_is_markup_stays_text(page: TestClient) -> None:
    for path in ("/", "/sites/a"):
        text = page.get(path).text
        assert EVIL not in text and "&lt;script&gt;" in text


def test_site_when_read_sums_its_last_day(page: TestClient) -> None:
    text = page.get("/sites/a").text
    assert "Camera stopped sending" in text and ">45<" in text and "2, worst high" in text
    assert "custodes centre clear a" in text


def test_map_keeps_proportions_inside_its_frame_and_leaves_out_what_has_no_place() -> None:
    found = [SiteSummary(site=one, row=SiteRow(site_id=one.id), health=None) for one in CONFIG.sites]
    dots = map_dots(found, NOW_NS)
    assert [one.site.name for _, _, one, _ in dots] == ["Town hall", "Harbour"]
    (x, y, *_), (other_x, other_y, *_) = dots
    assert x < other_x and y < other_y, "east is right, north is up"
    assert all(0 < x < MAP_WIDTH and 0 < y < MAP_HEIGHT for x, y, *_ in dots)
    assert map_dots(found[2:], NOW_NS) == []
    (one,) = map_dots(found[:1], NOW_NS)
    assert one[:2] == (MAP_WIDTH / 2, MAP_HEIGHT / 2)


def test_spans_in_words() -> None:
    words = [ago(seconds * NS_PER_S) for seconds in (0, 119, 120, 7199, 7200, 172_799, 172_800, 10**6)]
    assert words == ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days", "11 days"]


def test_page_when_a_browser_asks_for_german_answers_in_it(page: TestClient) -> None:
    text = page.get("/", headers={"accept-language": "de"}).text
    assert '<html lang="de">' in text and "nie gehört" in text and "still seit 2 h" in text
    text = page.get("/sites/a", headers={"accept-language": "de"}).text
    assert "Kamera sendet nicht mehr" in text and "Camera stopped sending" not in text


def as_ada(page: TestClient, word: str = WORD) -> TestClient:
    page.auth = None
    login = base64.b64encode(f"{ADA}:{word}".encode()).decode()
    page.headers.update({"authorization": f"Basic {login}", "origin": "http://localhost"})
    return page


def test_questions_are_for_people_of_the_centre_by_their_own_name(page: TestClient) -> None:
    refused = page.get("/questions")
    assert refused.status_code == 401 and "log in with your own name" in refused.text
    assert page.post("/questions", data=FORM, headers={"origin": "http://localhost"}).status_code == 401
    assert as_ada(page, "another password").get("/questions").status_code == 401
    text = as_ada(page).get("/questions").text
    assert "Nothing was asked yet" in text and f"As {ADA}." in text
    assert "Town hall" in page.get("/").text, "who may ask may read, too"
    page.app_state["store"].people.disable(ADA)
    assert page.get("/questions").status_code == 401, "at once, though the password was proven a moment ago"


def test_question_when_asked_on_the_page_is_signed_waits_and_shows_its_answer(page: TestClient) -> None:
    store, folder = page.app_state["store"], page.app_state["folder"]
    as_ada(page)
    wrong = page.post("/questions", data={**FORM, "password": "another password"})
    assert wrong.status_code == 401 and 'role="alert"' in wrong.text
    for bad in ({"end": "2023-11-14T19:00"}, {"reason": ""}, {"footage": "yes"}, {"sites": "nowhere"}):
        assert page.post("/questions", data={**FORM, **bad}).status_code in (400, 404), bad
    assert page.post("/questions", data=FORM, headers={"origin": "http://evil.example"}).status_code == 403
    assert store.open_questions(10) == []
    assert page.post("/questions", data=FORM).headers["location"] == "/questions"
    (question,) = store.open_questions(10)
    assert (question.asker, question.site_id, question.classes) == (ADA, "a", ("person",))
    assert is_signed(store, question)
    with centre_log(folder) as log:
        asking = Asking(store, log, read_receipt_key(folder)[0], ManualClock(NOW_NS))
        assert [site for site, _ in asking.due()] == ["a"]
        assert "waits" in page.get("/questions").text
        found = MovementFound(camera_id="hall", object_class="person", start_ns=NOW_NS, end_ns=NOW_NS + NS_PER_S)
        answer = CaseAnswered(
            question_id=question.question_id, utc_ns=NOW_NS, is_allowed=True, reason="", log_index=77, part=0,
            parts=1, answered_from_ns=question.start_ns, cameras=3, found=(found,),
        )  # fmt: skip
        store.take(SiteRow(site_id="a", seq=6), [answer])
        assert asking.due() == []
    assert "1 found" in page.get("/questions").text
    text = page.get(f"/questions/{question.question_id}").text
    assert "hall" in text and "1 found on 3 cameras" in text and "<dd>77</dd>" in text
    assert page.get("/questions/none").status_code == 404


def test_list_of_sites_is_one_query_whatever_their_number(tmp_path: Path) -> None:
    (tmp_path / "centre").mkdir()
    store = centre_store(tmp_path / "centre")
    sites = [CentreSiteConfig(id=f"s{n}", key="k", name=f"Site {n}") for n in range(40)]
    for n, one in enumerate(sites[:-1]):
        facts = [health(n + 1, n)] if n % 3 else []
        store.take(SiteRow(site_id=one.id, seq=n + 1, heard_ns=NOW_NS), facts)
    asked: list[str] = []
    event.listen(store._store.reader, "before_cursor_execute", lambda *words: asked.append(words[2]))
    found = site_summaries(store, sites)
    assert len([one for one in asked if one.startswith("SELECT")]) == 1
    assert found == [site_summary(store, one) for one in sites]
    store.close()
