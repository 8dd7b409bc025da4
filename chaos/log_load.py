"""Load on a warden, and whether its log kept everything it had acknowledged."""

import itertools
import threading
import time
from pathlib import Path

from custodes.adapters.ipc.framing import Channel
from custodes.audit.checkpoint import log_keys
from custodes.audit.log import MAX_PAGE
from custodes.audit.log_tables import read_entries
from custodes.audit.merkle import push_peak, root_of_peaks
from custodes.audit.verify import open_readonly, verify_log
from custodes.config import SiteConfig, SiteIdentity, SitePaths, write_effective, write_identity
from custodes.errors import CustodesError, NotFound
from custodes.sealing.published import latest_usable, read_pinned
from custodes.testing.recorder import SITE_ID
from custodes.types.access import AuditKind, AuditRecord, Checkpoint
from custodes.types.message import Append, Appended, Ok, PublishKeys, ReadCheckpoint
from custodes.units import CameraId, Ns

PUBLISH_EVERY = 20


def make_warden_site(data_dir: Path) -> SitePaths:
    """A data directory in which a warden runs, its keys under a key file (a passphrase costs 0.1 s a start)."""
    paths = SitePaths(data_dir)
    data_dir.mkdir(parents=True)
    paths.run_dir.mkdir(mode=0o700, exist_ok=True)
    write_identity(paths.identity, SiteIdentity(site_id=SITE_ID, name="chaos", created_ns=Ns(1)))
    write_effective(SiteConfig.model_validate({"data_dir": data_dir}), paths.effective_config)
    return paths


class LogLoad:
    """Appends until the warden goes away; remembers what was acknowledged. `run` is called by several threads."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self.acknowledged: dict[int, str] = {}
        """Index of the entry to what it must say."""
        self.published: list[CameraId] = []
        self.heads: dict[int, bytes] = {}
        """Size to root of every checkpoint that was shown to us."""

    def stop(self) -> None:
        """Let the threads end."""
        self._stopping.set()

    def run(self, thread: int) -> None:
        """One thread."""
        self._stopping.clear()
        while not self._stopping.is_set():
            try:
                channel = Channel.connect(self._socket, timeout_s=5.0)
            except CustodesError:
                time.sleep(0.01)
                continue
            try:
                while not self._stopping.is_set():
                    self.one(channel, thread)
            except CustodesError:
                time.sleep(0.01)
            finally:
                channel.close()

    def one(self, channel: Channel, thread: int) -> int | None:
        """One request; returns the index of an acknowledged entry. Raises: Unavailable when the warden is gone."""
        number = next(self._numbers)
        if number % PUBLISH_EVERY == thread:
            camera_id = CameraId(f"cam-{number}")
            channel.request(PublishKeys(camera_ids=(camera_id,)), Ok)
            self.published.append(camera_id)
            head = channel.request(ReadCheckpoint(), Checkpoint)
            self.heads[head.size] = head.root_hash
            return None
        record = AuditRecord(
            kind=AuditKind.CAMERA_CHANGED, actor="process:chaos", subject=f"cam-{number}", details={"n": str(number)}
        )
        index = channel.request(Append(record=record), Appended).index
        self.acknowledged[index] = str(number)
        return index


def check_log(paths: SitePaths, load: LogLoad) -> list[str]:
    """What is wrong: the log does not verify, forgot an acknowledged entry, or no longer contains an earlier head."""
    log = paths.warden_dir / "log.db"
    try:
        pinned = read_pinned(paths.warden_key)
        report = verify_log(log, log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key))
    except (CustodesError, OSError) as error:
        if not load.acknowledged and isinstance(error, NotFound | OSError | CustodesError) and not log.exists():
            return []  # killed before it had made one
        if not load.acknowledged and not paths.warden_key.exists():
            return []
        return [f"log does not verify: {error}"]
    wrong = (
        [f"{report.size} entries; {max(load.acknowledged)} was acknowledged"]
        if (load.acknowledged and max(load.acknowledged) >= report.size)
        else []
    )
    wrong += _compare_entries(log, load)
    for camera_id in load.published[-3:]:
        try:
            latest_usable(paths.public_keys, camera_id, time.strftime("%Y%m%d", time.gmtime()), pinned)
        except CustodesError as error:
            wrong.append(f"key of {camera_id} was published and is not usable: {error}")
    return wrong


def _compare_entries(log: Path, load: LogLoad) -> list[str]:
    wrong: list[str] = []
    connection = open_readonly(log)
    try:
        peaks: list[bytes] = []
        size = 0
        while page := read_entries(connection, size, MAX_PAGE):
            for entry in page:
                expected = load.acknowledged.get(entry.index)
                if expected is not None and entry.record.details.get("n") != expected:
                    wrong.append(f"entry {entry.index} is not the one that was acknowledged")
                push_peak(peaks, size, entry.leaf_hash)
                size += 1
                if size in load.heads and root_of_peaks(peaks) != load.heads[size]:
                    wrong.append(f"the head of size {size} that was shown is not the log's any more")
    finally:
        connection.close()
    return wrong
