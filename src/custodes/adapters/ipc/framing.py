"""Messages over unix sockets: u32 big-endian length, then `types.codec` bytes. Blocking and asyncio forms.

No knowledge of any particular message belongs here; typed clients lie beside this file.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from custodes import errors
from custodes.errors import CustodesError, FailedPrecondition, ProtocolError, Unavailable
from custodes.types.codec import MAX_MESSAGE_BYTES, decode, encode
from custodes.types.message import Failed, Ok

T = TypeVar("T")

_LENGTH = struct.Struct(">I")

_BACKLOG = 100
"""Connections that may wait; more processes than a site has."""

REQUEST_TIMEOUT_S = 10.0
"""A reply later than this counts as a dead peer; the slowest honest reply (a key release) takes milliseconds."""

CLOSE_S = 10.0
"""Closing waits so long until the peer has taken what was sent to it; one that hangs never would."""

_LOOK_S = 0.5
"""Connecting to a unix socket waits only where the listener's queue is full."""


def frame(message: object) -> bytes:
    """Length prefix and encoded message."""
    payload = encode(message)
    return _LENGTH.pack(len(payload)) + payload


def failure_of(error: CustodesError) -> Failed:
    """The reply that carries an error to the peer."""
    return Failed(kind=error.kind.value, error=type(error).__name__, message=str(error))


def raise_failure(failed: Failed) -> None:
    """Raise the peer's error as our own class of the same name; an unknown name becomes its kind's nearest class."""
    kind = getattr(errors, failed.error, None)
    if isinstance(kind, type) and issubclass(kind, CustodesError):
        raise kind(failed.message)
    raise CustodesError(f"{failed.error}: {failed.message}")


def _checked_length(head: bytes) -> int:
    (length,) = _LENGTH.unpack(head)
    if length > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"peer announces a message of {length} bytes; at most {MAX_MESSAGE_BYTES} travel")
    return int(length)


def peer_uid(sock: socket.socket) -> int:
    """User id of the process at the other end (SO_PEERCRED)."""
    return _peer(sock)[1]


def listener_pid(path: Path) -> int | None:
    """Process that listens on a unix socket; None when none does, or it lets nobody in."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_LOOK_S)
        try:
            sock.connect(str(path))
        except OSError:
            return None
        return _peer(sock)[0]


def _peer(sock: socket.socket) -> tuple[int, int, int]:
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return pid, uid, gid


class Channel:
    """A blocking connection, owned by one thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    @classmethod
    def connect(cls, path: Path, *, timeout_s: float = REQUEST_TIMEOUT_S) -> "Channel":
        """Raises: Unavailable when nobody listens at `path`."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout_s)
        try:
            sock.connect(str(path))
        except OSError as error:
            sock.close()
            raise Unavailable(f"nobody answers at {path.name}: {error.strerror or error}") from error
        return cls(sock)

    def send(self, message: object) -> None:
        """Raises: Unavailable when the peer is gone or does not read in time."""
        try:
            self._socket.sendall(frame(message))
        except OSError as error:
            raise Unavailable(f"peer is gone: {error}") from error

    def receive(self) -> object | None:
        """The next message, or None when the peer closed. Raises: Unavailable on time-out, ProtocolError."""
        head = self._read(_LENGTH.size)
        if head is None:
            return None
        body = self._read(_checked_length(head))
        if body is None:
            raise ProtocolError("peer closed in the middle of a message")
        return decode(body)

    def request(self, message: object, reply: type[T]) -> T:
        """Send, wait for the one reply, raise the peer's error if it is Failed."""
        self.send(message)
        answer = self.receive()
        if answer is None:
            raise Unavailable("peer closed without a reply")
        return expect(answer, reply)

    def settimeout(self, timeout_s: float | None) -> None:
        """Bound of each send and receive; None waits for ever."""
        self._socket.settimeout(timeout_s)

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def close(self) -> None:
        """Idempotent. Wakes a receive() in another thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _read(self, count: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < count:
            try:
                part = self._socket.recv(min(count - len(parts), 1 << 20))
            except OSError as error:
                raise Unavailable(f"peer does not answer: {error}") from error
            if not part:
                if parts:
                    raise ProtocolError("peer closed in the middle of a message")
                return None if count else b""
            parts += part
        return bytes(parts)


class AsyncChannel:
    """An asyncio connection. One reader task at a time; sends may come from several tasks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, path: Path) -> "AsyncChannel":
        """Raises: Unavailable when nobody listens at `path`."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(path))
        except OSError as error:
            raise Unavailable(f"nobody answers at {path.name}: {error.strerror or error}") from error
        return cls(reader, writer)

    async def send(self, message: object) -> None:
        """Raises: Unavailable when the peer is gone."""
        try:
            self._writer.write(frame(message))
            await self._writer.drain()
        except OSError as error:
            raise Unavailable(f"peer is gone: {error}") from error

    async def receive(self) -> object | None:
        """The next message, or None when the peer closed."""
        try:
            head = await self._reader.readexactly(_LENGTH.size)
            body = await self._reader.readexactly(_checked_length(head))
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise ProtocolError("peer closed in the middle of a message") from error
            return None
        except OSError as error:
            raise Unavailable(f"peer is gone: {error}") from error
        return decode(body)

    def peer_uid(self) -> int:
        """User id of the process at the other end."""
        return peer_uid(self._writer.get_extra_info("socket"))

    async def close(self) -> None:
        """Idempotent. A peer that takes nothing for `CLOSE_S` does not get what is left for it."""
        self._writer.close()
        # In a task of its own: cancelled within it, the stream would tell the next who waits that he is cancelled.
        closed = asyncio.ensure_future(self._writer.wait_closed())
        closed.add_done_callback(_forget)
        _, late = await asyncio.wait({closed}, timeout=CLOSE_S)
        if late:
            self._writer.transport.abort()
            await asyncio.wait(late, timeout=CLOSE_S)


def _forget(closed: "asyncio.Future[None]") -> None:
    """A peer that is gone is what was wanted."""
    if not closed.cancelled():
        closed.exception()


def expect(answer: object, kind: type[T]) -> T:
    """`answer` as a `kind`; raises the peer's error for Failed, ProtocolError for anything else."""
    if isinstance(answer, Failed):
        raise_failure(answer)
    if not isinstance(answer, kind):
        raise ProtocolError(f"expected {kind.__name__} in reply, got {type(answer).__name__}")
    return answer


class RequestClient:
    """asyncio request/reply with reconnect: one request at a time per connection, in order.

    A request that fails because the connection was stale (the peer restarted) is sent once more; requests must
    therefore be harmless to repeat, or the caller passes `is_repeatable=False`.
    """

    def __init__(self, path: Path, *, timeout_s: float = REQUEST_TIMEOUT_S, greeting: object | None = None) -> None:
        """`greeting`: said first on each connection; the peer answers Ok, or refuses whatever comes after."""
        self._path = path
        self._greeting = greeting
        self._timeout_s = timeout_s
        self._channel: AsyncChannel | None = None
        self._lock = asyncio.Lock()

    async def request(self, message: object, reply: type[T], *, is_repeatable: bool = True) -> T:
        """Raises: the peer's CustodesError; Unavailable when it is down; DeadlineExceeded when it is silent."""
        async with self._lock:
            was_connected = self._channel is not None
            try:
                return await self._once(message, reply)
            except Unavailable:
                await self._drop()
                if not (was_connected and is_repeatable):
                    raise
            return await self._once(message, reply)

    async def _once(self, message: object, reply: type[T]) -> T:
        is_new = self._channel is None
        if self._channel is None:
            self._channel = await AsyncChannel.connect(self._path)
        try:
            async with asyncio.timeout(self._timeout_s):
                if is_new and self._greeting is not None:
                    await self._greet(self._channel, self._greeting)
                await self._channel.send(message)
                answer = await self._channel.receive()
        except (TimeoutError, ProtocolError, FailedPrecondition, asyncio.CancelledError) as error:
            await self._drop()
            if isinstance(error, TimeoutError):
                raise errors.DeadlineExceeded(
                    f"{self._path.name} did not answer {type(message).__name__} within {self._timeout_s:.0f} s"
                ) from error
            raise
        if answer is None:
            await self._drop()
            raise Unavailable(f"{self._path.name} closed without a reply")
        return expect(answer, reply)

    async def _greet(self, channel: AsyncChannel, greeting: object) -> None:
        await channel.send(greeting)
        answer = await channel.receive()
        if answer is None:
            raise Unavailable(f"{self._path.name} closed without a reply")
        expect(answer, Ok)

    async def _drop(self) -> None:
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close()

    async def close(self) -> None:
        """Idempotent."""
        async with self._lock:
            await self._drop()


async def serve(
    path: Path, on_connect: Callable[[AsyncChannel], Awaitable[None]], *, guest: int | None = None
) -> asyncio.Server:
    """Listen on a unix socket, mode 0600; a left-over socket file is replaced.

    `on_connect` owns the channel until it returns; then it is closed. A peer of another user is refused, and a
    peer that breaks the protocol or goes away ends only its own connection. `guest`: one other user who may connect;
    the socket is 0660 then.
    """
    welcome = {os.getuid(), 0, *(() if guest is None else (guest,))}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = AsyncChannel(reader, writer)
        try:
            if channel.peer_uid() in welcome:
                await on_connect(channel)
        except (ProtocolError, Unavailable):
            pass  # the peer's fault or death; nothing of ours is wrong
        finally:
            await channel.close()

    return await asyncio.start_unix_server(
        handle, sock=listening_socket(path, mask=0o177 if guest is None else 0o117), limit=1 << 20
    )


def listening_socket(path: Path, *, mask: int = 0o177) -> socket.socket:
    """A unix socket, mode 0600 unless `mask` says otherwise, that appears at `path` only once it listens.

    Who finds the file is not refused. A left-over file is replaced. Raises: Unavailable when the folder takes none.
    """
    not_yet = path.with_name(path.name[:-1] + "~")  # no longer than the name itself: a socket's path has 107 bytes
    not_yet.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(mask)
    try:
        listener.bind(str(not_yet))
        listener.listen(_BACKLOG)
        not_yet.replace(path)
    except OSError as error:
        listener.close()
        raise Unavailable(f"cannot listen at {path}: {error.strerror or error}") from error
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener


async def answer_requests(channel: AsyncChannel, respond: Callable[[object], Awaitable[object]]) -> None:
    """Serve request/reply until the peer closes; a CustodesError becomes a Failed reply."""
    while (request := await channel.receive()) is not None:
        try:
            reply = await respond(request)
        except CustodesError as error:
            reply = failure_of(error)
        await channel.send(reply)
