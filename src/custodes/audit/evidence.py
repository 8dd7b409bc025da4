"""An evidence bundle: a ZIP with sealed recordings, a playable redacted film, proofs and a manifest of all of it.

    manifest.json          everything said about the bundle, with SHA-256 and length of every file
    manifest.tlog-proof    entry of the log that names the manifest's SHA-256; written last
    manifest.tsr           RFC 3161 time stamp over manifest.json, where the site has an authority (`audit: tsa:`)
    native/<segment>.seg   recordings byte for byte, sealed; their roots stand in the log
    derived/*.mp4          the same, decoded, masked and marked; for people to look at
    log/*.tlog-proof       the grant, and the entry of each segment
    subject-access.html    for a person who asked for their data: who saw these pictures; viewers.json as data
    log/policy             keys to check the proofs with; compare their fingerprint with the site's
    README.txt             how to check all this without custodes

Files are stored, not compressed: video does not shrink, and anybody can cut them out. `custodes_verify` reads it.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from custodes.errors import DataLoss, ResourceExhausted, StorageFull, Unavailable
from custodes.sealing.container import encode_header, read_header, scan_fragments
from custodes.types.media import Gap, Segment
from custodes.units import NS_PER_S, Ns

FORMAT = "custodes-evidence/1"
STAMP = "manifest.tsr"
MAX_SEGMENTS = 4096
"""Nearly three days in one-minute segments; more is several bundles."""

_BLOCK_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""What a ZIP entry's time says: the true times stand in the manifest, which is signed."""

README = """This is an evidence bundle of custodes. To check it without custodes:

    python3 custodes_verify.py evidence BUNDLE.zip --policy KEYS.txt

custodes_verify.py is one file that needs Python 3.11 and the package "cryptography"; take it and KEYS.txt from the
site on another way than this bundle. native/ holds the recordings as they lie on the site's disk, sealed: nobody can
watch them without the site's keys, but everybody can check that they are the ones that the site's log recorded.
manifest.tsr, if there is one, is a time stamp of a third party:

    openssl ts -verify -data manifest.json -in manifest.tsr -CAfile ITS-ROOT.pem

derived/ is what the camera saw, masked and marked for whoever asked for it: each picture leads back to this export.
Where manifest.json lists "altered_before_storage", the site filled privacy zones before it recorded: then recordings
are not the camera's own pictures, and what lay in those zones exists nowhere. If
c2pa-authority.pem lies there, the films carry content credentials (C2PA) under that authority, the site's own.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What the bundle is about; becomes the head of the manifest."""

    export_id: str
    site_id: str
    site_name: str
    camera_id: str
    camera_name: str
    start_ns: Ns
    end_ns: Ns
    purpose: str
    reference: str
    exporter: str
    fidelity: str
    created_ns: Ns
    software: str
    shown: tuple[tuple[str, int], ...] = ()
    """The only people unmasked (run, track id); empty: nobody, or with `unmasked` everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """One playable file; a new one begins when the picture's size changes."""

    path: Path
    frames: int
    fully_masked_frames: int
    first_ns: Ns
    last_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenSegment:
    """A recorded segment with the proof of its entry in the log; empty while it is still being recorded."""

    segment: Segment
    proof: str


def utc_text(utc_ns: int) -> str:
    """ISO 8601 with milliseconds."""
    return datetime.fromtimestamp(utc_ns / NS_PER_S, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class BundleWriter:
    """Writes one bundle into a file, in order; blocking."""

    def __init__(self, path: Path) -> None:
        """Raises: StorageFull, Unavailable."""
        try:
            # As a stream of its own: `zipfile` would make the file readable for others.
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
        except OSError as error:
            raise _translated(error) from error
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._files: dict[str, dict[str, object]] = {}
        self.manifest = b""
        """As it was written by `finish`."""

    def put(self, name: str, content: bytes) -> None:
        """A small file."""
        try:
            self._zip.writestr(zipfile.ZipInfo(name, _EPOCH), content)
        except OSError as error:
            raise _translated(error) from error
        self._files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}

    def copy(self, name: str, source: BinaryIO, length: int | None = None) -> str:
        """A file, or its first `length` bytes; returns its SHA-256. Raises: DataLoss when it is shorter."""
        info = zipfile.ZipInfo(name, _EPOCH)
        digest, done = hashlib.sha256(), 0
        try:
            with self._zip.open(info, "w", force_zip64=True) as target:
                while length is None or done < length:
                    block = source.read(_BLOCK_BYTES if length is None else min(_BLOCK_BYTES, length - done))
                    if not block:
                        break
                    digest.update(block)
                    target.write(block)
                    done += len(block)
        except OSError as error:
            raise _translated(error) from error
        if length is not None and done != length:
            raise DataLoss(f"{name} has {done} bytes; {length} were recorded")
        self._files[name] = {"sha256": digest.hexdigest(), "bytes": done}
        return digest.hexdigest()

    def finish(self, manifest: Mapping[str, object]) -> str:
        """Write the manifest; returns its SHA-256, for the log. Only the proof may follow."""
        self.manifest = json.dumps({**manifest, "files": self._files}, indent=1, ensure_ascii=False).encode()
        self.put("manifest.json", self.manifest)
        return hashlib.sha256(self.manifest).hexdigest()

    def close(self, proof: str, token: bytes = b"") -> None:
        """Add the proof that the log knows the manifest, and a time stamp, if any; make the file durable."""
        self.put("manifest.tlog-proof", proof.encode())
        if token:
            self.put(STAMP, token)
        try:
            self._zip.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise _translated(error) from error

    def abandon(self) -> None:
        """Close without an end; the file is of no use then."""
        self._zip.fp = None  # else it writes its end into a closed file when it is collected
        self._file.close()


def _translated(error: OSError) -> StorageFull | Unavailable:
    kind = StorageFull if error.errno == 28 else Unavailable
    return kind(f"the bundle cannot be written: {error.strerror or error}")


def whole_length(path: Path, segment: Segment) -> int:
    """Bytes of a segment file up to its last whole fragment. Raises: DataLoss when it is not what was recorded."""
    try:
        with path.open("rb") as stream:
            if read_header(stream) != segment.header:
                raise DataLoss(f"segment file {segment.header.segment_id} does not begin with its header")
            fragments = scan_fragments(stream, checks_chain=False)
    except OSError as error:
        raise DataLoss(f"segment file {segment.header.segment_id} cannot be read: {error.strerror}") from error
    if not fragments:
        return len(encode_header(segment.header))
    return fragments[-1].offset + fragments[-1].record_bytes


def write_bundle(
    writer: BundleWriter,
    about: Exported,
    *,
    data_dir: Path,
    segments: Sequence[ProvenSegment],
    films: Sequence[Film],
    gaps: Sequence[Gap],
    unreadable: Sequence[str],
    signatures: Sequence[dict[str, object]] = (),
    altered: Sequence[dict[str, object]] = (),
    grant_index: int,
    grant_proof: str,
    policy: str,
    papers: Mapping[str, bytes] = MappingProxyType({}),
) -> str:
    """All files but the last proof; returns the manifest's SHA-256.

    Args: papers: what else belongs in it, by name (`access.subject`).

    Raises: DataLoss when a recording is not what the log says; StorageFull, Unavailable from the disk.
    """
    if len(segments) > MAX_SEGMENTS:
        raise ResourceExhausted(f"{len(segments)} segments in one bundle; at most {MAX_SEGMENTS}")
    writer.put("README.txt", README.encode())
    writer.put("log/policy", policy.encode())
    writer.put("log/grant.tlog-proof", grant_proof.encode())
    for name, content in papers.items():
        writer.put(name, content)
    rows = [_write_segment(writer, each, data_dir) for each in segments]
    derived = []
    for film in films:
        name = f"derived/{film.path.name}"
        with film.path.open("rb") as stream:
            writer.copy(name, stream)
        derived.append({"file": name, **{key: value for key, value in asdict(film).items() if key != "path"}})
    manifest: dict[str, object] = {
        "format": FORMAT,
        **asdict(about),
        "start_utc": utc_text(about.start_ns),
        "end_utc": utc_text(about.end_ns),
        "created_utc": utc_text(about.created_ns),
        "grant": {"index": grant_index, "proof": "log/grant.tlog-proof"},
        "segments": rows,
        "derived": derived,
        "gaps": [{"start_ns": gap.start_ns, "end_ns": gap.end_ns, "cause": gap.cause.value} for gap in gaps],
        "unreadable": list(unreadable),
        # What the camera's own signatures say (ONVIF Media Signing), stretch by stretch; empty when it does not sign.
        "signatures": list(signatures),
        # Where pictures were changed before they were stored, by whom and how; empty where they are as the camera's.
        "altered_before_storage": list(altered),
    }
    return writer.finish(manifest)


def _write_segment(writer: BundleWriter, proven: ProvenSegment, data_dir: Path) -> dict[str, object]:
    segment, header = proven.segment, proven.segment.header
    path = data_dir / segment.path
    length = segment.bytes_on_disk if segment.is_sealed else whole_length(path, segment)
    name = f"native/{header.segment_id}.seg"
    try:
        with path.open("rb") as stream:
            writer.copy(name, stream, length)
    except FileNotFoundError as error:
        raise DataLoss(f"segment file {header.segment_id} is gone; retention took it, or somebody else") from error
    proof = ""
    if proven.proof:
        proof = f"log/{header.segment_id}.tlog-proof"
        writer.put(proof, proven.proof.encode())
    return {
        "file": name,
        "segment_id": header.segment_id,
        "run": header.run,
        "start_ns": header.start_ns,
        "end_ns": segment.end_ns,
        "is_sealed": segment.is_sealed,
        "root": segment.root.hex(),
        "clock": {
            "source": segment.clock.source.value,
            "error_ns": segment.clock.error_ns,
            "camera_offset_ns": segment.clock.camera_offset_ns,
        },
        "proof": proof,
    }
