"""Traffic over HTTP: JSON with names, files with the same figures, limits."""

from dataclasses import replace

from custodes.config.tree import TrafficConfig
from custodes.testing.catalog import make_quarter
from custodes.testing.clock import ManualClock
from custodes.types.traffic import Incident, IncidentKind
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns, RunId


def span(site):
    start_ns = site.clock.now_ns() - 3600 * NS_PER_S
    return f"?from={start_ns}&to={site.clock.now_ns()}", start_ns


def test_traffic_is_told_as_json_csv_and_datex(claimed):
    query, start_ns = span(claimed)
    quarter = replace(make_quarter("gate", 0), start_ns=start_ns + NS_PER_S, end_ns=start_ns + 900 * NS_PER_S)
    claimed.catalog.put_figures([quarter])
    body = claimed.client.get(f"/api/v1/cameras/gate/traffic{query}").json()
    (row,) = body["quarters"]
    assert row["coverage"] == 0.5
    assert row["lines"][0]["counts"] == {"car": 3}
    (turn,) = body["movements"]
    assert (turn["vehicles"], turn["car_units"], turn["peak"]) == (2, 2.0, None)
    assert row["movements"] == [{"entry": "gate", "exit": "yard", "object_class": "car", "count": 2}]
    text = claimed.client.get(f"/api/v1/cameras/gate/traffic{query}&format=csv")
    assert text.headers["content-type"].startswith("text/csv")
    assert "gate,2023" in text.text
    deps = claimed.app.state.deps
    config = deps.config.model_copy(update={"traffic": TrafficConfig(country="nl")})
    claimed.app.state.deps = replace(deps, config=config)
    datex = claimed.client.get(f"/api/v1/cameras/gate/traffic{query}&format=datex")
    assert "MeasuredDataPublication" in datex.text
    assert "<com:country>nl</com:country>" in datex.text
    assert 'id="datex"' in claimed.client.get("/traffic", headers={"accept": "text/html"}).text
    assert claimed.client.get(f"/api/v1/cameras/yard/traffic{query}").json()["quarters"] == []
    nothing = claimed.client.get(f"/api/v1/cameras/yard/traffic{query}&format=datex")
    assert nothing.status_code == 404, "the schema wants a measurement or more"


def test_datex_of_no_country_is_not_written(claimed):
    query, _ = span(claimed)
    answer = claimed.client.get(f"/api/v1/cameras/gate/traffic{query}&format=datex")
    assert answer.status_code in (400, 409, 412)
    assert "set traffic: country: in site.yaml" in answer.text
    assert 'id="datex"' not in claimed.client.get("/traffic", headers={"accept": "text/html"}).text


def test_traffic_of_too_long_or_of_nowhere_is_refused(claimed):
    query, _ = span(claimed)
    assert claimed.client.get("/api/v1/cameras/gate/traffic?from=5&to=5").status_code == 400
    assert claimed.client.get(f"/api/v1/cameras/gate/traffic?from=0&to={ManualClock().now_ns()}").status_code == 400
    assert claimed.client.get(f"/api/v1/cameras/nowhere/traffic{query}").status_code == 404


def test_traffic_page_lists_the_cameras(claimed):
    page = claimed.client.get("/traffic", headers={"accept": "text/html"}).text
    assert '<option value="gate">Main gate</option>' in page


def incident(site, second, *, found_after_s=4.0, kind=IncidentKind.STOPPED):
    start_ns = site.clock.now_ns() - 3600 * NS_PER_S + int(second * NS_PER_S)
    return Incident(
        camera_id=CameraId("gate"),
        kind=kind,
        road="=way in",
        start_ns=Ns(start_ns),
        found_ns=Ns(start_ns + int(found_after_s * NS_PER_S)),
        end_ns=Ns(start_ns + 60 * NS_PER_S),
        is_over=True,
        object_class=ObjectClass.CAR,
        run=RunId("00000000beef"),
        track_id=7,
        evidence="stood 9 s",
    )


def judged(site, said):
    return site.client.post("/api/v1/cameras/gate/incidents", json=said, headers={"x-csrf-token": site.csrf})


def test_an_incident_judged_false_counts_as_a_false_alarm_a_day_until_it_is_taken_back(claimed):
    query, _ = span(claimed)
    told = [incident(claimed, 10), incident(claimed, 700, found_after_s=6.0)]
    claimed.catalog.put_figures(told)
    body = claimed.client.get(f"/api/v1/cameras/gate/traffic{query}").json()
    assert [(one["is_real"], one["by"]) for one in body["incidents"]] == [(None, ""), (None, "")]
    said = {"kind": "stopped", "road": "=way in", "start_ns": round(float(told[0].start_ns)), "is_real": False}
    answer = judged(claimed, said)
    assert answer.status_code == 200, answer.text
    body = claimed.client.get(f"/api/v1/cameras/gate/traffic{query}").json()
    assert [one["is_real"] for one in body["incidents"]] == [False, None]
    (row,) = body["alarms"]
    assert (row["found"], row["real"], row["false"], row["delay_s"]) == (2, 0, 1, 6.0)
    lines = claimed.client.get(f"/api/v1/cameras/gate/traffic{query}&format=csv-incidents").text.splitlines()
    assert lines[1].split(",")[4:9] == ["stopped", "'=way in", "car", "4.0", "false"]
    judged(claimed, {**said, "is_real": None})
    body = claimed.client.get(f"/api/v1/cameras/gate/traffic{query}").json()
    assert body["alarms"][0]["false"] == 0
    assert judged(claimed, {**said, "kind": "wrong_way"}).status_code == 404
    assert judged(claimed, {**said, "is_real": "perhaps"}).status_code in (400, 422)


def test_sums_by_hour_are_there_as_json_and_csv(claimed):
    query, start_ns = span(claimed)
    quarter = replace(make_quarter("gate", 0), start_ns=start_ns + NS_PER_S, end_ns=start_ns + 900 * NS_PER_S)
    claimed.catalog.put_figures([quarter])
    body = claimed.client.get(f"/api/v1/cameras/gate/traffic{query}").json()
    assert [one["counts"] for one in body["sums"]] == [{"car": 3}]
    assert body["hours"][0]["vehicles"] == 3
    text = claimed.client.get(f"/api/v1/cameras/gate/traffic{query}&format=csv-hours").text
    assert text.startswith("camera,start,end,coverage,line,way")
