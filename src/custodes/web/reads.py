"""Permission to read lists (timelines, tracks, the log): decided by the warden, logged, remembered for a while.

Footage never passes here; see ViewBroker.
"""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace

from custodes.access.grants import Granted, granted_from
from custodes.access.policy import Policies, decide
from custodes.errors import PermissionDenied
from custodes.ports.catalog import LoginSession
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import AccessRequest, Action, Fidelity, Principal, Purpose, PurposeKind
from custodes.units import NS_PER_S, CameraId, Ns, SessionId

_REMEMBER_NS = 15 * 60 * NS_PER_S
"""A page that refreshes itself makes one log entry per quarter of an hour, not thousands."""
_MAX_REMEMBERED = 4096

_DUTY = Purpose(kind=PurposeKind.LIVE_DUTY, reference="")
_OFFERED_FOR = {Action.ANALYSE: Purpose(kind=PurposeKind.MAINTENANCE, reference="any")}
"""For which purpose a page offers what nobody does on duty."""
_NO_CAMERA = CameraId("any")
"""Stands for a camera where only the role matters, to decide what the navigation shows to who may use all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who is logged in, with the session they came with."""

    principal: Principal
    session: LoginSession
    is_token: bool = False
    """A script with an API token, not a person at a page."""


class ReadPermits:
    """Asks the warden once per login session, action and camera; again after 15 minutes."""

    def __init__(self, *, warden: Warden, clock: Clock, policies: Policies) -> None:
        self._warden = warden
        self._clock = clock
        self._policies = policies
        self._lists: OrderedDict[tuple[bytes, Principal, tuple[CameraId, ...]], tuple[Granted, int]] = OrderedDict()
        self._permitted: OrderedDict[tuple[bytes, Principal, Action, CameraId], int] = OrderedDict()

    async def permit(self, visitor: Visitor, action: Action, camera_id: CameraId) -> None:
        """Raises: PermissionDenied with the decision's reasons, Unavailable when the warden is down (fail closed)."""
        key = (visitor.session.token_hash, visitor.principal, action, camera_id)
        now_ns = self._clock.monotonic_ns()
        permitted_ns = self._permitted.get(key)
        if permitted_ns is not None and now_ns - permitted_ns < _REMEMBER_NS:
            return
        request = self._request(visitor.principal, action, camera_id)
        answer = await self._warden.authorise(request)
        if not answer.decision.is_allowed:
            raise PermissionDenied(" ".join(answer.decision.reasons))
        self._permitted[key] = now_ns
        while len(self._permitted) > _MAX_REMEMBERED:
            self._permitted.popitem(last=False)

    async def permit_list(self, visitor: Visitor, camera_ids: tuple[CameraId, ...]) -> Granted:
        """Permission to read metadata of those of `camera_ids` that this person may see; see `Granted.scope`.

        Raises: as `permit`.
        """
        key = (visitor.session.token_hash, visitor.principal, camera_ids)
        now_ns = self._clock.monotonic_ns()
        known = self._lists.get(key)
        if known is not None and now_ns - known[1] < _REMEMBER_NS:
            return known[0]
        request = replace(self._request(visitor.principal, Action.READ_METADATA, CameraId("")), camera_ids=camera_ids)
        granted = granted_from(request, await self._warden.authorise(request))
        self._lists[key] = granted, now_ns
        while len(self._lists) > _MAX_REMEMBERED:
            self._lists.popitem(last=False)
        return granted

    def may(
        self,
        principal: Principal,
        action: Action,
        purpose: Purpose | None = None,
        camera_id: CameraId | None = None,
    ) -> bool:
        """What the same policies say, without asking and without a log entry. Only for what a page offers."""
        if camera_id is None:
            camera_id = min(principal.cameras.camera_ids, default=_NO_CAMERA)
        purpose = purpose or _OFFERED_FOR.get(action, _DUTY)
        asked = replace(self._request(principal, action, camera_id), purpose=purpose)
        return decide(asked, self._policies).is_allowed

    def _request(self, principal: Principal, action: Action, camera_id: CameraId) -> AccessRequest:
        now_ns = self._clock.now_ns()
        return AccessRequest(
            principal=principal,
            action=action,
            purpose=_DUTY,
            camera_id=camera_id,
            start_ns=now_ns,
            end_ns=Ns(now_ns + _REMEMBER_NS),
            fidelity=Fidelity.MASKED,
            session_id=SessionId(secrets.token_hex(8)),
        )
