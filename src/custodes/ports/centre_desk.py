"""What a centre asked this site, as the web layer uses it: wishes for people, and questions that were answered."""

from collections.abc import Sequence
from typing import Protocol

from custodes.types.access import Principal
from custodes.types.wish import AskedByCentre, Wish


class CentreDesk(Protocol):
    """Only there where `federation: share:` lists cases."""

    def wishes(self) -> Sequence[Wish]:
        """Footage that nobody has given or refused yet, oldest first."""
        ...

    def asked(self) -> Sequence[AskedByCentre]:
        """What was answered, newest first."""
        ...

    async def give(self, question_id: str, export_id: str, who: Principal) -> None:
        """Tell the centre that this export of theirs, made under an approved request for the wish, is the answer.

        Raises: NotFound, PermissionDenied, FailedPrecondition, InvalidArgument, Unavailable.
        """
        ...

    async def refuse(self, question_id: str, reason: str, who: Principal) -> None:
        """Raises: as `give`."""
        ...
