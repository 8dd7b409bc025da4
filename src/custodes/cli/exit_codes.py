"""What a script learns from the exit code: one number per ErrorKind. 0 is success, 2 is also click's usage error."""

from custodes.errors import ErrorKind

EXIT_CODES: dict[ErrorKind, int] = {
    ErrorKind.INTERNAL: 1,
    ErrorKind.INVALID_ARGUMENT: 2,
    ErrorKind.NOT_FOUND: 3,
    ErrorKind.ALREADY_EXISTS: 4,
    ErrorKind.PERMISSION_DENIED: 5,
    ErrorKind.UNAUTHENTICATED: 6,
    ErrorKind.FAILED_PRECONDITION: 7,
    ErrorKind.RESOURCE_EXHAUSTED: 8,
    ErrorKind.UNAVAILABLE: 9,
    ErrorKind.DEADLINE_EXCEEDED: 10,
    ErrorKind.DATA_LOSS: 11,
}

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
