"""What surrounds every request: known host, own origin, bounded body, strict headers. Pure ASGI, no state.

Sessions and roles are not here (see `gate`).
"""

import json
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from custodes.web.errors import problem
from custodes.web.language.speech import preferred, speak

MAX_BODY_BYTES = 64 * 1024
"""The largest legitimate body is the form of the first account, below 2 KiB."""

MAX_PICTURE_BYTES = 6 << 20
"""Of a picture that somebody gives of themselves: 4 MiB, a third more as text."""


MAX_LEAK_BYTES = 33 << 20
"""Of a picture that somebody found posted: 32 MiB, and the form around it."""


MAX_POSTS_BYTES = 128 << 20
"""Of posts with their pictures: an archive of some hundred files at once."""


MAX_PLAN_BYTES = 1 << 20
"""A thousand cameras on the plan of a site, each some 200 bytes; a list of people to enrol; a calibration file."""


def max_body_bytes(path: str) -> int:
    """What a request to this path may carry."""
    is_calibration = path.startswith("/site/cameras/") and path.endswith("/calibration")
    if path == "/map/edit" or path.startswith("/faces/people/import/") or is_calibration:
        return MAX_PLAN_BYTES
    is_picture = path in ("/checkpoint/verify", "/map/edit/picture") or (
        path.startswith("/enrol/") and path.endswith("/sample")
    )
    if path.startswith("/cases/") and path.endswith(("/posts", "/posts/import")):
        return MAX_POSTS_BYTES
    if path == "/leaks":
        return MAX_LEAK_BYTES
    return MAX_PICTURE_BYTES if is_picture else MAX_BODY_BYTES


def _permissions(path: str) -> str:
    """The camera is for the pages on which people take a picture of themselves."""
    own = "(self)" if path.startswith(("/enrol/", "/checkpoint")) else "()"
    return f"camera={own}, microphone=(), geolocation=(), usb=(), display-capture=()"


LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)

_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    # not no-referrer: with that, browsers send `Origin: null` with our own forms (Fetch, "append a request Origin")
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

_HSTS = "max-age=31536000; includeSubDomains"
"""A year."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Shell:
    """ASGI middleware, outermost."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], is_behind_tls: bool = False) -> None:
        """Args:
        hosts: names (without port) under which this site answers; anything else is DNS rebinding.
        is_behind_tls: browsers are told to come back by TLS alone (RFC 6797).
        """
        self._app = app
        self._headers = _HEADERS | ({"strict-transport-security": _HSTS} if is_behind_tls else {})
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        speak(preferred(headers.get("accept-language", "")))
        refusal = self._refusal(scope, headers)
        is_static = scope["path"].startswith("/static/")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    out[name] = value
                out["permissions-policy"] = _permissions(scope["path"])
                # static files carry an ETag and are asked for again; everything else stays out of every cache
                out["cache-control"] = "no-cache" if is_static else "no-store"
            await send(message)

        if refusal is not None:
            await _refuse(scope, send_with_headers, *refusal)
        elif scope["type"] == "http":
            await self._app(scope, _bounded(receive, max_body_bytes(scope["path"])), send_with_headers)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if host_name(host) not in self._hosts:
            return 421, "This site does not answer under that name. Add it to server.hosts in site.yaml if it should."
        is_websocket = scope["type"] == "websocket"
        if (is_websocket or scope["method"] not in _SAFE_METHODS) and not is_own_origin(headers.get("origin"), host):
            return 403, "The request did not come from a page of this site."
        length = headers.get("content-length", "0")
        most = max_body_bytes(scope["path"])
        if not length.isdigit() or int(length) > most:
            return 413, f"A request may carry at most {most} bytes."
        return None


def host_name(host: str) -> str:
    """The Host header without its port, lower case."""
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return host.rsplit(":", 1)[0].lower() if ":" in host else host.lower()


def is_own_origin(origin: str | None, host: str) -> bool:
    """Whether `origin` is the host that was asked. The scheme is left out: a TLS proxy changes it, the host it keeps.

    A missing Origin is foreign: every browser sends one with unsafe methods and WebSockets, scripts can add it.
    """
    if not origin:
        return False
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _bounded(receive: Receive, most: int) -> Receive:
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > most:
                # chunked and longer than it may be: as good as a client that went away
                return {"type": "http.disconnect"}
        return message

    return bounded


async def _refuse(scope: Scope, send: Send, status: int, detail: str) -> None:
    if scope["type"] == "websocket":
        # before the handshake is accepted this becomes HTTP 403
        await send({"type": "websocket.close", "code": 4000 + status, "reason": detail[:120]})
        return
    body = json.dumps(problem(status, "refused", detail)).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
