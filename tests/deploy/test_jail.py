"""A site in the jail that unit and container describe: nothing writable but its own folder, no capability."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from custodes.testing.site import RunningSite
from custodes.testing.viewer import Viewer

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace without users needs root"),
]

# The user stays: on a machine with Python in somebody's home, no other user can run it.
JAIL = """
set -eu
mount --make-rprivate /
mount --bind "$0" "$0"
mount -o remount,bind,ro /
mount -o bind,remount,rw "$0"
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, because sockets lie in it."""
    made = Path(tempfile.mkdtemp(prefix="jail-", dir="/var/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_site_in_the_jail_runs_records_its_log_and_can_write_nowhere_else(folder: Path) -> None:
    environ = dict.fromkeys(("HOME", "TMPDIR", "XDG_RUNTIME_DIR"), str(folder))
    wrapper = ["unshare", "--mount", "sh", "-c", JAIL, str(folder)]
    with RunningSite(folder / "site", {"cameras": []}, env=environ, wrapper=wrapper) as site:
        site.wait_for(lambda: site.token, "the first-boot token")
        viewer = Viewer(site.address)
        viewer.claim(site.token)
        assert viewer.get("log")["entries"]
        for kind in ("warden", "server", "recorder", "analyser", "job"):
            (pid, *_) = site.pids(kind)
            status = Path(f"/proc/{pid}/status").read_text()
            assert re.search(r"CapEff:\s+0+\n", status) and re.search(r"NoNewPrivs:\s+1\n", status), kind
            mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
            options = {fields[4]: fields[5].split(",") for fields in mounts}
            assert "ro" in options["/"] and "rw" in options[str(folder)], kind
        assert site.stop() == 0
