"""A site whose warden is another Unix user: it works, and the site's own user reads nothing of the warden's."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from custodes.testing.site import RunningSite
from custodes.testing.viewer import Viewer

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of other users"),
]
SITE, WARDEN, STRANGER, GROUP = "nobody", "daemon", "games", "nogroup"
"""Users that every Debian has; the warden is in the site's group, the stranger is not."""

# $0: somebody's home that no other user may enter, with Python in it; $1: that part of it. Seen by this family alone.
OPENED = """
set -eu
if [ "$0" != / ]; then
  mount --make-rprivate /
  kept=$(mktemp -d)
  mount --bind "$1" "$kept"
  mount -t tmpfs -o mode=755 none "$0"
  mkdir -p "$1"
  mount --bind "$kept" "$1"
fi
shift
exec setpriv --no-new-privs --inh-caps=-all --clear-groups "$@"
"""


def as_user(name: str, group: str) -> list[str]:
    home = Path(sys.base_prefix)
    shut = [folder for folder in home.parents if not folder.stat().st_mode & 0o001]
    return [
        *("unshare", "--mount", "sh", "-c", OPENED, str(shut[-1] if shut else "/"), str(home)),
        *(f"--reuid={name}", f"--regid={group}"),
    ]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, because sockets lie in it; enterable, but only the site's own folder is anybody's."""
    made = Path(tempfile.mkdtemp(prefix="users-", dir="/var/tmp"))
    made.chmod(0o755)
    shutil.chown(made, SITE, GROUP)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def may(name: str, group: str, *command: str) -> bool:
    done = subprocess.run([*as_user(name, group), *command], capture_output=True, check=False, timeout=60)
    return done.returncode == 0


def status_of_warden(site: RunningSite) -> dict[str, object]:
    (row,) = [one for one in site.status()["processes"] if one["name"] == "warden"]
    return row


def test_site_when_its_warden_is_another_user_works_and_cannot_read_what_is_the_wardens(folder: Path) -> None:
    environ = dict.fromkeys(("HOME", "TMPDIR", "XDG_RUNTIME_DIR"), str(folder))
    data = folder / "site"
    command = [*as_user(WARDEN, GROUP), sys.executable, "-m", "custodes.app.warden", "--data", str(data)]
    warden: subprocess.Popen[bytes] | None = None
    gate = {"id": "gate", "url": "rtsp://127.0.0.1:9/nobody", "name": "Gate"}
    config = {"cameras": [gate], "keys": {"user": WARDEN}, "analyser": {"processes": 1}}
    with RunningSite(data, config, env=environ, wrapper=as_user(SITE, GROUP)) as site:
        try:
            assert site.pids("warden") == []
            assert status_of_warden(site)["state"] == "stopped"
            warden = subprocess.Popen(command, env={**os.environ, **environ, "CUSTODES_PASSPHRASE": "long and secret"})
            site.wait_for(lambda: site.token, "the first-boot token")
            site.wait_for((data / "run/warden-server.sock").exists, "the warden's socket")
            viewer = Viewer(site.address)
            viewer.claim(site.token)
            assert viewer.get("log")["entries"]
            (server, *_), own = site.pids("server"), psutil.Process(warden.pid)
            assert psutil.Process(server).username() == SITE and own.username() == WARDEN
            site.wait_for(lambda: status_of_warden(site)["state"] == "running", "its line in `custodes status`")
            assert status_of_warden(site)["pid"] == warden.pid
            keys, log = data / "warden/keys.db", data / "warden/log.db"
            assert may(WARDEN, GROUP, "head", "-c1", str(keys)) and keys.stat().st_mode & 0o077 == 0
            for path in (keys, log, f"/proc/{warden.pid}/environ", f"/proc/{warden.pid}/mem"):
                assert not may(SITE, GROUP, "head", "-c1", str(path)), path
            assert not may(STRANGER, STRANGER, "ls", str(data))
            assert may(SITE, GROUP, "head", "-c1", str(data / "warden-key.json"))
            # What the recorder seals to, made for the camera by the one and read by the other.
            site.wait_for(lambda: list(data.glob("keys/public/gate/*.json")), "keys of the camera")
            assert all(may(SITE, GROUP, "head", "-c1", str(key)) for key in data.glob("keys/public/gate/*.json"))
            assert site.stop() == 0
        finally:
            if warden is not None:
                warden.terminate()
                assert warden.wait(60) == 0
