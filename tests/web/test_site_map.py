"""The map over HTTP: nothing without floors; a page; who is analysed late."""

from dataclasses import replace

from custodes.testing.web import camera_row


def test_a_site_without_floors_has_an_empty_map(claimed):
    assert claimed.client.get("/api/v1/map").json()["floors"] == []
    assert "Floor" in claimed.client.get("/map", headers={"accept": "text/html"}).text


def test_a_camera_that_is_analysed_late_is_said_because_nobody_is_shown_there(claimed):
    claimed.live.rows = [
        replace(camera_row("gate", "Main gate"), analysis_lag_s=12.4),
        replace(camera_row("yard", "Yard"), analysis_lag_s=1.0),
    ]
    assert claimed.client.get("/api/v1/map").json()["late"] == [{"name": "Main gate", "seconds": 12}]
