"""A child ends with its supervisor, however the supervisor ends.

Linux only (PR_SET_PDEATHSIG); the signal is SIGKILL, because a child that survives its supervisor would hold the
sockets and files of the next start. Nothing durable depends on an orderly end.
"""

import ctypes
import os
import signal
import sys

PARENT_VARIABLE = "CUSTODES_SUPERVISOR_PID"
"""Set by the supervisor in each child's environment; a process that was started by hand has none."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the supervisor ends; exit at once if it is gone already.

    Called first thing in each process's main. Does nothing in a process that no supervisor started.
    """
    expected = os.environ.get(PARENT_VARIABLE, "")
    if not expected.isdigit():
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    # The supervisor may have ended between our start and the call above; then no signal would ever come.
    if os.getppid() != int(expected):
        sys.exit(0)
