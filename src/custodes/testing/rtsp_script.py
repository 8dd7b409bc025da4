"""An RTSP server whose every word can be bent: vendors' captured replies, hostile cameras. Loopback, for tests only.

A `Script` is a camera's behaviour on one connection. `Camera` behaves; subclasses and its fields do not.
"""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from custodes.testing.rtp import RtpSender, interleaved

_MAX_REQUEST_BYTES = 65_536
_SEND_TIMEOUT_S = 20.0

FIRST_TIMESTAMP = 0x7FFF0000
"""RTP begins at random (RFC 3550 5.1); FFmpeg takes 0 for "not set"."""

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
)


class Hangup(Exception):
    """The other side is gone, or the server stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One RTSP request."""

    method: str
    uri: str
    headers: dict[str, str]
    """By lower-case name."""


class Conversation:
    """One connection: requests in, anything out."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._sock = sock
        self._stopping = stopping
        self._buffer = b""
        sock.settimeout(_SEND_TIMEOUT_S)

    @property
    def peer(self) -> str:
        """The client's address."""
        return str(self._sock.getpeername()[0])

    def request(self) -> Request:
        """The next request; the client's own RTCP between is skipped. Raises: Hangup."""
        while True:
            while self._buffer[:1] == b"$":
                self._need(4)
                length = int.from_bytes(self._buffer[2:4], "big")
                self._need(4 + length)
                self._buffer = self._buffer[4 + length :]
            head, mark, rest = self._buffer.partition(b"\r\n\r\n")
            if mark:
                self._buffer = rest
                first, *lines = head.decode("latin-1").split("\r\n")
                method, uri, _ = [*first.split(" "), "", ""][:3]
                pairs = (line.partition(":") for line in lines)
                return Request(method=method, uri=uri, headers={k.lower(): v.strip() for k, _, v in pairs})
            self._need(len(self._buffer) + 1)

    def send(self, *parts: bytes) -> None:
        """Raises: Hangup."""
        if self._stopping.is_set():
            raise Hangup
        try:
            self._sock.sendall(b"".join(parts))
        except OSError as error:
            raise Hangup from error

    def reply(self, request: Request, text: str = "", body: str = "", *, status: str = "200 OK") -> None:
        """A reply; `text`: further header lines, each with its line end."""
        length = f"Content-Type: application/sdp\r\nContent-Length: {len(body.encode())}\r\n" if body else ""
        head = f"RTSP/1.0 {status}\r\nCSeq: {request.headers.get('cseq', '0')}\r\n{text}{length}\r\n"
        self.send(head.encode() + body.encode())

    def drip(self, content: Iterable[bytes], *, seconds: float) -> None:
        """Send piece by piece with a pause. Raises: Hangup."""
        for piece in content:
            self.send(piece)
            self.wait(seconds)

    def wait(self, seconds: float) -> None:
        """Raises: Hangup when the server stops."""
        if self._stopping.wait(seconds):
            raise Hangup

    def hold(self) -> None:
        """Say nothing more until the client goes."""
        while True:
            self._need(len(self._buffer) + 1)
            self._buffer = b""

    def _need(self, length: int) -> None:
        while len(self._buffer) < length:
            if self._stopping.is_set():
                raise Hangup
            try:
                received = self._sock.recv(_MAX_REQUEST_BYTES)
            except OSError as error:
                raise Hangup from error
            if not received or len(self._buffer) > _MAX_REQUEST_BYTES:
                raise Hangup
            self._buffer += received


class Script(Protocol):
    """What a server does with a connection."""

    def __call__(self, conversation: Conversation) -> None:
        """Runs in the connection's own thread. May raise Hangup."""
        ...


Hook = Callable[[Conversation, Request], None]


@dataclass(slots=True, kw_only=True)
class Camera:
    """A camera that plays access units over TCP, or over UDP where `udp` allows it; each word can be replaced.

    `on`: method to a function that answers in the camera's place; `stream`: sends what comes after PLAY.
    """

    units: list[list[bytes]] = field(default_factory=list)
    sdp: str = SDP
    codec: str = "h264"
    payload_type: int = 96
    fps: float = 10.0
    pictures: int = 1 << 30
    """After so many it hangs up."""
    refuses: frozenset[str] = frozenset()
    """Transports that get 461: `tcp`, `udp`."""
    drops_udp: bool = False
    """Accept UDP and send nothing there, as behind a firewall."""
    loses_every: int = 0
    """Of the RTP packets sent by UDP, each n-th is lost."""
    on: dict[str, Hook] = field(default_factory=dict)
    stream: Callable[[Conversation, "Outlet"], None] | None = None
    seen: list[Request] = field(default_factory=list)

    def __call__(self, conversation: Conversation) -> None:
        """See Script."""
        outlet: Outlet = Outlet(conversation, None)
        while True:
            request = conversation.request()
            self.seen.append(request)
            if request.method in self.on:
                self.on[request.method](conversation, request)
            elif request.method == "SETUP":
                outlet = self._set_up(conversation, request) or outlet
            else:
                self._answer(conversation, request)
            if request.method == "PLAY":
                with contextlib.closing(outlet):
                    (self.stream or self._play)(conversation, outlet)

    def _answer(self, conversation: Conversation, request: Request) -> None:
        if request.method == "OPTIONS":
            conversation.reply(request, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n")
        elif request.method == "DESCRIBE":
            conversation.reply(request, f"Content-Base: {request.uri}/\r\n", self.sdp)
        else:
            conversation.reply(request, "Session: 1\r\n")
        if request.method == "TEARDOWN":
            raise Hangup

    def _set_up(self, conversation: Conversation, request: Request) -> "Outlet | None":
        wanted = request.headers.get("transport", "")
        kind = "tcp" if "/TCP" in wanted else "udp"
        if kind in self.refuses:
            conversation.reply(request, status="461 Unsupported Transport")
            return None
        if kind == "tcp":
            transport, outlet = "RTP/AVP/TCP;unicast;interleaved=0-1", Outlet(conversation, None)
        else:
            port = int(wanted.partition("client_port=")[2].partition("-")[0])
            outlet = Outlet(
                conversation, (conversation.peer, port), is_mute=self.drops_udp, loses_every=self.loses_every
            )
            transport = f"RTP/AVP;unicast;client_port={port}-{port + 1};server_port={outlet.port}-{outlet.port + 1}"
        conversation.reply(request, f"Session: 1;timeout=60\r\nTransport: {transport}\r\n")
        return outlet

    def _play(self, conversation: Conversation, outlet: "Outlet") -> None:
        sender = RtpSender(codec=self.codec, payload_type=self.payload_type)
        for number, units in enumerate(itertools.islice(itertools.cycle(self.units), self.pictures)):
            timestamp = FIRST_TIMESTAMP + int(number * 90_000 / self.fps)
            if number % 10 == 0:
                outlet.rtcp(sender.report(time.time_ns(), timestamp))
            for packet in sender.access_unit(units, timestamp):
                outlet.rtp(packet)
            conversation.wait(1 / self.fps)
        raise Hangup


class Outlet:
    """Where RTP and RTCP go: into the RTSP connection, or by UDP to the client's ports."""

    def __init__(
        self,
        conversation: Conversation,
        peer: tuple[str, int] | None,
        *,
        is_mute: bool = False,
        loses_every: int = 0,
    ) -> None:
        self._loses_every = loses_every
        self._sent = 0
        self._conversation = conversation
        self._peer = peer
        self._is_mute = is_mute
        self._sockets: list[socket.socket] = []
        self.port = 0
        if peer is not None:
            self.port, self._sockets = _udp_pair()

    def rtp(self, packet: bytes) -> None:
        """Raises: Hangup."""
        self._sent += 1
        if self._peer is None or not self._loses_every or self._sent % self._loses_every:
            self._send(0, packet)

    def rtcp(self, packet: bytes) -> None:
        """Raises: Hangup."""
        self._send(1, packet)

    def close(self) -> None:
        """Release the ports."""
        for sock in self._sockets:
            sock.close()

    def _send(self, channel: int, packet: bytes) -> None:
        if self._peer is None:
            self._conversation.send(interleaved(channel, packet))
        elif not self._is_mute:
            with contextlib.suppress(OSError):  # the client closed its port; the RTSP connection tells
                self._sockets[channel].sendto(packet, (self._peer[0], self._peer[1] + channel))


def _udp_pair() -> tuple[int, list[socket.socket]]:
    for _ in range(50):
        first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        first.bind(("127.0.0.1", 0))
        port = int(first.getsockname()[1])
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            second.bind(("127.0.0.1", port + 1))
        except (OSError, OverflowError):
            first.close()
            second.close()
            continue
        return port, [first, second]
    raise OSError("no two neighbouring UDP ports are free")


class ScriptedServer:
    """Context manager: runs a script for each connection, in threads that end with it."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def url(self, scheme: str = "rtsp") -> str:
        """Where it listens."""
        return f"{scheme}://127.0.0.1:{self.port}/x"

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._converse, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _converse(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(Hangup, OSError):
            self._script(Conversation(sock, self._stopping))


def endless(piece: bytes, *, times: int = 1 << 30) -> Iterator[bytes]:
    """The same again and again."""
    return itertools.repeat(piece, times)
