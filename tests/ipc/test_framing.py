"""Framed messages over unix sockets."""

import asyncio
import socket
import struct
import threading
from pathlib import Path

import pytest

from custodes.adapters.ipc import framing
from custodes.adapters.ipc.framing import (
    AsyncChannel,
    Channel,
    RequestClient,
    answer_requests,
    failure_of,
    listening_socket,
    raise_failure,
    serve,
)
from custodes.errors import KeyMissing, PermissionDenied, ProtocolError, Unavailable
from custodes.types.codec import MAX_MESSAGE_BYTES
from custodes.types.message import Appended, Failed, Ok, Ping


async def respond(request: object) -> object:
    if isinstance(request, Ping):
        return Ok()
    raise PermissionDenied(f"{type(request).__name__} is not for you")


async def serve_ping(path: Path) -> asyncio.Server:
    async def on_connect(channel: AsyncChannel) -> None:
        await answer_requests(channel, respond)

    return await serve(path, on_connect)


def test_request_gets_its_reply_and_errors_keep_their_class(tmp_path: Path) -> None:
    async def run() -> None:
        server = await serve_ping(tmp_path / "x.sock")
        client = RequestClient(tmp_path / "x.sock")
        assert await client.request(Ping(), Ok) == Ok()
        with pytest.raises(PermissionDenied, match="Appended is not for you"):
            await client.request(Appended(index=1), Ok)
        assert await client.request(Ping(), Ok) == Ok()
        await client.close()
        server.close()

    asyncio.run(run())


def test_socket_file_when_nobody_listens_yet_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "x.sock", []
    listen = socket.socket.listen

    def listen_and_note(self: socket.socket, backlog: int) -> None:
        seen.append(path.exists())
        listen(self, backlog)

    monkeypatch.setattr(socket.socket, "listen", listen_and_note)
    with listening_socket(path), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
        assert path.stat().st_mode & 0o777 == 0o600
        assert [found.name for found in tmp_path.iterdir()] == ["x.sock"]
    assert seen == [False]


def test_client_when_server_restarts_reconnects(tmp_path: Path) -> None:
    async def run() -> None:
        channels: list[AsyncChannel] = []

        async def on_connect(channel: AsyncChannel) -> None:
            channels.append(channel)
            await answer_requests(channel, respond)

        client = RequestClient(tmp_path / "x.sock")
        with pytest.raises(Unavailable, match=r"nobody answers at x\.sock"):
            await client.request(Ping(), Ok)
        for _ in range(3):
            server = await serve(tmp_path / "x.sock", on_connect)
            assert await client.request(Ping(), Ok) == Ok()
            server.close()
            for channel in channels:
                await channel.close()
            channels.clear()
        await client.close()

    asyncio.run(run())


def test_socket_is_private(tmp_path: Path) -> None:
    async def run() -> None:
        server = await serve_ping(tmp_path / "x.sock")
        assert (tmp_path / "x.sock").stat().st_mode & 0o777 == 0o600
        server.close()

    asyncio.run(run())


def test_announced_giant_message_is_refused_before_it_is_read() -> None:
    left, right = socket.socketpair()
    left.sendall(struct.pack(">I", MAX_MESSAGE_BYTES + 1))
    with pytest.raises(ProtocolError, match="at most"):
        Channel(right).receive()
    left.close()
    right.close()


def test_peer_that_dies_in_a_message_is_a_protocol_error_and_between_is_none() -> None:
    left, right = socket.socketpair()
    Channel(left).send(Ping())
    left.sendall(b"\x00\x00\x00\x09ab")
    left.close()
    channel = Channel(right)
    assert channel.receive() == Ping()
    with pytest.raises(ProtocolError, match="middle"):
        channel.receive()
    right.close()


def test_close_wakes_a_waiting_receive() -> None:
    left, right = socket.socketpair()
    channel = Channel(right)
    seen: list[object] = []

    def wait() -> None:
        try:
            seen.append(channel.receive())
        except Unavailable as error:
            seen.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    channel.close()
    thread.join(5)
    assert not thread.is_alive()
    left.close()


def test_failure_travels_with_class_and_message() -> None:
    failed = failure_of(KeyMissing("no key gate/20260101"))
    assert failed == Failed(kind="failed_precondition", error="KeyMissing", message="no key gate/20260101")
    with pytest.raises(KeyMissing, match="gate/20260101"):
        raise_failure(failed)


def test_closing_ends_though_the_peer_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "CLOSE_S", 0.05)

    async def run() -> None:
        with listening_socket(tmp_path / "x.sock") as listener:
            channel = await AsyncChannel.connect(tmp_path / "x.sock")
            deaf, _ = listener.accept()
            with deaf:
                large = Failed(kind="internal", error="CustodesError", message="x" * (2 << 20))
                sending = asyncio.create_task(channel.send(large))
                await asyncio.sleep(0)
                async with asyncio.timeout(180):
                    await channel.close()
                    await channel.close()
                    await sending

    asyncio.run(run())
