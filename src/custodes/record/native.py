"""Sealed segments copied byte for byte into a folder, with what is needed to check them elsewhere without a key.

    manifest.json               what is here: SHA-256 and length of every file, root and proof of every segment
    segments/<camera>/…seg      as recorded: ciphertext, opened only by whoever has the camera-day's private key
    proofs/<segment>.tlog-proof that the log recorded this root (from `audit`)
    log/policy                  keys of the log
    keys/…                      published camera-day keys, and the pinned key that signed them

`custodes-verify native FOLDER` checks it; `missing_from` compares it with the site.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from custodes.config.durable import sync_folder
from custodes.errors import AlreadyExists, DataLoss, InvalidArgument, NotFound, StorageFailed
from custodes.record.verify import named_segments
from custodes.types.media import Segment
from custodes.types.stream import camera_of
from custodes.units import CameraId, Ns, SegmentId

FORMAT = "custodes-native/1"
MAX_MANIFEST_BYTES = 256 * 1024 * 1024
MAX_SEGMENTS = 1_000_000
_BLOCK_BYTES = 1 << 20


class NativeSegment(msgspec.Struct, frozen=True, kw_only=True):
    """One segment of a manifest. `proof` is empty while the log does not know it under a published checkpoint."""

    segment_id: SegmentId
    camera_id: CameraId
    file: str
    start_ns: Ns
    end_ns: Ns
    fragments: int
    root: str
    key_id: str
    proof: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json`. All that was sealed of these cameras in [start_ns, end_ns) is here."""

    format: str
    site_id: str
    start_ns: Ns
    end_ns: Ns
    cameras: tuple[CameraId, ...]
    segments: tuple[NativeSegment, ...]
    files: dict[str, dict[str, int | str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which segments: those of these cameras or streams (all when empty) that reach into [start_ns, end_ns)."""

    cameras: frozenset[CameraId]
    start_ns: Ns
    end_ns: Ns

    def covers(self, segment: Segment) -> bool:
        """Whether it belongs to it."""
        stream_id = segment.header.camera_id
        is_camera = not self.cameras or not self.cameras.isdisjoint((stream_id, camera_of(stream_id)))
        return is_camera and segment.header.start_ns < self.end_ns and segment.end_ns >= self.start_ns


def wanted_segments(data_dir: Path, wanted: Wanted) -> list[Segment]:
    """Sealed segments of a site, running or stopped, by camera and start; none that retention deleted."""
    newest, deleted = named_segments(data_dir)
    found = [
        segment
        for path, segment in newest.items()
        if path not in deleted and segment.is_sealed and segment.bytes_on_disk and wanted.covers(segment)
    ]
    return sorted(found, key=lambda segment: (segment.header.camera_id, segment.header.start_ns))


def export_native(
    data_dir: Path,
    folder: Path,
    *,
    site_id: str,
    wanted: Wanted,
    segments: Sequence[Segment],
    prove: Callable[[SegmentId], str],
    extra_files: Mapping[str, bytes],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Manifest:
    """Copy and write the manifest, all of it synced.

    Args:
        folder: made by this; must not exist. Taken away again when something fails.
        prove: text of a log proof for a segment, empty when there is none yet.
        extra_files: log policy, keys: path in the folder → content.

    Raises: AlreadyExists; NotFound without segments; DataLoss when a segment is gone or not as it was sealed;
        StorageFailed.
    """
    if not segments:
        raise NotFound("no sealed segment of these cameras lies in that time")
    if len(segments) > MAX_SEGMENTS:
        raise InvalidArgument(f"{len(segments)} segments; at most {MAX_SEGMENTS} go into one export")
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise AlreadyExists(f"{folder} is there already; an export goes into a folder of its own") from error
    try:
        return _write(data_dir, folder, site_id, wanted, segments, prove, extra_files, on_progress)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StorageFailed(f"{folder} cannot be written: {error.strerror or error}") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def read_manifest(folder: Path) -> Manifest:
    """Raises: NotFound, DataLoss when it is malformed."""
    try:
        with (folder / "manifest.json").open("rb") as stream:
            manifest = msgspec.json.decode(stream.read(MAX_MANIFEST_BYTES), type=Manifest)
    except FileNotFoundError as error:
        raise NotFound(f"{folder} is no native export (it has no manifest.json)") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise DataLoss(f"{folder}/manifest.json cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise DataLoss(f"{folder} is of format {manifest.format!r}; expected {FORMAT!r}")
    return manifest


def missing_from(manifest: Manifest, data_dir: Path) -> list[str]:
    """The reverse check, against the site: sentences on segments that the export lacks, or has otherwise."""
    wanted = Wanted(cameras=frozenset(manifest.cameras), start_ns=manifest.start_ns, end_ns=manifest.end_ns)
    exported = {one.segment_id: one for one in manifest.segments}
    said: list[str] = []
    for segment in wanted_segments(data_dir, wanted):
        segment_id = segment.header.segment_id
        one = exported.get(segment_id)
        if one is None:
            said.append(f"{segment_id} is on the site and not in the export")
        elif (one.root, one.fragments) != (segment.root.hex(), segment.fragments):
            said.append(f"{segment_id} has another root on the site")
    return said


def _write(
    data_dir: Path,
    folder: Path,
    site_id: str,
    wanted: Wanted,
    segments: Sequence[Segment],
    prove: Callable[[SegmentId], str],
    extra_files: Mapping[str, bytes],
    on_progress: Callable[[int, int], None],
) -> Manifest:
    files: dict[str, dict[str, int | str]] = {}
    listed: list[NativeSegment] = []
    for number, segment in enumerate(segments):
        header = segment.header
        files[segment.path] = _copy(data_dir / segment.path, folder / segment.path, segment)
        proof = prove(header.segment_id)
        proof_file = f"proofs/{header.segment_id}.tlog-proof" if proof else ""
        if proof:
            files[proof_file] = _put(folder / proof_file, proof.encode())
        listed.append(
            NativeSegment(
                segment_id=header.segment_id,
                camera_id=header.camera_id,
                file=segment.path,
                start_ns=header.start_ns,
                end_ns=segment.end_ns,
                fragments=segment.fragments,
                root=segment.root.hex(),
                key_id=header.key_id,
                proof=proof_file,
            )
        )
        on_progress(number + 1, len(segments))
    for name, content in extra_files.items():
        files[name] = _put(folder / name, content)
    # Up to here it is complete: a site that records on seals more for one camera or another, and a segment's end may
    # lie a little behind the next one's start.
    ends = {segment.header.camera_id: Ns(segment.header.start_ns + 1) for segment in segments}
    manifest = Manifest(
        format=FORMAT,
        site_id=site_id,
        start_ns=wanted.start_ns,
        end_ns=min(wanted.end_ns, *ends.values()),
        cameras=tuple(sorted(wanted.cameras or {segment.header.camera_id for segment in segments})),
        segments=tuple(listed),
        files=files,
    )
    _put(folder / "manifest.json", json.dumps(msgspec.to_builtins(manifest), indent=1).encode())
    for place in _folders(folder):
        sync_folder(place)
    return manifest


def _folders(folder: Path) -> Iterable[Path]:
    return [*(place for place in folder.rglob("*") if place.is_dir()), folder, folder.absolute().parent]


def _copy(source: Path, target: Path, segment: Segment) -> dict[str, int | str]:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    try:
        reading = source.open("rb")
    except FileNotFoundError as error:
        raise DataLoss(f"{segment.path} is gone; `custodes check` says more") from error
    with reading, target.open("xb") as writing:
        while block := reading.read(_BLOCK_BYTES):
            digest.update(block)
            size += writing.write(block)
        writing.flush()
        os.fsync(writing.fileno())
    if size != segment.bytes_on_disk:
        raise DataLoss(f"{segment.path} has {size} bytes; {segment.bytes_on_disk} were sealed")
    return {"sha256": digest.hexdigest(), "bytes": size}


def _put(target: Path, content: bytes) -> dict[str, int | str]:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
