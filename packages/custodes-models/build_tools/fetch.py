"""Takes registry packages through their ordinary clients (pip, npm) into a cache and checks their digests."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

TIMEOUT_S = 600
"""The largest package has 145 MB; a registry that gives less than 250 kB/s is treated as down."""


class NotFetched(Exception):
    """A package could not be had, or is not the one that is locked."""


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fetch(spec: dict[str, str], cache: Path) -> Path:
    """Return the package file, from the cache if it lies there with the right digest.

    Args: spec: `registry` (pypi or npm), `name`, `version`, `file`, `sha256`. Raises: NotFetched.
    """
    path = cache / spec["file"]
    if path.is_file() and sha256_of(path) == spec["sha256"]:
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        _run(_command(spec, folder), folder)
        taken = Path(folder) / spec["file"]
        if not taken.is_file():
            found = sorted(item.name for item in Path(folder).iterdir())
            raise NotFetched(f"{spec['name']} {spec['version']}: expected {spec['file']}, the client left {found}")
        digest = sha256_of(taken)
        if digest != spec["sha256"]:
            raise NotFetched(f"{spec['file']}: sha256 is {digest}, locked is {spec['sha256']}; nothing was used")
        taken.replace(path)
    return path


def _command(spec: dict[str, str], folder: str) -> list[str]:
    if spec["registry"] == "pypi":
        return [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps",
                "--only-binary", ":all:", "--dest", folder, f"{spec['name']}=={spec['version']}"]  # fmt: skip
    npm = shutil.which("npm")
    if npm is None:
        raise NotFetched(f"npm is not installed; {spec['name']} comes from the npm registry (install Node.js)")
    return [npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", folder,
            f"{spec['name']}@{spec['version']}"]  # fmt: skip


def _run(command: list[str], folder: str) -> None:
    # PIP_* of the outer pip (for instance --no-index of a caller) are meant for it, its index settings for us too.
    environment = {name: value for name, value in os.environ.items() if name not in ("PIP_NO_DEPS", "PIP_TARGET")}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise NotFetched(f"{command[0]} did not finish within {TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise NotFetched(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")


def extract(package: Path, members: dict[str, str], folder: Path) -> dict[str, Path]:
    """Take single files out of a .whl or .tgz, by name, and check them.

    Args: members: path inside the package → sha256. Returns: path inside → file in `folder`. Raises: NotFetched.
    """
    taken: dict[str, Path] = {}
    for member, digest in members.items():
        target = folder / Path(member).name
        target.write_bytes(_read_member(package, member))
        if sha256_of(target) != digest:
            raise NotFetched(f"{member} in {package.name}: sha256 is {sha256_of(target)}, locked is {digest}")
        taken[member] = target
    return taken


def _read_member(package: Path, member: str) -> bytes:
    try:
        if package.suffix == ".whl":
            with zipfile.ZipFile(package) as archive:
                return archive.read(member)
        with tarfile.open(package) as archive:
            stream = archive.extractfile(member)
            if stream is None:
                raise NotFetched(f"{member} in {package.name} is not a file")
            return stream.read()
    except KeyError as error:
        raise NotFetched(f"{package.name} holds no {member}") from error
