"""The certificate of an erasure says what is gone, what is not, and who else has pictures; as data and as a page."""

from dataclasses import replace

from tests.access.test_subject import LOOK, T0

from custodes.access.erasure import FORMAT, ErasedSegment, ErasureFacts, certificate, page, remains
from custodes.testing.catalog import make_segment
from custodes.units import NS_PER_S, Ns

FACTS = ErasureFacts(
    erasure_id="ab" * 8,
    site_id="cd" * 8,
    site_name="Harbour <1>",
    camera_id="gate",
    camera_name="Gate & yard",
    start_ns=T0,
    end_ns=Ns(T0 + 60 * NS_PER_S),
    reference="SAR-9",
    request_id="r1",
    erased_by="Ada",
    created_ns=Ns(T0 + 3600 * NS_PER_S),
    software="custodes 1",
    controller="",
    contact="dpo@example.org",
)
SEGMENT = make_segment(0, 4)
PROVEN, BARE = ErasedSegment(segment=SEGMENT, proof="proof"), ErasedSegment(segment=SEGMENT, proof="")


def told(**changes):
    values = {
        "segments": [PROVEN],
        "left": [],
        "keys_destroyed": {"gate/20231114": "log/key-0.tlog-proof"},
        "keys_kept": [],
        "copies": [],
        "exports_removed": 2,
        "entries": {"grant": 11, "erased": 12},
    }
    return certificate(FACTS, **{**values, **changes})


def test_certificate_names_what_is_gone_and_where_its_proofs_are():
    said = told(segments=[PROVEN, BARE])
    assert said["format"] == FORMAT == "custodes-erasure/1"
    assert {
        name: said[name] for name in ("erasure_id", "site_id", "camera_id", "reference", "request_id", "erased_by")
    } == {
        "erasure_id": "ab" * 8,
        "site_id": "cd" * 8,
        "camera_id": "gate",
        "reference": "SAR-9",
        "request_id": "r1",
        "erased_by": "Ada",
    }
    assert (said["start_utc"], said["end_utc"], said["created_utc"]) == (
        "2023-11-14 22:13:20",
        "2023-11-14 22:14:20",
        "2023-11-14 23:13:20",
    )
    assert said["grant"] == {"index": 11, "proof": "log/grant.tlog-proof"}
    assert said["erased"] == {"index": 12, "proof": "log/erased.tlog-proof"}
    header = SEGMENT.header
    row = {
        "segment_id": header.segment_id,
        "start_ns": header.start_ns,
        "end_ns": SEGMENT.end_ns,
        "bytes": SEGMENT.bytes_on_disk,
        "root": SEGMENT.root.hex(),
        "fragments": SEGMENT.fragments,
        "key_id": header.key_id,
        "proof": f"log/{header.segment_id}.tlog-proof",
    }
    assert said["segments"] == [row, {**row, "proof": ""}]
    assert said["keys_destroyed"] == [{"key_id": "gate/20231114", "proof": "log/key-0.tlog-proof"}]
    assert (said["not_erased"], said["keys_kept"], said["exports_removed"]) == ([], [], 2)
    assert said["copies_that_left"] == []


def test_certificate_tells_of_keys_that_are_kept_and_of_copies_that_left():
    said = told(keys_kept=["gate/1", "gate/2"], copies=[LOOK, replace(LOOK, person="Ben", index=13)], left=["s1"])
    assert said["copies_that_left"] == [
        {"entry": 12, "when": "2023-11-14 22:13:20", "by": "Ann <script>", "for": "case 2026-7"},
        {"entry": 13, "when": "2023-11-14 22:13:20", "by": "Ben", "for": "case 2026-7"},
    ]
    assert (said["keys_kept"], said["not_erased"]) == (["gate/1", "gate/2"], ["s1"])
    (log, keys, copies) = said["remains"]
    assert log.startswith("The log keeps") and log.endswith("no picture of anybody.")
    assert "could be opened with the site's keys; this site refuses to: gate/1, gate/2." in keys
    assert "left the site 2 times before" in copies
    assert remains([], []) == [log]


def test_page_says_the_same_in_words_and_escapes_names():
    said = told(keys_kept=["gate/2"], left=["s1", "s2"])
    text = page(said, FACTS).decode()
    for words in (
        "<dt>Site</dt><dd>Harbour &lt;1&gt; (cdcdcdcdcdcdcdcd)</dd>",
        "<dt>Camera</dt><dd>Gate &amp; yard</dd>",
        "<dt>Asked to erase</dt><dd>2023-11-14 22:13:20 to 2023-11-14 22:14:20 (UTC)</dd>",
        "<dt>Your request</dt><dd>SAR-9</dd>",
        "<dt>Erased by</dt><dd>Ada, approved under request r1</dd>",
        "<dt>Done</dt><dd>2023-11-14 23:13:20 (UTC)</dd>",
        "<dt>Recordings erased</dt><dd>1</dd>",
        "<dt>Keys destroyed</dt><dd>gate/20231114</dd>",
        "<dt>Who is responsible</dt><dd>not given</dd>",
        "<dt>Whom to ask</dt><dd>dpo@example.org</dd>",
        "<strong>2 recordings could not be erased.</strong>",
        f"<code>{SEGMENT.root.hex()}</code>",
        f"<td>{SEGMENT.bytes_on_disk}</td>",
        "refuses to: gate/2",
        "README.txt says how to check this.",
    ):
        assert words in text, words
    assert text.count("<li>") == len(said["remains"]) and "<script" not in text
    none_yet = page(told(keys_destroyed={}), replace(FACTS, controller="Harbour Ltd", contact="")).decode()
    assert (
        "none yet, see below" in none_yet and "<dd>Harbour Ltd</dd>" in none_yet and "<dd>not given</dd>" in none_yet
    )
    assert "could not be erased" not in none_yet
