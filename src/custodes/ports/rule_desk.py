"""Port: rules as a person writes, tries and takes them away on the page."""

from collections.abc import Mapping
from typing import Protocol

from custodes.types.rule import Outlet, RuleRow


class RuleDesk(Protocol):
    """Who may is decided before: every act here is `Action.CONFIGURE`. Each change is in the log before it counts."""

    async def rows(self) -> list[RuleRow]:
        """All rules, those of `site.yaml` first."""
        ...

    async def add(self, tree: Mapping[str, object], *, actor: str) -> None:
        """Put one into force, in the shape of `site.yaml`.

        Raises: InvalidArgument in words, FailedPrecondition when somebody else changed the rules, Unavailable.
        """
        ...

    async def remove(self, name: str, *, actor: str) -> None:
        """Take one of the page's away. Raises: NotFound, FailedPrecondition, Unavailable."""
        ...

    async def test(self, name: str, *, actor: str) -> list[Outlet]:
        """Tell each whom the rule tells a message that says it is a test. Raises: NotFound."""
        ...
