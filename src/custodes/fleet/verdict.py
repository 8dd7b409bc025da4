"""The form of a verdict: one answer to one question about one device, with its source and the date of the data."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Answer(StrEnum):
    """Three, and silence is none of them."""

    AFFECTED = "affected"
    """The question's bad answer: listed, vulnerable, weak, exposed."""
    NOT_AFFECTED = "not_affected"
    """A source says so, for this model and this firmware."""
    UNKNOWN = "unknown"


class Topic(StrEnum):
    """What a verdict is about."""

    IDENTITY = "identity"
    BAN = "ban"
    WEAKNESS = "weakness"
    END_OF_LIFE = "end_of_life"
    CREDENTIALS = "credentials"
    TLS = "tls"
    SERVICE = "service"
    CLOCK = "clock"
    SIGNING = "signing"
    EXPOSURE = "exposure"
    EGRESS = "egress"
    DATA = "data"


class Severity(StrEnum):
    """How soon somebody should act, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


SEVERITIES = tuple(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`rule`: CVE number, list id or name of the check."""

    topic: Topic
    rule: str
    answer: Answer
    severity: Severity
    sentence: str
    source: str
    data_date: date


def rank(verdict: Verdict) -> tuple[int, int, str]:
    """For sorting: what is affected first, the worst of it first."""
    answers = (Answer.AFFECTED, Answer.UNKNOWN, Answer.NOT_AFFECTED)
    return answers.index(verdict.answer), SEVERITIES.index(verdict.severity), verdict.rule
