"""What Prometheus scrapes, parsed as Prometheus would, and what the dashboard and the alerts make of it."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.web.test_me import ann, make_token  # noqa: F401 - a fixture

from custodes.testing.web import camera_row
from custodes.types.looks import Drops
from custodes.types.message import ProcessStatus

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
NAMES = re.compile(r"custodes_[a-z_]+")


def process(name, kind, *, state="running"):
    return ProcessStatus(
        name=name, kind=kind, state=state, pid=7, restarts=2, cpu_s=12.5, rss_mb=64.0, uptime_s=60.0, last_exit=""
    )


def samples(site, **headers):
    answer = site.client.get("/api/v1/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation, f"{family.name} says nothing of itself"
        for one in family.samples:
            key = (one.name, *(f"{name}={value}" for name, value in sorted(one.labels.items())))
            assert key not in found, f"{key} comes twice"
            found[key] = one.value
    return found


def test_metrics_tell_cameras_processes_disk_and_log(claimed):
    claimed.live.rows = [camera_row("gate", "Main gate"), camera_row("yard", state="unreachable")]
    claimed.live.processes = (process("analyser-0", "analyser"), process("warden", "warden", state="backoff"))
    found = samples(claimed)
    assert found["custodes_camera_recording", "camera=gate"] == 1
    assert found["custodes_camera_recording", "camera=yard"] == 0
    assert found["custodes_camera_state", "camera=yard", "state=unreachable"] == 1
    assert sum(value for key, value in found.items() if key[:2] == ("custodes_camera_state", "camera=yard")) == 1
    assert found["custodes_camera_frames_analysed_total", "camera=gate"] == 6000
    assert found["custodes_camera_recorded_seconds", "camera=gate"] == 1234.5
    assert found["custodes_process_up", "kind=analyser", "process=analyser-0"] == 1
    assert found["custodes_process_up", "kind=warden", "process=warden"] == 0
    assert found["custodes_process_resident_bytes", "kind=analyser", "process=analyser-0"] == 64 * 2**20
    assert 0 < found[("custodes_disk_free_bytes",)] < found[("custodes_disk_size_bytes",)]
    assert found[("custodes_warden_up",)] == 1
    assert found[("custodes_log_entries_total",)] == claimed.warden.log.checkpoint().size


def test_metrics_tell_how_much_map_and_links_had_no_room_for(claimed):
    deps = claimed.app.state.deps
    claimed.app.state.deps = replace(deps, drops=lambda: Drops(map_measurements=3, map_looks=5, links=7))
    found = samples(claimed)
    names = ("map_measurements", "map_looks", "links")
    assert [found[(f"custodes_{name}_dropped_total",)] for name in names] == [3, 5, 7]


def test_metrics_without_supervisor_and_warden_leave_out_what_nobody_knows(claimed):
    claimed.live.processes = None
    claimed.warden.is_down = True
    found = samples(claimed)
    assert found[("custodes_warden_up",)] == 0
    names = {key[0] for key in found}
    assert not any(name.startswith("custodes_process") for name in names)
    assert "custodes_log_entries_total" not in names


def test_metrics_are_read_with_a_token_and_within_its_owners_cameras(ann):  # noqa: F811
    site = ann.site
    token = make_token(ann)
    site.client.cookies.clear()
    assert site.client.get("/api/v1/metrics").status_code == 401
    found = samples(site, authorization=f"Bearer {token}")
    assert ("custodes_camera_recording", "camera=gate") in found


@pytest.mark.parametrize("name", ["grafana.json", "alerts.yml"])
def test_dashboard_and_alerts_ask_for_what_exists(claimed, name):
    claimed.live.processes = (process("analyser-0", "analyser"),)
    text = (MONITORING / name).read_text("utf-8")
    if name == "grafana.json":
        asked = {one["expr"] for panel in json.loads(text)["panels"] for one in panel["targets"]}
    else:
        asked = {rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]}
    wanted = {found for expr in asked for found in NAMES.findall(expr)}
    told = {key[0] for key in samples(claimed)}
    assert len(wanted) >= 7
    assert wanted <= told | {"custodes_witnessed_entries", "custodes_witnessed_timestamp_seconds"}
