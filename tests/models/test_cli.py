"""`custodes models` as a person or a script calls it."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import custodes_models
from custodes.cli.models import models
from custodes.errors import CustodesError, InvalidArgument, ModelRefused
from custodes.testing.ending import joined

PACKAGED = custodes_models.weights_folder()


@pytest.fixture(autouse=True)
def _no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUSTODES_MODELS", raising=False)
    monkeypatch.delenv("CUSTODES_ACKNOWLEDGE_NONCOMMERCIAL", raising=False)


def call(*arguments: str | Path) -> str:
    result = CliRunner().invoke(models, [str(item) for item in arguments], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    for path in PACKAGED.glob("centernet*"):
        shutil.copyfile(path, folder / path.name)
    manifest = json.loads((folder / "centernet-mobilenetv3.manifest.json").read_text())
    manifest["files"][0]["sha256"] = "0" * 64
    (folder / "wrong.manifest.json").write_text(json.dumps(manifest))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    joined(thread)


def test_list_when_json_then_defaults_and_licences_are_in_it() -> None:
    rows = {row["name"]: row for row in json.loads(call("list", "--json"))["models"]}
    assert rows[custodes_models.DEFAULT_DETECTOR]["is_default"]
    assert rows[custodes_models.DEFAULT_FACE_DETECTOR]["task"] == "face-detect"
    assert all(row["licence"] for row in rows.values())


def test_verify_when_all_is_well_then_each_is_named() -> None:
    output = call("verify")
    assert all(f"{path.stem}: as its manifest says" in output for path in PACKAGED.glob("*.onnx"))


def test_verify_when_a_file_was_changed_then_it_fails(tmp_path: Path) -> None:
    for path in PACKAGED.glob("centernet*"):
        shutil.copyfile(path, tmp_path / path.name)
    with (tmp_path / "centernet-mobilenetv3.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ModelRefused, match="1 of"):
        call("verify", "--folder", tmp_path)


def test_pull_when_over_http_then_it_verifies(served: str, tmp_path: Path) -> None:
    call("pull", "--folder", tmp_path / "m", f"{served}/centernet-mobilenetv3.manifest.json")
    assert "as its manifest says" in call("verify", "--folder", tmp_path / "m", "centernet-mobilenetv3")


@pytest.mark.parametrize("name", ["wrong.manifest.json", "none.manifest.json"], ids=["wrong digest", "404"])
def test_pull_when_it_fails_then_nothing_is_kept(served: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(CustodesError):
        call("pull", "--folder", tmp_path / "m", f"{served}/{name}")
    assert list((tmp_path / "m").iterdir()) == []


def adopt(tmp_path: Path, like: str) -> str:
    shutil.copyfile(PACKAGED / "centernet-mobilenetv3.onnx", tmp_path / "mine.onnx")
    return call("adopt", "--folder", tmp_path / "m", tmp_path / "mine.onnx", "--like", like, "--name", "mine",
                "--licence", "MIT", "--training-data", "ours", "--origin", "ours", "--non-commercial")  # fmt: skip


def test_adopt_when_it_fits_then_it_loads_after_acknowledgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopt(tmp_path, "centernet-mobilenetv3")
    with pytest.raises(ModelRefused):
        call("verify", "--folder", tmp_path / "m", "mine")
    monkeypatch.setenv("CUSTODES_ACKNOWLEDGE_NONCOMMERCIAL", "other, mine")
    assert "mine: as its manifest says" in call("verify", "--folder", tmp_path / "m", "mine")


@pytest.mark.parametrize(("like", "error"), [("nanodet-g", ModelRefused), ("nothing", InvalidArgument)])
def test_adopt_when_it_does_not_fit_then_no_manifest_is_written(
    tmp_path: Path, like: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        adopt(tmp_path, like)
    assert not (tmp_path / "m").exists()
