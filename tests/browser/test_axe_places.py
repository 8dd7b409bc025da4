"""axe-core over the pages of places, with something on each: map, flows, traffic, rules, journeys, the missing."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect
from tests.browser.test_axe import findings
from tests.browser.test_pages import NAME, Person, shot
from tests.journey.test_flows import hour, links_of, walkers
from tests.web.test_journeys import ONE, confirmed, enrolled, walked

from custodes.testing.catalog import make_quarter, make_spec
from custodes.types.access import Action, Fidelity, Purpose, PurposeKind, Role
from custodes.types.approval import LookRequest, RequestRecord, Vote
from custodes.types.cases import Case, CaseMember
from custodes.types.place import FloorNow, MapCamera, MapDot
from custodes.types.scene import CameraScene, CountLine, GroundPoint
from custodes.types.traffic import Incident, IncidentKind, SpeedFigures
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId, Ns, RunId

pytestmark = pytest.mark.browser
GATE, YARD = CameraId("gate"), CameraId("yard")
REQUEST = "00ff" * 4
LOOKS = ((1440, "dark"), (360, "light"))


def fill_flows(site) -> None:
    """Three hours: by links in part, wholly, and not at all."""
    now_ns = site.clock.now_ns() // NS_PER_HOUR * NS_PER_HOUR
    tracks, some = walkers(120), range(1, 121)
    for back, made in enumerate((
        hour(tracks, links=links_of([(n, 0, 1) for n in some], some)),
        hour(tracks, links=links_of([(n, 0, 1) for n in range(1, 61)], range(1, 61))),
        hour(tracks),
    ), 1):  # fmt: skip
        start_ns = now_ns - back * NS_PER_HOUR
        site.catalog.put_figures([replace(made, start_ns=Ns(start_ns), end_ns=Ns(start_ns + NS_PER_HOUR))])


def fill_floor(site) -> None:
    """Two cameras with a ground and a line, and three dots."""
    corners = ((0.1, 0.9), (0.9, 0.9), (0.9, 0.3), (0.1, 0.3))
    places = ((0.0, 0.0), (10.0, 0.0), (10.0, 20.0), (0.0, 20.0))
    ground = tuple(GroundPoint(at=at, place_m=place) for at, place in zip(corners, places, strict=True))
    line = CountLine(name="door", start=(0.2, 0.5), end=(0.8, 0.5))
    scene = CameraScene(ground=ground, lines=(line,), floor="Yard")
    site.catalog.put_cameras([replace(make_spec(one), scene=scene) for one in (GATE, YARD)], is_exclusive=False)
    cameras = tuple(
        MapCamera(camera_id=one, name=one, place_m=(x_m, 2.0), height_m=4.0, measured_m=places)
        for one, x_m in ((GATE, 0.0), (YARD, 10.0))
    )
    dots = tuple(
        MapDot(x_m=3.0 * n, y_m=5.0 + n, error_m=0.5 * n, is_person=n > 1, cameras=(GATE, YARD)[: 1 + n % 2])
        for n in (1, 2, 3)
    )
    site.floors.now = [FloorNow(name="Yard", cameras=cameras, dots=dots)]


def fill_traffic(site) -> None:
    """Two quarters with speeds, and a vehicle that stands."""
    now_ns = site.clock.now_ns() // (900 * NS_PER_S) * 900 * NS_PER_S
    speeds = SpeedFigures(
        measured=40, mean_kmh=48.0, v50_kmh=47.0, v85_kmh=55.0, v85_error_kmh=1.0, single_error_kmh=1.0,
        histogram=(0,) * 8 + (20, 15, 5),
    )  # fmt: skip
    for back in (2, 3):
        one = make_quarter(GATE, 0)
        lines = tuple(replace(each, speeds=speeds, level_of_service="B") for each in one.lines)
        start_ns = now_ns - back * 900 * NS_PER_S
        site.catalog.put_figures(
            [replace(one, start_ns=Ns(start_ns), end_ns=Ns(start_ns + 900 * NS_PER_S), lines=lines)]
        )
    site.catalog.put_figures([
        Incident(
            camera_id=GATE, kind=IncidentKind.STOPPED, road="A1", start_ns=Ns(now_ns), found_ns=Ns(now_ns + NS_PER_S),
            end_ns=Ns(now_ns + NS_PER_S), is_over=False, object_class=ObjectClass.CAR, run=RunId("r"), track_id=1,
            evidence="stood for 9 s",
        )
    ])  # fmt: skip


def fill_people(site) -> None:
    """Somebody missing who was seen, and may be followed; a case that I work on."""
    (me,) = [one for one in site.catalog.accounts() if one.name == NAME]
    site.catalog.put_account(replace(me, roles=frozenset(Role)))
    enrolled(site, is_missing=True)
    now_ns = site.clock.now_ns()
    confirmed(site, GATE, 7, now_ns - 60 * NS_PER_S)
    walked(site, GATE, 7, now_ns - 60 * NS_PER_S)
    walked(site, YARD, 8, now_ns - 55 * NS_PER_S)
    mine = CaseMember(user_id=me.user_id, name=me.name)
    site.warden.cases.put(
        Case(
            number="2026-7", title="Lost child", reason="reported at the desk", owner=mine, members=(mine,),
            opened_ns=site.clock.now_ns(), keep_days=30,
        )
    )  # fmt: skip
    asked = LookRequest(
        request_id=REQUEST, requester_id=me.user_id, requester=me.name, action=Action.FOLLOW,
        purpose=Purpose(kind=PurposeKind.CASE, reference="2026-7"), camera_ids=(GATE, YARD),
        start_ns=Ns(now_ns - 1800 * NS_PER_S), end_ns=now_ns, fidelity=Fidelity.MASKED,
        reason="the mother stands at the desk", is_break_glass=False, needed=1, filed_ns=now_ns,
        decide_by_ns=Ns(now_ns + NS_PER_HOUR), lasts_ns=Ns(NS_PER_HOUR), person_id=ONE,
    )  # fmt: skip
    yes = Vote(
        approver_id="boss", approver="Boss", is_yes=True, utc_ns=now_ns, note="", credential_id=b"c", assertion="{}"
    )
    site.warden.desk._store.put(RequestRecord(request=asked, votes=(yes,)))


PAGES = {
    "/map": "#drawn circle.person",
    "/map/edit": "#add-floor:enabled",
    "/flows": "#matrix td[title]",
    "/traffic?camera=gate": "#volume rect",
    "/rules": "section b:text-is('crowd')",
    "/journeys": "#ask > summary",
    f"/journeys/{REQUEST}": "text=By places and times alone",
    "/cases/2026-7?looks=1": "text=journey of Cleo Ray",
    "/log?": "text=saw where the enrolled person “Cleo Ray” went",
    "/last-seen": "text=confirmed by",
    "/site/cameras/gate/drawing": "#list summary",
}
"""And what is there once its data are."""


def looked_at(person, name) -> list[str]:
    """What is wrong with the page that is open, in both looks."""
    found = []
    for width, scheme in LOOKS:
        person.page.set_viewport_size({"width": width, "height": 900})
        person.page.emulate_media(color_scheme=scheme)
        found += findings(person, f"{name} ({width})")
        wider = person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found += [f"{name} is {wider} px wider than a screen of {width}"] if wider > 0 else []
        shot(person.page, f"{name.strip('/').split('?')[0].replace('/', '-')}-{scheme}")
    return found


def test_pages_of_places_have_no_serious_finding(browser, site):
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark", locale="en-GB")
    person = Person(context, site.address)
    person.claim(site.token)
    for fill in (fill_floor, fill_flows, fill_traffic, fill_people):
        fill(site)
    person.go("/rules")
    form = person.page.locator("form[action='/rules']")
    for name, value in (("name", "crowd"), ("value", "20"), ("webhook", "http://127.0.0.1:9/x")):
        form.locator(f"[name={name}]").fill(value)
    form.locator("[name=camera]").select_option(GATE)
    form.locator("[name=cause]").select_option("people_above")
    form.locator("button").click()
    found = []
    for path, there in PAGES.items():
        person.go(path)
        expect(person.page.locator(there).first).to_be_visible()
        if path == "/flows":
            expect(person.page.locator("#how")).to_contain_text("for 50 % of all tracks; 50 % of what is counted here")
        if path == "/journeys":
            person.page.locator("#ask > summary").click()
        if path == "/map/edit":
            person.page.locator("#add-floor").press("Enter")
            person.page.locator("#add-camera").press("Enter")
            person.page.locator("#list summary").press("Enter")
        found += looked_at(person, path)
        if path == "/map":
            person.page.locator("#heat-on").check()
            expect(person.page.locator("#heat-well")).to_have_text(re.compile(r"\w"))
            found += looked_at(person, "/map, heat")
        if path == f"/journeys/{REQUEST}":
            person.page.get_by_role("button", name="By places and times alone").click()
            expect(person.page.locator(".journey-line .step.verified").first).to_be_visible()
            expect(person.page.get_by_text("known for 1 way between cameras")).to_be_visible()
            found += looked_at(person, "journey, opened")
    context.close()
    assert not found, "\n".join(found)
    assert person.complaints == []
