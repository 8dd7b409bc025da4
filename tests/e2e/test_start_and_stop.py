"""Starting and stopping as a person does, and what is said when it cannot be."""

import socket
from pathlib import Path

import psutil
import pytest

from custodes.errors import Unavailable
from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite

pytestmark = [pytest.mark.e2e, pytest.mark.rtsp]


def test_ctrl_c_stops_everything_and_the_next_start_goes_on(server: RtspServer, tmp_path: Path) -> None:
    config = {"cameras": [{"id": "walkers", "url": server.url("walkers")}]}
    with RunningSite(tmp_path / "site", config) as site:
        site.wait_for(lambda: site.camera("walkers").get("recorded_s", 0) > 1, "recording")
        children = [
            child.pid
            for kind in ("recorder", "server", "warden", "job")
            for child in map(psutil.Process, site.pids(kind))
        ]
        assert site.stop() == 0
        assert not [pid for pid in children if psutil.pid_exists(pid)]
        recorded = sorted((tmp_path / "site" / "segments").rglob("*.seg"))
        assert recorded
    with RunningSite(tmp_path / "site", config) as again:
        again.wait_for(lambda: again.camera("walkers").get("recorded_s", 0) > 4, "recording on top of the old")
        assert sorted((tmp_path / "site" / "segments").rglob("*.seg"))[: len(recorded)] == recorded
        verified = again.cli("audit", "verify")
        assert verified.returncode == 0, verified.stderr


def test_second_start_in_the_same_directory_is_refused_in_one_sentence(site: RunningSite) -> None:
    done = site.cli("up", "--data", str(site.data_dir))
    assert done.returncode not in (0, 1)
    assert "Traceback" not in done.stderr
    assert str(site.data_dir) in done.stderr


def test_port_in_use_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=str(port)):
            RunningSite(tmp_path / "site", {"server": {"port": port}}).__enter__()


def test_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(Unavailable, match=r"holiday|not a custodes|other"):
        RunningSite(tmp_path / "site", {}).__enter__()
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["holiday.jpg"]
