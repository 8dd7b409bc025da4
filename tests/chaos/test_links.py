"""The relay of `chaos.site`: it passes bytes on, is silent while it is cut, and loses nothing when it is mended."""

import socket
import threading

import pytest

from chaos.links import Link


@pytest.fixture
def echo():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while piece := connection.recv(65536):
                    connection.sendall(piece)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_link_that_is_cut_is_silent_and_loses_nothing(echo: int) -> None:
    with Link("a", echo) as link, socket.create_connection(("127.0.0.1", link.port), timeout=60) as near:
        near.sendall(b"before")
        assert near.recv(100) == b"before"
        link.cut()
        near.sendall(b"meanwhile")
        near.settimeout(0.3)
        with pytest.raises(TimeoutError):
            near.recv(100)
        near.settimeout(60)
        link.mend()
        assert near.recv(100) == b"meanwhile"
        link.slow()
        near.sendall(b"x" * 40_000)
        got = b""
        while len(got) < 40_000:
            got += near.recv(65536)
        assert got == b"x" * 40_000


def test_link_to_nobody_closes_what_comes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Link("a", port) as link, socket.create_connection(("127.0.0.1", link.port), timeout=60) as near:
        assert near.recv(1) == b""
