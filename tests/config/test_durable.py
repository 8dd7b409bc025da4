"""Small files: whole or not there, and private from the first byte."""

import os
import stat
from pathlib import Path

import pytest

from custodes.config.durable import make_folder, replace_file


def test_replace_file_when_one_is_there_then_it_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"before, and longer")
    (tmp_path / "a.json.new").write_bytes(b"left by a crash")
    replace_file(path, b"after")
    assert path.read_bytes() == b"after"
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_replace_file_when_others_could_read_then_mode_is_as_asked(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.touch(mode=0o666)
    mask = os.umask(0)
    try:
        replace_file(path, b"secret", mode=mode)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_replace_file_when_the_disk_refuses_then_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"before")

    def refuse(_: int) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="no space"):
        replace_file(path, b"after")
    assert path.read_bytes() == b"before"


def test_make_folder_when_parents_are_missing_then_each_is_made_and_again_is_harmless(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b" / "c", mode=0o700)
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").stat().st_mode & 0o777 == 0o700


def test_make_folder_when_a_file_is_in_the_way_then_an_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match="a"):
        make_folder(tmp_path / "a" / "b")
