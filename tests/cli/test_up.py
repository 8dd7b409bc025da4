import io
import sys

import pytest

from custodes.cli.up import PersonsTerminal, summary_line
from custodes.types.message import Announce, CameraRow, CameraTable
from custodes.units import CameraId


class _ClosedPipe(io.TextIOBase):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def isatty(self) -> bool:
        return False


def _row(state: str, detail: str = "") -> CameraRow:
    return CameraRow(
        camera_id=CameraId("gate"),
        name="Gate",
        state=state,
        detail=detail,
        is_recording=state == "recording",
        recorded_s=1.0,
        gaps_s=0.0,
        frames_decoded=1,
        frames_analysed=1,
        tracks=3,
        people=2,
        vehicles=1,
        live_people=2,
        live_vehicles=1,
    )


def _table(state: str, detail: str = "") -> CameraTable:
    return CameraTable(cameras=(_row(state, detail),), log_size=5, checkpoint="")


def test_terminal_that_went_away_disturbs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _ClosedPipe())
    terminal = PersonsTerminal("Gate")
    terminal.event("one")
    terminal.event("two")
    terminal.close()


def test_address_and_token_are_shown_once_for_each_that_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = PersonsTerminal("Gate")
    first = Announce(address="http://127.0.0.1:8600/", first_boot_token="t" * 43)
    terminal.announce(first)
    terminal.announce(first)
    assert capsys.readouterr().out.count("t" * 43) == 1
    terminal.announce(Announce(address="http://127.0.0.1:8600/", first_boot_token=""))
    assert "token" not in capsys.readouterr().out


def test_camera_is_reported_when_its_state_changes(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = PersonsTerminal("Gate")
    for table in (_table("recording"), _table("recording"), _table("unreachable", "connection refused")):
        terminal.cameras(table)
    assert capsys.readouterr().out.splitlines() == [
        "camera gate: recording",
        "camera gate: unreachable (connection refused)",
    ]


def test_summary_says_how_many_record() -> None:
    rows = (_row("recording"), _row("unreachable"))
    assert summary_line((), 1) == "0 of 0 cameras recording · now 0 people, 0 vehicles · 0 tracks · 1 log entry"
    assert summary_line(rows, 9) == "1 of 2 cameras recording · now 4 people, 2 vehicles · 6 tracks · 9 log entries"
