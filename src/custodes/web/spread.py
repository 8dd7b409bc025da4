"""Of several servers: what each answers by itself, and how the rest reaches the one that leads (ADR 126).

**Invariant:** a server that follows changes nothing. What is not listed in `SPREAD`, and whatever is not read only,
is passed on as it came; a route that is new is passed on until somebody has thought about it.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from custodes.errors import Unavailable
from custodes.web.errors import answer

SPREAD = frozenset(
    {
        "/static",
        "/manifest.webmanifest",
        "/worker.js",
        "/unreachable",
        "/login",
        "/",
        "/cameras/{camera_id}",
        "/search",
        "/review",
        "/map",
        "/map/plan/{sha256}.jpg",
        "/map/tiles/{zoom}/{x}/{y}",
        "/log",
        "/api/v1/session",
        "/api/v1/status",
        "/api/v1/cameras",
        "/api/v1/tracks",
        "/api/v1/search",
        "/api/v1/review",
        "/api/v1/map/heat",
        "/api/v1/flows",
        "/api/v1/layouts",
        "/api/v1/log",
        "/api/v1/log/{index}/proof",
        "/api/v1/cameras/{camera_id}/timeline",
        "/api/v1/cameras/{camera_id}/tracks",
        "/api/v1/cameras/{camera_id}/boxes",
        "/api/v1/cameras/{camera_id}/traffic",
        "/api/v1/cameras/{camera_id}/incidents",
        "/api/v1/cameras/{camera_id}/masks",
        "/api/v1/cameras/{camera_id}/live",
        "/api/v1/cameras/{camera_id}/review",
    }
)
"""Reads of catalog, log and live state, and pictures: what is heavy, and the same wherever it is asked. By GET and
HEAD, and the two WebSockets. Dots of the map are the leader's, which alone is told how they look (ADR 132)."""

HOLD_S = 20.0
"""While nobody leads a request waits; a new one leads within some seconds."""

LOOK_S = 0.2
ANSWER_S = 300.0
"""Between two pieces of an answer; a trace or an import is looked at for minutes before the first one."""

MAX_PASSED = 128
"""At once, from one server."""

LEADS = "/.leads"
"""On the socket between servers: whether somebody is there. A line between machines takes a connection whether or not
there is anybody at its end; so a change is sent only right after this was answered."""

_WAITS = ("connect", "read", "write", "pool")

FROM, SCHEME = "x-custodes-from", "x-custodes-scheme"
"""On the socket between servers: what this server knows of the visitor. Nobody else reaches that socket."""

OF_A_CONNECTION = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", FROM, SCHEME}
)

NOBODY_LEADS = "No server leads this site right now. Try again in a few seconds."
UNCERTAIN = (
    "The server that was asked ended meanwhile; whether it did what was asked is not known. Look before you try again."
)


class Spread:
    """Middleware of a server that follows, inside `Shell`."""

    def __init__(self, app: ASGIApp, *, leader: Path, hold_s: float = HOLD_S) -> None:
        """`leader`: the socket at which whoever leads listens."""
        self._app = app
        self._leader = leader
        self._hold_s = hold_s
        self._own = re.compile("|".join(_pattern(path) for path in sorted(SPREAD)))
        self._room = asyncio.Semaphore(MAX_PASSED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer here or pass on."""
        if scope["type"] != "http" or self._is_own(scope):
            await self._app(scope, receive, send)
            return
        async with self._room:
            await self._pass_on(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        return scope["method"] in ("GET", "HEAD") and self._own.fullmatch(scope["path"]) is not None

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._hold_s
        # No connection is kept: one to a server that has died could not be told from one that took the request.
        transport = httpx.AsyncHTTPTransport(uds=str(self._leader), limits=httpx.Limits(max_keepalive_connections=0))
        async with transport:
            while True:
                request = _passed(scope, receive)
                try:
                    if scope["method"] not in ("GET", "HEAD"):
                        await _look(transport)
                    response = await transport.handle_async_request(request)
                except (httpx.ConnectError, _NobodyThereError):
                    if loop.time() < deadline:  # nothing was sent, so it can be sent again
                        await asyncio.sleep(LOOK_S)
                        continue
                    await _refuse(scope, receive, send, Unavailable(NOBODY_LEADS))
                except httpx.TransportError as error:
                    if scope["method"] in ("GET", "HEAD") and loop.time() < deadline:
                        await asyncio.sleep(LOOK_S)
                        continue
                    structlog.get_logger().warning("request_not_answered", path=scope["path"], why=str(error))
                    await _refuse(scope, receive, send, Unavailable(UNCERTAIN))
                else:
                    await _hand_back(response, send)
                return


class Inside:
    """Around the leading server's application, on the socket at which the others reach it: the visitor as they saw
    him."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say that somebody is there; or take the visitor's address and scheme from what was said, and the saying
        away."""
        if scope["path"] == LEADS:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        said = {name: value.decode("latin-1") for name, value in scope["headers"] if name.decode() in (FROM, SCHEME)}
        kept = [(name, value) for name, value in scope["headers"] if name not in said]
        address = said.get(FROM.encode(), "")
        seen = {**scope, "headers": kept, "scheme": said.get(SCHEME.encode(), scope["scheme"])}
        await self._app({**seen, "client": (address, 0) if address else None}, receive, send)


def _pattern(path: str) -> str:
    if path == "/static":
        return "/static/.*"
    pieces = re.split(r"\{[a-z0-9_]+\}", path)
    return "[^/]+".join(re.escape(piece) for piece in pieces)


def _passed(scope: Scope, receive: Receive) -> httpx.Request:
    headers = [(name, value) for name, value in scope["headers"] if name.decode("latin-1") not in OF_A_CONNECTION]
    address = scope["client"][0] if scope["client"] else ""
    headers += [(FROM.encode(), address.encode()), (SCHEME.encode(), scope["scheme"].encode())]
    names = {name for name, _ in scope["headers"]}
    has_body = b"content-length" in names or b"transfer-encoding" in names
    target = scope.get("raw_path") or scope["path"].encode()
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    return httpx.Request(
        scope["method"],
        httpx.URL(scheme="http", host="inside", raw_path=target),
        headers=headers,
        content=_body(receive) if has_body else None,
        extensions={"timeout": {"connect": LOOK_S * 5, "read": ANSWER_S, "write": ANSWER_S, "pool": ANSWER_S}},
    )


class _NobodyThereError(Exception):
    """The leader did not say that it is there; nothing was sent."""


async def _look(transport: httpx.AsyncHTTPTransport) -> None:
    request = httpx.Request("GET", f"http://inside{LEADS}", extensions={"timeout": dict.fromkeys(_WAITS, LOOK_S * 25)})
    try:
        response = await transport.handle_async_request(request)
    except httpx.TransportError as error:
        raise _NobodyThereError from error
    await response.aclose()
    if response.status_code != 204:
        raise _NobodyThereError


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise httpx.WriteError("the visitor went away")
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def _hand_back(response: httpx.Response, send: Send) -> None:
    headers = [(name, value) for name, value in response.headers.raw if name.decode().lower() not in OF_A_CONNECTION]
    try:
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for piece in response.stream:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await response.aclose()


async def _refuse(scope: Scope, receive: Receive, send: Send, why: Unavailable) -> None:
    refusal = answer(Request(scope), 503, why.kind.value, str(why))
    refusal.headers["retry-after"] = "5"
    await refusal(scope, receive, send)
