"""The page's servers: where they listen, and how many answer at the same time."""

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

FIRST = "server"
"""The name of a site's only server, and of the first of several."""

MAX_SERVERS = 8
"""Of one machine; each is one interpreter, and a core's worth of pages and pictures passed on."""

MAX_PORT = 65535


class ServerConfig(BaseModel):
    """The web server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8600
    """0 takes a free one. Of several servers each has one of its own: this one, the next, and so on."""
    processes: Annotated[int, Field(ge=1, le=MAX_SERVERS)] = 1
    """Server processes that answer at the same time, behind a load balancer. One of them leads: it alone stores facts,
    deletes, tells others and changes anything. More than one needs the catalog in PostgreSQL."""
    leads: bool = True
    """false: of a further machine, on which nothing of the site runs but servers that answer people, and their view
    jobs. The site's own machine has two servers or more, and its sockets are brought here."""
    hosts: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,253}$")], ...] = ()
    """Further names under which browsers reach the page. Loopback names and `host` always count; others are refused
    (DNS rebinding)."""
    behind_tls: bool = False
    """A TLS proxy stands in front: cookies are set for https only."""
    proxies: Annotated[tuple[str, ...], Field(max_length=16)] = ()
    """Addresses or networks (10.0.0.0/24) of proxies in front that set X-Forwarded-For: limits and log take the
    visitor's address from there. A header of anybody else is ignored."""

    clamd: Path | None = None
    """Socket of a ClamAV daemon, e.g. /run/clamav/clamd.ctl: each file that somebody uploads is shown to it before it
    is kept, and none is taken while it does not answer."""

    @field_validator("clamd")
    @classmethod
    def _is_absolute(cls, found: Path | None) -> Path | None:
        if found is not None and not found.is_absolute():
            raise ValueError(f"{found} is relative; expected the whole path of the socket")
        return found

    @field_validator("proxies")
    @classmethod
    def _are_networks(cls, found: tuple[str, ...]) -> tuple[str, ...]:
        for one in found:
            try:
                network = ipaddress.ip_network(one, strict=False)
            except ValueError as error:
                raise ValueError(f"{one!r} is no address or network: {error}") from error
            if network.prefixlen == 0:
                raise ValueError(f"{one!r} is everybody: then any visitor could say who they are")
        return found

    @property
    def is_one_of_several(self) -> bool:
        """Whether somebody else may lead."""
        return self.processes > 1 or not self.leads

    @property
    def names(self) -> tuple[str, ...]:
        """server, server-2, server-3, …"""
        return (FIRST, *(f"{FIRST}-{number}" for number in range(2, self.processes + 1)))

    def port_of(self, name: str) -> int:
        """Where the server of that name listens; 0: anywhere. Raises: ValueError for a name that is none."""
        return self.port + self.names.index(name) if self.port else 0

    @model_validator(mode="after")
    def _ports_are_there(self) -> "ServerConfig":
        if self.port and self.port + self.processes - 1 > MAX_PORT:
            raise ValueError(f"{self.processes} servers from port {self.port} on need ports beyond {MAX_PORT}")
        return self
