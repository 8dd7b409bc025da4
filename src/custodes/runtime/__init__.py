"""Runners and supervision: processes, clocks, stages. Knows no slice."""

from custodes.runtime.parent import die_with_parent

__all__ = ["die_with_parent"]
