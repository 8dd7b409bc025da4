"""`Granted`: proof, for the type checker and at run time, that the warden said yes.

A use case that returns video or identities takes a `Granted`; only `granted_from` makes one.
"""

from typing import Final, NoReturn

from custodes.errors import InvalidArgument, PermissionDenied
from custodes.types.access import AccessRequest, CameraScope, Grant
from custodes.types.message import Authorised
from custodes.units import CameraId, Ns, SessionId


class _Seal:
    """Nobody outside this module holds the one instance."""


_SEAL: Final = _Seal()


class Granted:
    """An allowed request with its grant. Cannot be made by hand, copied with changes, or sent between processes.

    A plain class on purpose: `dataclasses.replace` would carry the seal over to another grant.
    """

    __slots__ = ("_grant",)
    _grant: Grant

    def __init__(self, grant: Grant, *, seal: _Seal) -> None:
        if seal is not _SEAL:
            raise PermissionDenied("a Granted is made by access.grants.granted_from alone")
        object.__setattr__(self, "_grant", grant)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise PermissionDenied("a Granted does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise PermissionDenied("a Granted does not change")

    def __reduce__(self) -> NoReturn:
        raise PermissionDenied("a Granted does not leave its process")

    def __repr__(self) -> str:
        return f"Granted(grant_id={self._grant.grant_id!r})"

    @property
    def grant(self) -> Grant:
        """The warden's grant, with its token."""
        return self._grant

    @property
    def request(self) -> AccessRequest:
        """What was asked and allowed."""
        return self._grant.request

    @property
    def camera_id(self) -> CameraId:
        """The one camera it covers."""
        return self._grant.request.camera_id

    @property
    def scope(self) -> CameraScope:
        """The cameras it covers; `adapters.sql` makes a WHERE of it."""
        one = self._grant.request.camera_id
        return CameraScope(is_all=False, camera_ids=frozenset(self._grant.camera_ids or ((one,) if one else ())))

    @property
    def session_id(self) -> SessionId:
        """The ViewSession it was made for."""
        return self._grant.request.session_id

    def is_valid_at(self, now_ns: Ns) -> bool:
        """Whether it has not expired."""
        return now_ns < self._grant.expires_ns


def granted_from(asked: AccessRequest, authorised: Authorised) -> Granted:
    """Turn the warden's answer into a `Granted`.

    Raises: PermissionDenied with the decision's reasons when it was refused; InvalidArgument when the answer is
        to another request than the one asked.
    """
    if not authorised.decision.is_allowed or authorised.grant is None:
        raise PermissionDenied(" ".join(authorised.decision.reasons) or "refused")
    if authorised.grant.request != asked:
        raise InvalidArgument("the warden's grant is for another request")
    return Granted(authorised.grant, seal=_SEAL)
