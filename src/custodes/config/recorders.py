"""How a site records: segments, room, and how many recorder processes share the cameras."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

CameraIdField = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]

FIRST = "recorder"
"""The name of a site's only recorder, and of the first of several."""

MAX_RECORDERS = 16
"""Of one data directory."""


class RecorderGroupConfig(BaseModel):
    """Cameras that some recorders are preferred for: those on another network card, or the ones that matter most."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cameras: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9*?-]{1,63}$")], ...],
        Field(min_length=1, max_length=1024),
    ]
    """Ids, or patterns of ids with * and ?: gate-*."""
    recorders: Annotated[tuple[Annotated[str, StringConstraints(max_length=20)], ...], Field(min_length=1)]
    """Names: recorder, recorder-2, … While none of them runs, any other takes these cameras."""


class RecorderConfig(BaseModel):
    """Recording."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    segment_s: Annotated[float, Field(ge=2, le=110)] = 60.0
    """Below the warden's lead-in of 120 s: a grant that begins inside a segment must reach the segment's start."""
    stall_s: Annotated[float, Field(ge=2, le=300)] = 10.0
    min_free_mb: Annotated[int, Field(ge=0)] = 512
    """Below this the recorder stops writing and says so; below twice this the oldest recordings go (retention)."""
    device_events: Annotated[tuple[CameraIdField, ...], Field(max_length=256)] = ()
    """Ids of cameras (onvif://…) that are asked for their own events: motion, tampering, inputs, storage."""
    processes: Annotated[int, Field(ge=1, le=MAX_RECORDERS)] = 1
    """Recorder processes. Of several each has some of the cameras, under a lease; when one dies, hangs or is drained,
    the others take its cameras over."""
    lease_s: Annotated[float, Field(ge=2, le=60)] = 5.0
    """Seconds of silence after which a recorder's cameras go to the others; some three more pass until they record."""
    groups: Annotated[tuple[RecorderGroupConfig, ...], Field(max_length=256)] = ()
    """The first group that names a camera counts."""

    @property
    def names(self) -> tuple[str, ...]:
        """recorder, recorder-2, recorder-3, …"""
        return (FIRST, *(f"{FIRST}-{number}" for number in range(2, self.processes + 1)))

    @model_validator(mode="after")
    def _names_are_known(self) -> "RecorderConfig":
        unknown = sorted({name for group in self.groups for name in group.recorders} - set(self.names))
        if unknown:
            raise ValueError(f"there is no {unknown[0]!r}; with processes: {self.processes} there are {self.names}")
        return self
