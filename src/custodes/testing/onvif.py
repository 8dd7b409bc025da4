"""An ONVIF camera on loopback: answers with given SOAP messages, wants logins as cameras do, notes what it is asked.

The login is checked here from the standards' texts, not with the client's own functions.
"""

import base64
import hashlib
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

_OPERATION = re.compile(rb"<s:Body><(\w+)")
_MAX_REQUEST_BYTES = 65_536

ENVELOPE = (
    '<?xml version="1.0"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope">'
    "<e:Body>{body}</e:Body></e:Envelope>"
)
NOT_AUTHORIZED = ENVELOPE.format(
    body='<e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value xmlns:ter="http://www.onvif.org/ver10/error">'
    "ter:NotAuthorized</e:Value></e:Subcode></e:Code><e:Reason><e:Text>Sender not Authorized</e:Text></e:Reason>"
    "</e:Fault>"
).encode()
NOT_SUPPORTED = ENVELOPE.format(
    body="<e:Fault><e:Code><e:Value>e:Receiver</e:Value></e:Code><e:Reason><e:Text>Optional Action Not Implemented"
    "</e:Text></e:Reason></e:Fault>"
).encode()


def answers(*, port: int, media2: bool = False, host: str = "192.0.2.99", path: str = "/main") -> dict[str, bytes]:
    """A small camera's answers: two profiles, streams at rtsp://`host`:`port``path` and …/sub."""
    tr2, trt = "http://www.onvif.org/ver20/media/wsdl", "http://www.onvif.org/ver10/media/wsdl"
    namespace = tr2 if media2 else trt
    sizes = (("sub", 640, 360), ("main", 1920, 1080))
    encoder = "VideoEncoder" if media2 else "VideoEncoderConfiguration"
    profiles = "".join(
        f'<Profiles token="{token}"><Name>{token}</Name><{encoder} token="e"><Encoding>H264</Encoding><Resolution>'
        f"<Width>{width}</Width><Height>{height}</Height></Resolution></{encoder}></Profiles>"
        for token, width, height in sizes
    )
    uri = f"<Uri>rtsp://{host}:{port}PATH</Uri>"
    stream = uri if media2 else f"<MediaUri>{uri}</MediaUri>"
    services = "".join(
        f"<Service><Namespace>{name}</Namespace><XAddr>http://{host}/onvif/media</XAddr></Service>"
        for name in ("http://www.onvif.org/ver10/device/wsdl", namespace)
    )
    bodies = {
        "GetSystemDateAndTime": "<SystemDateAndTime><UTCDateTime><Time><Hour>1</Hour><Minute>2</Minute><Second>3"
        "</Second></Time><Date><Year>2001</Year><Month>2</Month><Day>3</Day></Date></UTCDateTime></SystemDateAndTime>",
        "GetServices": services,
        "GetProfiles": profiles,
        "GetStreamUri main": stream.replace("PATH", path),
        "GetStreamUri sub": stream.replace("PATH", "/sub"),
    }
    return {
        operation: ENVELOPE.format(
            body=f'<{operation.partition(" ")[0]}Response xmlns="{namespace}">{body}'
            f"</{operation.partition(' ')[0]}Response>"
        ).encode()
        for operation, body in bodies.items()
    }


@dataclass(slots=True, kw_only=True)
class OnvifServer:
    """Context manager. `answers` maps an operation, or `GetStreamUri TOKEN`, to a message; others get a fault.

    `login`: (user, password) it wants; `auth`: `wsse` or an HTTP digest algorithm (`MD5`, `SHA-256`).
    """

    answers: Mapping[str, bytes]
    login: tuple[str, str] | None = None
    auth: str = "wsse"
    is_time_shut: bool = False
    """It answers even the question for its time with 401 and an offer of Basic only, as ipycam 1.3.0 does."""
    clock: str = "2001"
    """Its clock stands in 2001, as if its owner never set it, or shows `ours`; it refuses tokens of another time."""
    seen: list[str] = field(default_factory=list)
    """Operations with the path they were sent to: `GetProfiles /onvif/media`."""
    requests: list[bytes] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                camera._answer(self)

            def log_message(self, *_: object) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(min(int(handler.headers["Content-Length"]), _MAX_REQUEST_BYTES))
        found = _OPERATION.search(body)
        operation = found[1].decode() if found else ""
        self.seen.append(f"{operation} {handler.path}")
        self.requests.append(bytes(str(handler.headers), "utf-8") + body)
        if self.is_time_shut and operation == "GetSystemDateAndTime":
            self._send(handler, 401, b"", 'Basic realm="camera"')
            return
        if self.login and operation != "GetSystemDateAndTime" and not self._is_allowed(handler, body):
            if self.auth == "wsse":
                self._send(handler, 400, NOT_AUTHORIZED)
            else:
                challenge = f'Digest realm="cam, \\"era\\"", qop="auth", nonce="n1", algorithm={self.auth}, opaque="o"'
                self._send(handler, 401, b"", challenge)
            return
        token = re.search(rb"<ProfileToken>(.*?)</ProfileToken>", body)
        exact = f"{operation} {token[1].decode()}" if token else operation
        message = self.answers.get(exact, self.answers.get(operation))
        self._send(handler, 500 if message is None else 200, NOT_SUPPORTED if message is None else message)

    def _send(self, handler: BaseHTTPRequestHandler, status: int, body: bytes, challenge: str = "") -> None:
        handler.send_response(status)
        if challenge:
            handler.send_header("WWW-Authenticate", challenge)
        handler.send_header("Content-Type", "application/soap+xml")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _is_allowed(self, handler: BaseHTTPRequestHandler, body: bytes) -> bool:
        assert self.login is not None
        user, password = self.login
        if self.auth == "wsse":
            parts = [re.search(rf"<{name}[ >][^>]*?>?([^<>]*)</{name}>".encode(), body) for name in _TOKEN_PARTS]
            if None in parts:
                return False
            name, digest, nonce, created = (part[1] for part in parts if part)
            secret = base64.b64decode(nonce) + created + password.encode()
            wanted = base64.b64encode(hashlib.sha1(secret, usedforsecurity=False).digest())
            is_of_now = self.clock == "ours" or created.startswith(b"2001-02-03T01:02:")
            return name == user.encode() and digest == wanted and is_of_now
        given = dict(re.findall(r'(\w+)="?((?:[^",\\]|\\.)*)"?', handler.headers.get("Authorization", "")))
        realm = 'cam, "era"'

        def h(text: str) -> str:
            return hashlib.new(self.auth.replace("-", ""), text.encode()).hexdigest()

        secret_hash, request = h(f"{user}:{realm}:{password}"), h(f"POST:{handler.path}")
        wanted_response = h(f"{secret_hash}:n1:{given.get('nc')}:{given.get('cnonce')}:auth:{request}")
        return given.get("username") == user and given.get("response") == wanted_response


_TOKEN_PARTS = ("Username", "Password", "Nonce", "Created")
