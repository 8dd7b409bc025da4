"""How services introduce themselves: one HEAD, or OPTIONS and DESCRIBE, never with a login.

Answers are hostile: bounded in size, in header lines, and in time as a whole.
"""

import re
import socket
from dataclasses import dataclass

from custodes.adapters.camera.http_post import Deadline
from custodes.adapters.fleet.door import ListedDoor
from custodes.errors import CameraGarbage, CameraUnreachable
from custodes.fleet.observation import Banner, clean

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
"""An SDP; the longest captured has 3 kB."""
_READ_BYTES = 4096

_STATUS = re.compile(rb"(?:HTTP/1\.[01]|RTSP/1\.0) (\d{3})")
_REALM = re.compile(r'realm\s*=\s*"([^"]*)"', re.IGNORECASE)
_AGENT = "User-Agent: custodes\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field == name]

    def one(self, name: str) -> str:
        return next(iter(self.all(name)), "")


def http_banner(door: ListedDoor, host: str, port: int, deadline: Deadline) -> Banner:
    """HEAD / on a port; redirects are noted, not followed. Raises: CameraUnreachable, CameraGarbage."""
    with door.connect(host, port, deadline) as sock:
        request = f"HEAD / HTTP/1.1\r\nHost: {_bracketed(host)}:{port}\r\n{_AGENT}Connection: close\r\n\r\n"
        answer = _ask(sock, request, deadline, f"{host}:{port}", has_body=False)
    return _banner("http", port, answer)


def rtsp_banner(door: ListedDoor, host: str, port: int, path: str, deadline: Deadline) -> Banner:
    """OPTIONS, and DESCRIBE of the configured stream, over one connection.

    A camera that keeps its stream shut answers 401 with a realm; that is all that is wanted of it.
    Raises: CameraUnreachable, CameraGarbage.
    """
    where = f"{host}:{port}"
    url = f"rtsp://{_bracketed(host)}:{port}{path or '/'}"
    if not url.isascii() or not url.isprintable() or " " in url:
        raise CameraGarbage(f"{where}: the stream's path is none")
    with door.connect(host, port, deadline) as sock:
        options = _ask(sock, f"OPTIONS {url} RTSP/1.0\r\nCSeq: 1\r\n{_AGENT}\r\n", deadline, where, has_body=True)
        describe = f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 2\r\n{_AGENT}Accept: application/sdp\r\n\r\n"
        try:
            answer = _ask(sock, describe, deadline, where, has_body=True)
        except (CameraUnreachable, CameraGarbage):
            return _banner("rtsp", port, options)
    found = _banner("rtsp", port, answer)
    if found.server:
        return found
    return _banner("rtsp", port, answer, server=options.one("server"))


def banner_of(scheme: str, port: int, raw: bytes) -> Banner:
    """The same from a stored answer. Raises: CameraGarbage."""
    head, _, body = raw.partition(b"\r\n\r\n")
    return _banner(scheme, port, _parsed(head, body, "the stored answer"))


def _banner(scheme: str, port: int, answer: _Answer, *, server: str = "") -> Banner:
    challenges = answer.all("www-authenticate")
    realm = next((found[1] for one in challenges if (found := _REALM.search(one))), "")
    return Banner(
        scheme=scheme,
        port=port,
        status=answer.status,
        server=clean(server or answer.one("server")),
        realm=clean(realm),
        has_basic=any(one.lower().startswith("basic") for one in challenges),
        is_open=scheme == "rtsp" and answer.status == 200 and answer.body.startswith(b"v=0"),
        title=clean(" ".join(_titles(answer.body))) if scheme == "rtsp" else "",
    )


def _titles(sdp: bytes) -> list[str]:
    lines = sdp[:MAX_BODY_BYTES].decode("utf-8", "replace").splitlines()
    return [line[2:].removeprefix("tool:") for line in lines if line.startswith(("s=", "i=", "a=tool:"))]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _ask(sock: socket.socket, request: str, deadline: Deadline, where: str, *, has_body: bool) -> _Answer:
    received = b""
    try:
        sock.settimeout(deadline.left_s())
        sock.sendall(request.encode("ascii"))
        while b"\r\n\r\n" not in received:
            received += _read(sock, deadline)
            if len(received) > MAX_HEAD_BYTES:
                raise CameraGarbage(f"{where} answers with more than {MAX_HEAD_BYTES} bytes before its text")
        head, _, body = received.partition(b"\r\n\r\n")
        answer = _parsed(head, b"", where)
        length = answer.one("content-length").strip() if has_body else ""
        wanted = min(int(length), MAX_BODY_BYTES) if length.isascii() and length.isdigit() and len(length) < 9 else 0
        while len(body) < wanted:
            body += _read(sock, deadline)
    except TimeoutError as error:
        raise CameraUnreachable(f"{where} did not answer in time") from error
    except OSError as error:
        raise CameraUnreachable(f"{where} breaks off: {(error.strerror or 'closed').lower()}") from error
    return _Answer(status=answer.status, fields=answer.fields, body=body[:wanted])


def _read(sock: socket.socket, deadline: Deadline) -> bytes:
    sock.settimeout(deadline.left_s())
    found = sock.recv(_READ_BYTES)
    if not found:
        raise ConnectionError
    return found


def _parsed(head: bytes, body: bytes, where: str) -> _Answer:
    found = _STATUS.match(head)
    if found is None:
        raise CameraGarbage(f"{where} answers neither in HTTP nor in RTSP")
    pairs = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:100])
    fields = tuple((name.strip().lower(), value.strip()) for name, colon, value in pairs if colon)
    return _Answer(status=int(found[1]), fields=fields, body=body)
