"""Rules that were written on the page, and how those in force stand."""

from dataclasses import dataclass

from custodes.units import Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """One version of all rules of the page; those of `site.yaml` are not in it."""

    version: int
    utc_ns: Ns
    editor: str
    rules: tuple[str, ...]
    """Each as JSON, in the shape of `site.yaml`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """One whom a rule tells. Empty and None: nothing of that kind yet."""

    where: str
    told_ns: Ns | None
    told: str
    """The last news that arrived."""
    error: str
    """Why the last news did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """One rule. `problem`: why it is not in force; empty where it is."""

    name: str
    camera: str
    cause: str
    """Name and value as in `site.yaml`."""
    again_after_s: float
    is_of_page: bool
    outlets: tuple[Outlet, ...]
    problem: str = ""
