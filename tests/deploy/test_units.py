"""The service unit and the compose file: they are valid, and give away nothing that the site does not need."""

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from custodes.adapters.keys.file import PASSPHRASE_VARIABLE, read_passphrase
from custodes.app.warden_replication import SOCKET
from custodes.cli.main import COMMANDS
from custodes.config import SitePaths, load_site_yaml

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy/systemd/custodes.service"
UNITS = [
    UNIT,
    ROOT / "deploy/systemd/custodes-centre.service",
    ROOT / "deploy/systemd/custodes-warden-replica.service",
]
WARDEN = ROOT / "deploy/systemd/custodes-warden.service"
LINE = ROOT / "deploy/systemd/custodes-warden-line.service"
SERVERS_LINE = ROOT / "deploy/systemd/custodes-servers-line.service"
CENTRE = ROOT / "deploy/container/centre.yaml"
COMPOSE = ROOT / "deploy/container/compose.yaml"
MOST_EXPOSED = 2.0
"""Of 10, by systemd's own count; a service without any of it has 9.6."""


def unit_lines(unit: Path = UNIT) -> list[str]:
    return [line for line in unit.read_text().splitlines() if line and not line.startswith("#")]


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program, "systemd-analyze is not installed: apt-get install systemd"
    return subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("unit_file", [*UNITS, WARDEN, LINE, SERVERS_LINE], ids=lambda path: path.name)
def test_unit_when_read_by_systemd_is_valid(tmp_path: Path, unit_file: Path) -> None:
    program = tmp_path / "custodes"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / unit_file.name
    unit.write_text(re.sub(r"/opt/custodes/\.venv/bin/(custodes|python)", str(program), unit_file.read_text()))
    done = analyze("verify", str(unit))
    ours = [line for line in done.stderr.splitlines() if unit_file.name in line]
    assert ours == []


@pytest.mark.parametrize("unit", [*UNITS, WARDEN, LINE, SERVERS_LINE], ids=lambda path: path.name)
def test_unit_when_judged_by_systemd_is_hardly_exposed(unit: Path) -> None:
    done = analyze("security", "--offline=true", "--no-pager", str(unit))
    found = re.search(rf"Overall exposure level for {re.escape(unit.name)}: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found.group(1)) <= MOST_EXPOSED


def test_unit_of_the_warden_starts_it_and_takes_the_passphrase_from_the_site() -> None:
    (start,) = [line for line in unit_lines(WARDEN) if line.startswith("ExecStart=")]
    assert find_spec(start.split()[2]) is not None
    (given,) = [line for line in unit_lines(WARDEN) if line.startswith("LoadCredential=")]
    assert given in unit_lines()
    assert "LoadCredential=" in unit_lines(ROOT / "deploy/systemd/custodes.service.d/warden.conf")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_starts_a_command_that_there_is(unit: Path) -> None:
    (start,) = [line for line in unit_lines(unit) if line.startswith("ExecStart=")]
    assert start.split()[1] in COMMANDS


def test_line_brings_the_socket_at_which_the_replica_looks_and_the_warden_listens() -> None:
    """ssh itself reads the options: one that it does not know ends it."""
    (start,) = [line.partition("=")[2] for line in unit_lines(LINE) if line.startswith("ExecStart=")]
    here, _, there = start.split(" -L ")[1].split()[0].partition(":")
    (replica,) = [line for line in unit_lines(UNITS[-1]) if line.startswith("ExecStart=")]
    assert replica.split()[-1] == here
    assert there == str(SitePaths(Path("/var/lib/custodes")).socket(SOCKET))
    ssh = shutil.which("ssh")
    assert ssh, "ssh is not installed: apt-get install openssh-client"
    words = [ssh, "-G", *start.replace("${SITE}", "custodes@first.example").split()[1:]]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "stricthostkeychecking true" in done.stdout


def test_line_of_a_second_machine_brings_what_its_servers_and_view_jobs_ask() -> None:
    (start,) = [line.partition("=")[2] for line in unit_lines(SERVERS_LINE) if line.startswith("ExecStart=")]
    ways = [way.split()[0].split(":") for way in start.split(" -L ")[1:]]
    paths = SitePaths(Path("/var/lib/custodes"))
    brought = {str(paths.socket(name)) for name in ("warden-server", "warden-jobs", "server-page", "server-news")}
    assert {there for _, there in ways} == brought | {str(paths.hub("hub-live", "recorder"))}
    assert all(here == there for here, there in ways)


def test_unit_when_it_gives_a_credential_then_it_is_the_passphrase(tmp_path: Path) -> None:
    (given,) = [line.partition("=")[2] for line in unit_lines() if line.startswith("LoadCredential=")]
    (tmp_path / given.partition(":")[0]).write_text("correct horse battery staple\n")
    assert read_passphrase({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "correct horse battery staple"


def test_compose_file_gives_no_root_no_capability_and_nothing_writable_but_the_data() -> None:
    tree = yaml.safe_load(COMPOSE.read_text())
    (service,) = tree["services"].values()
    assert service["user"].split(":")[0] not in ("0", "root")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & set(service)
    writable = [one for one in service["volumes"] if not one.endswith(":ro")]
    assert writable == ["data:/var/lib/custodes"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert f"{PASSPHRASE_VARIABLE}_FILE" in service["environment"]
    assert set(service["secrets"]) == set(tree["secrets"])
    assert (COMPOSE.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_compose_file_of_several_servers_gives_no_root_no_capability_and_fits_its_configuration() -> None:
    folder = COMPOSE.parent
    tree = yaml.safe_load((folder / "servers.yaml").read_text())
    assert set(tree["services"]) == {"database", "custodes", "balancer"}
    for service in tree["services"].values():
        assert service["user"].split(":")[0] not in ("0", "root")
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & set(service)
        writable = [one.partition(":")[0] for one in service["volumes"] if not one.endswith(":ro")]
        assert set(writable) <= set(tree["volumes"]) and len(writable) <= 1
        assert set(service.get("secrets", ())) <= set(tree["secrets"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    config = load_site_yaml(folder / "servers.site.yaml")
    assert config.catalog is not None and config.catalog.host in tree["services"]
    assert config.server.proxies == (tree["networks"]["default"]["ipam"]["config"][0]["subnet"],)
    told = re.findall(r"^  server \w+ custodes:(\d+)$", (folder / "servers.haproxy.cfg").read_text(), re.M)
    assert [int(port) for port in told] == [config.server.port_of(name) for name in config.server.names]


def test_centres_compose_file_gives_no_root_no_capability_and_nothing_writable_but_two_volumes() -> None:
    tree = yaml.safe_load(CENTRE.read_text())
    assert set(tree["services"]) == {"nats", "centre"}
    for service in tree["services"].values():
        assert service["user"].split(":")[0] not in ("0", "root")
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & set(service)
        writable = [one.partition(":")[0] for one in service["volumes"] if not one.endswith(":ro")]
        assert len(writable) == 1 and writable[0] in tree["volumes"]
    centre = tree["services"]["centre"]
    assert centre["command"][0] in COMMANDS and all(port.startswith("127.0.0.1:") for port in centre["ports"])
    config = tree["services"]["nats"]["volumes"][0].partition(":")[0]
    assert (CENTRE.parent / config).is_file()


def test_container_runs_a_command_that_there_is_as_the_user_of_the_compose_file() -> None:
    text = (ROOT / "deploy/container/Containerfile").read_text()
    assert re.search(r'^CMD \["(\w+)"', text, re.M).group(1) in COMMANDS  # type: ignore[union-attr]
    user = re.search(r"^USER (\d+)", text, re.M).group(1)  # type: ignore[union-attr]
    assert yaml.safe_load(COMPOSE.read_text())["services"]["custodes"]["user"].startswith(f"{user}:")
    assert not re.search(r"[a-z0-9-]+\.(io|com|org)/", text), "no registry's host stands in the code"
