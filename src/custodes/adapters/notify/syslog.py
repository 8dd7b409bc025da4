"""A syslog server: RFC 5424 messages over TLS (RFC 5425), TCP (RFC 6587, octet-counted) or UDP (RFC 5426). Blocking.

Syslog has no receipts. What was written to a connection that then breaks may be lost: the caller sends it again.
"""

import contextlib
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from custodes.errors import ConfigError, Unavailable

TIMEOUT_S = 10.0
_PORTS = {"tls": 6514, "tcp": 601, "udp": 514}


class SyslogSender:
    """One server, connected when there is something to send."""

    def __init__(self, server: str, *, ca_file: Path | None = None, certificate: Path | None = None) -> None:
        """`server`: tls://, tcp:// or udp:// with host and perhaps port. Raises: ConfigError."""
        parts = urlsplit(server)
        self._scheme, self._host = parts.scheme, parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._context: ssl.SSLContext | None = None
        if parts.scheme == "tls":
            try:
                self._context = ssl.create_default_context(cafile=ca_file)
                if certificate is not None:
                    self._context.load_cert_chain(certificate)
            except OSError as error:  # ssl.SSLError is one
                raise ConfigError(f"siem: {certificate or ca_file} is no certificate in PEM: {error}") from error
        self._socket: socket.socket | None = None

    @property
    def is_connected(self) -> bool:
        """Whether what is sent next continues a connection on which all before was written."""
        return self._socket is not None

    def send(self, messages: Sequence[bytes]) -> None:
        """Write all. Raises: Unavailable; then some may have arrived, and the connection is closed."""
        try:
            if self._socket is None:
                self._socket = self._connect()
            elif self._scheme != "udp":
                self._check_open(self._socket)
            if self._scheme == "udp":
                for message in messages:
                    self._socket.send(message)
            else:
                self._socket.sendall(b"".join(b"%d %s" % (len(message), message) for message in messages))
        except OSError as error:
            self.close()
            raise Unavailable(f"syslog server {self._host}:{self._port} does not take the log: {error}") from error

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None

    def _connect(self) -> socket.socket:
        if self._scheme == "udp":
            family, _, _, _, where = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
            found = socket.socket(family, socket.SOCK_DGRAM)
            found.connect(where)
            return found
        raw = socket.create_connection((self._host, self._port), timeout=TIMEOUT_S)
        if self._context is None:
            return raw
        try:
            return self._context.wrap_socket(raw, server_hostname=self._host)
        except OSError:
            raw.close()
            raise

    def _check_open(self, connected: socket.socket) -> None:
        """A server that hung up is noticed before the next message vanishes in our own buffer; it never speaks."""
        connected.setblocking(False)
        try:
            if connected.recv(1) == b"":
                raise ConnectionResetError("it hung up")
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        finally:
            connected.settimeout(TIMEOUT_S)
