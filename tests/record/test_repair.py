"""Damaged sites: each kind of damage is named, what can be mended is mended, and no whole fragment goes."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from custodes.adapters.blob.disk import Disk
from custodes.record.journal import DELETIONS, JournalWriter
from custodes.record.repair import repair_segments
from custodes.record.verify import Depth, Finding, SegmentReport, verify_segments
from custodes.testing.camera import START_NS, write_clip
from custodes.testing.recorder import SITE_ID, RecorderSite, record_clip
from custodes.types.event import SegmentDeleted, SegmentSealed
from custodes.types.media import Segment
from custodes.units import CameraId

CAM = CameraId("cam")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RecorderSite:
    folder = tmp_path_factory.mktemp("repair")
    site = RecorderSite(folder / "site")
    site.create()
    site.publish(CAM, START_NS)
    record_clip(site, CAM, write_clip(folder / "a.mp4", frames=100, gop=5, fps=10), segment_s=2)
    return site


@pytest.fixture
def site(recorded: RecorderSite, tmp_path: Path) -> RecorderSite:
    """A copy to damage."""
    shutil.copytree(recorded.data_dir, tmp_path / "site")
    return RecorderSite(tmp_path / "site", recorded.private_keys)


def verified(site: RecorderSite, depth: Depth = Depth.HASH, rows: dict[str, bool] | None = None) -> SegmentReport:
    return verify_segments(site.data_dir, depth, site_id=SITE_ID, rows=rows)


def mended(site: RecorderSite) -> SegmentReport:
    journal = JournalWriter(Disk(), site.paths.journal_dir / "recorder.journal")
    report = repair_segments(site.data_dir, Disk(), journal, verified(site), site_id=SITE_ID)
    journal.close()
    return report


def kinds(report: SegmentReport) -> list[tuple[Finding, str]]:
    return [(one.finding, one.path) for one in report.found]


def orphan(site: RecorderSite, *, tail: bytes = b"") -> Segment:
    """The last segment, as if the journal had lost its records."""
    *kept, last = site.sealed()
    (site.paths.journal_dir / "recorder.journal").unlink()
    journal = JournalWriter(Disk(), site.paths.journal_dir / "recorder.journal")
    journal.extend([SegmentSealed(segment=segment) for segment in kept])
    journal.close()
    file = site.data_dir / last.path
    file.write_bytes(file.read_bytes() + tail)
    return last


def test_site_when_untouched_then_nothing_is_found(site: RecorderSite) -> None:
    assert len(site.sealed()) >= 3
    assert verified(site).found == []
    assert mended(site).found == []


@pytest.mark.parametrize("tail", [b"", b"FRAG half a record"], ids=["whole", "torn"])
def test_orphan_when_repaired_then_it_is_adopted_whole(site: RecorderSite, tail: bytes) -> None:
    last = orphan(site, tail=tail)
    before = verified(site)
    assert kinds(before) == [(Finding.ORPHAN, last.path)]
    assert before.problems == []  # nothing is lost: the next start adopts it
    report = mended(site)
    assert [one.is_repaired for one in report.found] == [True]
    assert verified(site).found == []
    adopted = {segment.path: segment for segment in site.sealed()}[last.path]
    assert (adopted.root, adopted.fragments, adopted.bytes_on_disk) == (last.root, last.fragments, last.bytes_on_disk)


def test_rubbish_behind_a_segment_when_repaired_then_cut_to_what_was_sealed(site: RecorderSite) -> None:
    segment = site.sealed()[0]
    file = site.data_dir / segment.path
    whole = file.read_bytes()
    file.write_bytes(whole + b"\x00" * 4096)
    assert kinds(verified(site, Depth.SIZE)) == [(Finding.TORN, segment.path)]
    assert mended(site).problems == []
    assert file.read_bytes() == whole
    assert verified(site).found == []


def test_segment_when_its_end_is_gone_then_cut_to_its_last_whole_fragment_and_still_a_problem(
    site: RecorderSite,
) -> None:
    segment = site.sealed()[0]
    file = site.data_dir / segment.path
    file.write_bytes(file.read_bytes()[:-100])
    report = mended(site)
    assert kinds(report) == [(Finding.TORN, segment.path)]
    assert f"{segment.fragments - 1} of {segment.fragments} fragments are whole" in report.problems[0].detail
    packets = site.packets(segment)
    assert packets and len(packets) % 5 == 0  # whole GOPs


def test_segment_when_it_holds_more_whole_fragments_than_were_sealed_then_left_alone(site: RecorderSite) -> None:
    segment = site.sealed()[0]
    journal_of = site.paths.journal_dir / "recorder.journal"
    journal_of.unlink()
    journal = JournalWriter(Disk(), journal_of)
    journal.append(SegmentSealed(segment=replace(segment, fragments=segment.fragments - 1, bytes_on_disk=10)))
    journal.close()
    before = (site.data_dir / segment.path).read_bytes()
    assert Finding.TORN in [finding for finding, _ in kinds(mended(site))]
    assert (site.data_dir / segment.path).read_bytes() == before


def test_segment_when_changed_or_missing_then_repair_leaves_it_a_problem(site: RecorderSite) -> None:
    first, second, *_ = site.sealed()
    file = site.data_dir / first.path
    content = bytearray(file.read_bytes())
    content[-200] ^= 1
    file.write_bytes(bytes(content))
    (site.data_dir / second.path).unlink()
    report = mended(site)
    assert sorted(kinds(report)) == sorted([(Finding.CHANGED, first.path), (Finding.MISSING, second.path)])
    assert len(report.problems) == 2
    assert file.read_bytes() == bytes(content)


def test_file_when_it_is_no_segment_of_ours_then_foreign_and_untouched(site: RecorderSite) -> None:
    segment = site.sealed()[0]
    folder = (site.data_dir / segment.path).parent
    (folder / "a-copy.seg").write_bytes((site.data_dir / segment.path).read_bytes())
    (folder / "rubbish.seg").write_bytes(b"nothing of ours")
    report = mended(site)
    assert [finding for finding, _ in kinds(report)] == [Finding.FOREIGN, Finding.FOREIGN]
    assert len(report.problems) == 2
    assert (folder / "rubbish.seg").read_bytes() == b"nothing of ours"


@pytest.mark.parametrize(
    ("name", "content", "finding"),
    [
        ("1-00-0.seg", b"", Finding.UNBORN),
        ("1-00-0.seg", bytes(4096), Finding.UNBORN),
        ("1-00-0.seg", b"header that is spoilt", Finding.FOREIGN),
        ("rubbish.seg", b"", Finding.FOREIGN),
    ],
)
def test_file_when_a_recorder_was_killed_as_it_began_it_then_nothing_is_wrong(
    site: RecorderSite, name: str, content: bytes, finding: Finding
) -> None:
    path = f"{Path(site.sealed()[0].path).parent}/{name}"
    (site.data_dir / path).write_bytes(content)
    report = verified(site)
    assert kinds(report) == [(finding, path)]
    assert bool(report.problems) is not finding.is_harmless


def test_file_when_retention_deleted_it_and_it_is_still_there_then_garbage(site: RecorderSite) -> None:
    segment = site.sealed()[0]
    journal = JournalWriter(Disk(), site.paths.journal_dir / f"{DELETIONS}.journal")
    journal.append(SegmentDeleted(camera_id=CAM, segment_id=segment.header.segment_id, path=segment.path))
    journal.close()
    report = mended(site)
    assert (kinds(report), report.problems) == ([(Finding.GARBAGE, segment.path)], [])
    assert (site.data_dir / segment.path).exists()


def test_row_when_no_journal_names_its_segment_then_a_ghost(site: RecorderSite) -> None:
    rows = {segment.path: False for segment in site.sealed()}
    assert verified(site, rows=rows).found == []
    report = verified(site, rows=rows | {"segments/cam/x.seg": False, "segments/cam/y.seg": True})
    assert kinds(report) == [(Finding.GHOST, "segments/cam/x.seg")]
