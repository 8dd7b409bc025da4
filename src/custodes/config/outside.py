"""Whom the site tells: a SIEM the audit log, a home-automation broker the states, people's own devices what waits."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from custodes.config.secret import SecretRef

_HOST_PORT = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?"
_Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,5}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SiemConfig(_Strict):
    """A syslog server (RFC 5424) that gets each new entry of the audit log."""

    server: Annotated[str, StringConstraints(pattern=rf"^(tls|tcp|udp)://{_HOST_PORT}$", max_length=255)]
    """tls://host (RFC 5425, port 6514), tcp://host (RFC 6587, octet-counted, port 601) or udp://host (port 514)."""
    ca_file: Path | None = None
    """Whom to believe instead of the machine's own authorities."""
    certificate: Path | None = None
    """Ours and its key, PEM, for a server that asks who we are."""
    format: Literal["cef", "json"] = "cef"
    names: bool = True
    """Without them no name, reason or other detail leaves; the entry's number leads to them in the log."""
    recordings: bool = False
    """Also the fingerprints of recordings, one per camera and minute."""

    def beside(self, folder: Path) -> "SiemConfig":
        """With its files' paths absolute; relative ones are relative to `folder`."""
        files = {"ca_file": self.ca_file, "certificate": self.certificate}
        return self.model_copy(update={name: (folder / file).resolve() for name, file in files.items() if file})

    @model_validator(mode="after")
    def _certificates_need_tls(self) -> "SiemConfig":
        if not self.server.startswith("tls:") and (self.ca_file or self.certificate):
            raise ValueError("ca_file and certificate are for tls:// servers")
        return self


class HomeConfig(_Strict):
    """An MQTT broker that gets the states of cameras and their counts, with Home Assistant's discovery."""

    server: Annotated[str, StringConstraints(pattern=rf"^mqtts?://{_HOST_PORT}$", max_length=255)]
    username: Annotated[str, StringConstraints(max_length=128)] = ""
    password: SecretRef = ""
    ca_file: Path | None = None
    topic: _Topic = "custodes"
    """What topics begin with; two sites on one broker need two."""
    discovery: _Topic | Literal[""] = "homeassistant"
    """Home Assistant's discovery prefix; empty announces nothing."""
    every_s: Annotated[float, Field(ge=1, le=3600)] = 5.0

    def beside(self, folder: Path) -> "HomeConfig":
        """With its file's path absolute; a relative one is relative to `folder`."""
        return self.model_copy(update={"ca_file": (folder / self.ca_file).resolve()}) if self.ca_file else self


class PushConfig(_Strict):
    """Notices on people's own devices, by the push service of their browser's vendor. Ids alone, encrypted."""

    contact: Annotated[str, StringConstraints(pattern=r"^(mailto:[^@\s]+@[^@\s]+|https://[^\s]+)$", max_length=254)]
    """Who runs this site, for the push service: mailto:… or https://…"""
    services: Annotated[
        tuple[
            Annotated[str, StringConstraints(pattern=r"^\.?[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?$", max_length=255)], ...
        ],
        Field(min_length=1, max_length=32),
    ] = ("fcm.googleapis.com", ".push.services.mozilla.com", "web.push.apple.com", ".notify.windows.com")
    """Hosts the site will tell; one that begins with a dot is all below it. A device of another service is refused."""
