"""Who made it: the golden fingerprints, and what may not be said."""

import pytest
from tests.fleet.fingerprints import GOLDEN

from custodes.fleet.audit import judge_device
from custodes.fleet.identify import identify
from custodes.fleet.knowledge import load_knowledge
from custodes.fleet.verdict import Answer, Topic
from custodes.units import NS_PER_S, Ns

NOW = Ns(1_795_000_000 * NS_PER_S)


@pytest.fixture(scope="module")
def known():
    return load_knowledge()


def test_there_are_enough_fingerprints_to_speak_of_shares():
    assert len(GOLDEN) >= 40


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_fingerprint_gives_brand_and_maker(name, known):
    wanted = GOLDEN[name]
    found = identify(wanted.seen(name), known)
    assert (found.brand or None) == wanted.brand or (wanted.brand is None and found.brand == wanted.maker)
    assert (found.maker or None) == wanted.maker
    assert bool(found.contradictions) == wanted.contradicts, found.contradictions


def test_a_contradicted_label_is_told_with_both_names(known):
    found = identify(GOLDEN["says-axis-is-dahua"].seen("x"), known)
    assert any("Axis" in one and "Dahua" in one for one in found.contradictions)
    assert not found.is_maker_sure


def test_a_label_alone_never_acquits(known):
    seen = GOLDEN["ptzoptics"].seen("x")
    bans = [one for one in judge_device(seen, known, now_ns=NOW).verdicts if one.topic is Topic.BAN]
    assert bans
    assert {one.answer for one in bans} == {Answer.UNKNOWN}


BANNED = {"Hikvision", "Dahua", "Huawei", "Hytera", "ZTE"}


@pytest.mark.parametrize("name", GOLDEN)
def test_no_banned_maker_is_ever_acquitted(name, known):
    wanted = GOLDEN[name]
    for one in judge_device(wanted.seen(name), known, now_ns=NOW).verdicts:
        if one.rule == "ndaa-889" and one.answer is Answer.NOT_AFFECTED:
            assert wanted.maker is not None
            assert wanted.maker not in BANNED
        if one.rule == "ndaa-889" and wanted.maker in BANNED:
            assert one.answer is Answer.AFFECTED
