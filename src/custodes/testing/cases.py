"""Cases for tests: what a look for a case has to stand on."""

from dataclasses import replace

from custodes.types.access import Principal, Role
from custodes.types.cases import OpenCase


def opening(owner: Principal, number: str) -> OpenCase:
    """The message that opens a case which `owner` works on, as if they were an investigator, too."""
    return OpenCase(
        principal=replace(owner, roles=owner.roles | {Role.INVESTIGATOR}),
        number=number,
        title="Bicycle stolen",
        reason="reported by its owner at the gate",
        keep_days=30,
    )
