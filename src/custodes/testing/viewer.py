"""A person at the page, without the browser: claims the site, logs in, watches and scrubs over HTTP and WebSocket.

For end-to-end tests and benches; needs the `dev` extra (httpx).
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from websockets.sync.client import ClientConnection, connect

from custodes.errors import PermissionDenied, Unavailable
from custodes.testing.site import RunningSite

NAME = "Ada Operator"
PASSWORD = "a long enough password"  # noqa: S105 - an account of a test site
_MAX_MESSAGE_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class Seen:
    """What one WebSocket delivered."""

    mime: str = ""
    init: bytes = b""
    media: list[bytes] = field(default_factory=list)
    delays_ns: list[int] = field(default_factory=list)
    """Per chunk: our clock at arrival minus the capture time of its first frame (same machine, same clock)."""
    frames: int = 0
    fully_masked_chunks: int = 0
    stills: list[tuple[int, bool, bytes]] = field(default_factory=list)
    """(utc_ns, is_fully_masked, JPEG)."""
    notes: list[dict[str, Any]] = field(default_factory=list)
    log_index: int = -1
    first_picture_s: float = 0.0


def let_in(site: RunningSite, name: str, *, role: str, password: str) -> None:
    """Invite somebody at the terminal, who takes it at the page. Raises: PermissionDenied."""
    invited = site.cli("person", "invite", name, "--role", role)
    if invited.returncode:
        raise PermissionDenied(f"{name} cannot be invited: {invited.stderr}")
    form = {"token": invited.stdout.splitlines()[-1], "password": password, "password_again": password}
    answer = httpx.post(f"{site.address}/invitation", data=form, headers={"origin": site.address})
    if answer.status_code != 303:
        raise PermissionDenied(
            f"the invitation of {name} was answered with {answer.status_code}: {answer.text[:2000]}"
        )


class Viewer:
    """One logged-in person."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.http = httpx.Client(base_url=address, headers={"origin": address}, timeout=60.0)

    def claim(self, token: str, *, name: str = NAME, password: str = PASSWORD, roles: tuple[str, ...] = ()) -> None:
        """Make the first account with the token from the terminal; logs in."""
        form = {
            "token": token,
            "name": name,
            "password": password,
            "password_again": password,
            "roles": list(roles or ("operator", "investigator", "auditor")),
        }
        self._check(self.http.post("/first-boot", data=form))

    def log_in(self, *, name: str = NAME, password: str = PASSWORD) -> None:
        """Log in with an existing account."""
        self._check(self.http.post("/login", data={"name": name, "password": password}))

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code != 303:
            raise PermissionDenied(f"login answered {answer.status_code}: {answer.text[:2000]}")
        # a browser sends `__Host-` cookies back to loopback over http; httpx does not, so the header is made by hand
        self.http.headers["cookie"] = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)

    def get(self, path: str, **query: object) -> Any:
        """JSON of an API route."""
        answer = self.http.get(f"/api/v1/{path}", params={name: str(value) for name, value in query.items()})
        if answer.status_code != 200:
            raise Unavailable(f"{path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    def _connect(self, path: str, **query: object) -> ClientConnection:
        url = self.address.replace("http", "ws", 1) + f"/api/v1/{path}"
        if query:
            url += "?" + urlencode({name: str(value) for name, value in query.items()})
        return connect(
            url,
            additional_headers={"cookie": self.http.headers.get("cookie", ""), "origin": self.address},
            max_size=_MAX_MESSAGE_BYTES,
            open_timeout=60,
        )

    def watch(
        self, camera_id: str, *, seconds: float, chunks: int = 0, vouched: int = 0, max_height_px: int = 720
    ) -> Seen:
        """Live picture for `seconds`, or until `chunks` have come, `vouched` of them not whole masks (0: no end)."""
        seen = Seen()
        with self._connect(f"cameras/{camera_id}/live", max_height_px=max_height_px) as socket:
            _collect(socket, seen, seconds=seconds, chunks=chunks, vouched=vouched)
        return seen

    def stills(
        self,
        camera_id: str,
        moments_ns: list[int],
        *,
        reference: str = "test",
        timeout_s: float = 60.0,
        stream: str = "first",
    ) -> Seen:
        """Scrub: one still per moment, in order."""
        seen = Seen()
        first, last = min(moments_ns), max(moments_ns)
        with self._connect(f"cameras/{camera_id}/review", stream=stream) as socket:
            socket.send(json.dumps({"open": _interval("still", first, last, reference)}))
            for number, moment_ns in enumerate(moments_ns, start=1):
                socket.send(json.dumps({"seek": moment_ns, "request_id": number}))
                _collect(socket, seen, seconds=timeout_s, stills=number)
        return seen

    def play(
        self, camera_id: str, from_ns: int, to_ns: int, *, seconds: float, chunks: int = 0, speed: float = 1.0
    ) -> Seen:
        """Play a recording for `seconds`, to its end, or until `chunks` have come (0: no such end)."""
        seen = Seen()
        with self._connect(f"cameras/{camera_id}/review") as socket:
            task = {**_interval("playback", from_ns, to_ns, "test"), "speed": speed}
            socket.send(json.dumps({"open": task}))
            _collect(socket, seen, seconds=seconds, chunks=chunks)
        return seen


def _interval(kind: str, from_ns: int, to_ns: int, reference: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "from_ns": from_ns,
        "to_ns": to_ns + 1,
        "speed": 1.0,
        "purpose": "maintenance",
        "reference": reference,
    }


def _collect(
    socket: ClientConnection, seen: Seen, *, seconds: float, chunks: int = 0, vouched: int = 0, stills: int = 0
) -> None:
    begun = time.monotonic()
    deadline = begun + seconds
    pending: dict[str, Any] = {}
    while (left := deadline - time.monotonic()) > 0:
        try:
            message = socket.recv(timeout=left)
        except TimeoutError:
            return
        if isinstance(message, str):
            pending = json.loads(message)
            match pending["type"]:
                case "opened":
                    seen.log_index = pending["log_index"]
                case "refused":
                    raise PermissionDenied(str(pending))
                case "note":
                    seen.notes.append(pending)
                case "ended":
                    return
            continue
        match pending["type"]:
            case "init":
                seen.mime, seen.init = pending["mime"], message
            case "chunk":
                seen.first_picture_s = seen.first_picture_s or time.monotonic() - begun
                seen.delays_ns.append(time.time_ns() - int(pending["utc_ns"]))
                seen.media.append(message)
                seen.frames += pending["frames"]
                seen.fully_masked_chunks += bool(pending["is_fully_masked"])
            case "still":
                seen.stills.append((pending["utc_ns"], pending["is_fully_masked"], message))
        is_enough = chunks and len(seen.media) >= chunks and len(seen.media) - seen.fully_masked_chunks >= vouched
        if is_enough or (stills and len(seen.stills) >= stills):
            return
