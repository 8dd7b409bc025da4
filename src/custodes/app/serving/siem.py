"""The audit log for a SIEM: each new entry as a syslog message, in order, at least once, across restarts of both.

How far it went is kept in `siem.json`. A connection that breaks takes what was written last with it, so that is sent
again: the entry's number (CEF `externalId`) tells the SIEM what it has already. The log is not shortened by this and
knows nothing of it; the entry's leaf hash goes along, so that a copy can be held against the log.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog

from custodes import __version__
from custodes.config import SitePaths
from custodes.config.durable import replace_file
from custodes.config.outside import SiemConfig
from custodes.errors import CustodesError, DataLoss
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, LogEntry
from custodes.units import NS_PER_S
from custodes.web.words import audit_sentence

AT_ONCE = 200
LOOK_S = 2.0
RETRY_S, MAX_RETRY_S = 2.0, 60.0
MAX_DETAIL_CHARS = 1000
_FACILITY = 13
"""Log audit (RFC 5424, table 1)."""
_NOTICE, _WARNING, _INFO = 5, 4, 6
_ALARMING = {
    AuditKind.BREAK_GLASS: 8,
    AuditKind.SIGNATURE_ALARM: 8,
    AuditKind.STORAGE_EVENT: 7,
    AuditKind.CAMERA_HEALTH: 7,
    AuditKind.LOGIN_FAILED: 5,
    AuditKind.ACCESS_DENIED: 5,
    AuditKind.KEYS_REFUSED: 6,
}
_NOTABLE = {
    AuditKind.CREDENTIAL_CHANGED,
    AuditKind.USER_CREATED,
    AuditKind.USER_CHANGED,
    AuditKind.CONFIG_CHANGED,
    AuditKind.CAMERA_CHANGED,
    AuditKind.KEYS_DESTROYED,
    AuditKind.EVIDENCE_FETCHED,
    AuditKind.FLEET_DATA,
    AuditKind.DEVICE_CHANGED,
}
_FAILED = {AuditKind.LOGIN_FAILED, AuditKind.ACCESS_DENIED, AuditKind.KEYS_REFUSED, AuditKind.REQUEST_REFUSED}


class Syslog(Protocol):
    """What sends (blocking)."""

    @property
    def is_connected(self) -> bool:
        """Whether nothing written before is in doubt."""
        ...

    def send(self, messages: Sequence[bytes]) -> None:
        """Raises: Unavailable."""
        ...


def severity_of(kind: AuditKind) -> int:
    """CEF's 0 to 10."""
    return _ALARMING.get(kind, 4 if kind in _NOTABLE else 2)


def as_message(entry: LogEntry, *, config: SiemConfig, host: str, site_id: str) -> bytes:
    """One RFC 5424 message, UTF-8; its text is CEF:0 or JSON."""
    severity = severity_of(entry.record.kind)
    level = _WARNING if severity >= 7 else _NOTICE if severity >= 4 else _INFO
    when = datetime.fromtimestamp(entry.utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    header = f"<{_FACILITY * 8 + level}>1 {when}.{entry.utc_ns % NS_PER_S // 1000:06d}Z {host} custodes - "
    text = (
        _cef(entry, severity, config, site_id) if config.format == "cef" else _json(entry, severity, config, site_id)
    )
    return f"{header}{entry.record.kind.value} - {text}".encode()


def _cef(entry: LogEntry, severity: int, config: SiemConfig, site_id: str) -> str:
    record = entry.record
    name = record.kind.value.replace("_", " ")
    fields = {
        "rt": str(entry.utc_ns // 1_000_000),
        "externalId": str(entry.index),
        "deviceExternalId": site_id,
        "outcome": "failure" if record.kind in _FAILED else "success",
        "cs1Label": "leafHash",
        "cs1": entry.leaf_hash.hex(),
    }
    if config.names:
        fields |= {
            "suser": record.actor,
            "cs2Label": "subject",
            "cs2": record.subject,
            "cs3Label": "details",
            "cs3": _details(entry),
            "msg": audit_sentence(record),
        }
    head = "|".join(_head(one) for one in ("custodes", "custodes", __version__, record.kind.value, name))
    return f"CEF:0|{head}|{severity}|" + " ".join(f"{key}={_value(value)}" for key, value in fields.items() if value)


def _json(entry: LogEntry, severity: int, config: SiemConfig, site_id: str) -> str:
    record = entry.record
    told: dict[str, object] = {
        "index": entry.index,
        "utc_ns": entry.utc_ns,
        "site": site_id,
        "kind": record.kind.value,
        "severity": severity,
        "leaf_hash": entry.leaf_hash.hex(),
    }
    if config.names:
        told |= {"actor": record.actor, "subject": record.subject, "details": record.details}
        told["text"] = audit_sentence(record)
    return json.dumps(told, ensure_ascii=False)


def _details(entry: LogEntry) -> str:
    details = entry.record.details
    return json.dumps(details, ensure_ascii=False)[:MAX_DETAIL_CHARS] if details else ""


def _head(text: str) -> str:
    return _line(text).replace("\\", "\\\\").replace("|", "\\|")


def _value(text: str) -> str:
    return _line(text).replace("\\", "\\\\").replace("=", "\\=")


def _line(text: str) -> str:
    """Nobody's name can begin a message of its own."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


class SiemForwarder:
    """`run` for ever."""

    def __init__(
        self,
        *,
        config: SiemConfig,
        warden: Warden,
        syslog: Syslog,
        paths: SitePaths,
        site_id: str,
        note: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._warden = warden
        self._syslog = syslog
        self._path = paths.siem
        self._site_id = site_id
        self._sleep = sleep
        self._note = note
        self._host = _line(socket.gethostname()).replace(" ", "-")[:255] or "-"
        self._next: int | None = None
        self._in_doubt = 0
        """Where the batch began that was written last: it may be lost when the connection breaks."""

    async def run(self) -> None:
        """Send what is new; wait, longer each time, for a server or a warden that does not answer."""
        pause_s, told = RETRY_S, ""
        while True:
            try:
                while await self.step():
                    pass
                pause_s, told = RETRY_S, ""
                self._note("")
                await self._sleep(LOOK_S)
            except (CustodesError, OSError) as error:
                self._note(str(error))
                if str(error) != told:
                    structlog.get_logger().warning("the SIEM waits", error=str(error))
                told = str(error)
                await self._sleep(pause_s)
                pause_s = min(pause_s * 2, MAX_RETRY_S)

    async def step(self) -> bool:
        """Send one batch; False when there was nothing. Raises: CustodesError, OSError; the batch comes again."""
        if self._next is None:
            self._next, self._in_doubt = await self._resume()
            await self._keep()
        start = self._next if self._syslog.is_connected else min(self._next, self._in_doubt)
        entries = (await self._warden.read_log(start, AT_ONCE)).entries
        if not entries:
            return False
        messages = [self._message(one) for one in entries if self._is_wanted(one)]
        if messages:
            await asyncio.to_thread(self._syslog.send, messages)
            self._in_doubt = start
        elif not self._syslog.is_connected:
            self._in_doubt = entries[-1].index + 1  # nothing of these was to be sent, so nothing can be lost
        self._next = entries[-1].index + 1
        await self._keep()
        return True

    async def _keep(self) -> None:
        tree = {"server": self._config.server, "next": self._next, "in_doubt": self._in_doubt}
        await asyncio.to_thread(replace_file, self._path, json.dumps(tree).encode())

    def _is_wanted(self, entry: LogEntry) -> bool:
        return self._config.recordings or entry.record.kind is not AuditKind.SEGMENT_SEALED

    def _message(self, entry: LogEntry) -> bytes:
        return as_message(entry, config=self._config, host=self._host, site_id=self._site_id)

    async def _resume(self) -> tuple[int, int]:
        """Where to go on, and what may be lost. A new server begins at now: what was before is in the log, whole."""
        size = (await self._warden.read_checkpoint()).size
        try:
            tree = json.loads(self._path.read_bytes())
            if tree["server"] != self._config.server:
                return size, size
            return min(int(tree["next"]), size), min(int(tree["in_doubt"]), size)
        except FileNotFoundError:
            return size, size
        except (ValueError, KeyError, TypeError) as error:
            raise DataLoss(f"{self._path} does not say how far the log went; delete it to begin at now") from error
