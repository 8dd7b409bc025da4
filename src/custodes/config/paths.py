"""Where things lie in a data directory. Pure path arithmetic; creates nothing."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MAX_SOCKET_PATH = 107
"""sun_path holds 108 bytes with its terminating zero (unix(7))."""


@dataclass(frozen=True, slots=True)
class SitePaths:
    """All paths of one site. `data_dir` is absolute."""

    data_dir: Path

    @property
    def identity(self) -> Path:
        """site.json: id, name, created_ns; written once."""
        return self.data_dir / "site.json"

    @property
    def warden_key(self) -> Path:
        """Public half of the warden's signing key, pinned here for the recorder and for verifiers."""
        return self.data_dir / "warden-key.json"

    @property
    def lock(self) -> Path:
        """flock of the running supervisor."""
        return self.data_dir / "lock"

    @property
    def generation(self) -> Path:
        """The number of the newest supervisor that took the directory over; it only grows."""
        return self.data_dir / "generation"

    @property
    def effective_config(self) -> Path:
        """What the processes of this start read."""
        return self.data_dir / "effective.json"

    @property
    def assignment(self) -> Path:
        """Cameras for recorder and analysers."""
        return self.data_dir / "assignment.json"

    @property
    def camera_history(self) -> Path:
        """Former configurations of cameras, for undoing a change."""
        return self.data_dir / "camera-history.json"

    @property
    def camera_passwords(self) -> Path:
        """Passwords of cameras that were typed into the page: a file (0600) each."""
        return self.data_dir / "camera-passwords"

    @property
    def zones(self) -> Path:
        """Signed permits of the recognition zones that are on, for analysers."""
        return self.data_dir / "zones.json"

    @property
    def catalog(self) -> Path:
        """The server's database."""
        return self.data_dir / "catalog.db"

    @property
    def signers(self) -> Path:
        """Cameras that sign their video, and with which key."""
        return self.data_dir / "signers.json"

    @property
    def siem(self) -> Path:
        """How far the audit log went to the SIEM."""
        return self.data_dir / "siem.json"

    @property
    def fleet_dir(self) -> Path:
        """What audits of the cameras saw, and the rules and catalogues they are judged by."""
        return self.data_dir / "fleet"

    @property
    def federation_key(self) -> Path:
        """What signs a site's parcels to its centre (0600); opens nothing."""
        return self.data_dir / "federation.key"

    @property
    def push_key(self) -> Path:
        """What signs notices to people's devices (0600); opens nothing."""
        return self.data_dir / "push.key"

    @property
    def warden_dir(self) -> Path:
        """Only the warden looks in here (0700)."""
        return self.data_dir / "warden"

    @property
    def public_keys(self) -> Path:
        """Published camera-day keys."""
        return self.data_dir / "keys" / "public"

    @property
    def segments(self) -> Path:
        """Sealed video."""
        return self.data_dir / "segments"

    @property
    def index(self) -> Path:
        """Content index of leak traces: per camera and segment, sealed beside the segment's key."""
        return self.data_dir / "index"

    @property
    def backgrounds(self) -> Path:
        """Pictures without people, a few a camera, that outlive footage; sealed, for leak traces alone."""
        return self.data_dir / "backgrounds"

    @property
    def leaks(self) -> Path:
        """Found pictures on the leak desk, and what was found out about them (0700)."""
        return self.data_dir / "leaks"

    @property
    def journal_dir(self) -> Path:
        """One journal per recorder."""
        return self.data_dir / "journal"

    @property
    def log_dir(self) -> Path:
        """Log files of the processes."""
        return self.data_dir / "log"

    @property
    def run_dir(self) -> Path:
        """Sockets. Beside the data when the path is short enough, else in a private directory under /tmp."""
        beside = self.data_dir / "run"
        if len(os.fsencode(beside / "server-backfill.sock")) <= _MAX_SOCKET_PATH:
            return beside
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        return Path("/tmp") / f"custodes-{os.getuid()}-{digest}"  # nosec B108  # noqa: S108 - made 0700 and checked by the supervisor

    def hub(self, kind: str, recorder: str) -> Path:
        """Where a recorder hands packets on. `kind`: hub-analysis or hub-live; `recorder`: recorder, recorder-2, …"""
        return self.socket(kind + recorder.removeprefix("recorder"))

    def hubs(self, kind: str, recorders: Iterable[str]) -> tuple[Path, ...]:
        """Of all recorders."""
        return tuple(self.hub(kind, name) for name in recorders)

    def recorder_lock(self, recorder: str) -> Path:
        """flock of the recorder of that name while it lives: the kernel lets go of it, however it ends."""
        return self.journal_dir / f"{recorder}.lock"

    def recorder_memory(self, recorder: str) -> Path:
        """What a recorder last held, for a start without a server."""
        return self.journal_dir / f"{recorder}.owned.json"

    def socket(self, name: str) -> Path:
        """Path of `<name>.sock`."""
        return self.run_dir / f"{name}.sock"
