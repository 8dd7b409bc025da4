"""Traffic over HTTP: JSON with names, files with the same figures, limits."""

from dataclasses import replace

from custodes.config.tree import TrafficConfig
from custodes.testing.catalog import make_quarter
from custodes.testing.clock import ManualClock
from custodes.units import NS_PER_S


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
