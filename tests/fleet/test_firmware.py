"""Firmware: three answers, and never "not affected" by silence."""

import msgspec.structs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fleet.fingerprints import GOLDEN, Fingerprint

from custodes.fleet.audit import judge_device
from custodes.fleet.firmware import build_of, version_of
from custodes.fleet.identify import identify
from custodes.fleet.knowledge import FirmwareRule, load_knowledge
from custodes.fleet.maker_verdicts import judge_firmware
from custodes.fleet.verdict import Answer, Severity
from custodes.units import NS_PER_S, Ns

NOW = Ns(1_795_000_000 * NS_PER_S)
KNOWN = load_knowledge()

HIK = {"mac": "44:19:b6:00:00:01", "path": "/Streaming/Channels/101"}
PTZ_TLS = "CN=PTZOptics,O=PTZOptics"


def answers(model, firmware, *, brand, maker=None, tls="", **more):
    onvif = {"manufacturer": brand, "model": model, "firmware": firmware}
    seen = Fingerprint(brand=brand, maker=maker, onvif=onvif, tls=tls, **more).seen("x")
    return {one.rule: one for one in judge_device(seen, KNOWN, now_ns=NOW).verdicts}


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("V5.5.52 build 180601", "180601"),
        ("2.800.0000000.31.R, build: 2021-04-26", "210426"),
        ("V4.30.005 build 20210702", "210702"),
        ("V5.5.52", ""),
        ("build 999999", ""),
        ("build 180601 build 190601", ""),
        ("", ""),
    ],
)
def test_build_date(text, build):
    assert build_of(text) == build


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("6.3.40", (6, 3, 40)),
        ("v3.0.0.136_20121102", (3, 0, 0, 136)),
        ("1.0.0", (1,)),
        ("SOC v6.2.81 - ARM v6.3.40", ()),
        ("FullImg-1023-1007", ()),
        ("", ()),
    ],
)
def test_version(text, version):
    assert version_of(text) == version


@given(st.text(max_size=300))
def test_any_text_can_be_read(text):
    build_of(text)
    version_of(text)


@pytest.mark.parametrize(
    ("model", "firmware", "answer"),
    [
        ("DS-2CD2142FWD-I", "V5.4.1 build 160525", Answer.AFFECTED),
        ("DS-2CD2142FWD-I", "V5.5.0 build 210624", Answer.AFFECTED),
        ("DS-2CD2142FWD-I", "V5.5.0 build 210625", Answer.UNKNOWN),
        ("DS-2CD2142FWD-I", "V5.7.12 build 240101", Answer.UNKNOWN),
        ("DS-2CD2142FWD-I", "", Answer.UNKNOWN),
        ("DS-2CD2142FWD-I", "V5.5.0", Answer.UNKNOWN),
    ],
)
def test_hikvision_2021_36260(model, firmware, answer):
    assert answers(model, firmware, brand="HIKVISION", **HIK)["CVE-2021-36260"].answer is answer


@pytest.mark.parametrize(
    ("firmware", "tls", "answer"),
    [
        ("6.3.39", PTZ_TLS, Answer.AFFECTED),
        ("6.3.40", PTZ_TLS, Answer.NOT_AFFECTED),
        ("6.10.1", PTZ_TLS, Answer.NOT_AFFECTED),
        ("6.3.40", "", Answer.UNKNOWN),
        ("SOC v6.2.81 - ARM v6.3.40", PTZ_TLS, Answer.UNKNOWN),
        ("unknown", PTZ_TLS, Answer.UNKNOWN),
    ],
)
def test_mended_is_said_only_of_a_sure_maker_and_a_firmware_that_compares(firmware, tls, answer):
    found = answers("PT30X-NDI-GY-G2", firmware, brand="PTZOptics", tls=tls)
    assert found["CVE-2024-8956"].answer is answer


def test_an_exploited_weakness_is_critical_and_says_since_when():
    found = answers("RLC-410W", "v3.0.0.136_20121102", brand="Reolink", path="/h264Preview_01_main")["CVE-2021-40407"]
    assert found.answer is Answer.AFFECTED
    assert found.severity is Severity.CRITICAL
    assert "2024-12-18" in found.sentence


def test_a_version_within_the_last_named_counts_as_named():
    assert answers("P3245-V", "11.5.64", brand="AXIS")["CVE-2023-21413"].answer is Answer.AFFECTED
    assert answers("P3245-V", "11.6.1", brand="AXIS")["CVE-2023-21413"].answer is Answer.UNKNOWN
    assert answers("P3245-V", "9.80.3", brand="AXIS")["CVE-2023-21413"].answer is Answer.UNKNOWN


@pytest.mark.parametrize("name", GOLDEN)
def test_not_affected_is_said_of_no_golden_device_without_proof(name):
    """None of them runs a firmware that a source calls mended."""
    seen = GOLDEN[name].seen(name)
    found = [one for one in judge_device(seen, KNOWN, now_ns=NOW).verdicts if one.rule.startswith("CVE-")]
    assert Answer.NOT_AFFECTED not in {one.answer for one in found}


def test_a_device_no_rule_speaks_of_is_unknown_not_safe():
    found = answers("SNC-VB770", "1.3.0", brand="Sony", owner="Sony Corporation", mac="54:53:ed:00:00:01")
    assert found["coverage"].answer is Answer.UNKNOWN
    assert "says nothing about its safety" in found["coverage"].sentence


def test_unsigned_firmware_is_said_of_whom_a_source_says_it_and_of_nobody_else():
    def said(name):
        found = judge_device(GOLDEN[name].seen("x"), KNOWN, now_ns=NOW)
        return [(one.answer, one.source) for one in found.verdicts if one.rule == "firmware-signing"]

    ((answer, source),) = said("xiongmai")
    assert answer is Answer.AFFECTED
    assert "(read 2026-11-26" in source
    assert [answer for answer, _ in said("axis-open")] == [Answer.UNKNOWN]


def test_a_rule_whose_source_was_not_read_again_acquits_nobody():
    rule = FirmwareRule(
        id="X-1", title="x", makers=("axis",), is_brand_wide=True, order="version", fixed="1.0", is_fixed_proven=True,
        source="memory",
    )  # fmt: skip
    identity = identify(GOLDEN["axis-open"].seen("x"), KNOWN)
    assert judge_firmware(identity, rule)[0] is Answer.UNKNOWN
    assert judge_firmware(identity, msgspec.structs.replace(rule, checked="2026-11-26"))[0] is Answer.NOT_AFFECTED
