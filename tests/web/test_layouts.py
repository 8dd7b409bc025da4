"""Layouts of the wall, kept at the site."""

from tests.web.conftest import Site
from tests.web.test_people import accept, invite


def keep(site: Site, **changes: object):
    body = {"name": "Night", "cameras": ["yard", "gate"], "tiles": 4, **changes}
    return site.client.post("/api/v1/layouts", json=body, headers={"x-csrf-token": site.csrf})


def names(site: Site) -> list[tuple[str, bool]]:
    return [(one["name"], one["is_own"]) for one in site.client.get("/api/v1/layouts").json()["layouts"]]


def test_layout_when_kept_then_on_every_screen_and_written_over_by_name(site: Site) -> None:
    site.claim()
    assert keep(site, name=" Night  shift ").json()["layouts"][0]["name"] == "Night shift"
    table = keep(site, name="Night shift", cameras=["gate", "gate"], tiles=0).json()["layouts"]
    assert [(one["name"], one["cameras"], one["tiles"], one["is_shared"]) for one in table] == [
        ("Night shift", ["gate"], 0, False)
    ]
    (one,) = table
    path = f"/api/v1/layouts/{one['layout_id']}/remove"
    assert site.client.post(path, json={}, headers={"x-csrf-token": site.csrf}).json() == {"layouts": []}
    assert site.client.post(path, json={}, headers={"x-csrf-token": site.csrf}).status_code == 404


def test_bad_layouts_are_refused_with_a_reason(site: Site) -> None:
    site.claim()
    for changes, status in (
        ({"cameras": []}, 400), ({"cameras": ["none"]}, 404), ({"name": "  "}, 400), ({"tiles": 5}, 400),
        ({"name": "x" * 41}, 400), ({"else": 1}, 400),
    ):  # fmt: skip
        answer = keep(site, **changes)
        assert answer.status_code == status, changes
        assert answer.json()["detail"]
    for number in range(20):
        assert keep(site, name=f"{number}").status_code == 200
    assert "At most 20" in keep(site, name="one more").json()["detail"]


def test_shared_layout_shows_others_what_they_may_see_and_is_not_theirs_to_change(site: Site) -> None:
    site.claim()
    keep(site, name="Mine")
    keep(site, name="Ours", is_shared=True)
    accept(site, invite(site, scope="some", cameras=["gate"]))
    (ours,) = site.client.get("/api/v1/layouts").json()["layouts"]
    assert (ours["name"], ours["cameras"], ours["is_own"], ours["owner"]) == ("Ours", ["gate"], False, "Ada Lovelace")
    answer = site.client.post(
        f"/api/v1/layouts/{ours['layout_id']}/remove", json={}, headers={"x-csrf-token": site.csrf}
    )
    assert answer.status_code == 404
    keep(site, name="Ours", cameras=["gate"])
    assert names(site) == [("Ours", True), ("Ours", False)]
