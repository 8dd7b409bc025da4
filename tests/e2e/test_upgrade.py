"""`custodes upgrade` of a running site with two recorders: every process is new, and no camera was without one."""

from pathlib import Path

import pytest

from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite

pytestmark = [pytest.mark.e2e, pytest.mark.rtsp, pytest.mark.slow]


def test_site_when_upgraded_has_new_processes_and_goes_on_recording(server: RtspServer, tmp_path: Path) -> None:
    cameras = [{"id": name, "url": server.url(name)} for name in ("walkers", "again")]
    config = {"recorder": {"segment_s": 10, "processes": 2}, "cameras": cameras}
    with RunningSite(tmp_path / "site", config) as site:
        for name in ("walkers", "again"):
            site.wait_for(lambda name=name: site.camera(name).get("recorded_s", 0) > 5, f"recording of {name}")
        before = {one["name"]: one["pid"] for one in site.status()["processes"] if not one["name"].startswith("job")}
        done = site.cli("upgrade", timeout_s=600.0)
        assert done.returncode == 0, done.stderr + done.stdout + site.tail()
        after = {one["name"]: one["pid"] for one in site.status()["processes"] if not one["name"].startswith("job")}
        assert set(after) == set(before)
        assert [name for name in after if after[name] == before[name]] == ["supervisor"]
        for name in ("walkers", "again"):
            recorded_s = site.camera(name)["recorded_s"]
            site.wait_for(lambda name=name, s=recorded_s: site.camera(name)["recorded_s"] > s + 5, f"more of {name}")
            assert site.camera(name)["gaps_s"] < 10, site.camera(name)
        assert not any("keeps failing" in line for line in site.lines)
        assert site.cli("audit", "verify").returncode == 0
        assert site.cli("check", "--hash").returncode == 0
