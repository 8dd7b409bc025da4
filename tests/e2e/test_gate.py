"""A gate for vehicles of one's own in Chromium on a running site, from the zone's draft to the barrier that opens.

Two cars of ../shared's car park drive up, each with a drawn plate; the film begins anew each half minute. Five
minutes: `make gate SHOTS=/tmp/shots`.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.conftest import chromium
from tests.browser.test_pages import Person, shot
from tests.e2e.conftest import SHARED
from tests.e2e.desks import open_zone, seated
from tests.e2e.films import clip_of, comers

from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite
from custodes.testing.viewer import PASSWORD, Viewer, let_in
from custodes.types.access import Role
from custodes.types.plate import compared

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.rtsp]

FILM = SHARED / "data" / "traffic" / "intel-car-detection.mp4"
STRANGER, LISTED = "MA XY 993", "KA RL 471"
PEOPLE = {
    "Ada": Role.ADMINISTRATOR,
    "Ben": Role.SUPERVISOR,
    "Cy": Role.SUPERVISOR,
    "Pia": Role.PRIVACY_OFFICER,
}
LIMIT_S = 900
"""For a vehicle to come, and be read, on a machine that is busy."""


class Barrier(ThreadingHTTPServer):
    """What opens the gate: each call of the rule's webhook is one opening."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Opening)
        self.opened: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Opening(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert isinstance(self.server, Barrier)
        self.server.opened.append(told["vehicle"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def barrier() -> Iterator[Barrier]:
    """Before the site, which is told its address."""
    with Barrier() as made:
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, barrier: Barrier) -> Iterator[RunningSite]:
    """One camera over the way in, and a rule that opens the barrier."""
    if not FILM.is_file():
        pytest.skip("needs ../shared/data/traffic")
    folder = tmp_path_factory.mktemp("gate")
    film = clip_of(comers(FILM, (STRANGER, LISTED)), folder / "gate.h264")
    with RtspServer({"gate": film}) as server:
        config = {
            "name": "Depot",
            "recorder": {"segment_s": 10},
            "analyser": {"tampering": {"replays": False}},
            "cameras": [{"id": "gate", "name": "Way in", "url": server.url("gate")}],
            "rules": [
                {
                    "name": "Open the barrier",
                    "camera": "gate",
                    "listed_vehicle": True,
                    "webhook": {"url": f"http://127.0.0.1:{barrier.server_address[1]}/open"},
                }
            ],
        }
        with RunningSite(folder / "site", config) as running:
            Viewer(running.address).claim(running.token, roles=(Role.ADMINISTRATOR.value,))
            for name, role in PEOPLE.items():
                let_in(running, name, role=role.value, password=PASSWORD)
            yield running


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """Debian's Chromium."""
    yield from chromium()


@pytest.fixture(scope="module")
def desk(site: RunningSite, chrome: Browser) -> dict[str, Person]:
    """Everybody at a page of their own, with a passkey that the administrator vouched for."""
    return seated(chrome, site.address, PEOPLE, vouches="Ada")


def list_vehicle(person: Person, label: str, plate: str) -> None:
    """With what its keeper signed."""
    person.go("/vehicles")
    form = person.page.locator("form[action='/vehicles']")
    form.locator("[name=label]").fill(label)
    form.locator("[name=plate]").fill(plate)
    form.locator("[name=agreement]").fill("signed on 1 November, folder 7 of the depot")
    form.get_by_label("Barrier").check()
    form.get_by_role("button", name="List it").click()
    expect(person.page.get_by_role("button", name=f"Take {label} off")).to_be_visible()


def wait_opened(site: RunningSite, barrier: Barrier, label: str, times: int) -> list[str]:
    """Until the barrier opened so often more for one vehicle; for whom it did meanwhile."""
    before = len(barrier.opened)
    site.wait_for(lambda: barrier.opened[before:].count(label) >= times, f"{times} × {label}", LIMIT_S)
    return barrier.opened[before:]


def traces(site: RunningSite, plate: str) -> list[str]:
    """Files of the site, and lines of its terminal, that hold a plate: as it is written, as compared, and between."""
    forms = {plate, plate.replace(" ", ""), compared(plate)}
    needles = [form.encode() for form in forms] + [form.lower().encode() for form in forms]
    files = [path for path in site.data_dir.rglob("*") if path.is_file()]
    found = [str(path) for path in files if any(one in path.read_bytes() for one in needles)]
    return found + [line for line in site.lines if any(form in line for form in forms)]


def test_gate_opens_for_listed_vehicles_each_time_they_come_and_keeps_no_plate(
    site: RunningSite, barrier: Barrier, desk: dict[str, Person]
) -> None:
    open_zone(desk, "Barrier", kind="plates", fields={"px_per_m": "150"})
    list_vehicle(desk["Ben"], "Van 3", LISTED)
    shot(desk["Ben"].page, "gate-listed")
    # The stranger drives up between any two times that the listed one comes, half a minute apart.
    assert set(wait_opened(site, barrier, "Van 3", 2)) == {"Van 3"}
    assert traces(site, STRANGER) == []
    # That nobody opened was the list's doing alone: the stranger's plate is as legible.
    list_vehicle(desk["Ben"], "Van 4", STRANGER)
    wait_opened(site, barrier, "Van 4", 1)
    desk["Ben"].page.get_by_role("button", name="Take Van 3 off").click()
    expect(desk["Ben"].page.get_by_role("button", name="Take Van 3 off")).to_have_count(0)
    shot(desk["Ben"].page, "gate-over")
    wait_opened(site, barrier, "Van 4", 1)  # what was under way when Van 3 was taken off is over
    assert set(wait_opened(site, barrier, "Van 4", 2)) == {"Van 4"}
    desk["Ben"].page.get_by_role("button", name="Take Van 4 off").click()
    expect(desk["Ben"].page.get_by_role("button", name="Take Van 4 off")).to_have_count(0)
    assert [traces(site, plate) for plate in (STRANGER, LISTED)] == [[], []]
    assert [one.complaints for one in desk.values() if one.complaints] == []


def test_log_says_each_opening_in_a_sentence(site: RunningSite, barrier: Barrier, desk: dict[str, Person]) -> None:
    page = desk["Pia"].page
    desk["Pia"].go("/log")
    expect(page.get_by_text("Ben listed the vehicle Van 3.")).to_be_visible()
    shot(page, "gate-log")
    page.locator("[name=kind]").select_option("vehicle_passed")
    for label in ("Van 3", "Van 4"):
        told = page.get_by_text(f"The listed vehicle {label} came to Barrier.")
        expect(told.nth(barrier.opened.count(label) - 1)).to_be_visible()
    assert barrier.opened.count("Van 3") >= 2
