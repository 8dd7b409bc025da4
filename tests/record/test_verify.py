"""The fsck finds what is gone, cut and changed, and nothing else."""

from pathlib import Path

import pytest

from custodes.record.verify import Depth, verify_segments
from custodes.testing.camera import file_spec, write_clip
from custodes.testing.recorder import RecorderProcess, RecorderSite
from custodes.units import CameraId


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RecorderSite:
    folder = tmp_path_factory.mktemp("verify")
    site = RecorderSite(folder / "site")
    site.create(segment_s=2.0, min_free_mb=0)
    site.publish(CameraId("cam"))
    site.assign([file_spec(write_clip(folder / "a.mp4", frames=100, gop=5, fps=25), is_looped=True)])
    recorder = RecorderProcess(site)
    try:
        recorder.wait_for(lambda: len(site.sealed()) >= 2, "sealed segments")
        assert recorder.terminate() == 0
    finally:
        recorder.kill()
    return site


@pytest.mark.parametrize("depth", list(Depth))
def test_verify_when_nothing_was_touched_then_no_problem(recorded: RecorderSite, depth: Depth) -> None:
    report = verify_segments(recorded.data_dir, depth)
    assert (report.problems, report.unknown, report.open_segments) == ([], [], 0)
    assert report.segments == len(recorded.sealed()) >= 2


@pytest.mark.parametrize(
    ("damage", "finds"),
    [("remove", Depth.PRESENCE), ("cut", Depth.SIZE), ("flip", Depth.HASH), ("header", Depth.HASH)],
)
def test_verify_when_a_file_is_damaged_then_found_from_that_depth_on(
    recorded: RecorderSite, damage: str, finds: Depth
) -> None:
    segment = recorded.sealed()[0]
    file: Path = recorded.data_dir / segment.path
    whole = file.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "cut": whole[:-1],
        "flip": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "header": whole[:40] + bytes([whole[40] ^ 1]) + whole[41:],
    }
    try:
        file.unlink()
        if damage != "remove":
            file.write_bytes(damaged[damage])
        for depth in Depth:
            problems = verify_segments(recorded.data_dir, depth).problems
            assert [one.path for one in problems] == ([segment.path] if depth >= finds else [])
    finally:
        file.write_bytes(whole)
