"""The model of a disk under a power cut: what it surely keeps, and what it may."""

import os
import random
from pathlib import Path

import pytest

from chaos.trace import Call, Disk, Op

ROOT = Path("/site")


def made(calls: list[Call], tmp_path: Path, *, rng: random.Random | None = None) -> dict[str, bytes]:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir(exist_ok=True)
    disk = Disk(ROOT, before)
    for call in calls:
        disk.apply(call)
    disk.crash(after, rng=rng)
    return {str(path.relative_to(after)): path.read_bytes() for path in after.rglob("*") if path.is_file()}


def opened(fd: int, name: str) -> Call:
    return Call(Op.OPEN, fd, os.O_CREAT, name, b"")


def written(fd: int, payload: bytes, at: int = 0) -> Call:
    return Call(Op.WRITE, fd, at, "", payload)


def synced(fd: int) -> list[Call]:
    return [Call(Op.SYNC_BEGIN, fd, 0, "", b""), Call(Op.SYNC_END, fd, 0, "", b"")]


NEW = [opened(3, "/site/a"), written(3, b"x" * 1000)]
FOLDER = [opened(4, "/site")]


@pytest.mark.parametrize(
    ("calls", "kept"),
    [
        (NEW, {}),
        ([*NEW, *synced(3)], {}),
        ([*NEW, *FOLDER, *synced(4)], {"a": b""}),
        ([*NEW, *synced(3), *FOLDER, *synced(4)], {"a": b"x" * 1000}),
        (
            [*NEW, Call(Op.SYNC_BEGIN, 3, 0, "", b""), written(3, b"y", 1000), synced(3)[1], *FOLDER, *synced(4)],
            {"a": b"x" * 1000},
        ),
        ([*NEW, Call(Op.SYNC_FAILED, 3, 0, "", b""), *synced(3), *FOLDER, *synced(4)], {"a": bytes(1000)}),
        ([*NEW, *synced(3), *FOLDER, *synced(4), Call(Op.UNLINK, 0, 0, "/site/a", b"")], {"a": b"x" * 1000}),
        ([*NEW, *synced(3), Call(Op.RENAME, 0, 0, "/site/a", b"/site/b"), *FOLDER, *synced(4)], {"b": b"x" * 1000}),
    ],
    ids=[
        "nothing synced",
        "only the file",
        "only the folder",
        "both",
        "written during the sync",
        "after a failed sync",
        "unlinked, folder not synced",
        "renamed",
    ],
)
def test_crash_when_only_what_is_sure_is_kept_then_posix_decides(
    calls: list[Call], kept: dict[str, bytes], tmp_path: Path
) -> None:
    assert made(calls, tmp_path) == kept


def test_crash_when_some_of_the_rest_is_kept_then_what_is_sure_is_always_there(tmp_path: Path) -> None:
    calls = [*NEW, *synced(3), *FOLDER, *synced(4), written(3, b"y" * 3000, 1000)]
    seen = {
        made(calls, tmp_path / str(seed), rng=random.Random(seed))["a"]
        for seed in range(40)
        if not (tmp_path / str(seed)).mkdir()
    }
    assert all(content[:1000] == b"x" * 1000 for content in seen)
    assert len({len(content) for content in seen}) > 3
