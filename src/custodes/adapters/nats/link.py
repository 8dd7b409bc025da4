"""One connection to a NATS server with JetStream: parcels into a stream and out of it, receipts beside it.

The connection ends at its first fault and is made anew by the caller: the client's own reconnecting would follow
servers that the server names, and nobody configured those. Facts are durable at the site until the centre has them, so
the stream is a pipe that may be lost. Per site it holds `MAX_PARCELS`, then the site waits: no site fills the disk of
another.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import nats.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, Header, StreamConfig
from nats.js.errors import APIError, NotFoundError

from custodes.errors import ConfigError, Unavailable

STREAM = "CUSTODES_FACTS"
FACTS, RECEIPTS, QUESTIONS = "custodes.facts", "custodes.receipts", "custodes.questions"
MAX_PARCELS = 256
"""Of one site in the stream: 128 MB at most."""
TIMEOUT_S = 10
CLOSE_S = 2
_DUPLICATES_S = 120.0
"""The stream tells copies of a message apart for so long; the centre does so for ever."""
T = TypeVar("T")
_LOST = (nats.errors.Error, OSError, asyncio.TimeoutError)


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsTarget:
    """Where and as whom."""

    url: str
    user: str = ""
    password: str = ""
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext | None:
        """None for what is spoken in the clear. Raises: ConfigError."""
        if not self.url.startswith("tls://"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"federation: the TLS files cannot be used: {error}") from error
        return context


class _TlsOrNothing(Client):
    """A server that does not ask for TLS, or somebody on the way who took its asking out, gets nothing.

    The client itself goes on in the clear then and sends the password, also for tls:// (2.16; seen in
    `tests/federation/test_tls.py`). What is overridden is its own part, so its version has an upper bound.
    """

    is_checked = False

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if not info.get("tls_required"):
            raise nats.errors.Error("the server offers no TLS; nothing was sent to it")
        self.is_checked = True
        await super()._process_info(info, initial_connection)


class NatsLink:
    """Made by `connected`. All methods raise Unavailable when the connection is gone; then make a new one."""

    def __init__(self, client: Client, closed: asyncio.Event) -> None:
        self._client = client
        self._closed = closed
        self._stream: JetStreamContext = client.jetstream(timeout=TIMEOUT_S)

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, target: NatsTarget) -> AsyncIterator[Self]:
        """A connection until the block ends. Raises: Unavailable, ConfigError."""
        secrets: dict[str, Any] = {}
        if target.user:
            # Its own inbox, so that the server can let each user hear nobody else's answers.
            secrets = {"user": target.user, "password": target.password, "inbox_prefix": f"_INBOX_{target.user}"}
        closed = asyncio.Event()

        async def on_closed() -> None:
            closed.set()

        async def on_error(error: Exception) -> None:
            if "permissions violation" in str(error).lower():  # nobody would answer what was asked
                structlog.get_logger().warning("the NATS server forbids it", url=target.url, error=str(error)[:200])
                closed.set()

        context = target.context()
        client = _TlsOrNothing() if context is not None else Client()
        connecting = client.connect(
            target.url,
            tls=context,
            allow_reconnect=False,
            connect_timeout=TIMEOUT_S,
            error_cb=on_error,
            closed_cb=on_closed,
            disconnected_cb=on_closed,
            name="custodes",
            **secrets,
        )
        try:
            await _apart(connecting, closed)
        except BaseException as error:
            _drop(client)
            if isinstance(error, _LOST):
                raise Unavailable(f"{target.url} cannot be reached: {error or type(error).__name__}") from error
            raise
        if isinstance(client, _TlsOrNothing):
            assert client.is_checked, "another client than this was written for"
        closed.clear()
        try:
            yield cls(client, closed)
        finally:
            with contextlib.suppress(*_LOST):
                await _apart(client.close(), asyncio.Event(), within_s=CLOSE_S)
            _drop(client)

    async def make_stream(self) -> str:
        """Create what sites publish into, unless it is there; returns which one it is (its time of creation)."""
        config = StreamConfig(
            name=STREAM,
            subjects=[f"{FACTS}.*"],
            discard=DiscardPolicy.NEW,
            discard_new_per_subject=True,
            max_msgs_per_subject=MAX_PARCELS,
            duplicate_window=_DUPLICATES_S,
            allow_direct=True,
        )
        try:
            info = await self._ask(self._stream.stream_info(STREAM))
        except NotFoundError:
            info = await self._ask(self._stream.add_stream(config))
        return str(info.created)

    async def publish(self, site_id: str, sealed: bytes, message_id: str) -> None:
        """Returns when the stream has it durably. Raises: Unavailable, also when the site's share of it is full."""
        await self._ask(self._stream.publish(f"{FACTS}.{site_id}", sealed, headers={Header.MSG_ID: message_id}))

    async def next_after(self, position: int) -> tuple[int, str, bytes] | None:
        """The stream's next parcel after a position: its own, whose it claims to be, its bytes. None: no other yet."""
        try:
            found = await self._ask(self._stream.get_msg(STREAM, seq=position + 1, subject=f"{FACTS}.*", next=True))
        except NotFoundError:
            return None
        return int(found.seq or 0), str(found.subject).removeprefix(f"{FACTS}."), found.data or b""

    async def drop_up_to(self, position: int) -> None:
        """The centre has these."""
        await self._ask(self._stream.purge_stream(STREAM, seq=position + 1))

    async def tell(self, site_id: str, sealed: bytes) -> None:
        """Send a receipt to whom it may concern; it is sent again now and then, so that none is missed for long."""
        await self._send(f"{RECEIPTS}.{site_id}", sealed)

    async def ask(self, site_id: str, sealed: bytes) -> None:
        """Send a question; it is sent again until it is answered or too old."""
        await self._send(f"{QUESTIONS}.{site_id}", sealed)

    async def on_receipt(self, site_id: str, take: Callable[[bytes], Awaitable[None]]) -> None:
        """From now on every receipt for this site."""
        await self._hear(f"{RECEIPTS}.{site_id}", take)

    async def on_question(self, site_id: str, take: Callable[[bytes], Awaitable[None]]) -> None:
        """From now on every question to this site."""
        await self._hear(f"{QUESTIONS}.{site_id}", take)

    @property
    def is_up(self) -> bool:
        """False as soon as the client noticed."""
        return not self._closed.is_set()

    async def _send(self, subject: str, sealed: bytes) -> None:
        await self._ask(self._client.publish(subject, sealed))
        await self._ask(self._client.flush(TIMEOUT_S))

    async def _hear(self, subject: str, take: Callable[[bytes], Awaitable[None]]) -> None:
        async def one(message: Any) -> None:
            await take(message.data)

        await self._ask(self._client.subscribe(subject, cb=one, pending_msgs_limit=64))

    async def _ask(self, call: Coroutine[Any, Any, T]) -> T:
        """Raises: Unavailable; NotFoundError as it is."""
        try:
            return await _apart(call, self._closed)
        except NotFoundError:
            raise
        except APIError as error:
            raise Unavailable(f"the stream takes nothing now: {error.description}") from error
        except _LOST as error:
            raise Unavailable(f"NATS: {str(error) or type(error).__name__}") from error


async def _apart(call: Coroutine[Any, Any, T], closed: asyncio.Event, *, within_s: float = 3 * TIMEOUT_S) -> T:
    """The client's call in a task of its own: cancelled within it, a task did not always end, and the client waits for
    answers on a connection that it knows to be closed. Raises: what it raises; TimeoutError when it was closed."""
    asked = asyncio.ensure_future(call)
    waiting = asyncio.ensure_future(closed.wait())
    try:
        await asyncio.wait({asked, waiting}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return asked.result()
        raise TimeoutError("the connection is gone")
    finally:
        waiting.cancel()
        if not asked.done():
            asked.cancel()
            asked.add_done_callback(_forget)


def _drop(client: Client) -> None:
    """The socket of a connection that failed half-way stays open, and closing it in order waits for its other end."""
    transport = getattr(client, "_transport", None)
    if transport is not None:
        transport.close()


def _forget(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled():
        done.exception()  # else the loop complains that nobody asked
