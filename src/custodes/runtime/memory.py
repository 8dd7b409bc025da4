"""Keeping a process's memory to itself: each child holds keys, clear pictures, templates or sessions."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def hide_memory() -> None:
    """No core dump, no ptrace and no /proc/<pid>/mem for other processes of the same user."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
