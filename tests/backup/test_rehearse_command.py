"""`custodes backup rehearse`: a whole restore that leaves nothing behind, and says what would not come back."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.backup.test_rehearsal import NOW, Rehearsal, prepared, rehearsal

from custodes.app.rehearse import rehearse
from custodes.cli.backup import backup
from custodes.errors import CustodesError, DataLoss, InvalidArgument
from custodes.sealing.shares import share_text
from custodes.units import NS_PER_S

__all__ = ["prepared", "rehearsal"]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_a_backup_is_restored_opened_and_removed(rehearsal: Rehearsal, scratch: Path) -> None:
    done = rehearse(rehearsal.backup, rehearsal.shares[:2], scratch, NOW)
    assert (done.cameras, done.segments, done.opened, done.destroyed, done.wrong) == (1, 4, 4, 0, ())
    assert done.restored is not None
    assert done.log_size == done.restored.log_size + 1
    assert list(scratch.iterdir()) == []


def test_footage_whose_time_is_over_stays_shut_and_is_no_fault(rehearsal: Rehearsal, scratch: Path) -> None:
    done = rehearse(rehearsal.backup, rehearsal.shares[1:], scratch, NOW + 5 * 86_400 * NS_PER_S)
    assert (done.opened, done.destroyed, done.wrong) == (2, 2, ())


def test_command_says_what_was_found_and_what_is_broken(rehearsal: Rehearsal, scratch: Path) -> None:
    shares = [word for share in rehearsal.shares[:2] for word in ("--share", share_text(share))]
    arguments = ["rehearse", str(rehearsal.backup), *shares, "--scratch", str(scratch)]
    said = CliRunner().invoke(backup, arguments, catch_exceptions=False).output
    assert "1 cameras, 0 accounts" in said
    assert "4 segments as they were sealed" in said
    assert said.endswith("good: this site would come back\n")

    few = CliRunner().invoke(backup, [*arguments[:4], "--scratch", str(scratch)])
    assert isinstance(few.exception, CustodesError) and not isinstance(few.exception, DataLoss | AssertionError)
    assert isinstance(few.exception, InvalidArgument)
    victim = max((one for one in rehearsal.backup.rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
    victim.write_bytes(victim.read_bytes()[:-1])
    broken = CliRunner().invoke(backup, arguments)
    assert isinstance(broken.exception, DataLoss) and "not as they were stored" in str(broken.exception)
    shutil.rmtree(rehearsal.backup)
    assert isinstance(CliRunner().invoke(backup, arguments).exception, CustodesError)
    assert list(scratch.iterdir()) == []
