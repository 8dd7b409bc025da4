"""The report for others: CycloneDX that fits its schema, PDF, and the check before buying."""

import json
from dataclasses import replace

import pytest
from cyclonedx.model.bom import Bom
from tests.fleet.fingerprints import GOLDEN

from custodes.adapters.fleet.bom import to_cyclonedx
from custodes.adapters.fleet.pdf import to_pdf
from custodes.cli.main import run
from custodes.fleet.audit import judge_fleet
from custodes.fleet.knowledge import load_knowledge
from custodes.units import NS_PER_S, Ns

KNOWN = load_knowledge()


def report():
    odd = replace(GOLDEN["reolink"].seen("odd"), name="Tür \x07 北 <b>" + "x" * 150)
    return judge_fleet(
        [*(one.seen(name) for name, one in GOLDEN.items()), odd], KNOWN, now_ns=Ns(1_795_600_000 * NS_PER_S)
    )


def test_bill_of_materials_fits_the_schema_and_keeps_three_answers():
    text = to_cyclonedx(report(), site="Site")
    found = json.loads(text)
    assert found["specVersion"] == "1.6"
    assert len(found["components"]) == len(GOLDEN) + 1
    assert {one["type"] for one in found["components"]} == {"device"}
    states = {(one["affects"][0]["ref"], one["id"]): one["analysis"]["state"] for one in found["vulnerabilities"]}
    assert states["device:hikvision-open", "CVE-2017-7921"] == "exploitable"
    assert "not_affected" not in states.values()
    assert len(Bom.from_json(found).components) == len(GOLDEN) + 1  # type: ignore[attr-defined]


def test_pdf_is_one_whatever_letters_a_device_uses():
    payload = to_pdf(report(), site="Ståhl & Søn 北")
    assert payload.startswith(b"%PDF-")
    assert payload.rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--model", "DS-2CD2142FWD-I", "--firmware", "V5.4.1 build 160525"],
            ["Hikvision", "CVE-2017-7921", "ndaa-889"],
        ),
        (["--brand", "Lorex", "--model", "LNB9292B"], ["made by", "ndaa-889", "unknown"]),
        (["--brand", "Axis", "--model", "P3245-V"], ["unknown", "axis.com"]),
        (["--model", "Nobody-1"], ["unknown", "no rule could be applied"]),
    ],
)
def test_check_before_buying(arguments, words, capsys):
    assert run(["fleet", "check", *arguments]) == 0
    shown = capsys.readouterr().out
    for word in words:
        assert word.lower() in shown.lower()
    assert "not affected" not in shown


def test_check_speaks_json(capsys):
    assert run(["fleet", "check", "--model", "IC-7100W", "--brand", "Edimax", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["identity"]["maker"] == "Edimax"
    assert {one["rule"] for one in found["verdicts"] if one["answer"] == "affected"} == {
        "CVE-2025-1316",
        "end-of-life",
    }
