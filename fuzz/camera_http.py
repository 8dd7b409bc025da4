"""HTTP answers and their digest challenges, over a socket pair: `adapters.camera.http_post` ends in a body or a
CameraError, and never sends the password.
"""

import socket
import time
from unittest.mock import patch

from custodes.adapters.camera.http_post import MAX_ANSWER_BYTES, Deadline, Login, post
from custodes.errors import CameraError
from custodes.units import Ns

SECRET = "pass-w0rd"


def one(case: bytes) -> None:
    """The case is what the camera answers, to both requests."""
    sent: list[bytes] = []

    def connect(*_: object, **__: object) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.settimeout(0)
        theirs.sendall(case[:60_000])
        theirs.shutdown(socket.SHUT_WR)
        peers.append(theirs)
        return ours

    peers: list[socket.socket] = []
    end_ns = time.monotonic_ns() + 2_000_000_000
    deadline = Deadline(monotonic_ns=lambda: Ns(time.monotonic_ns()), end_ns=end_ns)
    with patch("socket.create_connection", connect):
        try:
            body = post("h", 80, "/x", b"", login=Login(username="u", password=SECRET), deadline=deadline, where="cam")
            assert len(body) <= MAX_ANSWER_BYTES
        except CameraError as error:
            assert str(error).isprintable()
        finally:
            for peer in peers:
                try:
                    sent.append(peer.recv(65_536))
                except OSError:
                    sent.append(b"")
                peer.close()
    assert len(sent) <= 2
    assert all(SECRET.encode() not in request and request.count(b"\r\n\r\n") <= 1 for request in sent)


def seeds() -> list[bytes]:
    """An answer, an answer in chunks, a challenge."""
    return [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n\r\n',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ]
