"""A little of `make chaos` (chaos/__main__.py); the full run is a thousand kills and takes a quarter of an hour."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos import disks, kills, powercut, shim
from chaos.footage import make_clip

needs_compiler = pytest.mark.skipif(not shim.is_available(), reason="needs gcc")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Not tmp_path: a socket's path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    return make_clip(folder)


@pytest.fixture(scope="module")
def library(folder: Path) -> Path:
    return shim.build(folder)


def rounds(count: int) -> Callable[[], bool]:
    left = iter([False] * count)
    return lambda: next(left, True)


def test_recorder_when_killed_anywhere_then_loses_at_most_the_open_gop(folder: Path, clip: Path) -> None:
    verdict = kills.kill_recorders(folder, clip, until=rounds(3), seed=11)
    assert verdict.is_good, verdict
    assert verdict.taken > 0


def test_warden_when_killed_anywhere_then_keeps_every_acknowledged_entry(folder: Path) -> None:
    verdict = kills.kill_wardens(folder, until=rounds(4), seed=12)
    assert verdict.is_good, verdict
    assert verdict.taken > 0


@needs_compiler
def test_recorder_when_the_power_is_cut_anywhere_then_loses_at_most_the_open_gop(
    folder: Path, library: Path, clip: Path
) -> None:
    verdict = powercut.cut_recorder(folder, library, clip, seconds=2.5, cuts=12, seed=13)
    assert verdict.is_good, verdict
    assert verdict.taken > 0


@needs_compiler
def test_warden_when_the_power_is_cut_anywhere_then_keeps_every_acknowledged_entry(
    folder: Path, library: Path
) -> None:
    verdict = powercut.cut_warden(folder, library, seconds=0.2, cuts=8, seed=14)
    assert verdict.is_good, verdict
    assert verdict.taken > 0


@needs_compiler
def test_recorder_when_a_single_sync_fails_then_loses_nothing(folder: Path, library: Path, clip: Path) -> None:
    verdict = disks.fail_now_and_then(folder, library, clip, kind="sync", trials=1, seed=15)
    assert verdict.is_good, verdict
    assert verdict.faults == 1
