"""Rules of a zone's trial: what volunteers sign, when they walk, and what a walk says. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from custodes.errors import InvalidArgument
from custodes.types.trial import NoteWalk, Trial, TrialWalk
from custodes.units import NS_PER_DAY, NS_PER_S, Ns

MAX_DAYS = 90
MAX_VOLUNTEERS = 5000
MAX_WALKS = 20_000

LEAD_NS = Ns(3 * NS_PER_S)
"""After the button: what compares has to hear of it, and nobody walks at once."""
WALK_NS = Ns(30 * NS_PER_S)
SETTLE_NS = Ns(30 * NS_PER_S)
"""How long after its window a track may still come: pictures wait for masks, and a track for its end."""

TEXT_VERSION = "2026-11-26"
TEXT = """I agree to help {site} find out how often the recognition at "{zone}" is wrong.

What I do: I press a button on this page and then walk past the camera, as often as I like. Nobody else walks there
then.
What is kept: of each of my walks one number that says how near my face came to somebody who is enrolled, the number
that would have been needed, and whether it was me. No picture and no template is kept for this. {enrolled}
What else: if I come near enough to somebody, two trained people look at a small picture, as they do of anybody;
then it is deleted.
How long: until {ends}, then it is all destroyed. Earlier when I press "Leave" here, at any time, without a reason.
Groups: I may tell who runs this trial how I describe myself (age, skin, glasses), so that they see whether it
works worse for some. The site does not ask for it and cannot store it; it stays on their paper.
My rights: I may see what is stored of me, have it corrected or deleted, and complain to a supervisory authority.
Responsible: {controller}."""
ENROLLED = "I am enrolled here; what I signed for that stays as it is."
NOT_ENROLLED = "I am not enrolled here, and this does not enrol me."


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Of one walk. `found`: "self", "other", or empty without a face; `score` NaN then."""

    found: str
    score: float
    threshold: float


def ends(now_ns: Ns, days: int) -> Ns:
    """Raises: InvalidArgument."""
    if not 1 <= days <= MAX_DAYS:
        raise InvalidArgument(f"A trial lasts 1 to {MAX_DAYS} days; its numbers are destroyed at its end.")
    return Ns(now_ns + days * NS_PER_DAY)


def is_over(trial: Trial, now_ns: Ns) -> bool:
    """Its last day is there."""
    return now_ns >= trial.ends_ns


def window(now_ns: Ns) -> tuple[Ns, Ns]:
    """Of a walk whose button was pressed now."""
    return Ns(now_ns + LEAD_NS), Ns(now_ns + LEAD_NS + WALK_NS)


def is_settled(walk: TrialWalk, now_ns: Ns) -> bool:
    """No track of it can come any more."""
    return now_ns >= walk.until_ns + SETTLE_NS


def result_of(notes: Sequence[NoteWalk], person_id: str) -> Result | None:
    """What a walk says: one track is the volunteer's, none is a face that was not found, several say nothing (None):
    whose they are is not known, and nothing of them may be kept."""
    if len(notes) > 1:
        return None
    if not notes:
        return Result(found="", score=math.nan, threshold=0.0)
    (one,) = notes
    found = "self" if person_id and one.person_id == person_id else "other"
    return Result(found=found, score=one.score, threshold=one.threshold)
