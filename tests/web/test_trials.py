"""A trial's pages over the real desks: from the link to the curve, and what leaves the site."""

import asyncio
import csv
from dataclasses import replace

import pytest
from tests.warden.office import GATE
from tests.web.test_vehicles import HTML, approved_zone, post

from custodes.access import trials
from custodes.face.trials import rates_of, read_trials
from custodes.types.access import AuditKind
from custodes.types.face import ZoneKind
from custodes.types.trial import NoteWalk, TrialWalk, Volunteer


def walked(site, token: str, score: float, person_id: str = "somebody") -> None:
    """Press the button; the matcher says what passed; wait."""
    answer = site.client.post(f"/walk/{token}/begin", follow_redirects=True, headers=HTML)
    assert "Get ready" in answer.text and 'http-equiv="refresh"' in answer.text
    desk, store = site.warden.faces.trials, site.warden.face_store
    walk = next(one for one in store.all(TrialWalk) if not one.sealed_result)
    zone_id = next(iter(desk._zones.walks))
    desk.note(
        NoteWalk(
            walk_id=walk.walk_id,
            zone_id=zone_id,
            camera_id=GATE,
            start_ns=walk.from_ns,
            person_id=person_id,
            score=score,
            threshold=3.0,
        )
    )
    site.clock.advance(trials.LEAD_NS + trials.WALK_NS + trials.SETTLE_NS)
    asyncio.run(desk.sweep())
    assert "Counted" in site.client.get(f"/walk/{token}", headers=HTML).text


def joined(site, zone_id: str, name: str) -> str:
    """The token of a volunteer who signed."""
    answer = post(site, f"/faces/zones/{zone_id}/trial/invite", {"name": name})
    token = answer.text.split("/walk/")[1].split("<")[0]
    page = site.client.get(f"/walk/{token}", headers=HTML).text
    assert "I am not enrolled here" in page and "I walk now" not in page
    form = {"sha256": page.split('name="sha256" value="')[1].split('"')[0], "signature": f"{name} Smith"}
    refused = site.client.post(f"/walk/{token}/sign", data=form, headers=HTML)
    assert refused.status_code == 400 and "Tick the box" in refused.text
    old = site.client.post(f"/walk/{token}/sign", data={**form, "sha256": "0" * 64, "agree": "yes"}, headers=HTML)
    assert "has changed" in old.text
    signed = site.client.post(
        f"/walk/{token}/sign", data={**form, "agree": "yes"}, follow_redirects=True, headers=HTML
    )
    assert "I walk now" in signed.text
    return token


def test_from_a_link_to_rates_a_curve_and_a_file_and_to_nothing(make_site):
    site = make_site()
    site.claim(roles=("supervisor",))
    zone_id = approved_zone(site, ZoneKind.FACES)
    place = f"/faces/zones/{zone_id}/trial"
    assert f'href="{place}"' in site.client.get(f"/faces/zones/{zone_id}", headers=HTML).text
    assert "No trial runs" in site.client.get(place, headers=HTML).text
    assert "1 to 90 days" in post(site, place, {"days": "91"}).text
    assert "no trial: nothing can be claimed" in post(site, place, {"days": "30"}).text
    vera, ann = joined(site, zone_id, "Vera"), joined(site, zone_id, "Ann")
    # Ann is enrolled: who that is, only the warden's store says.
    store = site.warden.face_store
    mate = next(one for one in store.all(Volunteer) if one.volunteer_id != store.all(Volunteer)[0].volunteer_id)
    store.make_key("p1")
    store.put(mate.volunteer_id, replace(mate, person_id="p1"))
    for score in (1.0, 2.0):
        walked(site, vera, score)
    walked(site, ann, 4.0, "p1")
    page = site.client.get(place, headers=HTML).text
    assert "rule of three: no error in 2 trials of 1 person" in page
    assert "Not proven" in page and "299 more strangers" in page
    assert "<svg" in page and "Vera" in page and "Smith" not in page
    file = site.client.get(f"{place}/walks.csv")
    assert file.headers["content-type"].startswith("text/csv")
    fnir, fpir, fta = rates_of(read_trials(file.text.splitlines()))
    assert (fnir.errors, fnir.trials, fpir.errors, fpir.trials, fta.errors) == (0, 1, 0, 2, 0)
    rows = list(csv.DictReader(file.text.splitlines()))
    assert {row["found"] for row in rows if not row["person"]} == {"other"}
    assert "Vera" not in file.text and "p1" not in file.text
    left = site.client.post(f"/walk/{vera}/leave", headers=HTML)
    assert "You left the trial" in left.text
    assert site.client.get(f"/walk/{vera}", headers=HTML).status_code == 404
    assert "Vera" not in site.client.get(place, headers=HTML).text
    assert "No trial runs" in post(site, f"{place}/end", {}).text
    assert store.all(TrialWalk) == []
    assert site.warden.kinds().count(AuditKind.TRIAL_READ) == 1


@pytest.mark.parametrize(("roles", "may_read", "may_run"), [
    (("privacy_officer",), True, False), (("operator",), False, False), (("administrator",), False, False),
])  # fmt: skip
def test_who_may_not_enrol_runs_no_trial(make_site, roles, may_read, may_run):
    site = make_site()
    site.claim(roles=roles)
    zone_id = approved_zone(site, ZoneKind.FACES)
    place = f"/faces/zones/{zone_id}/trial"
    page = site.client.get(place, headers=HTML)
    assert page.status_code == (200 if may_read else 403)
    assert ("Begin a trial" in page.text) is may_run
    assert post(site, place, {"days": "3"}).status_code == 403
    assert site.client.get(f"{place}/walks.csv", headers=HTML).status_code == (200 if may_read else 403)


def test_links_that_nobody_made_open_nothing(make_site):
    site = make_site()
    for path in ("/walk/x", "/walk/" + "A" * 5000, "/walk/%00"):
        assert site.client.get(path, headers=HTML).status_code in (400, 404, 414)
    for step in ("sign", "begin", "leave"):
        assert site.client.post(f"/walk/x/{step}", headers=HTML).status_code == 404
