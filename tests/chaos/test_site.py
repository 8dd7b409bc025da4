"""Faults of a whole site: what is called wrong, the table, and once (slow) two faults of a real site."""

import subprocess
import sys

import pytest

from chaos import site as chaos_site
from chaos.site import Row, _faults, _wrong, table

FAULTS = {one.name: one for one in _faults()}


def row(name: str, **other: object) -> Row:
    fields: dict[str, object] = {"recorded_meanwhile": True, "log": "consistent"}
    return Row(fault=name, words=FAULTS[name].words, **(fields | other))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "what"),
    [
        (row("kill-server"), []),
        (row("kill-recorder", recorded_meanwhile=False, hole_s=9.0), []),
        (row("kill-server", recorded_meanwhile=False), ["recording stood still"]),
        (row("cut-postgres", hole_s=3.0), ["a hole of 3.0 s in the recordings"]),
        (row("kill-nats", doubled=1), ["facts doubled or out of order"]),
        (row("kill-nats", disordered=1), ["facts doubled or out of order"]),
        (row("cut-nats", lost_at_centre=1), ["facts lost on the way to the centre"]),
        (row("kill-warden", log="entry 7 is not"), ["the log: entry 7 is not"]),
    ],
    ids=lambda value: getattr(value, "fault", None),
)
def test_what_is_called_wrong(one: Row, what: list[str]) -> None:
    assert list(_wrong(one, FAULTS[one.fault])) == what


def test_table_has_each_fault_and_what_was_found() -> None:
    text = table(
        [row("kill-server", back_after_s=12.3), row("cut-s3", wrong="a | b\nc")],
        commit="abc1234",
        check="",
        uncopied=3,
        load=7.6,
    )
    assert "| `kill -9` of the server | 0 | yes | 0.0 | 0.0 | 0, 0, 0 | consistent | 12 | good |" in text
    assert "a / b c |" in text
    assert "at commit abc1234" in text and "load of 8" in text and "nothing wrong" in text


def test_a_fault_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["chaos.site", "--only", "kill-everything"])
    with pytest.raises(SystemExit):
        chaos_site.main()
    assert "there is no fault 'kill-everything'; there are none, kill-recorder" in capsys.readouterr().err


@pytest.mark.slow
def test_two_faults_of_a_real_site() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chaos.site", "--smoke"], capture_output=True, text=True, check=False, timeout=1800
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
