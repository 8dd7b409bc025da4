"""What a trace found, in sentences that claim no more than was shown. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime

from custodes.leaks.verdict import Verdict
from custodes.types.leak import CandidateScore, PictureTraced
from custodes.types.mark import SLOT_NS
from custodes.units import NS_PER_S, Ns

MAY_NOT_CONCLUDE = (
    "This says which delivered copy the picture derives from. It does not say who made it public: an account may be "
    "shared, a screen photographed over a shoulder, a session or a machine taken over. The figures assume that the "
    "mark keys are secret, that the key holder is honest and that the log is right."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One session that was shown the moment, as the log tells it."""

    session_id: str
    person: str
    """Empty when it was erased from the log."""
    purpose: str
    reference: str
    fidelity: str
    granted_index: int
    released_index: int
    granted_ns: Ns


def clock_time(utc_ns: int) -> str:
    """UTC to the second."""
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def slot_time(slot: int) -> str:
    """The ten seconds of a slot."""
    start_s = slot * SLOT_NS // NS_PER_S
    return f"{clock_time(start_s * NS_PER_S)} to {clock_time((start_s + 10) * NS_PER_S)[11:]}"


def place_sentence(traced: PictureTraced, camera_name: str) -> str:
    """Camera and time, with how sure the time is."""
    span_s = (traced.latest_ns - traced.earliest_ns) / NS_PER_S
    mirrored = ", mirrored" if traced.is_mirrored else ""
    where = f"The picture shows the view of camera {camera_name} ({traced.camera_id}){mirrored}"
    if traced.background_ns:
        view = f"{where}, as it looked without people on {clock_time(traced.background_ns)[:10]}"
        if traced.utc_ns:
            slot = f"{clock_time(traced.earliest_ns)} to {clock_time(traced.latest_ns)[11:]}"
            return f"{view}. There is no recording of that time any more; the mark says {slot}."
        between = f"{clock_time(traced.earliest_ns)} and {clock_time(traced.latest_ns)}"
        return f"{view}. There is no recording of that time any more, so nothing tells when between {between}."
    if traced.by_content_ns:
        first, last = traced.by_content_ns
        slot = slot_time(traced.utc_ns // SLOT_NS)
        return (
            f"{where}, at {clock_time(traced.utc_ns)}: by its content alone it could be from any moment between "
            f"{clock_time(first)} and {clock_time(last)}; the mark of the named copy says {slot}."
        )
    if span_s <= 3.0:
        return f"{where}, at {clock_time(traced.utc_ns)}."
    return (
        f"{where}. By its content it could be from any moment between {clock_time(traced.earliest_ns)} and "
        f"{clock_time(traced.latest_ns)}; it fits best at {clock_time(traced.utc_ns)}."
    )


def verdict_sentence(verdict: Verdict, traced: PictureTraced, delivered: dict[str, Delivered]) -> str:
    """The one sentence that may be said."""
    said = [_copy(one, traced, delivered) for one in verdict.sessions]
    chance = f"{verdict.bound:.0e}" if verdict.bound > 0 else "1e-300"
    match verdict.kind:
        case "named":
            return (
                f"The picture derives from {said[0]}. Chance of this agreement, had it come from any other session: "
                f"at most {chance}."
            )
        case "composite":
            return (
                f"The picture is a composite of copies: {'; '.join(said)}. Chance for any of them: at most {chance}."
            )
        case "supported":
            return (
                f"The mark supports, and no more, that the picture derives from {said[0]} (chance at most {chance})."
            )
        case "transplanted":
            return (
                "Inconsistent: a session's mark is there, that of the moment is not. It may have been transplanted to "
                "blame somebody. Nobody is named."
            )
        case "unmarked" if traced.background_ns:
            return (
                f"No mark can be attributed. {len(delivered)} sessions were shown this camera in that time, in no "
                "order of guilt."
            )
        case "unmarked":
            return (
                f"No mark can be attributed. {len(delivered)} sessions were shown that moment, in no order of guilt."
            )
    return "No mark can be attributed, and no session was shown the moment."


def _copy(one: CandidateScore, traced: PictureTraced, delivered: dict[str, Delivered]) -> str:
    who = delivered.get(str(one.session_id))
    account = (
        f"account {who.person}, {who.purpose} {who.reference}".strip() if who and who.person else "account erased"
    )
    return (
        f"the copy of camera {traced.camera_id}, {slot_time(one.slot)}, delivered to session {one.session_id} "
        f"({account}; {one.fidelity.value} view; z {one.z:.1f})"
    )
