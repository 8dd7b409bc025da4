"""`custodes audit` on a site's files, and entries in words."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import custodes_verify
from custodes.audit.report import LogQuery, LogSummary, search, summarise
from custodes.audit.words import plain, sentence
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


LOOK = {"action": "play_back", "purpose": "live_duty", "reference": " 7 ", "fidelity": "masked"}


@pytest.mark.parametrize(
    ("kind", "subject", "details", "words"),
    [
        (AuditKind.ACCESS_GRANTED, "gate", LOOK, "Ann was allowed to play back camera gate, masked, for live duty 7"),
        (AuditKind.ACCESS_GRANTED, "", LOOK, "Ann was allowed to play back, for live duty 7"),
        (AuditKind.ACCESS_GRANTED, "gate", {}, "Ann was allowed to see camera gate, for "),
        (
            AuditKind.ACCESS_DENIED,
            "gate",
            {"action": "export", "purpose": "case", "reasons": "not yours"},
            "Ann was refused to export camera gate, for case: not yours",
        ),
        (AuditKind.ACCESS_DENIED, "", {"purpose": "case"}, "Ann was refused to see, for case: "),
        (AuditKind.KEYS_RELEASED, "gate", {"segment_0": "a", "x": "b"}, "1 segment of camera gate opened for Ann"),
        (
            AuditKind.KEYS_RELEASED,
            "gate",
            {"segment_0": "a", "segment_1": "b"},
            "2 segments of camera gate opened for Ann",
        ),
        (AuditKind.KEYS_REFUSED, "gate", {"reason": "quota"}, "no key for Ann: quota"),
        (AuditKind.KEYS_REFUSED, "gate", {}, "no key for Ann: "),
        (AuditKind.VIEW_ENDED, "gate", {"frames_shown": "9"}, "Ann stopped seeing camera gate after 9 frames"),
        (AuditKind.VIEW_ENDED, "gate", {}, "Ann stopped seeing camera gate after ? frames"),
        (AuditKind.KEYS_DESTROYED, "gate", {"day": "20260104"}, "the keys of camera gate for 20260104 were destroyed"),
        (AuditKind.KEYS_DESTROYED, "gate", {}, "the keys of camera gate for ? were destroyed"),
        (
            AuditKind.FOOTAGE_DELETED,
            "gate",
            {"count": "4", "until": "noon", "reason": "too old"},
            "4 segments of camera gate up to noon were deleted (too old)",
        ),
        (AuditKind.FOOTAGE_DELETED, "gate", {}, "? segments of camera gate were deleted ()"),
        (AuditKind.SIGNATURE_ALARM, "gate", {"problem": "stripped"}, "signatures of camera gate: stripped"),
        (AuditKind.SIGNATURE_ALARM, "gate", {}, "signatures of camera gate: "),
        (AuditKind.EVIDENCE_SEALED, "gate", {"export_id": "e1"}, "export e1 of gate was sealed"),
        (AuditKind.EVIDENCE_SEALED, "gate", {}, "export ? of gate was sealed"),
        (AuditKind.SEGMENT_SEALED, "s1", {}, "segment s1 was sealed"),
        (AuditKind.SITE_CREATED, "ab", {}, "site ab was created"),
        (AuditKind.WARDEN_STARTED, "", {"key_provider": "a file"}, "the warden started (a file)"),
        (AuditKind.WARDEN_STARTED, "", {}, "the warden started ()"),
        (
            AuditKind.HOLD_PLACED,
            "gate",
            {"owner": "Eve", "reason": "theft"},
            "Eve holds recordings of camera gate: theft",
        ),
        (AuditKind.HOLD_PLACED, "gate", {}, "? holds recordings of camera gate: "),
        (
            AuditKind.HOLD_RELEASED,
            "gate",
            {"owner": "Eve", "by": "Joe", "reason": "done"},
            "Joe released Eve's hold on camera gate: done",
        ),
        (AuditKind.HOLD_RELEASED, "gate", {}, "? released ?'s hold on camera gate: "),
        (
            AuditKind.STORAGE_EVENT,
            "",
            {"event": "disk_full", "state": "began"},
            "recording, disk full: began",
        ),
        (AuditKind.STORAGE_EVENT, "", {}, "recording, : "),
        (
            AuditKind.MARKS_RELEASED,
            "gate",
            {"candidates": "3", "reference": "C7"},
            "marks of 3 sessions of camera gate compared for Ann, case C7",
        ),
        (AuditKind.MARKS_RELEASED, "gate", {}, "marks of ? sessions of camera gate compared for Ann, case ?"),
        (
            AuditKind.LEAK_TRACED,
            "gate",
            {"second": "Ben", "verdict": "derives", "reference": "C7"},
            "Ann and Ben traced a picture, case C7: derives, camera gate",
        ),
        (AuditKind.LEAK_TRACED, "", {}, "Ann and ? traced a picture, case ?: ?"),
        (AuditKind.LOGIN, "Ann", {"how": "passkey", "address": "::1"}, "Ann: login (address ::1, how passkey)"),
        (AuditKind.USER_CHANGED, "Ben", {}, "Ann: user changed Ben"),
        (AuditKind.LOGOUT, "", {}, "Ann: logout"),
    ],
)
def test_sentence_says_who_did_what_to_what(kind, subject, details, words) -> None:
    assert sentence(entry(kind, "Ann", subject, **details)) == words


def test_plain_when_long_or_unprintable_is_bounded_and_marked() -> None:
    assert plain("x" * 200) == "x" * 200
    assert plain("x" * 201) == "x" * 200 + "…"
    assert plain("a\tb\x00") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"


def test_summary_counts_from_the_first_to_the_last_and_leaves_processes_out() -> None:
    assert summarise([]) == LogSummary()
    made = [
        entry(AuditKind.KEYS_RELEASED, "Ann", "gate"),
        entry(AuditKind.KEYS_RELEASED, "process:warden", "gate"),
        entry(AuditKind.ACCESS_GRANTED, "Ann", "gate", action="export", purpose="case"),
        entry(AuditKind.ACCESS_GRANTED, "Ann", "gate"),
        entry(AuditKind.ACCESS_DENIED, "Ben", "gate"),
        entry(AuditKind.VIEW_ENDED, "Ben", "gate"),
        entry(AuditKind.VIEW_ENDED, "Ben", "gate", frames_shown="5"),
        entry(AuditKind.VIEW_ENDED, "Ben", "gate", frames_shown="7"),
    ]
    summary = summarise(replace(one, index=n, utc_ns=Ns(100 + n)) for n, one in enumerate(made))
    assert (summary.entries, summary.first_ns, summary.last_ns) == (8, 100, 107)
    assert summary.kinds[AuditKind.KEYS_RELEASED] == 2 and summary.kinds[AuditKind.VIEW_ENDED] == 3
    ann, ben = summary.people["Ann"], summary.people["Ben"]
    assert set(summary.people) == {"Ann", "Ben"}
    assert (ann.granted, ann.refused, ann.releases, ann.exports, ann.frames) == (2, 0, 1, 1, 0)
    assert ann.purposes == {"case": 1, "": 1} and ann.cameras == {"gate"}
    assert (ben.granted, ben.refused, ben.releases, ben.exports, ben.frames) == (0, 1, 0, 0, 12)


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ({}, True),
        ({"kind": AuditKind.ACCESS_GRANTED}, True),
        ({"kind": AuditKind.ACCESS_DENIED}, False),
        ({"camera": "gate"}, True),
        ({"camera": "yard"}, True),
        ({"camera": "vault"}, True),
        ({"camera": "other"}, False),
        ({"reference": "7"}, True),
        ({"reference": "77"}, False),
        ({"start_ns": Ns(50)}, True),
        ({"start_ns": Ns(51)}, False),
        ({"end_ns": Ns(51)}, True),
        ({"end_ns": Ns(50)}, False),
        ({"person": "ANN"}, True),
        ({"person": "gate"}, True),
        ({"person": "nn\ng"}, True),
        ({"person": "Ben"}, False),
        ({"person": "Ben", "camera": "gate"}, False),
    ],
)
def test_query_fits_by_each_of_its_fields(query, fits) -> None:
    made = entry(AuditKind.ACCESS_GRANTED, "Ann", "gate", camera="yard", camera_id="vault", reference="7")
    assert LogQuery(**query).fits(replace(made, utc_ns=Ns(50))) is fits
