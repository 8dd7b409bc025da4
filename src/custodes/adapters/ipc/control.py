"""What the CLI asks of a running site, blocking: the server about cameras and accounts, the supervisor."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from custodes.adapters.ipc.framing import Channel
from custodes.types.access import AuditRecord
from custodes.types.backfill import (
    Backfill,
    BackfillTable,
    PauseBackfill,
    ReadBackfills,
    ResumeBackfill,
    StartBackfill,
)
from custodes.types.hold import HoldPlaced, HoldTable, PlaceHold, ReadHolds, ReleaseHold
from custodes.types.leak import LeakTraced, TraceLeak
from custodes.types.message import (
    Append,
    Appended,
    CameraSpec,
    CameraTable,
    ErasureDone,
    ExportState,
    ForgetExport,
    Ok,
    PutCameras,
    ReadCameras,
    ReadExport,
    ReadStatus,
    RemoveCamera,
    ReplaceProcess,
    SiteStatus,
    StartErasure,
    StartExport,
    StopSite,
)
from custodes.types.people import (
    AccessExplained,
    ActOnCase,
    ChangePerson,
    ExplainAccess,
    Invited,
    InvitePerson,
    PeopleTable,
    PrivacyReport,
    ReadPeople,
    ReadPrivacyReport,
)
from custodes.types.recorders import DrainRecorder, ReadRecorders, RecorderTable
from custodes.types.traffic import ReadTraffic, TrafficTable
from custodes.types.wish import GiveFootage, ReadWishes, RefuseWish, Wishes
from custodes.units import CameraId

T = TypeVar("T")

ANSWER_TIMEOUT_S = 5.0
"""A person waits at a prompt."""


ERASE_TIMEOUT_S = 600.0
"""A day of recordings is unlinked and synced, the log read, each of its pieces proven."""

START_TIMEOUT_S = 60.0
"""An export's start waits for a password to be hashed, the warden, and a job."""


def _ask(path: Path, message: object, reply: type[T], *, timeout_s: float = ANSWER_TIMEOUT_S) -> T:
    channel = Channel.connect(path, timeout_s=timeout_s)
    try:
        return channel.request(message, reply)
    finally:
        channel.close()


def read_recorders(leases_socket: Path) -> RecorderTable:
    """Who records what. Raises: Unavailable."""
    return _ask(leases_socket, ReadRecorders(), RecorderTable)


def drain_recorder(leases_socket: Path, name: str, *, is_over: bool = False) -> None:
    """Take it out of work, or back. Raises: NotFound, Unavailable."""
    _ask(leases_socket, DrainRecorder(recorder=name, is_over=is_over), Ok)


TRACE_TIMEOUT_S = 1800.0
"""Seconds for an hour of one camera; minutes for a day of many."""
REPLACE_TIMEOUT_S = 330.0
"""The supervisor gives an old process ten seconds and a new one five minutes."""


def trace_leak(server_socket: Path, request: TraceLeak) -> LeakTraced:
    """Raises: Unauthenticated, PermissionDenied, InvalidArgument, NotFound, Unavailable."""
    return _ask(server_socket, request, LeakTraced, timeout_s=TRACE_TIMEOUT_S)


def read_processes(supervisor_socket: Path) -> SiteStatus:
    """Raises: Unavailable when no site runs there."""
    return _ask(supervisor_socket, ReadStatus(), SiteStatus)


def stop_site(supervisor_socket: Path) -> None:
    """Ask the site to stop; returns before it has stopped. Raises: Unavailable."""
    _ask(supervisor_socket, StopSite(), Ok)


def read_cameras(control_socket: Path) -> CameraTable:
    """Raises: Unavailable when the server is down."""
    return _ask(control_socket, ReadCameras(), CameraTable)


def put_cameras(
    control_socket: Path, cameras: Sequence[CameraSpec], *, is_exclusive: bool, keeps_rest: bool = False
) -> None:
    """Create or replace; `is_exclusive` removes all others, `keeps_rest` changes only how known ones are reached.

    Raises: Unavailable, InvalidArgument.
    """
    _ask(control_socket, PutCameras(cameras=tuple(cameras), is_exclusive=is_exclusive, keeps_rest=keeps_rest), Ok)


def read_traffic(control_socket: Path, request: ReadTraffic) -> TrafficTable:
    """Raises: Unavailable."""
    return _ask(control_socket, request, TrafficTable)


def remove_camera(control_socket: Path, camera_id: CameraId) -> None:
    """Raises: NotFound, Unavailable."""
    _ask(control_socket, RemoveCamera(camera_id=camera_id), Ok)


def read_people(control_socket: Path) -> PeopleTable:
    """All accounts. Raises: Unavailable when the server is down."""
    return _ask(control_socket, ReadPeople(), PeopleTable)


def invite_person(control_socket: Path, message: InvitePerson) -> str:
    """The invitation's token. Raises: Unavailable, InvalidArgument, AlreadyExists."""
    return _ask(control_socket, message, Invited).token


def change_person(control_socket: Path, message: ChangePerson) -> None:
    """Raises: Unavailable, NotFound, InvalidArgument, FailedPrecondition."""
    _ask(control_socket, message, Ok)


def explain_access(control_socket: Path, message: ExplainAccess) -> AccessExplained:
    """Raises: Unavailable, NotFound, InvalidArgument."""
    return _ask(control_socket, message, AccessExplained)


def read_wishes(control_socket: Path) -> Wishes:
    """Raises: FailedPrecondition where no centre may ask, Unavailable."""
    return _ask(control_socket, ReadWishes(), Wishes)


def answer_wish(control_socket: Path, message: GiveFootage | RefuseWish) -> None:
    """Raises: NotFound, Unauthenticated, PermissionDenied, FailedPrecondition, InvalidArgument, Unavailable."""
    _ask(control_socket, message, Ok)


def replace_process(supervisor_socket: Path, name: str) -> None:
    """Raises: NotFound, Unavailable when the new one does not become ready."""
    _ask(supervisor_socket, ReplaceProcess(name=name), Ok, timeout_s=REPLACE_TIMEOUT_S)


def start_export(control_socket: Path, message: StartExport) -> ExportState:
    """Raises: Unauthenticated, PermissionDenied with the decision's reasons, NotFound, InvalidArgument, Unavailable,
    ResourceExhausted."""
    return _ask(control_socket, message, ExportState, timeout_s=START_TIMEOUT_S)


def read_export(control_socket: Path, export_id: str) -> ExportState:
    """Raises: NotFound, Unavailable."""
    return _ask(control_socket, ReadExport(export_id=export_id), ExportState)


def forget_export(control_socket: Path, export_id: str) -> None:
    """Raises: Unavailable."""
    _ask(control_socket, ForgetExport(export_id=export_id), Ok, timeout_s=START_TIMEOUT_S)


def act_on_case(control_socket: Path, message: ActOnCase, reply: type[T]) -> T:
    """Raises: Unauthenticated, PermissionDenied, NotFound, InvalidArgument, FailedPrecondition, AlreadyExists,
    Unavailable (server or warden), ResourceExhausted."""
    return _ask(control_socket, message, reply, timeout_s=START_TIMEOUT_S)


def start_backfill(control_socket: Path, message: StartBackfill) -> tuple[Backfill, ...]:
    """One a camera. Raises: Unauthenticated, PermissionDenied with the decision's reasons, NotFound, InvalidArgument,
    Unavailable, FailedPrecondition, ResourceExhausted."""
    return _ask(control_socket, message, BackfillTable, timeout_s=START_TIMEOUT_S).backfills


def resume_backfill(control_socket: Path, message: ResumeBackfill) -> Backfill:
    """Raises: as `start_backfill`."""
    return _ask(control_socket, message, BackfillTable, timeout_s=START_TIMEOUT_S).backfills[0]


def pause_backfill(control_socket: Path, version: int, *, is_cancel: bool) -> Backfill:
    """Raises: NotFound, FailedPrecondition, Unavailable."""
    message = PauseBackfill(version=version, is_cancel=is_cancel)
    return _ask(control_socket, message, BackfillTable, timeout_s=START_TIMEOUT_S).backfills[0]


def read_backfills(control_socket: Path) -> tuple[Backfill, ...]:
    """The newest first. Raises: Unavailable."""
    return _ask(control_socket, ReadBackfills(), BackfillTable).backfills


def erase(control_socket: Path, message: StartErasure) -> ErasureDone:
    """Erase and certify. Raises: Unauthenticated, PermissionDenied, FailedPrecondition, NotFound, Unavailable."""
    return _ask(control_socket, message, ErasureDone, timeout_s=ERASE_TIMEOUT_S)


def place_hold(control_socket: Path, message: PlaceHold) -> HoldPlaced:
    """Raises: Unavailable (server or warden), InvalidArgument, NotFound, ResourceExhausted."""
    return _ask(control_socket, message, HoldPlaced)


def release_hold(control_socket: Path, message: ReleaseHold) -> None:
    """Raises: Unavailable (server or warden), NotFound, InvalidArgument."""
    _ask(control_socket, message, Ok)


def read_holds(control_socket: Path) -> HoldTable:
    """All that have not expired. Raises: Unavailable."""
    return _ask(control_socket, ReadHolds(), HoldTable)


def note_in_log(warden_socket: Path, record: AuditRecord) -> int:
    """Append what the site's own user is about to do, straight to the warden; returns the entry's index.

    Raises: Unavailable when the warden is down: then it is not to be done.
    """
    return _ask(warden_socket, Append(record=record), Appended).index


def read_privacy_report(control_socket: Path) -> PrivacyReport:
    """Raises: Unavailable when server or warden are down."""
    return _ask(control_socket, ReadPrivacyReport(), PrivacyReport)
