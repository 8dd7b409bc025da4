"""The map over HTTP: nothing without floors; a page."""


def test_a_site_without_floors_has_an_empty_map(claimed):
    assert claimed.client.get("/api/v1/map").json()["floors"] == []
    assert "Floor" in claimed.client.get("/map", headers={"accept": "text/html"}).text
