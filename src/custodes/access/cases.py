"""Rules of the case register: what a case is, who changes it, whose looks may refer to it. Pure.

Who may open or lead cases at all is policy; the warden keeps the register (`app.warden_cases`).
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from custodes.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.types.access import Principal
from custodes.types.cases import Case, CaseMember, CaseNote
from custodes.units import NS_PER_DAY, NS_PER_S, Ns

MAX_KEEP_DAYS = 3660
"""Ten years, as an evidence hold."""
MIN_REASON_CHARS = 10
MAX_TEXT_CHARS = 500
MAX_NOTE_CHARS = 2000
MAX_TITLE_CHARS = 120
MAX_MEMBERS = 50
_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def number_key(number: str) -> str:
    """What makes two numbers the same one."""
    return number.strip().casefold()


def next_number(taken: Iterable[str], now_ns: Ns) -> str:
    """The next of the year: 2026-0001. `taken` are keys of all cases."""
    year = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).year
    used = [int(one[5:]) for one in taken if re.fullmatch(rf"{year}-\d{{4,6}}", one)]
    return f"{year}-{max(used, default=0) + 1:04d}"


def member_of(principal: Principal) -> CaseMember:
    """The person as a case names them."""
    return CaseMember(user_id=principal.user_id, name=principal.name)


def check_opened(case: Case) -> None:
    """Whether such a case makes sense. Raises: InvalidArgument in words for who opens it."""
    if not _NUMBER.fullmatch(case.number):
        raise InvalidArgument("A case's number has 1 to 40 letters, digits, dots, dashes and underlines: 2026-0117.")
    if not case.title.strip() or len(case.title) > MAX_TITLE_CHARS:
        raise InvalidArgument(f"Give the case a title of 1 to {MAX_TITLE_CHARS} characters.")
    if not len(case.reason.strip()) >= MIN_REASON_CHARS or len(case.reason) > MAX_TEXT_CHARS:
        raise InvalidArgument(f"Say why it is looked into, in {MIN_REASON_CHARS} to {MAX_TEXT_CHARS} characters.")
    if not 0 <= case.keep_days <= MAX_KEEP_DAYS:
        raise InvalidArgument(f"What a case collects is kept for 0 to {MAX_KEEP_DAYS} days after it is closed.")


def is_member(case: Case, user_id: str) -> bool:
    """Whether that person works on it."""
    return any(one.user_id == user_id for one in case.members)


def carries(case: Case | None, user_id: str) -> bool:
    """Whether a look of that person may refer to it: there is one, it is open, and they work on it."""
    return case is not None and case.closed_ns is None and is_member(case, user_id)


def require_lead(case: Case, principal: Principal, *, may_lead: bool) -> None:
    """Raises: PermissionDenied for who neither owns the case nor leads cases."""
    if case.owner.user_id != principal.user_id and not may_lead:
        raise PermissionDenied("Only its owner, or who leads cases, changes a case.")


def staff(case: Case, owner: CaseMember, members: tuple[CaseMember, ...]) -> Case:
    """Who works on it from now on; the owner always does.

    Raises: FailedPrecondition when it is closed; InvalidArgument for nobody, too many, or a nameless one.
    """
    _require_open(case)
    everybody = {one.user_id: one for one in (owner, *members)}
    if len(everybody) > MAX_MEMBERS or not all(one.user_id and one.name for one in everybody.values()):
        raise InvalidArgument(f"1 to {MAX_MEMBERS} people with accounts work on a case.")
    return replace(case, owner=owner, members=tuple(everybody.values()))


def close(case: Case, because: str, now_ns: Ns) -> Case:
    """Raises: FailedPrecondition when it is closed already; InvalidArgument without a reason."""
    _require_open(case)
    return replace(case, closed_ns=now_ns, closed_because=_reason(because))


def reopen(case: Case, because: str) -> Case:
    """Raises: FailedPrecondition when it is open, or what it collected is erased; InvalidArgument without a reason."""
    if case.closed_ns is None:
        raise FailedPrecondition("The case is open.")
    if case.is_erased:
        raise FailedPrecondition("What the case collected is erased; open a new one.")
    _reason(because)
    return replace(case, closed_ns=None, closed_because="")


def check_note(case: Case, note: CaseNote, user_id: str) -> None:
    """Raises: FailedPrecondition when it is closed, PermissionDenied for who is no member, InvalidArgument."""
    _require_open(case)
    if not is_member(case, user_id):
        raise PermissionDenied("Only who works on a case writes in it.")
    if not note.text.strip() or len(note.text) > MAX_NOTE_CHARS:
        raise InvalidArgument(f"A note has 1 to {MAX_NOTE_CHARS} characters.")
    if note.camera_id and not _CAMERA_ID.fullmatch(note.camera_id):
        raise InvalidArgument("That is not a camera id.")
    if bool(note.camera_id) != (note.moment_ns > 0):
        raise InvalidArgument("A bookmark names a camera and a moment.")


def is_due(case: Case, now_ns: Ns) -> bool:
    """Whether what it collected is to be erased."""
    return not case.is_erased and case.closed_ns is not None and now_ns - case.closed_ns > case.keep_days * NS_PER_DAY


def erased(case: Case) -> Case:
    """What is left: number, dates, and that there was one."""
    nobody = CaseMember(user_id="erased", name="(erased)")
    return replace(
        case, title="(erased)", reason="(erased)", closed_because="", owner=nobody, members=(), is_erased=True
    )


def _require_open(case: Case) -> None:
    if case.closed_ns is not None:
        raise FailedPrecondition("The case is closed.")


def _reason(text: str) -> str:
    if not text.strip() or len(text) > MAX_TEXT_CHARS:
        raise InvalidArgument(f"Say why, in 1 to {MAX_TEXT_CHARS} characters.")
    return text.strip()
