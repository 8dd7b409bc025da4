"""How much of the past a person may open in an hour: a stop for whoever turns a purpose into a habit.

Counted by the warden at each release of keys, since it alone sees every one. Live pictures do not count: a wall of
cameras is what an operator is there for. Pure; the caller brings the time.
"""

from collections import deque
from dataclasses import dataclass

from custodes.errors import ResourceExhausted
from custodes.types.access import Principal, Role
from custodes.units import NS_PER_S, CameraId, Ns, SegmentId

WINDOW_NS = 3600 * NS_PER_S
MAX_PEOPLE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Different recorded segments (about a minute each) and cameras within an hour."""

    segments: int
    cameras: int


QUOTAS: dict[Role, Quota] = {
    Role.OPERATOR: Quota(segments=360, cameras=32),
    Role.INVESTIGATOR: Quota(segments=1440, cameras=64),
}
"""An operator looks after alarms: six hours of footage in an hour is four screens at 1.5 times speed. An investigator
searches: a whole day of one camera in an hour. Others open no recordings; their quota is none."""


def quota_of(principal: Principal) -> Quota:
    """The largest of a person's roles."""
    own = [QUOTAS[role] for role in principal.roles if role in QUOTAS]
    return Quota(
        segments=max((one.segments for one in own), default=0), cameras=max((one.cameras for one in own), default=0)
    )


class QuotaBook:
    """Who opened what within the last hour. Bounded by the quotas themselves and `MAX_PEOPLE`."""

    def __init__(self) -> None:
        self._opened: dict[str, deque[tuple[Ns, CameraId, SegmentId]]] = {}

    def charge(
        self, principal: Principal, camera_id: CameraId, segment_ids: tuple[SegmentId, ...], now_ns: Ns
    ) -> None:
        """Count these segments; the same one twice within the hour counts once.

        Raises: ResourceExhausted, and then nothing is counted.
        """
        opened = self._opened.setdefault(principal.user_id, deque())
        while opened and now_ns - opened[0][0] >= WINDOW_NS:
            opened.popleft()
        known = {segment_id for _, _, segment_id in opened}
        new = [segment_id for segment_id in dict.fromkeys(segment_ids) if segment_id not in known]
        quota = quota_of(principal)
        cameras = {camera for _, camera, _ in opened} | ({camera_id} if new else set())
        if len(known) + len(new) > quota.segments:
            raise ResourceExhausted(f"quota: {quota.segments} pieces of recording within an hour; try again later")
        if len(cameras) > quota.cameras:
            raise ResourceExhausted(f"quota: recordings of {quota.cameras} cameras within an hour; try again later")
        opened.extend((now_ns, camera_id, segment_id) for segment_id in new)
        if len(self._opened) > MAX_PEOPLE:
            self._forget(now_ns)

    def restore(self, user_id: str, camera_id: CameraId, segment_ids: tuple[SegmentId, ...], utc_ns: Ns) -> None:
        """What the log says was opened before a restart; oldest first. Refuses nothing: it has happened."""
        opened = self._opened.setdefault(user_id, deque())
        known = {segment_id for _, _, segment_id in opened}
        opened.extend((utc_ns, camera_id, one) for one in dict.fromkeys(segment_ids) if one not in known)

    def _forget(self, now_ns: Ns) -> None:
        for user_id in [
            one for one, opened in self._opened.items() if not opened or now_ns - opened[-1][0] >= WINDOW_NS
        ]:
            del self._opened[user_id]
