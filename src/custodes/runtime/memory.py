"""Keeping a process's memory to itself: each child holds keys, clear pictures, templates or sessions."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def hide_memory() -> None:
    """No core dump, no ptrace and no /proc/<pid>/mem for other processes of the same user."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


_MCL_CURRENT, _MCL_FUTURE = 1, 2  # sys/mman.h


def lock_memory() -> bool:
    """Keep all memory of this process out of swap; False where the system does not allow so much (RLIMIT_MEMLOCK)."""
    return bool(ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0)
