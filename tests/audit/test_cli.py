"""`custodes audit` on a site's files, and entries in words."""

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

import custodes_verify
from custodes.audit.report import LogQuery, search, summarise
from custodes.audit.words import sentence
from custodes.cli.audit import audit
from custodes.config import SiteIdentity, SitePaths, write_identity
from custodes.errors import LogCorrupt
from custodes.sealing.published import PinnedKeys, write_pinned
from custodes.testing.audit import ORIGIN, fake_signer, fill, open_test_log
from custodes.types.access import AuditKind, AuditRecord, LogEntry
from custodes.units import Ns

KEYS = fake_signer().keys
SITE_ID = ORIGIN.partition("/")[2]


@pytest.fixture
def stopped_site(tmp_path: Path) -> Path:
    paths = SitePaths(tmp_path)
    write_identity(paths.identity, SiteIdentity(site_id=SITE_ID, name="Test", created_ns=Ns(1)))
    write_pinned(
        paths.warden_key,
        PinnedKeys(
            site_id=SITE_ID,
            site_key=bytes(32),
            log_origin=ORIGIN,
            log_key=KEYS.ed25519.public_key,
            log_mldsa_key=KEYS.mldsa44.public_key if KEYS.mldsa44 else b"",
        ),
    )
    paths.warden_dir.mkdir()
    log = open_test_log(paths.warden_dir / "log.db")
    fill(log, 1500)
    log.close()
    return tmp_path


def run(*arguments: str) -> str:
    done = CliRunner().invoke(audit, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_verify_when_good_then_says_size_and_key(stopped_site: Path) -> None:
    said = run("verify", "--data", str(stopped_site))
    assert said.startswith("good: 1500 entries")
    assert KEYS.ed25519.vkey in said
    assert json.loads(run("verify", "--json", "--data", str(stopped_site)))["size"] == 1500


def test_verify_when_an_entry_is_gone_then_raises(stopped_site: Path) -> None:
    database = sqlite3.connect(stopped_site / "warden" / "log.db")
    database.executescript("DELETE FROM personal WHERE idx = 3; DELETE FROM entries WHERE idx = 3")
    database.close()
    with pytest.raises(LogCorrupt, match="entry 3 is missing"):
        run("verify", "--data", str(stopped_site))


def test_list_when_asked_for_the_end_a_range_or_all_then_gives_it(stopped_site: Path) -> None:
    data = ("--data", str(stopped_site))
    assert len(run("list", *data).splitlines()) == 50
    lines = run("list", "--start", "10", "--limit", "2", *data).splitlines()
    assert [line.split()[0] for line in lines] == ["10", "11"]
    entries = [
        json.loads(line) for line in run("list", "--start", "0", "--limit", "5000", "--json", *data).splitlines()
    ]
    assert [entry["index"] for entry in entries] == list(range(1500))
    assert entries[3]["actor"] == "person-3"


def entry(kind: AuditKind, actor: str, subject: str, **details: str) -> LogEntry:
    record = AuditRecord(kind=kind, actor=actor, subject=subject, details=details)
    return LogEntry(index=0, utc_ns=Ns(0), record=record, leaf_hash=b"")


@pytest.mark.parametrize("kind", list(AuditKind))
def test_sentence_when_any_kind_even_without_details_then_one_printable_line(kind: AuditKind) -> None:
    for subject in ("", "gate"):
        words = sentence(entry(kind, "ann", subject))
        assert words and words.isprintable()


def test_sentence_when_somebody_looked_then_tells_who_where_and_why() -> None:
    looked = entry(
        AuditKind.ACCESS_GRANTED,
        "Ann",
        "gate",
        action="play_back",
        purpose="case",
        reference="2026-7",
        fidelity="masked",
    )
    assert sentence(looked) == "Ann was allowed to play back camera gate, masked, for case 2026-7"


def test_sentence_when_a_name_carries_terminal_codes_then_they_are_gone() -> None:
    words = sentence(entry(AuditKind.LOGIN_FAILED, "\x1b[2Jann\r\n\u202e", "x"))
    assert words.isprintable()
    assert "\x1b" not in words


def test_export_and_prove_when_asked_then_the_verifier_agrees(stopped_site: Path, tmp_path: Path) -> None:
    log = open_test_log(stopped_site / "warden" / "log.db")
    log.publish(9)
    log.close()
    data = ("--data", str(stopped_site))
    out = tmp_path / "out"
    assert "1500 entries" in run("export", str(out), *data)
    policy = custodes_verify.parse_policy(run("keys", *data))
    assert "1500 entries" in "\n".join(custodes_verify.verify_log(out, policy, []))
    assert not (out / "personal.jsonl").exists()
    proven = custodes_verify.verify_proof(run("prove", "3", *data), policy)
    assert proven.entry["actor"] == "person-3"


def test_search_when_a_person_is_named_then_gives_their_entries(stopped_site: Path) -> None:
    data = ("--data", str(stopped_site))
    lines = run("search", "--person", "PERSON-33", "--limit", "3", "--json", *data).splitlines()
    assert [json.loads(line)["index"] for line in lines] == [33, 330, 333]
    assert run("search", "--person", "nobody", *data) == ""
    assert run("search", "--since", "2030-01-01", *data) == ""


def test_report_when_asked_then_counts_kinds_and_people(stopped_site: Path) -> None:
    said = run("report", "--data", str(stopped_site))
    assert said.splitlines()[:3] == ["1500 entries", "    1000  segment sealed", "     500  login"]
    tree = json.loads(run("report", "--json", "--data", str(stopped_site)))
    assert tree["kinds"] == {"segment_sealed": 1000, "login": 500}
    assert len(tree["people"]) == 500


def test_summarise_when_somebody_looked_then_counts_what_for() -> None:
    granted = dict(action="play_back", purpose="case", reference="7")
    entries = [
        entry(AuditKind.ACCESS_GRANTED, "Ann", "gate", **granted),
        entry(AuditKind.ACCESS_GRANTED, "Ann", "yard", **granted),
        entry(AuditKind.ACCESS_DENIED, "Ann", "vault", **granted),
        entry(AuditKind.VIEW_ENDED, "Ann", "gate", frames_shown="12"),
        entry(AuditKind.VIEW_ENDED, "Ann", "gate", frames_shown="x"),
        entry(AuditKind.PROCESS_EVENT, "process:server", ""),
    ]
    looking = summarise(entries).people["Ann"]
    assert (looking.granted, looking.refused, looking.frames, looking.cameras) == (2, 1, 12, {"gate", "yard"})
    assert looking.purposes == {"case 7": 2}
    found = search(entries, LogQuery(kind=AuditKind.ACCESS_GRANTED, camera="yard", reference="7"))
    assert [each.record.subject for each in found] == ["yard"]
