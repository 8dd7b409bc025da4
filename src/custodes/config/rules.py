"""Rules as YAML: when somebody is told what, and how."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from custodes.config.secret import SecretRef
from custodes.types.traffic import IncidentKind

_Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]
_Mail = Annotated[str, StringConstraints(pattern=r"^[^@\s,<>]+@[^@\s,<>]+$", max_length=254)]
MAX_RULES = 64


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


class RuleConfig(_Strict):
    """One rule. Exactly one of `incident`, `people_above`, `vehicles_above`, `queue_above_m`."""

    name: _Name
    camera: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    incident: Literal["stopped", "wrong_way", "person_on_road", "congestion"] | None = None
    people_above: Annotated[int, Field(ge=0, le=10_000)] | None = None
    vehicles_above: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """In view at once."""
    queue_above_m: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """The longest of the running quarter of an hour."""
    again_after_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = 300.0
    """It is told at most so often."""
    webhook: WebhookConfig | None = None
    email: EmailConfig | None = None
    mqtt: MqttConfig | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "RuleConfig":
        causes = (self.incident, self.people_above, self.vehicles_above, self.queue_above_m)
        if sum(one is not None for one in causes) != 1:
            raise ValueError(
                f"rule {self.name!r} needs exactly one of incident, people_above, vehicles_above, queue_above_m"
            )
        if self.webhook is None and self.email is None and self.mqtt is None:
            raise ValueError(f"rule {self.name!r} tells nobody; give it a webhook, email or mqtt")
        return self

    @property
    def kind(self) -> IncidentKind | None:
        """Of the incident, if it is about one."""
        return None if self.incident is None else IncidentKind(self.incident)
