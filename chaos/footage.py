"""What a recorder was given against what can be read back: the loss in packets and GOPs."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from custodes.adapters.ipc.hub_subscriber import HubSubscriber
from custodes.errors import CustodesError
from custodes.media.fmp4 import read_init, read_packets
from custodes.record.journal import read_all
from custodes.sealing.container import read_fragment, read_header, scan_fragments
from custodes.sealing.unwrap import unwrap_data_key
from custodes.testing.camera import file_spec, write_clip
from custodes.testing.recorder import RecorderSite
from custodes.types.event import GapRecorded, SegmentDeleted, SegmentSealed
from custodes.types.media import Gap, GapCause, Packet, Segment
from custodes.units import NS_PER_DAY, NS_PER_S, CameraId, KeyId, RunId

CAMERAS = tuple(CameraId(f"cam-{number}") for number in range(3))
GOP_FRAMES, FPS = 5, 25
"""Five GOPs a second and camera: as many writes and syncs as a site of fifteen cameras."""

_EDGE_NS = NS_PER_S // FPS
"""A packet: where a gap ends, another begins."""


def make_clip(folder: Path) -> Path:
    """Eight seconds that the cameras play again and again."""
    return write_clip(folder / "walk.mp4", frames=200, fps=FPS, gop=GOP_FRAMES, size=(160, 120))


def make_site(data_dir: Path, clip: Path, now_ns: int, *, cameras: Sequence[CameraId] = CAMERAS) -> RecorderSite:
    """A data directory in which a recorder runs on these cameras; keys for yesterday, today and tomorrow."""
    site = RecorderSite(data_dir)
    site.create(segment_s=2.0, min_free_mb=0)
    for camera_id in cameras:
        for days in (-1, 0, 1):
            site.publish(camera_id, now_ns + days * NS_PER_DAY)
    site.assign([file_spec(clip, camera_id=camera_id, is_looped=True) for camera_id in cameras])
    return site


@dataclass(frozen=True, slots=True)
class Seen:
    """One packet that the recorder had taken: the hub publishes it after it was recorded."""

    camera_id: CameraId
    run: RunId
    seq: int
    is_keyframe: bool
    digest: str
    utc_ns: int


def seen_of(packet: Packet) -> Seen:
    """As the hub or a segment gives it."""
    digest = hashlib.blake2b(packet.payload, digest_size=8).hexdigest()
    return Seen(packet.camera_id, packet.run, packet.seq, packet.is_keyframe, digest, packet.utc_ns)


class Observer:
    """Reads a recorder's hub until the recorder is gone."""

    def __init__(self, socket: Path, *, on_seen: Callable[[Seen], None] = lambda seen: None) -> None:
        """Raises: Unavailable when no recorder listens."""
        self._subscriber = HubSubscriber(socket, CAMERAS)
        self._on_seen = on_seen
        self.seen: list[Seen] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                message = self._subscriber.receive(timeout_s=30)
            except CustodesError:
                return
            if isinstance(message, Packet):
                seen = seen_of(message)
                self.seen.append(seen)
                self._on_seen(seen)

    def finish(self) -> list[Seen]:
        """After the recorder was killed: the rest of what it had sent."""
        self._thread.join(timeout=60)
        self._subscriber.close()
        return self.seen


@dataclass(slots=True)
class Loss:
    """What is missing of what was taken."""

    taken: int = 0
    gops_lost: int = 0
    """The worst camera's."""
    wrong: list[str] = field(default_factory=list)
    """What must never be, in words."""


def sealed_segments(data_dir: Path) -> list[Segment]:
    """Of all journals, but those deleted; by path."""
    sealed: dict[str, Segment] = {}
    for journal in sorted((data_dir / "journal").glob("*.journal")):
        for record in read_all(journal)[0]:
            if isinstance(record, SegmentSealed):
                sealed[record.segment.path] = record.segment
            elif isinstance(record, SegmentDeleted):
                sealed.pop(record.path, None)
    return list(sealed.values())


def read_back(
    data_dir: Path, keys: dict[KeyId, bytes], runs: Iterable[RunId]
) -> dict[tuple[CameraId, RunId], list[Seen]]:
    """Unseal everything of these runs."""
    wanted, found = set(runs), defaultdict[tuple[CameraId, RunId], list[Seen]](list)
    for segment in sealed_segments(data_dir):
        is_there = (data_dir / segment.path).is_file()  # a lost one is `custodes check`'s to complain of
        if segment.header.run in wanted and is_there:
            found[segment.header.camera_id, segment.header.run] += unsealed(data_dir, keys, segment)
    return {key: sorted(packets, key=lambda one: one.seq) for key, packets in found.items()}


def unsealed(data_dir: Path, keys: dict[KeyId, bytes], segment: Segment) -> list[Seen]:
    """The packets of one segment, numbered as the run numbers them."""
    with (data_dir / segment.path).open("rb") as stream:
        header = read_header(stream)
        data_key = unwrap_data_key(keys[header.key_id], header)
        fragments = scan_fragments(stream)
        if not fragments:
            return []
        init = read_fragment(stream, header, data_key, fragments[0])
        info = read_init(init, camera_id=header.camera_id, run=header.run)
        return [
            seen_of(packet)
            for fragment in fragments[1:]
            for packet in read_packets(
                info, read_fragment(stream, header, data_key, fragment), start_ns=fragment.start_ns
            )
        ]


def gaps_of(data_dir: Path, causes: Iterable[GapCause]) -> list[Gap]:
    """As the journals have them."""
    wanted, found = set(causes), list[Gap]()
    for journal in sorted((data_dir / "journal").glob("*.journal")):
        found += [
            record.gap
            for record in read_all(journal)[0]
            if isinstance(record, GapRecorded) and record.gap.cause in wanted
        ]
    return found


def measure(
    data_dir: Path, keys: dict[KeyId, bytes], seen: Sequence[Seen], *, explained_by: Iterable[GapCause] = ()
) -> Loss:
    """Compare what was taken with what can be read back.

    Args: explained_by: what is missing in gaps of these causes is known to be missing, not lost. Without any,
        packets may be missing at the end of a run alone; a hole before it is wrong.
    """
    loss = Loss(taken=len(seen))
    gaps = gaps_of(data_dir, explained_by)
    by_run = defaultdict[tuple[CameraId, RunId], list[Seen]](list)
    for one in seen:
        by_run[one.camera_id, one.run].append(one)
    readable = read_back(data_dir, keys, {run for _, run in by_run})
    per_camera = defaultdict[CameraId, int](int)
    for (camera_id, run), taken in by_run.items():
        kept = {one.seq: one for one in readable.get((camera_id, run), [])}
        if not explained_by and sorted(kept) != list(range(len(kept))):
            loss.wrong.append(f"{camera_id} {run}: packets {sorted(kept)[:50]}… are not without holes")
        wrong = [one.seq for one in taken if one.seq in kept and one.digest != kept[one.seq].digest]
        if wrong:
            loss.wrong.append(f"{camera_id} {run}: packets {wrong[:10]} read back otherwise than they were taken")
        lost = [one for one in taken if one.seq not in kept and not _is_known(one, gaps)]
        per_camera[camera_id] += max(sum(one.is_keyframe for one in lost), 1 if lost else 0)
    loss.gops_lost = max(per_camera.values(), default=0)
    return loss


def _is_known(one: Seen, gaps: Iterable[Gap]) -> bool:
    return any(
        gap.camera_id == one.camera_id and gap.start_ns - _EDGE_NS <= one.utc_ns <= gap.end_ns + _EDGE_NS
        for gap in gaps
    )
