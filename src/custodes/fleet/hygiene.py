"""Verdicts that follow from what a device answered, whoever made it: logins, TLS, services, clock, signing. Pure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from custodes.fleet.credentials import FAULTS
from custodes.fleet.observation import Banner, Observation, TlsSeen
from custodes.fleet.ports import KNOWN_PORTS
from custodes.fleet.verdict import Answer, Severity, Topic, Verdict
from custodes.units import NS_PER_S, Ns

DRIFT_S = 2.0
"""ONVIF's login digests fail beyond about five seconds; evidence wants better."""
FAR_DRIFT_S = 60.0
MIN_RSA_BITS = 2048
"""NIST SP 800-131A rev. 2."""
_FAULT_SEVERITY = {"default": Severity.CRITICAL, "leaked": Severity.HIGH, "reused": Severity.MEDIUM}
_WEAK_HASHES = frozenset({"md5", "sha1"})
OLD_DAYS = 30
"""After that, a look at the device is itself old data."""


def hygiene_verdicts(seen: Observation, *, now_ns: Ns) -> Iterator[Verdict]:
    """All of them; each check that could not be made says so."""
    today = _day(now_ns)
    looked = _day(Ns(seen.observed_ns))
    yield from _tls(seen, now_ns, looked)
    yield from _services(seen, looked)
    yield from _credentials(seen, looked)
    yield from _ports(seen, looked)
    yield _clock(seen, looked)
    yield _signing(seen, looked)
    if today - looked > timedelta(days=OLD_DAYS):
        sentence = f"It was looked at on {looked}, more than {OLD_DAYS} days ago; audit again."
        yield _verdict(Topic.DATA, "observation-age", Answer.AFFECTED, Severity.LOW, sentence, looked)


def _day(utc_ns: Ns) -> date:
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).date()


def _verdict(topic: Topic, rule: str, answer: Answer, severity: Severity, sentence: str, looked: date) -> Verdict:
    return Verdict(
        topic=topic,
        rule=rule,
        answer=answer,
        severity=severity,
        sentence=sentence,
        source="seen on the device",
        data_date=looked,
    )


def _tls(seen: Observation, now_ns: Ns, looked: date) -> Iterator[Verdict]:
    if not seen.tls:
        sentence = "No TLS was found where it was looked for."
        yield _verdict(Topic.TLS, "tls", Answer.UNKNOWN, Severity.INFO, sentence, looked)
    for one in seen.tls:
        faults = list(_tls_faults(one, now_ns))
        for rule, severity, words in faults:
            yield _verdict(Topic.TLS, rule, Answer.AFFECTED, severity, f"Port {one.port}: {words}.", looked)
        if not faults:
            sentence = f"Port {one.port} speaks {one.version} with a certificate in force."
            yield _verdict(Topic.TLS, "tls", Answer.NOT_AFFECTED, Severity.INFO, sentence, looked)


def _tls_faults(one: TlsSeen, now_ns: Ns) -> Iterator[tuple[str, Severity, str]]:
    if one.is_old_offered:
        yield "tls-old", Severity.MEDIUM, "agrees to TLS 1.1 or older, given up in 2021 (RFC 8996)"
    if 0 < one.key_bits < MIN_RSA_BITS:
        yield "tls-key", Severity.MEDIUM, f"an RSA key of {one.key_bits} bits"
    if one.signature in _WEAK_HASHES:
        yield "tls-signature", Severity.MEDIUM, f"a certificate signed with {one.signature}"
    if one.not_after_ns < now_ns:
        yield "tls-expired", Severity.LOW, f"a certificate that ended on {_day(Ns(one.not_after_ns))}"
    if one.is_self_signed:
        yield "tls-self-signed", Severity.LOW, "a certificate that it signed itself: nobody can tell it from another's"


def _services(seen: Observation, looked: date) -> Iterator[Verdict]:
    for one in seen.banners:
        if one.scheme == "rtsp" and one.is_open:
            sentence = f"Port {one.port} describes its stream to whoever asks, without a login."
            yield _verdict(Topic.CREDENTIALS, "rtsp-open", Answer.AFFECTED, Severity.HIGH, sentence, looked)
        if one.has_basic:
            sentence = f"Port {one.port} ({one.scheme}) takes passwords in the clear (Basic)."
            yield _verdict(Topic.CREDENTIALS, "basic", Answer.AFFECTED, Severity.MEDIUM, sentence, looked)
    if seen.onvif is not None and seen.onvif.manufacturer and not seen.onvif.needs_login:
        sentence = "It tells its model and firmware over ONVIF without a login, which the standard forbids."
        yield _verdict(Topic.CREDENTIALS, "onvif-open", Answer.AFFECTED, Severity.LOW, sentence, looked)
    if not any(_is_web(one) for one in seen.banners) and not seen.tls:
        sentence = "Nothing answered on its web ports."
        yield _verdict(Topic.SERVICE, "web", Answer.UNKNOWN, Severity.INFO, sentence, looked)


def _credentials(seen: Observation, looked: date) -> Iterator[Verdict]:
    if seen.credential_faults is None:
        sentence = "Its password was not compared (custodes fleet audit --credentials does, without a login)."
        yield _verdict(Topic.CREDENTIALS, "password", Answer.UNKNOWN, Severity.INFO, sentence, looked)
        return
    for fault in seen.credential_faults:
        words = FAULTS.get(fault, fault)
        severity = _FAULT_SEVERITY.get(fault, Severity.MEDIUM)
        sentence = f"{words[0].upper()}{words[1:]}."
        yield _verdict(Topic.CREDENTIALS, f"password-{fault}", Answer.AFFECTED, severity, sentence, looked)
    if not seen.credential_faults:
        sentence = "Its password is no known default, not short, and no other camera's."
        yield _verdict(Topic.CREDENTIALS, "password", Answer.NOT_AFFECTED, Severity.INFO, sentence, looked)


def _is_web(one: Banner) -> bool:
    return one.scheme == "http"


def _ports(seen: Observation, looked: date) -> Iterator[Verdict]:
    if seen.open_ports is None:
        sentence = "Other services were not looked for (custodes fleet audit --ports does)."
        yield _verdict(Topic.SERVICE, "ports", Answer.UNKNOWN, Severity.INFO, sentence, looked)
        return
    known = [port for port in seen.open_ports if port in KNOWN_PORTS]
    for port in known:
        words, severity = KNOWN_PORTS[port]
        sentence = f"Port {port} is open. {words[0].upper()}{words[1:]}."
        yield _verdict(Topic.SERVICE, f"port-{port}", Answer.AFFECTED, severity, sentence, looked)
    if not known:
        sentence = f"None of the {len(KNOWN_PORTS)} services that were looked for is open."
        yield _verdict(Topic.SERVICE, "ports", Answer.NOT_AFFECTED, Severity.INFO, sentence, looked)


def _clock(seen: Observation, looked: date) -> Verdict:
    offset_s = seen.onvif.clock_offset_s if seen.onvif else None
    if offset_s is None:
        return _verdict(Topic.CLOCK, "clock", Answer.UNKNOWN, Severity.INFO, "It tells no time.", looked)
    if abs(offset_s) <= DRIFT_S:
        sentence = f"Its clock is within {DRIFT_S:.0f} s of ours."
        return _verdict(Topic.CLOCK, "clock", Answer.NOT_AFFECTED, Severity.INFO, sentence, looked)
    severity = Severity.MEDIUM if abs(offset_s) > FAR_DRIFT_S else Severity.LOW
    way = "ahead" if offset_s > 0 else "behind"
    sentence = f"Its clock is {abs(offset_s):,.0f} s {way}; set it to a time server."
    return _verdict(Topic.CLOCK, "clock", Answer.AFFECTED, severity, sentence, looked)


def _signing(seen: Observation, looked: date) -> Verdict:
    if seen.signs_video:
        sentence = "It signs its video (ONVIF Media Signing)."
        return _verdict(Topic.SIGNING, "media-signing", Answer.NOT_AFFECTED, Severity.INFO, sentence, looked)
    if seen.signs_video is None:
        sentence = "Whether it signs its video is not known: no recording was looked at."
        return _verdict(Topic.SIGNING, "media-signing", Answer.UNKNOWN, Severity.INFO, sentence, looked)
    sentence = "It does not sign its video, so that footage cannot prove which camera took it."
    return _verdict(Topic.SIGNING, "media-signing", Answer.AFFECTED, Severity.LOW, sentence, looked)
