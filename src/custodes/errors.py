"""The error tree. Kinds follow gRPC's codes; HTTP status is mapped in `web`, exit codes in `cli`.

Third-party exceptions are translated once, in the adapter that met them. A message says what failed, on
which object, what was expected and what was seen; it never carries a secret or personal data.
Source of the mapping idea: moonfire-nvr `server/base/error.rs`.
"""

from enum import StrEnum
from typing import ClassVar


class ErrorKind(StrEnum):
    """What a caller may do about an error."""

    INVALID_ARGUMENT = "invalid_argument"
    """The input is wrong and stays wrong."""
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    PERMISSION_DENIED = "permission_denied"
    """The caller is known and may not."""
    UNAUTHENTICATED = "unauthenticated"
    FAILED_PRECONDITION = "failed_precondition"
    """The system's state forbids it now; an operator has to act."""
    RESOURCE_EXHAUSTED = "resource_exhausted"
    """A bound was met: disk, queue, quota."""
    UNAVAILABLE = "unavailable"
    """Try again later; somebody else is down."""
    DEADLINE_EXCEEDED = "deadline_exceeded"
    DATA_LOSS = "data_loss"
    """Stored bytes are not what was written."""
    INTERNAL = "internal"
    """A defect of ours."""


class CustodesError(Exception):
    """Root of every error that custodes raises on purpose."""

    kind: ClassVar[ErrorKind] = ErrorKind.INTERNAL


class InvalidArgument(CustodesError):
    """Input from outside is malformed or out of range."""

    kind = ErrorKind.INVALID_ARGUMENT


class NotFound(CustodesError):
    """No such object."""

    kind = ErrorKind.NOT_FOUND


class AlreadyExists(CustodesError):
    """The object is there already."""

    kind = ErrorKind.ALREADY_EXISTS


class PermissionDenied(CustodesError):
    """Policy says no; the reasons are in the decision."""

    kind = ErrorKind.PERMISSION_DENIED


class Unauthenticated(CustodesError):
    """Nobody is logged in, or the proof of identity is wrong."""

    kind = ErrorKind.UNAUTHENTICATED


class FailedPrecondition(CustodesError):
    """The system's state forbids the act until somebody changes it."""

    kind = ErrorKind.FAILED_PRECONDITION


class FactorNeeded(PermissionDenied):
    """The site wants more than a password, and this account has nothing else yet."""


class ProofNeeded(FailedPrecondition):
    """The session is good, but its last proof of identity is too old for this act."""


class ResourceExhausted(CustodesError):
    """A bound was met."""

    kind = ErrorKind.RESOURCE_EXHAUSTED


class Unavailable(CustodesError):
    """A peer, camera or process cannot be reached now."""

    kind = ErrorKind.UNAVAILABLE


class DeadlineExceeded(CustodesError):
    """It took longer than its bound."""

    kind = ErrorKind.DEADLINE_EXCEEDED


class DataLoss(CustodesError):
    """Stored or received bytes fail their check."""

    kind = ErrorKind.DATA_LOSS


# -- configuration ------------------------------------------------------------------------------------


class ConfigError(InvalidArgument):
    """The YAML or a value in it cannot be used."""


class SiteMismatch(FailedPrecondition):
    """A data directory belongs to another site, or its parts do not belong together."""


# -- cameras and media --------------------------------------------------------------------------------


class CameraError(Unavailable):
    """A camera gives no video now. Subclasses say why; each becomes a camera state and a gap's cause."""


class CameraUnreachable(CameraError):
    """Nothing answers at the address."""


class CameraUnauthorized(CameraError):
    """The camera wants credentials, or refuses those it got."""


class CameraGarbage(CameraError):
    """What arrives cannot be read as the protocol or the codec announced."""


class CameraNoVideo(CameraError):
    """The source answers but carries no video stream."""


class CameraStalled(CameraError):
    """Connected, yet no packet for longer than the stall bound."""


class CameraEnded(CameraError):
    """The source came to its end (a file, or a server that closed the stream)."""


class CameraChanged(CameraEnded):
    """The source goes on, but not as it was (resolution, codec, a clock that was set): `open` it again: a new run."""


class MediaError(InvalidArgument):
    """A file or stream cannot be demuxed, decoded or encoded."""


# -- storage ------------------------------------------------------------------------------------------


class StorageFull(ResourceExhausted):
    """No room: the disk, its reserve, a quota or a file size limit."""


class StorageFailed(Unavailable):
    """The disk refuses to write, sync or open for another reason than room."""


# -- sealing, keys, log -------------------------------------------------------------------------------


class SealBroken(DataLoss):
    """Ciphertext, commitment or hash chain does not verify."""


class KeyMissing(FailedPrecondition):
    """No key under that id: never made, or destroyed on purpose."""


class LogCorrupt(DataLoss):
    """The audit log's stored tree disagrees with its entries or its checkpoint."""


# -- models -------------------------------------------------------------------------------------------


class ModelRefused(FailedPrecondition):
    """A model without a manifest, with a wrong digest, or for a task outside the allow-list."""


# -- processes ----------------------------------------------------------------------------------------


class ProtocolError(InvalidArgument):
    """A message between processes is malformed, too large or of an unknown version."""
