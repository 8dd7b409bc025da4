"""Is an address free to listen on, and if not, who has it."""

import contextlib
import errno
import socket

import psutil

from custodes.errors import FailedPrecondition


def check_port(host: str, port: int) -> None:
    """Raises: FailedPrecondition when `host:port` cannot be listened on: the holder of the port, or a host that is not
    this machine's; port 0 is any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            # Linux lets two sockets bind with SO_REUSEADDR while neither listens; only listening settles it.
            probe.listen(1)
        except OSError as error:
            raise FailedPrecondition(cannot_listen(host, port, error)) from error
        except UnicodeError as error:
            raise FailedPrecondition(f"cannot listen on {host!r}: that is no host name; see server.host") from error


def cannot_listen(host: str, port: int, error: OSError) -> str:
    """Why, and what to change, in one sentence."""
    if error.errno in (errno.EADDRINUSE, errno.EACCES):
        remedy = "free it, or choose another with server.port in site.yaml or --port"
    else:
        remedy = "server.host in site.yaml must be an address of this machine"
    return f"cannot listen on {host}:{port}: {error.strerror or error}{holder_of(port) if port else ''}; {remedy}"


def holder_of(port: int) -> str:
    """` (process 12, nginx)`, or an empty string when the holder is another user's or nobody's."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
                continue
            if connection.laddr[1] == port:
                return f" (process {connection.pid}, {psutil.Process(connection.pid).name()})"
    return ""
