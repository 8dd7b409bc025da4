"""Verdicts that follow from who made a device and which firmware it runs: bans, known weaknesses, end of life. Pure.

Nothing is called safe by silence: *not affected* is said only when a rule names the mended firmware of this model, the
maker is sure, and nothing contradicts it.
"""

from collections.abc import Iterator
from datetime import date

from custodes.fleet.firmware import build_of, number_of, version_of
from custodes.fleet.identify import Identity
from custodes.fleet.knowledge import FirmwareRule, Knowledge, Listed
from custodes.fleet.verdict import Answer, Severity, Topic, Verdict

_MAX_NAMED = 8
"""CVE numbers in one sentence."""


def ban_verdicts(device: Identity, known: Knowledge) -> Iterator[Verdict]:
    """One a list."""
    for one in known.lists:
        answer, sentence = _listed(device, one, known)
        yield Verdict(
            topic=Topic.BAN,
            rule=one.id,
            answer=answer,
            severity=Severity(one.severity) if answer is Answer.AFFECTED else Severity.INFO,
            sentence=sentence,
            source=f"{one.title}: {one.source}{_checked(one.checked)}",
            data_date=one.date,
        )


def _listed(device: Identity, one: Listed, known: Knowledge) -> tuple[Answer, str]:
    forbidden = {*one.makers, *one.affiliates}
    if device.maker_id in forbidden:
        how = "is" if device.is_maker_sure else "is probably"
        box = f" and sold as {device.brand}" if device.brand not in ("", device.maker) else ""
        return Answer.AFFECTED, f"It {how} made by {device.maker}{box}; {one.title} names {device.maker}."
    suspects = sorted({known.makers[maker].name for maker in _suspects(device, known) & forbidden})
    if suspects:
        return Answer.UNKNOWN, f"Some evidence points to {', '.join(suspects)}, which {one.title} names."
    if not device.is_maker_sure:
        return Answer.UNKNOWN, f"Who made it is not sure, so whether {one.title} names them is not either."
    return Answer.NOT_AFFECTED, f"{one.title} of {one.date} does not name {device.maker}. Parts inside are not known."


def _suspects(device: Identity, known: Knowledge) -> set[str]:
    """Makers that any evidence speaks for: the label's usual ones too, however light."""
    names = {one.speaks_for for one in device.evidence if one.about == "maker"}
    return {maker.id for maker in known.makers.values() if maker.name in names}


def weakness_verdicts(device: Identity, known: Knowledge, *, today: date) -> Iterator[Verdict]:
    """One a rule that is about this model, and one that says what could not be answered."""
    if not device.maker_id:
        yield _unknown("no rule could be applied: who made it is not known", today)
        return
    rules = known.firmware.get(device.maker_id, ())
    told: set[str] = set()
    for pattern, rule, dated in rules:
        if rule.id not in told and (rule.is_brand_wide or (device.model and pattern.search(device.model))):
            told.add(rule.id)
            yield _weakness(device, rule, dated, known)
    if not told:
        what = f"none of {len(rules)} rules" if rules else "no rule"
        model = f"the model {device.model}" if device.model else "its model, which it does not tell"
        yield _unknown(f"{what} about {device.maker} covers {model}; that says nothing about its safety", today)
    rest = [one for one in known.exploited_of.get(device.maker_id, ()) if one.cve not in told]
    if rest and known.exploited_date is not None:
        named = ", ".join(one.cve for one in rest[:_MAX_NAMED]) + (" and more" if len(rest) > _MAX_NAMED else "")
        yield Verdict(
            topic=Topic.WEAKNESS,
            rule="kev-other",
            answer=Answer.UNKNOWN,
            severity=Severity.MEDIUM,
            sentence=f"Exploited weaknesses of products by {device.maker} that no rule ties to this model: {named}.",
            source="Known exploited vulnerabilities (CISA KEV)",
            data_date=known.exploited_date,
        )


def _unknown(sentence: str, today: date) -> Verdict:
    return Verdict(
        topic=Topic.WEAKNESS,
        rule="coverage",
        answer=Answer.UNKNOWN,
        severity=Severity.INFO,
        sentence=sentence[0].upper() + sentence[1:] + ".",
        source="this audit",
        data_date=today,
    )


def _weakness(device: Identity, rule: FirmwareRule, dated: date, known: Knowledge) -> Verdict:
    answer, why = judge_firmware(device, rule)
    entry = known.exploited.get(rule.id)
    since = entry.since if entry else rule.exploited_since
    severity = Severity(rule.severity)
    if answer is Answer.AFFECTED and since:
        severity = Severity.CRITICAL
    elif answer is not Answer.AFFECTED:
        severity = Severity.MEDIUM if answer is Answer.UNKNOWN and since else Severity.INFO
    exploited = f" Exploited in the wild (listed {since})." if since else ""
    return Verdict(
        topic=Topic.WEAKNESS,
        rule=rule.id,
        answer=answer,
        severity=severity,
        sentence=f"{rule.title}: {why}.{exploited}",
        source=f"{rule.source}{_checked(rule.checked)}",
        data_date=dated,
    )


def _checked(when: str) -> str:
    return f" (read {when})" if when else " (unverified)"


def judge_firmware(device: Identity, rule: FirmwareRule) -> tuple[Answer, str]:
    """The rule's answer for this firmware, and why. The model has been matched before."""
    if rule.order == "none":
        return Answer.AFFECTED, "every firmware of this model, as far as the source knows"
    place = _place(device.firmware, rule)
    if place is None:
        told = f"{device.firmware!r}" if device.firmware else "nothing that it tells"
        return Answer.UNKNOWN, f"its firmware, {told}, cannot be compared"
    is_after_first, is_before_fixed, is_until_last = place
    if not is_after_first:
        return Answer.UNKNOWN, f"firmware {device.firmware} is older than what the source speaks of"
    if is_until_last and is_before_fixed:
        return Answer.AFFECTED, f"firmware {device.firmware} is among those the source names"
    if rule.fixed and not is_before_fixed and rule.is_fixed_proven and rule.checked and device.is_maker_sure:
        return (
            Answer.NOT_AFFECTED,
            f"firmware {device.firmware} is {rule.fixed} or newer, which the source calls mended",
        )
    return Answer.UNKNOWN, f"firmware {device.firmware} is newer than those the source names, which proves no repair"


def _place(firmware: str, rule: FirmwareRule) -> tuple[bool, bool, bool] | None:
    """(first ≤ it, it < fixed, it ≤ last); None when it cannot be compared."""
    if rule.order == "build":
        build = build_of(firmware)
        if not build:
            return None
        return (
            not rule.first or build >= rule.first,
            not rule.fixed or build < rule.fixed,
            not rule.last or build <= rule.last,
        )
    version = version_of(firmware)
    if not version:
        return None
    last = number_of(rule.last) if rule.last else ()
    return (
        not rule.first or version >= number_of(rule.first),
        not rule.fixed or version < number_of(rule.fixed),
        # 11.5.64 is an 11.5
        not last or version[: len(last)] <= last,
    )


def end_verdicts(device: Identity, known: Knowledge, *, today: date) -> Iterator[Verdict]:
    """Whether the maker still mends it."""
    for pattern, rule, dated in known.ends.get(device.maker_id, ()):
        if device.model and pattern.search(device.model):
            yield Verdict(
                topic=Topic.END_OF_LIFE,
                rule="end-of-life",
                answer=Answer.AFFECTED,
                severity=Severity.HIGH,
                sentence=f"{device.maker} makes no firmware for {device.model} any more (since {rule.since}).",
                source=rule.source,
                data_date=dated,
            )
            return
    yield Verdict(
        topic=Topic.END_OF_LIFE,
        rule="end-of-life",
        answer=Answer.UNKNOWN,
        severity=Severity.INFO,
        sentence="No rule says how long this model gets firmware.",
        source="this audit",
        data_date=today,
    )


def unsigned_verdicts(device: Identity, known: Knowledge, *, today: date) -> Iterator[Verdict]:
    """Whether it installs firmware that nobody signed; that a maker says it signs proves nothing of this device."""
    for pattern, rule, dated in known.unsigned.get(device.maker_id, ()):
        if not rule.models or (device.model and pattern.search(device.model)):
            yield Verdict(
                topic=Topic.SIGNING,
                rule="firmware-signing",
                answer=Answer.AFFECTED,
                severity=Severity.MEDIUM,
                sentence=f"Devices by {device.maker} install firmware that nobody signed (said in {rule.since}).",
                source=f"{rule.source}{_checked(rule.checked)}",
                data_date=dated,
            )
            return
    yield Verdict(
        topic=Topic.SIGNING,
        rule="firmware-signing",
        answer=Answer.UNKNOWN,
        severity=Severity.INFO,
        sentence="No rule says whether it installs firmware that its maker did not sign.",
        source="this audit",
        data_date=today,
    )
