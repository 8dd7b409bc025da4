"""`custodes fleet` from a site's cameras to table, CSV and JSON; the page shows the same."""

import csv
import io
import json
from dataclasses import replace

import pytest
from tests.fleet.fingerprints import GOLDEN
from tests.fleet.test_survey import DEVICE, SCOPES
from tests.web.conftest import site_in
from tests.web.test_matrix import session_of

from custodes.app.fleet_files import write_observations
from custodes.app.serving.fleet import FleetShelf
from custodes.cli.main import run
from custodes.config import Assignment, SiteIdentity, SitePaths, write_assignment, write_identity
from custodes.fleet.audit import judge_fleet
from custodes.fleet.knowledge import load_knowledge
from custodes.fleet.observation import decode_observations, encode_observations
from custodes.fleet.tables import to_csv
from custodes.runtime.clock import SystemClock
from custodes.testing.catalog import make_spec
from custodes.testing.onvif import OnvifServer, answers
from custodes.types.access import CameraScope, Role
from custodes.units import CameraId, Ns


@pytest.fixture
def paths(tmp_path):
    found = SitePaths(tmp_path)
    write_identity(found.identity, SiteIdentity(site_id="ab" * 8, name="Site", created_ns=Ns(1)))
    return found


def test_audit_of_the_sites_own_camera_leads_to_a_report(paths, capsys, tmp_path):
    with OnvifServer(answers={**answers(port=554), "GetDeviceInformation": DEVICE, "GetScopes": SCOPES}) as camera:
        spec = replace(make_spec("gate"), url=f"onvif://127.0.0.1:{camera.port}")
        write_assignment(paths.assignment, Assignment(version=1, cameras=(spec,)))
        assert run(["fleet", "audit", "--data", str(tmp_path), "--pace", "0"]) == 0
    shown = capsys.readouterr().out
    assert "gate" in shown
    assert "Hikvision" in shown
    assert "critical" in shown
    assert run(["fleet", "report", "--format", "csv", "--data", str(tmp_path)]) == 0
    rows = {row["rule"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert rows["CVE-2017-7921"]["answer"] == "affected"
    assert rows["CVE-2017-7921"]["data_date"]
    assert run(["fleet", "report", "--format", "json", "--data", str(tmp_path)]) == 0
    (device,) = json.loads(capsys.readouterr().out)["devices"]
    assert device["identity"]["maker"] == "Hikvision"
    assert (tmp_path / "fleet/observations.json").stat().st_mode & 0o777 == 0o600


def test_without_a_camera_the_audit_says_so(paths, capsys, tmp_path):
    assert run(["fleet", "audit", "--data", str(tmp_path)]) != 0
    assert "no camera with an address" in capsys.readouterr().err


def test_data_is_checked_and_its_age_is_told(paths, capsys, tmp_path):
    catalogue = tmp_path / "kev.json"
    entry = {"cveID": "CVE-2099-0001", "dateAdded": "2026-01-02", "vendorProject": "Hikvision", "product": "Cameras"}
    catalogue.write_text(json.dumps({"dateReleased": "2020-01-02T00:00:00Z", "vulnerabilities": [entry]}))
    assert run(["fleet", "data", "import", "--accept-unsigned", str(catalogue), "--data", str(tmp_path)]) == 0
    assert "2020-01-02" in capsys.readouterr().out
    write_observations(paths, [GOLDEN["hikvision-open"].seen("gate")])
    assert run(["fleet", "report", "--data", str(tmp_path)]) == 0
    assert "days old" in capsys.readouterr().err
    assert run(["fleet", "report", "--format", "csv", "--data", str(tmp_path)]) == 0
    assert "CVE-2099-0001" in capsys.readouterr().out
    catalogue.write_text("{}")
    assert run(["fleet", "data", "import", "--accept-unsigned", str(catalogue), "--data", str(tmp_path)]) != 0
    assert "kev.json" in capsys.readouterr().err


def test_own_rules_are_added_and_a_wrong_one_is_named(paths, capsys, tmp_path):
    own = tmp_path / "ours.yaml"
    own.write_text(
        "title: Ours\ndate: 2026-11-25\nlists:\n"
        "  - {id: ours, title: Our list, date: 2026-11-25, source: the board, makers: [axis]}\n"
    )
    assert run(["fleet", "data", "import", "--accept-unsigned", str(own), "--data", str(tmp_path)]) == 0
    write_observations(paths, [GOLDEN["axis-open"].seen("yard")])
    capsys.readouterr()
    assert run(["fleet", "report", "--data", str(tmp_path)]) == 0
    assert "Our list names Axis" in capsys.readouterr().out
    own.write_text(own.read_text().replace("[axis]", "[nobody-knows]"))
    assert run(["fleet", "data", "import", "--accept-unsigned", str(own), "--data", str(tmp_path)]) != 0
    assert "nobody-knows" in capsys.readouterr().err


def test_observations_survive_being_stored():
    seen = tuple(one.seen(name) for name, one in GOLDEN.items())
    assert decode_observations(encode_observations(seen)) == seen


def test_a_name_that_is_a_formula_is_no_formula_in_the_table():
    seen = replace(GOLDEN["axis-open"].seen("x"), name="=HYPERLINK(1)")
    table = to_csv(judge_fleet([seen], load_knowledge(), now_ns=Ns(1)))
    assert "'=HYPERLINK" in table
    assert ",=HYPERLINK" not in table


def test_page_shows_what_the_person_may_see_and_filters(tmp_path):
    paths = SitePaths(tmp_path / "data")
    names = ("hikvision-open", "axis-open", "silent")
    write_observations(paths, [GOLDEN[name].seen(name) for name in names])
    with site_in(tmp_path, fleet=FleetShelf(paths, SystemClock()).read) as site:
        session_of(site, Role.TECHNICIAN)
        page = site.client.get("/fleet").text
        assert "CVE-2017-7921" in page
        assert page.index("hikvision-open") < page.index("axis-open")
        assert "axis-open" not in site.client.get("/fleet?severity=critical").text
        assert "No device fits" in site.client.get("/fleet?text=nothing-like-it").text
        detail = site.client.get("/fleet/hikvision-open").text
        assert "44:19:b6" in detail
        assert "Public Law 115-232" in detail
        assert site.client.get("/fleet/nowhere").status_code == 404
        assert "CVE-2017-7921" in site.client.get("/fleet.csv").text
        assert len(site.client.get("/api/v1/fleet").json()["devices"]) == 3
        scope = CameraScope(is_all=False, camera_ids=frozenset({CameraId("silent")}))
        session_of(site, Role.TECHNICIAN, cameras=scope)
        assert "hikvision" not in site.client.get("/fleet").text.lower()
        assert site.client.get("/fleet/hikvision-open").status_code == 404


def test_page_without_an_audit_says_how_to_make_one(tmp_path):
    with site_in(tmp_path) as site:
        session_of(site, Role.TECHNICIAN)
        assert "custodes fleet audit" in site.client.get("/fleet").text
