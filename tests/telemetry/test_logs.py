"""What reaches a log line: no secret, no vector, no endless text."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import structlog

from custodes.telemetry import logs
from custodes.telemetry.logs import clean_text, redact_event


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("cannot open rtsp://admin:hunter2@10.0.0.1/stream", "hunter2"),
        ("cannot open rtsp://admin:hun@ter2@10.0.0.1/stream", "ter2"),
        ("cannot open rtsp://admin:hun/ter2@10.0.0.1/stream", "ter2"),
        ("http://10.0.0.1/cgi?user=admin&password=hunter2&channel=1", "hunter2"),
        ("http://10.0.0.1/cgi?loginpwd=hunter2", "hunter2"),
        ("ws://10.0.0.1/live?access_token=hunter2;x=1", "hunter2"),
    ],
    ids=["plain", "at sign in it", "slash in it", "query", "query, joined name", "token"],
)
def test_clean_text_when_a_url_holds_a_secret_then_it_is_gone(text: str, secret: str) -> None:
    assert secret not in clean_text(text)
    assert "(withheld)" in clean_text(text)


def test_clean_text_when_there_is_no_secret_then_nothing_changes() -> None:
    text = "camera gate: nobody answers at rtsp://10.0.0.1:554/stream?channel=1, mail ops@example.org"
    assert clean_text(text) == text


@pytest.mark.parametrize(
    "value",
    [
        {"grant_token": "hunter2"},
        {"inner": {"password": "hunter2"}},
        [{"cookie": "hunter2"}],
        ["rtsp://admin:hunter2@cam/"],
        (b"hunter2",),
        {"payload": b"hunter2"},
        RuntimeError("rtsp://admin:hunter2@cam/"),
    ],
    ids=["name", "deeper", "in a list", "url in a list", "bytes in a tuple", "bytes in a mapping", "error"],
)
def test_event_when_a_secret_lies_deeper_then_it_is_gone(value: object) -> None:
    assert "hunter2" not in json.dumps(redact_event(None, "", {"event": "x", "value": value}))


@pytest.mark.parametrize("vector", [[0.123, 0.5], np.array([0.123, 0.5]), {"v": [0.123]}, [[0.123]]])
def test_event_when_a_vector_is_given_then_its_numbers_are_gone(vector: object) -> None:
    assert "123" not in json.dumps(redact_event(None, "", {"event": "x", "vector": vector}))


def test_event_when_values_are_plain_then_they_stay() -> None:
    event = {"event": "x", "cameras": ["a", "b"], "count": 3, "share": 0.5, "is_ok": True, "nothing": None}
    assert redact_event(None, "", dict(event)) == event


def test_line_when_something_failed_then_the_traceback_s_end_is_there(tmp_path) -> None:
    def fail(depth: int) -> None:
        if not depth:
            raise ValueError("the last words")
        fail(depth - 1)

    try:
        logs.configure("under-test", log_dir=tmp_path)
        try:
            fail(20)
        except ValueError:
            structlog.get_logger().error("failed", exc_info=sys.exc_info())
    finally:
        structlog.reset_defaults()
    line = json.loads((tmp_path / "under-test.log").read_text())
    assert line["exception"].endswith("ValueError: the last words")


def test_configure_when_the_disk_takes_no_log_file_then_stderr_gets_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").touch()
    try:
        logs.configure("recorder", log_dir=tmp_path / "log")
        structlog.get_logger().info("said all the same")
    finally:
        structlog.reset_defaults()
    assert "said all the same" in capsys.readouterr().err
