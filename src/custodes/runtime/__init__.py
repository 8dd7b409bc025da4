

from custodes.runtime.parent import die_with_parent

__all__ = ["die_with_parent"]
