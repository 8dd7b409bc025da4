"""Error rates of recognition from an operator's own trials, with what they can prove and no more. Pure.

A trial is one walk through a zone by somebody who agreed to it: an enrolled person (mated) or a volunteer who is not
(non-mated). Rates and their names: ISO/IEC 19795-1 (FNIR, FPIR, DET), differentials between groups: ISO/IEC 19795-10.
Labels of groups are the volunteers' own words, in a file of the operator's; the product neither asks for nor keeps
them.
"""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from custodes.errors import InvalidArgument
from custodes.face.threshold import rate_interval

MAX_TRIALS = 1_000_000
COLUMNS = ("trial", "zone", "person", "found")
"""`person`: who walked, empty for a volunteer who is not enrolled. `found`: who became the candidate, empty for none;
that is what the pages show of a walk."""
NUMBERS = ("score", "threshold")
"""Columns of whoever has them, from the evaluation of a network outside the product: then `found` is the best person
whatever the score, and there is a DET curve. The product keeps no score of a face that matches nobody."""

VOLUNTEER = "volunteer"
"""Column of whoever knows who walked when: walks of one person are not as many people, and intervals are wider."""

LEAST_ERRORS = 30
"""Rule of 30: with 30 errors a rate is within 30 % of the truth, nine times of ten."""

LEAST_GROUP_PEOPLE = 5
LEAST_GROUP = 30
"""Trials of a group below which nothing is said of it: not even whether it differs, and whose it is would show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One walk. Without numbers (`threshold` NaN) whoever was found is a candidate. With them: a `score` above
    `threshold` is one; NaN where no face was found (FTA)."""

    trial: str
    zone: str
    person: str
    found: str
    score: float
    threshold: float
    volunteer: str = ""
    """Who walked, also of who is not enrolled; empty where that is not known."""

    @property
    def is_candidate(self) -> bool:
        """Whether the zone's threshold was reached."""
        return self.score >= self.threshold if self.has_numbers else bool(self.found)

    @property
    def has_numbers(self) -> bool:
        """Whether score and threshold are known."""
        return not math.isnan(self.threshold)

    @property
    def is_identified(self) -> bool:
        """The right person, as a candidate."""
        return self.is_candidate and self.found == self.person


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share with its 95 % interval. `claim`: what may be said of it in words.

    `people`: who made the trials, None where each is somebody else's. `counts`: as how many independent trials they
    count; by default all.
    """

    errors: int
    trials: int
    people: int | None = None
    counts: float | None = None

    @property
    def counted(self) -> float:
        """Independent trials."""
        return self.trials if self.counts is None else self.counts

    @property
    def value(self) -> float:
        """NaN without a trial."""
        return self.errors / self.trials if self.trials else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson, or the rule of three."""
        share = self.counted / self.trials if self.trials else 0.0
        return rate_interval(self.errors * share, self.counted)

    @property
    def claim(self) -> str:
        """No more than the trials prove."""
        low, high = self.interval
        if not self.trials:
            return "no trial: nothing can be claimed"
        if self.errors == 0:
            return f"at most {high:.2%} (rule of three: no error in {self.trials} trials{self._who})"
        if self.errors < LEAST_ERRORS:
            return f"between {low:.2%} and {high:.2%}; {self.errors} errors{self._who} are too few for a single number"
        return f"{self.value:.2%} ({low:.2%} to {high:.2%}){self._who}"

    @property
    def _who(self) -> str:
        if self.people is None:
            return ""
        return f" of {self.people} {'person' if self.people == 1 else 'people'}"

    def proves(self, wanted: float) -> bool:
        """Whether the rate is at most `wanted`, with 95 %."""
        return self.trials > 0 and self.interval[1] <= wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRates:
    """Of one zone. `fta`: of the enrolled, no face was good enough to compare; counted as missed in `fnir`, too. Of
    trials without numbers that cannot be told, and they are not in it."""

    zone: str
    fnir: Rate
    fpir: Rate
    fta: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRates:
    """Of those who say of themselves that they belong together. Rates are None below `LEAST_GROUP` trials."""

    group: str
    fnir: Rate | None
    fpir: Rate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Differential:
    """Between groups. `ratio`: worst over best; NaN while it cannot be said. `is_shown`: intervals do not overlap."""

    of: str
    worst: str
    best: str
    ratio: float
    is_shown: bool


def read_trials(lines: Iterable[str]) -> list[Trial]:
    """From CSV with a header of `COLUMNS`, and perhaps `NUMBERS`. Raises: InvalidArgument with the line."""
    reader = csv.DictReader(lines)
    missing = set(COLUMNS) - set(reader.fieldnames or ())
    if missing:
        lacking = ", ".join(sorted(missing))
        raise InvalidArgument(f"the trials lack the columns {lacking}; expected {','.join(COLUMNS)}")
    trials: list[Trial] = []
    known: set[str] = set()
    for row in reader:
        if len(trials) >= MAX_TRIALS:
            raise InvalidArgument(f"more than {MAX_TRIALS} trials")
        where = f"line {reader.line_num} of the trials"
        try:
            score, threshold = (float(row[one]) if row.get(one) else math.nan for one in NUMBERS)
        except (TypeError, ValueError) as error:
            words = "score and threshold are numbers; the score is empty without a face, both where they are not known"
            raise InvalidArgument(f"{where}: {words}") from error
        if not row["trial"] or row["trial"] in known:
            raise InvalidArgument(f"{where}: trial {row['trial']!r} is empty or there twice")
        if math.isinf(threshold) or math.isinf(score) or (math.isnan(threshold) and not math.isnan(score)):
            raise InvalidArgument(f"{where}: a number is not finite, or a score has no threshold")
        known.add(row["trial"])
        trials.append(
            Trial(
                trial=row["trial"], zone=row["zone"] or "", person=row["person"] or "", found=row["found"] or "",
                score=score, threshold=threshold, volunteer=row.get(VOLUNTEER) or "",
            )
        )  # fmt: skip
    return trials


def rates_of(trials: Sequence[Trial]) -> tuple[Rate, Rate, Rate]:
    """FNIR, FPIR, FTA at the thresholds that were in force."""
    mated = [one for one in trials if one.person]
    other = [one for one in trials if not one.person]
    return (
        rate([(not one.is_identified, one.volunteer) for one in mated]),
        rate([(one.is_candidate, one.volunteer) for one in other]),
        rate([(math.isnan(one.score), one.volunteer) for one in mated if one.has_numbers]),
    )


def rate(trials: Sequence[tuple[bool, str]]) -> Rate:
    """Of (is an error, who walked). People who walked several times count as many as their walks differ.

    The design effect with the intraclass correlation of an analysis of variance (Donner 1986, eq. 2.2). Where nothing
    varies, all without an error or all with one, a person's walks count as one.
    """
    errors, walks = Counter[str](), Counter(who for _, who in trials)
    errors.update(who for is_error, who in trials if is_error)
    total, people = len(trials), len(walks)
    wrong = errors.total()
    if "" in walks or people == total:
        return Rate(errors=wrong, trials=total)
    squares = sum(count * count for count in walks.values())
    alike = 1.0
    if 0 < wrong < total and people > 1:
        mean = wrong / total
        between = sum(n * (errors[who] / n - mean) ** 2 for who, n in walks.items()) / (people - 1)
        within = sum(errors[who] * (1 - errors[who] / n) for who, n in walks.items()) / (total - people)
        size = (total - squares / total) / (people - 1)
        alike = min(max((between - within) / (between + (size - 1) * within), 0.0), 1.0)
    counts = min(total / (1 + (squares / total - 1) * alike), float(total))
    return Rate(errors=wrong, trials=total, people=people, counts=counts)


def least_proven(fpir: Rate) -> float:
    """The smallest rate that so many strangers can prove."""
    return min(3 / fpir.counted, 1.0) if fpir.trials else 1.0


def by_zone(trials: Sequence[Trial]) -> list[ZoneRates]:
    """Sorted by zone."""
    found = []
    for zone in sorted({one.zone for one in trials}):
        fnir, fpir, fta = rates_of([one for one in trials if one.zone == zone])
        found.append(ZoneRates(zone=zone, fnir=fnir, fpir=fpir, fta=fta))
    return found


def det(trials: Sequence[Trial]) -> list[tuple[float, float]]:
    """The DET curve: (FPIR, FNIR) as all thresholds move together by the same amount. By falling FPIR; empty without
    numbers. O(n log n)."""
    trials = [one for one in trials if one.has_numbers]
    mated = sorted((one.score - one.threshold if one.found == one.person and not math.isnan(one.score) else -math.inf)
                   for one in trials if one.person)  # fmt: skip
    other = sorted(one.score - one.threshold for one in trials if not one.person and not math.isnan(one.score))
    strangers = sum(not one.person for one in trials)
    if not mated or not strangers:
        return []
    curve, missed = [], 0
    for passed, at in enumerate(other):
        while missed < len(mated) and mated[missed] <= at:
            missed += 1
        # A threshold just above this stranger's score.
        curve.append(((len(other) - passed - 1) / strangers, missed / len(mated)))
    return curve


def by_group(trials: Sequence[Trial], groups: dict[str, str]) -> list[GroupRates]:
    """Args: groups: trial or volunteer → the walker's own word. Trials without one are in no group."""
    found = []
    for group in sorted(set(groups.values())):
        own = [one for one in trials if groups.get(one.trial, groups.get(one.volunteer)) == group]
        fnir, fpir, _ = rates_of(own)
        found.append(
            GroupRates(
                group=group,
                fnir=fnir if _is_enough(fnir) else None,
                fpir=fpir if _is_enough(fpir) else None,
            )
        )
    return found


def _is_enough(rate: Rate) -> bool:
    return rate.trials >= LEAST_GROUP and (rate.people is None or rate.people >= LEAST_GROUP_PEOPLE)


def differential(of: str, rates: Sequence[tuple[str, Rate | None]]) -> Differential | None:
    """The widest difference between groups of which enough is known; None with fewer than two."""
    known = [(group, rate) for group, rate in rates if rate is not None]
    if len(known) < 2:
        return None
    worst, best = max(known, key=lambda one: one[1].value), min(known, key=lambda one: one[1].value)
    ratio = worst[1].value / best[1].value if best[1].errors else math.nan
    is_shown = worst[1].interval[0] > best[1].interval[1]
    return Differential(of=of, worst=worst[0], best=best[0], ratio=ratio, is_shown=is_shown)


def read_groups(lines: Iterable[str]) -> dict[str, str]:
    """From CSV with the columns trial or volunteer, and group. Raises: InvalidArgument."""
    reader = csv.DictReader(lines)
    columns = set(reader.fieldnames or ())
    whose = "trial" if "trial" in columns else VOLUNTEER
    if not {whose, "group"} <= columns:
        raise InvalidArgument("the labels need the columns volunteer,group or trial,group")
    return {row[whose]: row["group"] for row in reader if row[whose] and row["group"]}


def det_svg(curve: Sequence[tuple[float, float]], least_fpir: float, now: tuple[float, float] | None = None) -> str:
    """The DET curve as SVG, both axes logarithmic.

    Args: least_fpir: below it the trials prove nothing; shaded. now: (FPIR, FNIR) at the thresholds in force, a dot.
    """
    side, margin = 420, 50
    low = -4.0

    def at(fpir: float, fnir: float) -> tuple[float, float]:
        x, y = (max(math.log10(value), low) if value > 0 else low for value in (fpir, fnir))
        return margin + (x - low) / -low * side, margin + y / low * side

    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*one) for one in curve))
    edge = at(max(least_fpir, 10**low), 1.0)[0]
    marks = []
    for power in range(int(low), 1):
        x, y = at(10.0**power, 10.0**power)
        label = f"{10.0**power:g}"
        marks.append(
            f'<line x1="{x:.1f}" y1="{margin}" x2="{x:.1f}" y2="{margin + side}" stroke="#ccc"/>'
            f'<line x1="{margin}" y1="{y:.1f}" x2="{margin + side}" y2="{y:.1f}" stroke="#ccc"/>'
            f'<text x="{x:.1f}" y="{margin + side + 16}" text-anchor="middle">{label}</text>'
            f'<text x="{margin - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        )
    dot = ""
    if now is not None:
        x, y = at(*now)
        dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#c50"><title>at the threshold in force</title></circle>'
    total = side + 2 * margin
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {total}" font-family="sans-serif" '
        'font-size="11">'
        f"<title>DET: FNIR over FPIR</title><rect width='{total}' height='{total}' fill='#fff'/>{''.join(marks)}"
        f'<rect x="{margin}" y="{margin}" width="{max(edge - margin, 0):.1f}" height="{side}" fill="#a33" '
        'fill-opacity=".12"><title>too few trials of strangers to claim anything here</title></rect>'
        f'<polyline points="{points}" fill="none" stroke="#124" stroke-width="2"/>{dot}'
        f'<text x="{total / 2}" y="{total - 12}" text-anchor="middle">FPIR: strangers with a candidate</text>'
        f'<text transform="translate(14 {total / 2}) rotate(-90)" text-anchor="middle">FNIR: enrolled missed</text>'
        "</svg>"
    )
