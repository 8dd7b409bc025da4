"""Which machines analyse for a site, beside its own: a Ray cluster."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

_Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]


class RayConfig(BaseModel):
    """A cluster that `custodes cluster up` began."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:\[\]-]+:[0-9]{1,5}$", max_length=255)]
    """host:port of its head."""
    token_file: Path
    """What `custodes cluster up` wrote; who has it can run anything on the cluster's machines."""
    labels: Annotated[dict[_Label, _Label], Field(max_length=16)] = {}
    """Cells go to machines with all of them: zone: hall-4."""
    cameras_per_cell: Annotated[int, Field(ge=1, le=64)] = 16
    exports: bool = False
    """Render exports there, too (`views.export_tasks`). Whoever owns a machine of the cluster sees its pieces as the
    request allows, and could mark a copy of these pieces, and of nothing else, as that export (ADR 129)."""
    cpus: Annotated[float, Field(ge=0.1, le=64)] = 1.0
    """Booked by a cell; where no machine has so many left, it waits."""
