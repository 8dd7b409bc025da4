import json
import subprocess
import sys
from pathlib import Path

import pytest

from custodes.cli.exit_codes import EXIT_CODES
from custodes.cli.main import COMMANDS, custodes, run
from custodes.errors import ErrorKind


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUSTODES_DATA", raising=False)
    (tmp_path / "runtime").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))


def test_every_error_kind_has_an_exit_code_of_its_own() -> None:
    assert set(EXIT_CODES) == set(ErrorKind)
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)
    assert 0 not in EXIT_CODES.values()


def test_help_imports_neither_media_nor_models() -> None:
    code = (
        "import sys\nfrom custodes.cli.main import run\nrun(['--help'])\n"
        "heavy = {'av', 'numpy', 'onnxruntime', 'sqlalchemy', 'fastapi', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "doctor" in done.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_in_the_list_exists(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert "Usage: custodes" in capsys.readouterr().out
    assert custodes.name


CASES = [
    (["status"], ErrorKind.NOT_FOUND, "no site runs"),
    (["status", "--data", "."], ErrorKind.NOT_FOUND, "no site.json"),
    (["site", "path"], ErrorKind.NOT_FOUND, "no site runs"),
    (["up", "--config", "gone.yaml"], ErrorKind.INVALID_ARGUMENT, "gone.yaml"),
    (["up", "--config", "broken.yaml"], ErrorKind.INVALID_ARGUMENT, "not YAML"),
    (["up", "--config", "wrong.yaml"], ErrorKind.INVALID_ARGUMENT, "cameras.0.url"),
    (["up", "--config", "extra.yaml"], ErrorKind.INVALID_ARGUMENT, "colour"),
    (["up", "--data", "foreign"], ErrorKind.FAILED_PRECONDITION, "no site.json"),
    (["apply", "wrong.yaml"], ErrorKind.INVALID_ARGUMENT, "cameras.0.url"),
    (["camera", "add", "gate", "ftp://host/x"], ErrorKind.INVALID_ARGUMENT, "scheme 'ftp'"),
    (["camera", "add", "gate", "rtsp://me:secret@host/x"], ErrorKind.INVALID_ARGUMENT, "credentials do not belong"),
    (["camera", "add", "Gate!", "rtsp://host/x"], ErrorKind.INVALID_ARGUMENT, "id:"),
    (["camera", "add", "gate", "rtsp://host/x"], ErrorKind.NOT_FOUND, "no site runs"),
    (["watch", "gone.mp4"], ErrorKind.NOT_FOUND, "no file"),
    (["watch", "empty.mp4"], ErrorKind.INVALID_ARGUMENT, "is empty"),
    (["watch", "text.mp4"], ErrorKind.UNAVAILABLE, "text.mp4"),
]


@pytest.mark.parametrize(("arguments", "kind", "words"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_wrong_use_gives_one_sentence_and_the_kinds_exit_code(
    arguments: list[str], kind: ErrorKind, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken.yaml").write_text("cameras: [\n  - id: x")
    Path("wrong.yaml").write_text("cameras:\n  - {id: gate, url: 'rtsp://me:pw@host/'}\n")
    Path("extra.yaml").write_text("colour: red\n")
    Path("empty.mp4").touch()
    Path("text.mp4").write_text("this is no video, however long one looks at it\n" * 99)
    Path("foreign").mkdir()
    Path("foreign/thesis.odt").touch()
    assert run([*arguments, "--port", "0"] if arguments[0] in ("up", "watch") else arguments) == EXIT_CODES[kind]
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("custodes: ")
    assert words in lines[0]
    assert "secret" not in lines[0] and ":pw@" not in lines[0]


def test_debug_shows_where_an_error_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--debug", "status"]) == EXIT_CODES[ErrorKind.NOT_FOUND]
    assert "Traceback" in capsys.readouterr().err


def test_up_is_refused_when_the_port_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = run(["up", "--data", "site", "--port", str(port)])
    assert code == EXIT_CODES[ErrorKind.FAILED_PRECONDITION]
    message = capsys.readouterr().err
    assert f"127.0.0.1:{port}" in message and "process " in message
    assert not (tmp_path / "site").exists()


def test_doctor_names_each_failure_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    Path("foreign").mkdir()
    Path("foreign/thesis.odt").touch()
    assert run(["doctor", "--json", "--data", "foreign"]) == EXIT_CODES[ErrorKind.FAILED_PRECONDITION]
    report = json.loads(capsys.readouterr().out)
    found = {finding["check"]: finding for finding in report["findings"]}
    assert report["ok"] is False
    assert found["data-dir"]["level"] == "failure" and "thesis.odt" in found["data-dir"]["message"]
    assert found["data-dir"]["advice"]
    assert found["python"]["level"] == found["media"]["level"] == "ok"
    assert all(finding["advice"] for finding in report["findings"] if finding["level"] != "ok")


def test_doctor_says_which_camera_gives_no_video(capsys: pytest.CaptureFixture[str]) -> None:
    address = "url: 'rtsp://127.0.0.1:9/x'"
    Path("site.yaml").write_text(f"cameras:\n  - {{id: gate, {address}, second: {{{address}}}}}\n")
    assert run(["doctor", "--json", "--cameras"]) == EXIT_CODES[ErrorKind.FAILED_PRECONDITION]
    found = {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert found["camera gate"]["level"] == found["camera gate.second"]["level"] == "failure"
