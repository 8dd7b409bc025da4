"""An evidence bundle says what it is about and proves it; `custodes_verify`, of other code, finds each change."""

import hashlib
import json
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

import custodes_verify
from custodes.audit.evidence import (
    MAX_SEGMENTS,
    BundleWriter,
    Exported,
    Film,
    ProvenSegment,
    utc_text,
    whole_length,
    write_bundle,
)
from custodes.audit.export import policy_text
from custodes.audit.proof import prove_entries
from custodes.errors import AlreadyExists, DataLoss, ResourceExhausted, Unavailable
from custodes.sealing.container import FragmentSealer, encode_header
from custodes.testing.audit import fake_signer, open_test_log
from custodes.testing.keys import SITE_ID, sample_segment
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.media import ClockReading, ClockSource, Gap, GapCause, Segment
from custodes.units import CameraId, Ns

T0 = 1_767_500_000_123_000_000
POLICY = policy_text(fake_signer().keys, [])
ABOUT = Exported(
    export_id="e1",
    site_id=SITE_ID,
    site_name="Harbour",
    camera_id="gate",
    camera_name="Gate",
    start_ns=Ns(T0),
    end_ns=Ns(T0 + 10**9),
    purpose="case",
    reference="2026-7",
    exporter="Ann",
    fidelity="masked",
    created_ns=Ns(T0 + 2 * 10**9),
    software="custodes 1",
    shown=(("0123456789ab", 7),),
)


def recorded(folder: Path, *, is_sealed: bool = True, cut: int = 0) -> Segment:
    """A segment of three fragments in a file; `cut` bytes of a fourth stand behind them."""
    header, data_key = sample_segment(start_ns=T0)
    sealer = FragmentSealer(header, data_key)
    whole = encode_header(header) + b"".join(
        sealer.seal(bytes([n]) * 5000, start_ns=Ns(T0 + n), end_ns=Ns(T0 + n + 1), is_init=n == 0) for n in range(3)
    )
    root = sealer.root
    tail = sealer.seal(b"late" * 500, start_ns=Ns(T0 + 4), end_ns=Ns(T0 + 5), is_init=False)[:cut]
    path = folder / "one.seg"
    path.write_bytes(whole + tail)
    return Segment(
        header=header,
        path=path.name,
        end_ns=Ns(T0 + 10**9),
        bytes_on_disk=len(whole),
        fragments=3,
        root=root,
        is_sealed=is_sealed,
        clock=ClockReading(source=ClockSource.CAMERA, error_ns=5, camera_offset_ns=-6),
    )


class Export:
    """A log that granted, recorded and sealed, and the bundle that says so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = open_test_log(folder / "log.db")
        self.segment = recorded(folder)
        self.grant = self.entry(AuditKind.ACCESS_GRANTED, "Ann", "gate", action="export", grant_id="g")
        header = self.segment.header
        self.recorded = self.entry(
            AuditKind.SEGMENT_SEALED,
            "process:recorder",
            header.segment_id,
            root=self.segment.root.hex(),
            fragments="3",
        )
        (folder / "film-1.mp4").write_bytes(b"film")

    def entry(self, kind: AuditKind, actor: str, subject: str, **details: str) -> int:
        record = AuditRecord(kind=kind, actor=actor, subject=subject, details=details)
        return self.log.append([(record, Ns(T0))])[0].index

    def proof(self, index: int) -> str:
        return prove_entries(self.log, (index,), 1)[0]

    def write(self, **changes: object) -> Path:
        path = self.folder / "bundle.zip"
        writer = BundleWriter(path)
        film = Film(
            path=self.folder / "film-1.mp4",
            frames=25,
            fully_masked_frames=1,
            first_ns=Ns(T0),
            last_ns=Ns(T0 + 9),
        )
        values = {
            "data_dir": self.folder,
            "segments": [ProvenSegment(segment=self.segment, proof=self.proof(self.recorded))],
            "films": [film],
            "gaps": [Gap(camera_id=CameraId("gate"), start_ns=Ns(5), end_ns=Ns(6), cause=GapCause.STALLED)],
            "unreadable": ["s9"],
            "signatures": [{"verdict": "authentic"}],
            "altered": [{"what": "zones filled"}],
            "grant_index": self.grant,
            "grant_proof": self.proof(self.grant),
            "policy": POLICY,
            "papers": {"viewers.json": b"[]"},
        }
        digest = write_bundle(writer, ABOUT, **{**values, **changes})
        assert digest == hashlib.sha256(writer.manifest).hexdigest()
        sealed = self.entry(AuditKind.EVIDENCE_SEALED, "process:server", "gate", manifest=digest, export_id="e1")
        writer.close(self.proof(sealed), b"token")
        return path


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export(tmp_path)


def test_bundle_says_what_it_is_about_and_names_each_of_its_files(export: Export) -> None:
    path = export.write()
    assert path.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(path) as bundle:
        names = bundle.namelist()
        manifest = json.loads(bundle.read("manifest.json"))
        files = manifest.pop("files")
        for name, said in files.items():
            content = bundle.read(name)
            assert said == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        assert {one.compress_type for one in bundle.infolist()} == {zipfile.ZIP_STORED}
        assert {one.date_time for one in bundle.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert bundle.read("log/policy").decode() == POLICY
        assert bundle.read("viewers.json") == b"[]" and bundle.read("manifest.tsr") == b"token"
    segment_id = export.segment.header.segment_id
    assert names == [
        "README.txt",
        "log/policy",
        "log/grant.tlog-proof",
        "viewers.json",
        f"native/{segment_id}.seg",
        f"log/{segment_id}.tlog-proof",
        "derived/film-1.mp4",
        "manifest.json",
        "manifest.tlog-proof",
        "manifest.tsr",
    ]
    assert list(files) == names[:-3]
    assert manifest == {
        "format": "custodes-evidence/1",
        "export_id": "e1",
        "site_id": SITE_ID,
        "site_name": "Harbour",
        "camera_id": "gate",
        "camera_name": "Gate",
        "start_ns": T0,
        "end_ns": T0 + 10**9,
        "purpose": "case",
        "reference": "2026-7",
        "exporter": "Ann",
        "fidelity": "masked",
        "created_ns": T0 + 2 * 10**9,
        "software": "custodes 1",
        "shown": [["0123456789ab", 7]],
        "start_utc": "2026-01-04T04:13:20.123Z",
        "end_utc": "2026-01-04T04:13:21.123Z",
        "created_utc": "2026-01-04T04:13:22.123Z",
        "grant": {"index": 0, "proof": "log/grant.tlog-proof"},
        "segments": [
            {
                "file": f"native/{segment_id}.seg",
                "segment_id": segment_id,
                "run": export.segment.header.run,
                "start_ns": T0,
                "end_ns": T0 + 10**9,
                "is_sealed": True,
                "root": export.segment.root.hex(),
                "clock": {"source": "camera", "error_ns": 5, "camera_offset_ns": -6},
                "proof": f"log/{segment_id}.tlog-proof",
            }
        ],
        "derived": [
            {
                "file": "derived/film-1.mp4",
                "frames": 25,
                "fully_masked_frames": 1,
                "first_ns": T0,
                "last_ns": T0 + 9,
            }
        ],
        "gaps": [{"start_ns": 5, "end_ns": 6, "cause": "stalled"}],
        "unreadable": ["s9"],
        "signatures": [{"verdict": "authentic"}],
        "altered_before_storage": [{"what": "zones filled"}],
    }


def test_bundle_verifies_and_any_changed_file_is_found(export: Export) -> None:
    path = export.write()
    report = custodes_verify.verify_evidence(path, custodes_verify.parse_policy(POLICY))
    assert "1 of 1 native segments are as the log recorded them" in "\n".join(report)
    with zipfile.ZipFile(path) as bundle:
        contents = {name: bundle.read(name) for name in bundle.namelist()}
    for changed in contents.keys() - {"manifest.tsr"}:
        buffer = export.folder / "changed.zip"
        with zipfile.ZipFile(buffer, "w") as other:
            for name, content in contents.items():
                middle = len(content) // 2
                torn = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
                other.writestr(name, torn if name == changed else content)
        with pytest.raises((custodes_verify.Wrong, ValueError, KeyError)):
            custodes_verify.verify_evidence(buffer, custodes_verify.parse_policy(POLICY))


def test_segment_that_is_still_written_is_packed_up_to_its_last_whole_fragment(tmp_path: Path) -> None:
    export = Export(tmp_path)
    export.segment = recorded(tmp_path, is_sealed=False, cut=77)
    assert whole_length(tmp_path / "one.seg", export.segment) == export.segment.bytes_on_disk
    path = export.write(segments=[ProvenSegment(segment=export.segment, proof="")])
    with zipfile.ZipFile(path) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
        (row,) = manifest["segments"]
        assert (row["is_sealed"], row["proof"]) == (False, "")
        assert manifest["files"][row["file"]]["bytes"] == export.segment.bytes_on_disk
    assert "still being recorded" in "\n".join(custodes_verify.verify_evidence(path, None))


def test_recording_that_is_gone_short_or_another_is_no_evidence(export: Export, tmp_path: Path) -> None:
    proof = export.proof(export.recorded)
    path = tmp_path / "one.seg"
    content = path.read_bytes()
    for what, words in ((content[:-1], "were recorded"), (None, "is gone")):
        path.unlink(missing_ok=True)
        if what is not None:
            path.write_bytes(what)
        writer = BundleWriter(tmp_path / f"{words}.zip")
        with pytest.raises(DataLoss, match=words):
            write_bundle(
                writer,
                ABOUT,
                data_dir=tmp_path,
                segments=[ProvenSegment(segment=export.segment, proof=proof)],
                films=[],
                gaps=[],
                unreadable=[],
                grant_index=0,
                grant_proof=proof,
                policy=POLICY,
            )
        writer.abandon()
    other, _ = sample_segment(start_ns=T0 + 9)
    path.write_bytes(content)
    with pytest.raises(DataLoss, match="does not begin with its header"):
        whole_length(path, replace(export.segment, header=other))
    path.write_bytes(encode_header(export.segment.header))
    assert whole_length(path, export.segment) == len(encode_header(export.segment.header)), "nothing in it yet"
    path.unlink()
    with pytest.raises(DataLoss, match="cannot be read"):
        whole_length(path, export.segment)


def test_bundle_takes_4096_segments_and_is_made_once(export: Export, tmp_path: Path) -> None:
    writer = BundleWriter(tmp_path / "many.zip")
    many = [ProvenSegment(segment=export.segment, proof="")] * (MAX_SEGMENTS + 1)
    with pytest.raises(ResourceExhausted, match="4097 segments"):
        write_bundle(
            writer,
            ABOUT,
            data_dir=tmp_path,
            segments=many,
            films=[],
            gaps=[],
            unreadable=[],
            grant_index=0,
            grant_proof="",
            policy="",
        )
    writer.abandon()
    with pytest.raises((Unavailable, AlreadyExists), match="cannot be written"):
        BundleWriter(tmp_path / "many.zip")


def test_copy_takes_as_much_as_it_is_told_and_hashes_what_it_wrote(tmp_path: Path) -> None:
    writer = BundleWriter(tmp_path / "copy.zip")
    content = bytes(range(256)) * 5000
    assert writer.copy("whole", BytesIO(content)) == hashlib.sha256(content).hexdigest()
    assert writer.copy("part", BytesIO(content), 1_100_000) == hashlib.sha256(content[:1_100_000]).hexdigest()
    assert writer.copy("none", BytesIO(content), 0) == hashlib.sha256(b"").hexdigest()
    writer.close("proof")
    with zipfile.ZipFile(tmp_path / "copy.zip") as bundle:
        assert [len(bundle.read(name)) for name in bundle.namelist()] == [1_280_000, 1_100_000, 0, 5]


def test_moment_is_told_in_utc_with_milliseconds() -> None:
    assert utc_text(T0) == "2026-01-04T04:13:20.123Z"
    assert utc_text(0) == "1970-01-01T00:00:00.000Z"
