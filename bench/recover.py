"""How long a recorder's start-up reconcile takes on a site with many segments.

    python -m bench.recover [--smoke] [--segments N]

Real headers and fragments in real files, a journal as the recorder writes it (opened and sealed), then three starts:
everything known; the same again; and one after a crash that left open segments, torn tails and files that no journal
knows. What is measured is `record.reconcile`, as `app.recorder` calls it.
"""

import argparse
import os
import shutil
import tempfile
import time
import zlib
from pathlib import Path

from custodes.adapters.blob.disk import Disk
from custodes.record.journal import MAGIC, JournalWriter, encode_record
from custodes.record.reconcile import JournalState, Reconciled, reconcile
from custodes.record.segment import segment_path
from custodes.record.verify import Depth, verify_segments
from custodes.sealing.container import FragmentSealer, encode_header
from custodes.sealing.unwrap import generate_camera_day_key
from custodes.sealing.wrap import new_segment
from custodes.testing.camera import START_NS
from custodes.types.event import SegmentOpened, SegmentSealed
from custodes.types.media import Segment, SegmentHeader
from custodes.units import NS_PER_S, CameraId, KeyId, Ns, RunId, SegmentId
from eval.report import Report

SITE_ID = "0011223344556677"
CAMERAS = 50
CRASHED = 50
"""Open segments and unknown files of the third start, each."""


def new_header() -> tuple[SegmentHeader, bytes]:
    _, public = generate_camera_day_key()
    return new_segment(public_key=public, key_id=KeyId("cam/20260101"), site_id=SITE_ID, camera_id=CameraId("cam"),
                       run=RunId("0123456789ab"), segment_id=SegmentId("s"), start_ns=START_NS)  # fmt: skip


def make_site(folder: Path, count: int, report: Report) -> list[Segment]:
    """Files and journal; the wrapped key is the same everywhere, which nothing here looks at."""
    template, key = new_header()
    segments: list[Segment] = []
    (folder / "journal").mkdir(parents=True)
    with (folder / "journal/recorder.journal").open("wb") as journal:
        journal.write(MAGIC)
        for number in range(count):
            if number % 1000 == 0:
                report.progress(number, count, "making segments")
            segment, content = one_segment(number, template, key)
            path = folder / segment.path
            if number < CAMERAS:
                path.parent.mkdir(parents=True)
            path.write_bytes(content)
            journal.write(encode_record(SegmentOpened(segment=segment)))
            journal.write(encode_record(SegmentSealed(segment=segment)))
            segments.append(segment)
    return segments


def one_segment(number: int, template: SegmentHeader, key: bytes) -> tuple[Segment, bytes]:
    camera, start_ns = CameraId(f"cam{number % CAMERAS:02d}"), Ns(START_NS + number // CAMERAS * 30 * NS_PER_S)
    header = SegmentHeader(version=1, site_id=SITE_ID, camera_id=camera, run=template.run, start_ns=start_ns,
                           segment_id=SegmentId(f"{start_ns}-{template.run}-{number % 7}"), key_id=template.key_id,
                           wrapped_key=template.wrapped_key)  # fmt: skip
    sealer = FragmentSealer(header, key)
    content = encode_header(header)
    content += sealer.seal(b"init" * 150, start_ns=start_ns, end_ns=start_ns, is_init=True)
    end_ns = Ns(start_ns + 30 * NS_PER_S)
    content += sealer.seal(b"gop" * 300, start_ns=start_ns, end_ns=end_ns, is_init=False)
    # Days are folders: a journal of weeks lies in many, here in as few as the times give.
    path = segment_path(camera, START_NS, header.segment_id)
    return Segment(header=header, path=path, end_ns=end_ns, bytes_on_disk=len(content), fragments=sealer.count,
                   root=sealer.root, is_sealed=True), content  # fmt: skip


def start(folder: Path) -> tuple[float, Reconciled]:
    """One start of a recorder, as far as its journal and files go; seconds and what was found."""
    began = time.perf_counter()
    state = JournalState()
    journal = JournalWriter(Disk(), folder / "journal/recorder.journal", state)
    found = reconcile(folder, Disk(), journal, site_id=SITE_ID, state=state, read_already="recorder.journal")
    journal.close()
    return time.perf_counter() - began, found


def crash(folder: Path, segments: list[Segment], first: int) -> None:
    """Segments that were open, with half a record at their end, and whole files that no journal knows."""
    template, key = new_header()
    journal = JournalWriter(Disk(), folder / "journal/recorder.journal")
    opened = []
    for number in range(first, first + 2 * CRASHED):
        segment, content = one_segment(number, template, key)
        if number < first + CRASHED:
            opened.append(SegmentOpened(segment=segment))
            (folder / segment.path).write_bytes(content + b"FRAG torn")
        else:
            header = segment.header
            target = folder / segment_path(header.camera_id, header.start_ns, header.segment_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    journal.extend(opened)
    journal.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segments", type=int, default=100_000)
    parser.add_argument("--smoke", action="store_true", help="2,000 segments; the key is then an extrapolation")
    wanted = parser.parse_args()
    count = 2_000 if wanted.smoke else wanted.segments
    report = Report("bench.recover", smoke=wanted.smoke, config={"segments": count, "cameras": CAMERAS})
    folder = Path(tempfile.mkdtemp(prefix="bench-recover-", dir=Path.cwd()))
    try:
        segments = make_site(folder, count, report)
        journal_bytes = (folder / "journal/recorder.journal").read_bytes()
        began = time.perf_counter()
        zlib.crc32(journal_bytes)
        files = sum(1 for _ in walk(folder / "segments"))
        floor_s = time.perf_counter() - began
        assert files == count
        first_s, found = start(folder)
        assert found.sealed == found.adopted == found.lost == 0, found
        again_s, _ = start(folder)
        crash(folder, segments, count)
        crashed_s, found = start(folder)
        assert (found.sealed, found.adopted, found.lost) == (CRASHED, CRASHED, 0), found
        assert not verify_segments(folder, Depth.PRESENCE, site_id=SITE_ID).found
    finally:
        shutil.rmtree(folder)
    scale = 100_000 / count
    report.results |= {
        "reconcile_100k_s": round(again_s * scale, 2),
        "reconcile_first_100k_s": round(first_s * scale, 2),
        "reconcile_after_crash_s": round(crashed_s, 2),
    }
    report.config["journal_mb"] = round(len(journal_bytes) / 1e6, 1)
    report.floor["read_crc_list_100k_s"] = round(floor_s * scale, 2)
    report.finish()


def walk(folder: Path):
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from walk(Path(entry.path))
        else:
            yield entry


if __name__ == "__main__":
    main()
