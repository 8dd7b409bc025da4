"""A data directory in which a recorder can run without a warden, and the keys to read what it recorded."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.adapters.blob.disk import Disk
from custodes.adapters.camera import open_camera
from custodes.config import Assignment, SiteConfig, SitePaths, read_assignment, write_assignment, write_effective
from custodes.config.identity import SiteIdentity, write_identity
from custodes.errors import CameraEnded, DeadlineExceeded
from custodes.media.fmp4 import read_init, read_packets
from custodes.record.journal import JournalWriter, read_all
from custodes.record.recording import CameraRecording, RecordingPolicy
from custodes.record.scratch import Scratch
from custodes.record.segment import day_of
from custodes.sealing.container import read_fragment, read_header, scan_fragments
from custodes.sealing.published import (
    PinnedKeys,
    key_id_of,
    latest_usable,
    read_pinned,
    sign_published,
    write_pinned,
    write_published,
)
from custodes.sealing.unwrap import generate_camera_day_key, unwrap_data_key
from custodes.testing.camera import FastClock, file_spec
from custodes.testing.ending import kill
from custodes.types.event import GapRecorded, SegmentSealed
from custodes.types.media import Gap, Packet, Segment, StreamInfo
from custodes.types.message import CameraSpec
from custodes.units import NS_PER_S, CameraId, KeyId, Ns

SITE_ID = "0011223344556677"


@dataclass(slots=True)
class RecorderSite:
    """One data directory. Makes the warden's files with keys of its own."""

    data_dir: Path
    private_keys: dict[KeyId, bytes] = field(default_factory=dict)
    _signer: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    _version: int = 0

    @property
    def paths(self) -> SitePaths:
        """Where things lie."""
        return SitePaths(self.data_dir)

    def create(self, **recorder: float) -> None:
        """Identity, pinned key, configuration. `recorder`: fields of RecorderConfig."""
        self.data_dir.mkdir(parents=True)
        self.paths.run_dir.mkdir(mode=0o700, exist_ok=True)
        write_identity(self.paths.identity, SiteIdentity(site_id=SITE_ID, name="test", created_ns=Ns(1)))
        public = self._signer.public_key().public_bytes_raw()
        write_pinned(
            self.paths.warden_key, PinnedKeys(site_id=SITE_ID, site_key=public, log_origin="test", log_key=public)
        )
        config = SiteConfig.model_validate({"data_dir": self.data_dir, "recorder": recorder})
        write_effective(config, self.paths.effective_config)

    def publish(self, camera_id: CameraId, utc_ns: int | None = None) -> None:
        """A camera-day key for that day (today without one)."""
        private, public = generate_camera_day_key()
        key_id = key_id_of(camera_id, day_of(time.time_ns() if utc_ns is None else utc_ns))
        self.private_keys[key_id] = private
        write_published(
            self.paths.public_keys,
            sign_published(self._signer, site_id=SITE_ID, key_id=key_id, public_key=public),
        )

    def assign(self, cameras: Sequence[CameraSpec]) -> None:
        """Replace the assignment."""
        self._version += 1
        write_assignment(self.paths.assignment, Assignment(version=self._version, cameras=tuple(cameras)))

    def cameras(self) -> tuple[CameraSpec, ...]:
        """What is assigned."""
        return read_assignment(self.paths.assignment).cameras

    def sealed(self) -> list[Segment]:
        """Sealed segments by journal order."""
        records, _ = read_all(self.paths.journal_dir / "recorder.journal")
        return [record.segment for record in records if isinstance(record, SegmentSealed)]

    def gaps(self) -> list[Gap]:
        """Gaps as the journal has them; the latest end of a start wins."""
        records, _ = read_all(self.paths.journal_dir / "recorder.journal")
        gaps = [record.gap for record in records if isinstance(record, GapRecorded)]
        return list({(gap.camera_id, gap.start_ns, gap.cause): gap for gap in gaps}.values())

    def packets(self, segment: Segment) -> list[Packet]:
        """Unseal a segment, fragment by fragment."""
        return self.read(segment)[1]

    def read(self, segment: Segment) -> tuple[StreamInfo, list[Packet]]:
        """The same, with what a decoder needs to know."""
        found: list[Packet] = []
        with (self.data_dir / segment.path).open("rb") as stream:
            header = read_header(stream)
            assert header == segment.header
            data_key = unwrap_data_key(self.private_keys[header.key_id], header)
            first, *gops = scan_fragments(stream)
            init = read_fragment(stream, header, data_key, first)
            info = read_init(init, camera_id=header.camera_id, run=header.run)
            for fragment in gops:
                payload = read_fragment(stream, header, data_key, fragment)
                found += read_packets(info, payload, start_ns=fragment.start_ns)
        return info, found


def record_clip(site: RecorderSite, camera_id: CameraId, clip: Path, *, segment_s: int = 4) -> None:
    """Record a file to its end, as fast as it goes, without a process; the camera's key must be published."""
    pinned = read_pinned(site.paths.warden_key)
    journal = JournalWriter(Disk(), site.paths.journal_dir / "recorder.journal")
    recording = CameraRecording(
        camera_id,
        policy=RecordingPolicy(
            site_id=SITE_ID, data_dir=site.data_dir, segment_ns=segment_s * NS_PER_S, min_free_bytes=0
        ),
        storage=Disk(),
        journal=journal,
        find_key=lambda camera, day: latest_usable(site.paths.public_keys, camera, day, pinned),
        scratch=Scratch(),
        last_end_ns=None,
    )
    clock = FastClock()
    source = open_camera(file_spec(clip, camera_id=camera_id), clock, wait=clock.wait)
    recording.begin_run(source.open())
    try:
        for packet in source.packets():
            recording.add(packet, clock.now_ns())
    except CameraEnded:
        recording.finish(clock.now_ns())
    finally:
        source.close()
        journal.close()


class RecorderProcess:
    """`python -m custodes.app.recorder` as the supervisor starts it."""

    def __init__(
        self,
        site: RecorderSite,
        *,
        name: str = "recorder",
        env: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
    ) -> None:
        """`wrapper`: a command that becomes the recorder, under limits of its own for instance."""
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [*wrapper, sys.executable, "-m", "custodes.app.recorder", "--data", str(site.data_dir), "--name", name],
            env={**os.environ, **(env or {})},
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def wait_for(self, condition: Callable[[], object], what: str, timeout_s: float = 60.0) -> None:
        """Poll until true. Raises: DeadlineExceeded naming `what`, also when the process ends before."""
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end or self._process.poll() is not None:
                raise DeadlineExceeded(f"recorder (exit {self._process.poll()}): waited in vain for {what}")
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9."""
        kill(self._process)

    def terminate(self, timeout_s: float = 30.0) -> int:
        """SIGTERM; returns the exit code. Raises: subprocess.TimeoutExpired beyond the promised bound."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout_s)
        finally:
            kill(self._process)
