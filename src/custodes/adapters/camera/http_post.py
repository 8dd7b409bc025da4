"""One bounded HTTP POST to a camera, with digest authentication. No redirects, no proxy, no cookies, no Basic.

`http.client` parses; size and, unlike with its own time-out, the whole duration are bounded here, so that a camera
that sends a byte a second ends like one that sends none. Sources: RFC 9112, RFC 7616.
"""

import hashlib
import http.client
import io
import secrets
import socket
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from custodes.errors import CameraGarbage, CameraUnauthorized, CameraUnreachable
from custodes.units import NS_PER_S, Ns

MAX_ANSWER_BYTES = 1 << 20
"""The largest answer captured, GetProfiles of a camera with 12 profiles, has 18 kB."""

MAX_CHALLENGE_CHARS = 4096

_ALGORITHMS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Empty `username`: none."""

    username: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When an exchange of any number of requests has to be over."""

    monotonic_ns: Callable[[], Ns]
    end_ns: int

    def left_s(self) -> float:
        """Raises: TimeoutError when there is none."""
        left_ns = self.end_ns - self.monotonic_ns()
        if left_ns <= 0:
            raise TimeoutError
        return left_ns / NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    challenges: tuple[str, ...]
    body: bytes


def post(host: str, port: int, path: str, body: bytes, *, login: Login, deadline: Deadline, where: str) -> bytes:
    """The body of the answer; of a 4xx or 5xx too, since SOAP faults come with it.

    Raises: CameraUnreachable, CameraUnauthorized, CameraGarbage.
    """
    answer = _exchange(host, port, path, body, "", deadline, where)
    if answer.status == http.HTTPStatus.UNAUTHORIZED:
        authorization = _authorization(answer.challenges, path, login, where)
        answer = _exchange(host, port, path, body, authorization, deadline, where)
        if answer.status == http.HTTPStatus.UNAUTHORIZED:
            raise CameraUnauthorized(f"{where} refuses the user name or password")
    if 300 <= answer.status < 400:
        raise CameraGarbage(f"{where} sends us elsewhere (HTTP {answer.status}), which is not followed")
    if answer.status >= 400 and not answer.body:
        raise CameraUnreachable(f"{where} answers with HTTP {answer.status}")
    return answer.body


class _Reading(io.RawIOBase):
    """The reading side of a socket, for http.client; each read waits at most until the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What http.client asks of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """See RawIOBase."""
        self._sock.settimeout(self._deadline.left_s())
        return self._sock.recv_into(buffer)  # type: ignore[arg-type]


def _exchange(
    host: str, port: int, path: str, body: bytes, authorization: str, deadline: Deadline, where: str
) -> _Answer:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: custodes\r\nConnection: close\r\n"
        f"Content-Type: application/soap+xml; charset=utf-8\r\nContent-Length: {len(body)}\r\n{authorization}\r\n"
    )
    try:
        with socket.create_connection((host, port), timeout=deadline.left_s()) as sock:
            sock.sendall(head.encode("latin-1") + body)
            response = http.client.HTTPResponse(_Reading(sock, deadline), method="POST")  # type: ignore[arg-type]
            response.begin()
            received = response.read(MAX_ANSWER_BYTES + 1)
            challenges = tuple(response.headers.get_all("WWW-Authenticate", []))
    except TimeoutError as error:
        raise CameraUnreachable(f"{where} did not answer in time") from error
    except (http.client.HTTPException, UnicodeError, ValueError) as error:
        raise CameraGarbage(f"{where} does not answer in HTTP ({type(error).__name__})") from error
    except ConnectionRefusedError as error:
        raise CameraUnreachable(f"{where}: connection refused; nothing listens there") from error
    except socket.gaierror as error:
        raise CameraUnreachable(f"{where}: its host name is unknown") from error
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CameraUnreachable(f"{where} cannot be reached: {reason}") from error
    if len(received) > MAX_ANSWER_BYTES:
        raise CameraGarbage(f"{where} answers with more than {MAX_ANSWER_BYTES} bytes")
    return _Answer(status=response.status, challenges=challenges, body=received)


def _authorization(challenges: tuple[str, ...], path: str, login: Login, where: str) -> str:
    """The header line for a 401. Raises: CameraUnauthorized."""
    if not login.username:
        raise CameraUnauthorized(f"{where} wants a user name and a password; none is configured")
    for challenge in challenges:
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() != "digest":
            continue
        given = _parameters(rest[:MAX_CHALLENGE_CHARS])
        algorithm = given.get("algorithm", "MD5").upper()
        qops = [one.strip() for one in given.get("qop", "").split(",") if one.strip()]
        if algorithm in _ALGORITHMS and "nonce" in given and (not qops or "auth" in qops):
            return digest_line(given, path, login, cnonce=secrets.token_hex(8) if qops else "")
    raise CameraUnauthorized(f"{where} offers no login that keeps the password secret (digest)")


def _parameters(text: str) -> dict[str, str]:
    """`name=value` and `name="value"`, commas between. urllib's own fails on `name=` (found by fuzz.camera_http)."""
    pairs = (part.partition("=") for part in urllib.request.parse_http_list(text))
    values = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return {name: text[1:-1] if text[:1] == '"' == text[1:][-1:] else text for name, text in values.items()}


def digest_line(given: dict[str, str], path: str, login: Login, *, cnonce: str) -> str:
    """`Authorization: Digest …` for a POST; RFC 7616 3.4, without `cnonce` the older form of RFC 2069."""
    algorithm = given.get("algorithm", "MD5").upper()

    def digest(text: str) -> str:
        return _ALGORITHMS[algorithm](text.encode()).hexdigest()

    realm, nonce = given.get("realm", ""), given["nonce"]
    secret, request = digest(f"{login.username}:{realm}:{login.password}"), digest(f"POST:{path}")
    middle = f"{nonce}:00000001:{cnonce}:auth" if cnonce else nonce
    fields = {
        "username": login.username,
        "realm": realm,
        "nonce": nonce,
        "uri": path,
        "response": digest(f"{secret}:{middle}:{request}"),
        **({"opaque": given["opaque"]} if "opaque" in given else {}),
    }
    quoted = ", ".join(f'{name}="{_escaped(text)}"' for name, text in fields.items())
    plain = f", algorithm={algorithm}" if "algorithm" in given else ""
    plain += f', qop=auth, nc=00000001, cnonce="{cnonce}"' if cnonce else ""
    return f"Authorization: Digest {quoted}{plain}\r\n"


def _escaped(text: str) -> str:
    return "".join("\\" + char if char in '"\\' else char for char in text if char.isprintable())
