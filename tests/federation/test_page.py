"""The centre's page: who may read it, and that nothing that a site says becomes a part of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from custodes.app.centre import centre_store
from custodes.app.centre_reading import site_summary, site_view
from custodes.config.centre import CentreConfig
from custodes.federation.sites import SiteRow, SiteSummary, ago
from custodes.testing.catalog import START_NS
from custodes.testing.outbox import make_counts
from custodes.types.federation import CameraNow, CamerasChanged, DeviceRow, FleetAudited, SiteHealth
from custodes.units import NS_PER_S
from custodes.web.centre import MAP_HEIGHT, MAP_WIDTH, centre_app, map_dots

PASSWORD = "a password of the test's own"
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
def page(tmp_path: Path) -> Iterator[TestClient]:
    (tmp_path / "centre").mkdir()
    store = centre_store(tmp_path / "centre")
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
        return [site_summary(store, one) for one in CONFIG.sites]

    async def view(site: object) -> object:
        return site_view(store, site, NOW_NS)  # type: ignore[arg-type]

    app = centre_app(CONFIG, password=PASSWORD, summaries=summaries, view=view, now_ns=lambda: NOW_NS)  # type: ignore[arg-type]
    with TestClient(app, base_url="http://localhost") as client:
        client.auth = ("centre", PASSWORD)
        yield client
    store.close()


@pytest.mark.parametrize("path", ["/", "/sites/a"])
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
