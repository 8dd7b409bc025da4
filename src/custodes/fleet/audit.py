"""From stored observations to the report: identity and verdicts for each device, the age of the data. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from custodes.fleet.health import HealthReport
from custodes.fleet.hygiene import hygiene_verdicts
from custodes.fleet.identify import Identity, identify
from custodes.fleet.knowledge import STALE_DAYS, DataSet, Knowledge
from custodes.fleet.maker_verdicts import ban_verdicts, end_verdicts, unsigned_verdicts, weakness_verdicts
from custodes.fleet.observation import Observation
from custodes.fleet.verdict import SEVERITIES, Answer, Severity, Topic, Verdict, rank
from custodes.units import NS_PER_S, Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReport:
    """`verdicts`: what is affected first, the worst of it first."""

    seen: Observation
    identity: Identity
    verdicts: tuple[Verdict, ...]

    @property
    def findings(self) -> tuple[Verdict, ...]:
        """What somebody has to do something about."""
        return tuple(one for one in self.verdicts if one.answer is Answer.AFFECTED)

    @property
    def worst(self) -> Severity:
        """Of the findings; info when there are none."""
        return self.findings[0].severity if self.findings else Severity.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """All devices, the worst first, and what is wrong with the data itself."""

    devices: tuple[DeviceReport, ...]
    sets: tuple[DataSet, ...]
    about_data: tuple[Verdict, ...]
    judged: date
    health: HealthReport | None = None
    """How cameras and store do; only where the server put it together."""


def judge_device(seen: Observation, known: Knowledge, *, now_ns: Ns, more: Iterable[Verdict] = ()) -> DeviceReport:
    """Everything about one device. `more`: verdicts from elsewhere (exposure, egress, credentials)."""
    identity = identify(seen, known)
    today = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).date()
    verdicts = [
        *_identity_verdicts(identity, today),
        *ban_verdicts(identity, known),
        *weakness_verdicts(identity, known, today=today),
        *end_verdicts(identity, known, today=today),
        *unsigned_verdicts(identity, known, today=today),
        *hygiene_verdicts(seen, now_ns=now_ns),
        *more,
    ]
    return DeviceReport(seen=seen, identity=identity, verdicts=tuple(sorted(verdicts, key=rank)))


def _identity_verdicts(identity: Identity, today: date) -> list[Verdict]:
    found = [
        Verdict(
            topic=Topic.IDENTITY,
            rule="contradiction",
            answer=Answer.AFFECTED,
            severity=Severity.MEDIUM,
            sentence=f"{one[0].upper()}{one[1:]}.",
            source="weighted evidence",
            data_date=today,
        )
        for one in identity.contradictions
    ]
    if not identity.maker_id:
        found.append(
            Verdict(
                topic=Topic.IDENTITY,
                rule="maker",
                answer=Answer.UNKNOWN,
                severity=Severity.INFO,
                sentence="Nothing that it answered tells who made it.",
                source="weighted evidence",
                data_date=today,
            )
        )
    return found


def judge_fleet(
    observations: Iterable[Observation],
    known: Knowledge,
    *,
    now_ns: Ns,
    more: dict[str, tuple[Verdict, ...]] | None = None,
) -> FleetReport:
    """`more`: further verdicts by device id. Cost: about 1 ms a device (bench.fleet)."""
    extra = more or {}
    devices = [judge_device(one, known, now_ns=now_ns, more=extra.get(one.device_id, ())) for one in observations]
    today = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).date()
    return FleetReport(
        devices=tuple(sorted(devices, key=lambda one: (SEVERITIES.index(one.worst), one.seen.device_id))),
        sets=known.sets(),
        about_data=tuple(_data_verdicts(known, today)),
        judged=today,
    )


def _data_verdicts(known: Knowledge, today: date) -> list[Verdict]:
    found = []
    for one in known.sets():
        age_days = (today - one.date).days
        if age_days > STALE_DAYS:
            sentence = f"{one.title} is of {one.date}, {age_days} days old; newer entries are not in this report."
            found.append(_about_data("data-age", sentence, one.title, one.date))
    found += [_about_data("data-origin", one, "this audit", today) for one in known.doubts]
    if known.exploited_date is None:
        sentence = "No catalogue of exploited vulnerabilities was taken in (custodes fleet data import FILE)."
        found.append(_about_data("data-missing", sentence, "this audit", today))
    return found


def _about_data(rule: str, sentence: str, source: str, dated: date) -> Verdict:
    return Verdict(
        topic=Topic.DATA,
        rule=rule,
        answer=Answer.AFFECTED,
        severity=Severity.MEDIUM,
        sentence=sentence,
        source=source,
        data_date=dated,
    )
