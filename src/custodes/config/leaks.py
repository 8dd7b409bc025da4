"""What is kept so that a leaked picture is still traced after footage has gone."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class LeakConfig(BaseModel):
    """Sealed; only a leak trace of two people opens any of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    background_days: Annotated[int, Field(ge=0, le=20 * 366)] = 365
    """How long a camera's pictures without people are kept, beyond its recordings; 0 keeps none."""
    background_every_s: Annotated[float, Field(ge=0.5, le=3600)] = 30.0
    """Seconds between the pictures that such a background is the median of. Who stands still for half of nine of
    them, unseen by the detector, would be in it."""
    sketch_every_s: Annotated[float, Field(ge=0, le=60)] = 2.0
    """Seconds between sketches of the content index that analysers make; 0: the first trace makes it."""
    search_tasks: Annotated[int, Field(ge=1, le=64)] = 1
    """Segments that a search makes sketches of at the same time, below live work: in as many processes of this
    machine, or cells of the cluster (`analyser.runner`). 1 on this machine: by the job itself."""
