"""Rules as YAML: when somebody is told what, and how."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from custodes.config.secret import SecretRef
from custodes.types.access import Role
from custodes.types.traffic import IncidentKind

_Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]
_Mail = Annotated[str, StringConstraints(pattern=r"^[^@\s,<>]+@[^@\s,<>]+$", max_length=254)]
MAX_RULES = 64
HealthKind = Literal["down", "tampering", "clock", "disk", "finding", "motion", "input", "storage", "recognition"]
"""A camera is not recorded; it was covered, moved, defocused or replayed, or says so itself; its clock is wrong;
recordings will not fit, or the disk takes none; an audit found something new; the camera itself says that something
moves, that an input is on, that its own card or disk fails; strangers score otherwise
in a recognition zone than they did."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WebhookConfig(_Strict):
    """An address that gets a POST."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^@\s]+$", max_length=512)]
    secret: SecretRef = ""
    """Signs what is sent; env:NAME or file:/path."""


class EmailConfig(_Strict):
    """A mail server and who gets the mail."""

    server: Annotated[str, StringConstraints(pattern=r"^smtps?://[A-Za-z0-9.:\[\]-]+$", max_length=255)]
    sender: _Mail
    to: Annotated[tuple[_Mail, ...], Field(min_length=1, max_length=20)]
    username: Annotated[str, StringConstraints(max_length=128)] = ""
    password: SecretRef = ""


class MqttConfig(_Strict):
    """A broker; needs the extra `custodes[mqtt]`."""

    server: Annotated[str, StringConstraints(pattern=r"^mqtts?://[A-Za-z0-9.:\[\]-]+$", max_length=255)]
    topic: Annotated[str, StringConstraints(pattern=r"^[^+#\s]{1,200}$")]
    username: Annotated[str, StringConstraints(max_length=128)] = ""
    password: SecretRef = ""


CAUSES = (
    "incident", "people_above", "vehicles_above", "queue_above_m", "people_waiting_above", "wait_above_s",
    "stay_above_s", "crossings_above", "occupancy_above_pct", "service_from", "listed_vehicle", "health",
)  # fmt: skip
"""Of which a rule has exactly one."""
ABOUT_LINES = ("crossings_above", "occupancy_above_pct", "service_from")
"""Causes that are looked for in the running quarter of an hour of each counting line and way."""


class RuleConfig(_Strict):
    """One rule. Exactly one of `incident`, `people_above`, `vehicles_above`, `queue_above_m`, `people_waiting_above`,
    `wait_above_s`, `stay_above_s`, `crossings_above`, `occupancy_above_pct`, `service_from`, `listed_vehicle`,
    `health`."""

    name: _Name
    camera: Annotated[str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9-]{0,62})?$")] = ""
    """Only a rule of health may leave it out: it is then about all cameras."""
    incident: Literal["stopped", "wrong_way", "person_on_road", "congestion"] | None = None
    people_above: Annotated[int, Field(ge=0, le=10_000)] | None = None
    vehicles_above: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """In view at once."""
    queue_above_m: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """The longest of the running quarter of an hour."""
    people_waiting_above: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """In a drawn queue at once."""
    wait_above_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """How long half of those in a drawn queue have waited."""
    stay_above_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """Somebody has been in view for longer, without a break."""
    crossings_above: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """People and vehicles over one counting line, one way, in the running quarter of an hour."""
    occupancy_above_pct: Annotated[float, Field(ge=0, le=100)] | None = None
    """Share of the running quarter's analysed time in which a vehicle was on the line."""
    service_from: Literal["B", "C", "D", "E", "F"] | None = None
    """Level of service on a line of this letter or a worse one."""
    line: Annotated[str, StringConstraints(max_length=80)] = ""
    """Which counting line of the camera; empty: each of them."""
    listed_vehicle: Literal[True] | None = None
    """A vehicle of the site's own list is at a zone for plates (page Vehicles)."""
    queue: Annotated[str, StringConstraints(max_length=80)] = ""
    """Which queue of the camera; empty: each of them."""
    health: Annotated[tuple[HealthKind, ...], Field(min_length=1, max_length=9)] | None = None
    """Trouble with a camera, the disk or the fleet, when it begins."""
    again_after_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = 300.0
    """It is told at most so often; of health, about each camera and kind."""
    webhook: WebhookConfig | None = None
    email: EmailConfig | None = None
    mqtt: MqttConfig | None = None
    push: Annotated[tuple[Role, ...], Field(max_length=8)] = ()
    """Roles whose people are told on their devices, if they may see the camera; needs `push:` of the site."""

    @model_validator(mode="after")
    def _is_whole(self) -> "RuleConfig":
        causes = {name: getattr(self, name) for name in CAUSES}
        if sum(one is not None for one in causes.values()) != 1:
            raise ValueError(f"rule {self.name!r} needs exactly one of {', '.join(CAUSES)}")
        if self.queue and self.people_waiting_above is None and self.wait_above_s is None:
            raise ValueError(f"rule {self.name!r} names a queue, but is about none")
        if self.line and not any(causes[name] is not None for name in ABOUT_LINES):
            raise ValueError(f"rule {self.name!r} names a line, but is about none")
        if not self.camera and self.health is None:
            raise ValueError(f"rule {self.name!r} needs a camera; only a rule of health may be about all")
        if self.webhook is None and self.email is None and self.mqtt is None and not self.push:
            raise ValueError(f"rule {self.name!r} tells nobody; give it a webhook, email, mqtt or push")
        return self

    @property
    def tells(self) -> tuple[str, ...]:
        """Whom, in words without secrets; one for each sender, in their order."""
        found = ["devices of " + ", ".join(role.value.replace("_", " ") for role in self.push)] if self.push else []
        if self.webhook is not None:
            found.append(f"webhook {urlsplit(self.webhook.url).hostname}")
        if self.email is not None:
            found.append(f"e-mail to {', '.join(self.email.to)}")
        if self.mqtt is not None:
            found.append(f"MQTT {urlsplit(self.mqtt.server).hostname}, {self.mqtt.topic}")
        return tuple(found)

    @property
    def kind(self) -> IncidentKind | None:
        """Of the incident, if it is about one."""
        return None if self.incident is None else IncidentKind(self.incident)
