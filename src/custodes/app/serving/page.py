"""The HTTP listener: one socket, uvicorn in this process and under our signals."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from custodes.errors import CustodesError, FailedPrecondition
from custodes.runtime.port import cannot_listen

GRACE_S = 2
"""What open connections get at the end; the process is to be gone within five seconds."""

_BACKLOG = 256
_PORTS = 65536
_MAX_COMMAND_BYTES = 64 * 1024
"""A page sends short JSON only."""


def listen_again(host: str, port: int, remembered: Path) -> socket.socket:
    """Like `listen`; port 0 takes the one of the last start if it is free, so that open pages find a restarted server.

    `remembered` is a small file for the port's number.
    """
    if port == 0 and remembered.exists():
        text = remembered.read_text(encoding="ascii", errors="replace").strip()
        if text.isdigit() and 0 < int(text) < _PORTS:
            with contextlib.suppress(FailedPrecondition):
                return listen(host, int(text))
    listener = listen(host, port)
    remembered.write_text(str(listener.getsockname()[1]), encoding="ascii")
    return listener


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises: FailedPrecondition in one clear sentence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise FailedPrecondition(cannot_listen(host, port, error)) from error
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> str:
    """What a person types into a browser on this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # nosec B104  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's: uvicorn would end it by them a second time."""
        yield


class Page:
    """Serves the application until `stop`."""

    def __init__(
        self, app: ASGIApp, listener: socket.socket, *, proxies: Sequence[str] = (), has_lifespan: bool = True
    ) -> None:
        """`proxies`: whose X-Forwarded-For is believed; see `ServerConfig`. `has_lifespan`: False where somebody else
        begins and ends the application."""
        self._listener = listener
        config = uvicorn.Config(
            app,
            access_log=False,  # paths may tell who looks at what; uvicorn writes those of WebSockets as "info"
            log_level="warning",
            log_config=None,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            server_header=False,
            lifespan="on" if has_lifespan else "off",
            timeout_graceful_shutdown=GRACE_S,
            ws="websockets-sansio",
            ws_max_size=_MAX_COMMAND_BYTES,
            ws_per_message_deflate=False,
        )
        self._server = _Server(config)

    async def run(self) -> None:
        """Until `stop`. Raises: CustodesError when the application does not start."""
        await self._server.serve(sockets=[self._listener])
        if not self._server.started:
            raise CustodesError("the web application did not start; the log says why")

    async def started(self) -> None:
        """Returns once requests are answered."""
        while not self._server.started:
            await asyncio.sleep(0.02)

    def stop(self) -> None:
        """Let `run` return, after `GRACE_S` at most."""
        self._server.should_exit = True
