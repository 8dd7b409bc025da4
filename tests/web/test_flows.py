"""Flows over HTTP: hours as they were made, of the cameras that this person may see, with one decision in the log."""

import csv
import io
from dataclasses import replace

from custodes.types.access import CameraScope
from custodes.types.flow import FlowCell, FlowGroup, FlowHour, PlaceFigures, QueueFigures, TimeBand
from custodes.units import NS_PER_HOUR, CameraId, Ns
from custodes.web.flows import within

GATE, YARD = CameraId("gate"), CameraId("yard")


def place(camera_id):
    return PlaceFigures(
        camera_id=camera_id,
        coverage=0.9,
        mean_present=1.5,
        peak_present=4,
        dwell_median_s=20.0,
        dwell_p90_s=60.0,
        heat=(),
    )


TIMES = (TimeBand(from_s=0.0, to_s=40.0, count=15), TimeBand(from_s=40.0, to_s=None, count=10))


def make_hour(start_ns):
    return FlowHour(
        camera_id=CameraId(""),
        start_ns=Ns(start_ns),
        end_ns=Ns(start_ns + NS_PER_HOUR),
        group=FlowGroup.PEOPLE,
        min_group=10,
        cells=(
            FlowCell(
                from_camera=GATE, to_camera=YARD, count=25, median_s=40.0, coverage=0.9, times=TIMES, by_links=0.85
            ),
        ),
        places=(place(GATE), place(YARD)),
        linked=0.95,
    )


def test_flows_are_told_with_coverage_and_as_csv(claimed):
    start_ns = (claimed.clock.now_ns() // NS_PER_HOUR - 2) * NS_PER_HOUR
    claimed.catalog.put_figures([make_hour(start_ns)])
    query = f"?from={start_ns}&to={claimed.clock.now_ns()}"
    (hour,) = claimed.client.get(f"/api/v1/flows{query}").json()["hours"]
    assert hour["cells"] == [
        {"from_camera": "gate", "to_camera": "yard", "count": 25, "median_s": 40.0, "coverage": 0.9,
         "times": [{"from_s": 0.0, "to_s": 40.0, "count": 15}, {"from_s": 40.0, "to_s": None, "count": 10}],
         "by_links": 0.85}
    ]  # fmt: skip
    assert [one["camera_id"] for one in hour["places"]] == ["gate", "yard"]
    assert hour["linked"] == 0.95
    (row,) = csv.DictReader(io.StringIO(claimed.client.get(f"/api/v1/flows{query}&format=csv").text))
    assert (row["group"], row["count"], row["min_group"]) == ("people", "25", "10")
    assert (row["by_links"], row["linked"]) == ("0.85", "0.95")
    rows = list(csv.DictReader(io.StringIO(claimed.client.get(f"/api/v1/flows{query}&format=csv-times").text)))
    assert [(one["to_camera"], one["from_s"], one["to_s"], one["count"]) for one in rows] == [
        ("yard", "0.0", "40.0", "15"),
        ("yard", "40.0", "", "10"),
    ]
    assert claimed.client.get("/api/v1/flows?from=9&to=9").status_code == 400


def test_places_and_queues_are_files_too_and_what_was_held_back_is_empty(claimed):
    start_ns = (claimed.clock.now_ns() // NS_PER_HOUR - 2) * NS_PER_HOUR
    till = QueueFigures(
        camera_id=GATE, name="=till", coverage=0.8, mean_length=3.5, peak_length=9, wait_median_s=45.0, wait_p90_s=90.0
    )
    few = replace(till, name="door", mean_length=None, peak_length=None, wait_median_s=None, wait_p90_s=None)
    claimed.catalog.put_figures([replace(make_hour(start_ns), queues=(till, few))])
    query = f"?from={start_ns}&to={claimed.clock.now_ns()}"
    rows = list(csv.DictReader(io.StringIO(claimed.client.get(f"/api/v1/flows{query}&format=csv-queues").text)))
    assert [(one["camera"], one["queue"], one["wait_median_s"], one["peak_length"]) for one in rows] == [
        ("gate", "'=till", "45.0", "9"),
        ("gate", "door", "", ""),
    ]
    rows = list(csv.DictReader(io.StringIO(claimed.client.get(f"/api/v1/flows{query}&format=csv-places").text)))
    assert [(one["camera"], one["group"], one["dwell_p90_s"], one["min_group"]) for one in rows] == [
        ("gate", "people", "60.0", "10"),
        ("yard", "people", "60.0", "10"),
    ]


def test_flows_of_a_camera_out_of_scope_are_left_out_with_all_its_cells():
    hour = make_hour(0)
    seen = within(hour, CameraScope(is_all=False, camera_ids=frozenset({GATE})))
    assert seen.cells == ()
    assert [one.camera_id for one in seen.places] == [GATE]


def test_flows_page_says_how_few_are_held_back(claimed):
    page = claimed.client.get("/flows", headers={"accept": "text/html"}).text
    assert "fewer than 10" in page
