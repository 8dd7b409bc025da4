"""Cameras that sign their video: whose key each used first, and an alarm in the log when that changes or ends.

`signers.json` in the data directory remembers it. What is pinned is the first key that was seen: that it is the
camera's own, nobody has proved. Verifying is `media.authenticity`'s work, in the analyser.
"""

import asyncio
from pathlib import Path

import msgspec
import structlog

from custodes.config.durable import replace_file
from custodes.errors import CustodesError, DataLoss
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.event import StreamVerified
from custodes.types.media import Authenticity
from custodes.units import CameraId

MAX_SIGNERS = 4096
"""`app.warden_gate.MAX_CAMERAS`."""

MAX_WAITING = 1000
"""Alarms kept while the warden is away."""

MAX_FILE_BYTES = 4 * 1024 * 1024
RETRY_S = 2.0


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one camera. `alarm`: what was last complained about; empty while all is well."""

    key: str
    vendor: str
    since_ns: int
    alarm: str = ""


class SignerWatch:
    """Takes facts on the event loop; `run` writes alarms to the log."""

    def __init__(self, path: Path, warden: Warden) -> None:
        """Read what was known. A file that cannot be read is put aside: every camera is then new again, and said."""
        self._path = path
        self._warden = warden
        self._log = structlog.get_logger()
        self._waiting: list[AuditRecord] = []
        self._has_news = asyncio.Event()
        self.known = self._read()
        self.dropped_alarms = 0

    def take(self, fact: StreamVerified) -> None:
        """Compare a fact with what is known of its camera."""
        signer = self.known.get(fact.camera_id)
        problem = _problem(fact, signer)
        if signer is None:
            if not fact.signer or len(self.known) >= MAX_SIGNERS:
                return
            signer = Signer(key=fact.signer, vendor=fact.vendor, since_ns=fact.start_ns)
            self._log.info("a camera signs its video", camera=fact.camera_id, key=fact.signer, vendor=fact.vendor)
        elif signer.alarm == problem:
            return
        self.known[fact.camera_id] = msgspec.structs.replace(signer, alarm=problem)
        self._write()
        if problem:
            self._alarm(fact, problem)
        elif signer.alarm:
            self._log.info("the camera's signatures are good again", camera=fact.camera_id)

    async def run(self) -> None:
        """Append alarms to the log for ever, in order."""
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            while self._waiting:
                try:
                    await self._warden.append(self._waiting[0])
                except CustodesError as error:
                    self._log.warning("an alarm waits for the log", error=str(error), waiting=len(self._waiting))
                    await asyncio.sleep(RETRY_S)
                else:
                    self._waiting.pop(0)

    def _alarm(self, fact: StreamVerified, problem: str) -> None:
        self._log.error("camera signature alarm", camera=fact.camera_id, problem=problem, detail=fact.detail)
        details = {"problem": problem, "run": fact.run, "from": str(fact.start_ns), "until": str(fact.end_ns)}
        if fact.signer:
            details["key"] = fact.signer
        if len(self._waiting) >= MAX_WAITING:
            self.dropped_alarms += 1
            return
        self._waiting.append(
            AuditRecord(
                kind=AuditKind.SIGNATURE_ALARM, actor="process:server", subject=fact.camera_id, details=details
            )
        )
        self._has_news.set()

    def _read(self) -> dict[CameraId, Signer]:
        try:
            with self._path.open("rb") as stream:
                return msgspec.json.decode(stream.read(MAX_FILE_BYTES), type=dict[CameraId, Signer])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            aside = self._path.with_name(self._path.name + ".damaged")
            damage = DataLoss(f"{self._path.name} cannot be read: {error}")
            self._log.error("known signers are lost; put aside", reason=str(damage), aside=aside.name)
            if self._path.exists():
                self._path.replace(aside)
            return {}

    def _write(self) -> None:
        try:
            replace_file(self._path, msgspec.json.format(msgspec.json.encode(self.known), indent=1))
        except OSError as error:
            self._log.error("known signers cannot be written", reason=error.strerror or str(error))


def _problem(fact: StreamVerified, signer: Signer | None) -> str:
    """What is wrong, as it stands in the log; empty when nothing is, or when the camera never signed."""
    if fact.state is Authenticity.NOT_SIGNED:
        return "" if signer is None else "the camera signed its video and has stopped"
    if fact.state is Authenticity.NOT_AUTHENTIC:
        return f"not authentic: {fact.detail}" if fact.detail else "not authentic"
    if signer is not None and fact.signer != signer.key:
        return "signed with another key than before"
    return "video that the camera signed is missing" if fact.state is Authenticity.MISSING else ""
