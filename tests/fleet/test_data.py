"""What the fleet is judged by: signed, dated, unchanged since it was taken in; the IEEE's register."""

import gzip
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fleet.fingerprints import GOLDEN

from custodes.app.fleet_files import read_knowledge, write_observations
from custodes.cli.main import run
from custodes.config import SiteIdentity, SitePaths, write_identity
from custodes.errors import InvalidArgument
from custodes.fleet.identify import identify
from custodes.fleet.knowledge import load_knowledge, with_register
from custodes.fleet.register import owner_of, read_register
from custodes.units import Ns

RULES = (
    "title: Ours\ndate: 2026-11-20\nlists:\n"
    "  - {id: ours, title: Our list, date: 2026-11-20, source: the board, makers: [axis]}\n"
)
OUI = (
    b"Registry,Assignment,Organization Name,Organization Address\r\n"
    b'MA-L,ACCC8E,"Axis Communications AB","Emdalavagen 14 Lund  SE 223 69 "\r\n'
    b"MA-L,8C1F64,IEEE Registration Authority,Somewhere\r\n"
    b"MA-L,001122,Private,\r\n"
)
SMALL = b"Registry,Assignment,Organization Name,Organization Address\nMA-S,8C1F64ABC,Tiandy Technologies,Tianjin\n"


@pytest.fixture
def site(tmp_path):
    paths = SitePaths(tmp_path / "site")
    paths.data_dir.mkdir()
    write_identity(paths.identity, SiteIdentity(site_id="ab" * 8, name="Site", created_ns=Ns(1)))
    return paths


@pytest.fixture
def publisher(tmp_path, capsys):
    assert run(["fleet", "data", "keygen", "example.org/fleet", "--output", str(tmp_path / "key")]) == 0
    return capsys.readouterr().out.strip()


def signed(file, dated="2026-11-20"):
    key = str(file.parent / "key")
    command = ["fleet", "data", "sign", str(file), "--key-file", key, "--name", "example.org/fleet", "--date", dated]
    assert run(command) == 0
    return file


def take_in(site, file, *options):
    return run(["fleet", "data", "import", str(file), "--data", str(site.data_dir), *options])


def test_signed_rules_are_taken_in_and_say_by_whom(site, publisher, tmp_path, capsys):
    file = tmp_path / "ours.yaml"
    file.write_text(RULES)
    assert take_in(site, signed(file), "--key", publisher) == 0
    assert "Ours, of 2026-11-20, signed by example.org/fleet" in capsys.readouterr().out
    known = read_knowledge(site)
    assert "Ours" in [one.title for one in known.sets()]
    assert known.doubts == ()
    assert run(["fleet", "data", "list", "--data", str(site.data_dir)]) == 0
    assert "example.org/fleet" in capsys.readouterr().out


def other_key(file, note, tmp_path):
    run(["fleet", "data", "keygen", "example.org/fleet", "--output", str(tmp_path / "other")])
    run(["fleet", "data", "sign", str(file), "--key-file", str(tmp_path / "other"), "--name", "example.org/fleet",
         "--date", "2026-11-20"])  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda file, note, _: note.unlink(), "is not signed", id="unsigned"),
        pytest.param(lambda file, note, _: file.write_text(RULES + "# x\n"), "SHA-256 is another", id="changed"),
        pytest.param(other_key, "no trusted key signed", id="another's key"),
        pytest.param(lambda file, note, _: note.write_text("x"), "malformed note", id="no note"),
        pytest.param(
            lambda file, note, _: note.write_text(note.read_text().replace("11-20", "11-26")), "does not verify",
            id="date changed",
        ),
        pytest.param(lambda file, note, _: signed(file, "2026-11-26"), "its signature of 2026-11-26", id="other date"),
    ],
)  # fmt: skip
def test_what_is_not_signed_as_it_is_is_refused(site, publisher, tmp_path, capsys, spoil, message):
    file = tmp_path / "ours.yaml"
    file.write_text(RULES)
    signed(file)
    spoil(file, tmp_path / "ours.yaml.note", tmp_path)
    capsys.readouterr()
    assert take_in(site, file, "--key", publisher) != 0
    assert message in capsys.readouterr().err
    assert not (site.fleet_dir / "rules").exists()


def test_a_signature_is_of_one_name(site, publisher, tmp_path, capsys):
    file = tmp_path / "ours.yaml"
    file.write_text(RULES)
    signed(file)
    shutil.copy(file, tmp_path / "bans.yaml")
    assert take_in(site, tmp_path / "bans.yaml", "--key", publisher, "--note", str(tmp_path / "ours.yaml.note")) != 0
    assert "is the signature of 'ours.yaml'" in capsys.readouterr().err


def test_older_data_does_not_take_the_place_of_newer(site, publisher, tmp_path, capsys):
    file = tmp_path / "ours.yaml"
    file.write_text(RULES)
    assert take_in(site, signed(file), "--key", publisher) == 0
    file.write_text(RULES.replace("2026-11-20", "2026-11-01"))
    assert take_in(site, signed(file, "2026-11-01"), "--key", publisher) != 0
    assert "what is there is newer" in capsys.readouterr().err


def test_what_was_changed_since_is_left_out_and_said(site, publisher, tmp_path, capsys):
    file = tmp_path / "ours.yaml"
    file.write_text(RULES)
    assert take_in(site, signed(file), "--key", publisher) == 0
    (site.fleet_dir / "rules" / "ours.yaml").write_text(RULES.replace("axis", "hikvision"))
    (site.fleet_dir / "rules" / "own.yaml").write_text(RULES.replace("Ours", "Put there"))
    known = read_knowledge(site)
    titles = [one.title for one in known.sets()]
    assert "Ours" not in titles
    assert "Put there" in titles
    assert [doubt.split(",")[0].split(" ")[0] for doubt in known.doubts] == ["rules/ours.yaml", "rules/own.yaml"]
    write_observations(site, [GOLDEN["axis-open"].seen("yard")])
    capsys.readouterr()
    assert run(["fleet", "report", "--data", str(site.data_dir)]) == 0
    assert "rules/ours.yaml is not what was taken in" in capsys.readouterr().err


def test_a_register_that_is_old_is_a_finding(site, tmp_path, capsys):
    file = tmp_path / "oui.csv"
    file.write_bytes(OUI)
    assert take_in(site, file, "--accept-unsigned") != 0
    assert "does not say of when it is" in capsys.readouterr().err
    assert take_in(site, file, "--accept-unsigned", "--date", "2026-01-02") == 0
    write_observations(site, [GOLDEN["axis-open"].seen("yard")])
    capsys.readouterr()
    assert run(["fleet", "report", "--data", str(site.data_dir)]) == 0
    said = capsys.readouterr().err
    assert "Register of address blocks (IEEE) is of 2026-01-02" in said
    assert "oui.csv, of 2026-01-02, is not signed" in said


def test_the_smallest_block_says_whose_an_address_is():
    owners = {**read_register(OUI, where="oui.csv"), **read_register(SMALL, where="oui36.csv")}
    assert owner_of(owners, "ac:cc:8e:01:02:03") == "Axis Communications AB"
    assert owner_of(owners, "8c:1f:64:ab:c1:23") == "Tiandy Technologies"
    assert owner_of(owners, "8c:1f:64:00:00:00") == ""
    assert owner_of(owners, "00:11:22:00:00:00") == ""


def test_an_address_of_the_register_is_evidence():
    known = with_register(load_knowledge(), read_register(SMALL, where="x"), load_knowledge().files[0].date)
    seen = GOLDEN["silent"].seen("x")
    bare = {"mac": "8c:1f:64:ab:c1:23", "mac_owner": ""}
    found = identify(replace(seen, **bare), known)
    assert found.maker == "Tiandy"
    assert any("Tiandy Technologies" in one.seen for one in found.evidence)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"a,b\n", "no register of the IEEE"),
        (OUI + b"MA-L,XYZ,who,where\n", "line 5"),
        (OUI + b"MA-M,ACCC8E,who,where\n", "line 5"),
        (OUI + b"\xff\xfe\n", "no register of the IEEE"),
        (OUI + b'MA-L,ACCC8F,"' + b"x" * 200_000 + b"\n", "no register of the IEEE"),
    ],
    ids=["columns", "digits", "length", "bytes", "field"],
)
def test_a_register_that_is_none_is_named(payload, message):
    with pytest.raises(InvalidArgument, match=message):
        read_register(payload, where="oui.csv")


def test_the_real_register_and_the_rules_agree():
    folder = Path(os.environ.get("CUSTODES_SHARED", "../shared")) / "data/network"
    if not (folder / "ieee-oui.csv.gz").exists():
        pytest.skip("the IEEE's register is not here")
    owners = {}
    for name in ("oui", "mam", "oui36"):
        owners |= read_register(gzip.decompress((folder / f"ieee-{name}.csv.gz").read_bytes()), where=name)
    assert len(owners) > 40_000
    known = load_knowledge()
    wrong = {
        (maker.id, block, owners.get(block))
        for maker in known.makers.values()
        for block in maker.oui
        if not any(pattern.search(owners.get(block, "")) for pattern, one in known.maker_words if one is maker)
    }
    assert wrong == set()


def test_manifest_that_is_damaged_is_named(site):
    site.fleet_dir.mkdir(parents=True)
    (site.fleet_dir / "data.json").write_text(json.dumps([1]))
    with pytest.raises(InvalidArgument, match=r"data\.json cannot be read"):
        read_knowledge(site)
