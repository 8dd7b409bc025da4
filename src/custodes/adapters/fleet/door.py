"""The one way out of an audit: connections to listed addresses only. Nothing else here opens a socket.

A name is resolved once, when the list is made; afterwards only the number counts, so that a name that changes its
address, or a device that names another host, leads nowhere.
"""

import ipaddress
import socket
from collections.abc import Iterable

from custodes.adapters.camera.http_post import Deadline
from custodes.errors import CameraUnreachable, InvalidArgument, PermissionDenied


class ListedDoor:
    """Knows the listed hosts and their addresses."""

    def __init__(self, hosts: Iterable[str], *, attested: frozenset[str] = frozenset()) -> None:
        """`attested`: hosts with public addresses that the operator declared to be their own.

        A host that cannot be resolved, or may not be asked, is refused when it is used, not here.
        """
        self._attested = attested
        self._addresses: dict[str, str | Exception] = {}
        for host in dict.fromkeys(hosts):
            try:
                self._addresses[host] = self._address_of(host)
            except (InvalidArgument, CameraUnreachable, PermissionDenied) as error:
                self._addresses[host] = error

    def admit(self, host: str) -> str:
        """The number to connect to.

        Raises: PermissionDenied for a host that is not listed or is public and not attested, InvalidArgument for an
        address of no single device, CameraUnreachable for an unknown name.
        """
        found = self._addresses.get(host)
        if found is None:
            raise PermissionDenied(f"{host} is not on the list of this audit")
        if isinstance(found, Exception):
            raise found
        return found

    def connect(self, host: str, port: int, deadline: Deadline) -> socket.socket:
        """A connection; its time-out is what the deadline leaves. Raises: as `admit`, and CameraUnreachable."""
        address = self.admit(host)
        try:
            return socket.create_connection((address, port), timeout=deadline.left_s())
        except OSError as error:
            reason = (error.strerror or "no answer in time").lower()
            raise CameraUnreachable(f"{host}:{port} cannot be reached: {reason}") from error

    def _address_of(self, host: str) -> str:
        try:
            number = ipaddress.ip_address(host)
        except ValueError:
            number = ipaddress.ip_address(_resolved(host))
        if number.is_multicast or number.is_unspecified or number == ipaddress.ip_address("255.255.255.255"):
            raise InvalidArgument(f"{host} is no address of one device")
        if number.is_global and host not in self._attested:
            raise PermissionDenied(f"{host} is a public address; name it with --own if it is yours")
        return str(number)


def _resolved(host: str) -> str:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CameraUnreachable(f"{host}: its name is unknown") from error
    return str(found[0][4][0]).partition("%")[0]
