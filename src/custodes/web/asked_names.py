"""Names instead of ids in what is asked for: a camera's, and a followed person's for who may know it anyway."""

from collections.abc import Collection, Mapping, Sequence

from custodes.types.access import Action, Principal
from custodes.types.approval import RequestRecord
from custodes.types.face_message import EnrolmentTable, ReadEnrolments
from custodes.types.journey import FollowableTable, ReadFollowable
from custodes.units import CameraId
from custodes.web.deps import WebDeps


def cameras_of(deps: WebDeps, who: Principal) -> dict[CameraId, str]:
    """Names of the cameras of which this person may know."""
    return {row.camera_id: row.name for row in deps.visible_cameras(who)}


async def people_of(deps: WebDeps, who: Principal, records: Sequence[RequestRecord]) -> Mapping[str, str]:
    """Names by person of whom some of these requests are about; empty for who may read no list that has them.

    Raises: Unavailable.
    """
    return await names_of(deps, who, {one.request.person_id for one in records if one.request.action is Action.FOLLOW})


async def names_of(deps: WebDeps, who: Principal, wanted: Collection[str]) -> Mapping[str, str]:
    """Names by person, of these alone; empty for who may read no list that has them. Who was forgotten has none.

    Raises: Unavailable.
    """
    if not wanted:
        return {}
    if deps.reads.may(who, Action.ENROL) or deps.reads.may(who, Action.READ_PRIVACY):  # the list that has more
        known = await deps.warden.about_requests(ReadEnrolments(principal=who))
        assert isinstance(known, EnrolmentTable)
        rows = [one for one in known.enrolments if one.enrolment.person_id in wanted]
        return {one.enrolment.person_id: one.name for one in rows if one.name}
    if deps.reads.may(who, Action.READ_SIGHTINGS):
        table = await deps.warden.about_requests(ReadFollowable(principal=who))
        assert isinstance(table, FollowableTable)
        return {one.person_id: one.name for one in table.people if one.person_id in wanted and one.name}
    return {}
