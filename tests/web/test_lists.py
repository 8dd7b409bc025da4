"""Status, system, timeline, counts, the log and its proofs; limits and words."""

import base64
import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.test_matrix import session_of

from custodes.app.serving.outside import OutsideWaits
from custodes.audit.merkle import verify_inclusion
from custodes.errors import InvalidArgument
from custodes.ports.catalog import Coverage
from custodes.testing.catalog import make_crossing
from custodes.testing.clock import ManualClock
from custodes.testing.history import fill_history
from custodes.types.access import AuditKind, AuditRecord, Role
from custodes.types.event import Unreached
from custodes.types.media import GapCause
from custodes.types.message import ProcessStatus
from custodes.types.recorders import RecorderRow, RecorderTable
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_MINUTE, NS_PER_S, CameraId, Ns
from custodes.web.auth.limits import FailureLimits
from custodes.web.auth.passwords import check_password
from custodes.web.timeline import bin_ns_for, counts, line_rows, merged
from custodes.web.words import CAUSE_WORDS, ROLE_WORDS, audit_sentence

GATE = CameraId("gate")


def process(state, last_exit=""):
    return ProcessStatus(
        name="analyser-0",
        kind="analyser",
        state=state,
        pid=1,
        restarts=3,
        cpu_s=1.0,
        rss_mb=1.0,
        uptime_s=1.0,
        last_exit=last_exit,
    )


def test_status_has_the_form_of_the_command(claimed):
    claimed.live.processes = (process("running"),)
    status = claimed.client.get("/api/v1/status").json()
    assert {"kind", "state", "restarts", "cpu_s", "rss_mb"} <= set(status["processes"][0])
    assert {"camera_id", "state", "recording", "tracks"} <= set(status["cameras"][0]) | {"recording"}
    assert status["log"]["size"] == claimed.warden.log.size
    assert status["warnings"] == []


@pytest.mark.parametrize(
    ("state", "words"),
    [("backoff", "is being started again (killed by signal 9)"), ("degraded", "is down"), ("stopped", "is down")],
)
def test_status_warns_of_a_process_that_is_not_running(claimed, state, words):
    claimed.live.processes = (process(state, "killed by signal 9"),)
    (warning,) = claimed.client.get("/api/v1/status").json()["warnings"]
    assert words in warning


def test_status_without_supervisor_or_warden_still_answers_and_says_so(claimed):
    claimed.live.processes = None
    claimed.warden.is_down = True
    status = claimed.client.get("/api/v1/status").json()
    assert status["log"] is None
    assert len(status["warnings"]) == 2


def test_system_tells_storage_and_warns_of_plain_http(make_site):
    site = make_site(host="192.0.2.7")
    site.claim()
    system = site.client.get("/api/v1/system").json()
    assert system["storage"]["total_bytes"] > system["storage"]["free_bytes"] > 0
    assert any("without TLS" in warning for warning in system["warnings"])


def test_system_says_who_records_what_and_names_only_what_the_visitor_may_know(claimed):
    rows = (
        RecorderRow(
            name="recorder", state="recording", cameras=(CameraId("gate"), CameraId("hidden")), packets_per_s=50.0
        ),
        RecorderRow(name="recorder-2", state="silent", cameras=(), packets_per_s=0.0),
    )

    async def table() -> RecorderTable:
        return RecorderTable(recorders=rows, unowned=(CameraId("yard"),))

    claimed.app.state.deps = replace(claimed.app.state.deps, recorders=table)
    system = claimed.client.get("/api/v1/system").json()
    assert [(one["name"], one["is_well"], one["cameras"]) for one in system["recorders"]] == [
        ("recorder", True, 2),
        ("recorder-2", False, 0),
    ]
    assert system["recorders"][0]["named"] == [row.name for row in claimed.live.rows if row.camera_id == "gate"]


def test_system_says_who_is_not_reached_to_those_who_can_mend_it(claimed):
    waits = OutsideWaits(claimed.clock)
    note = waits.noter("siem")
    note("it does not answer")
    rule = Unreached(
        name="gate", is_rule=True, since_ns=claimed.clock.now_ns(), error="webhook hook.example answers 500"
    )
    claimed.app.state.deps = replace(claimed.app.state.deps, unreached=lambda: [rule, *waits.troubles()])
    session_of(claimed, Role.OPERATOR)
    assert claimed.client.get("/api/v1/system").json()["warnings"] == [], "addresses are not everybody's business"
    session_of(claimed, Role.ADMINISTRATOR)
    told = claimed.client.get("/api/v1/system").json()["warnings"]
    assert "Rule “gate” has not reached anybody since" in told[0] and "answers 500" in told[0]
    assert "The SIEM has not been reached" in told[1]
    note("")
    assert len(claimed.client.get("/api/v1/system").json()["warnings"]) == 1


def test_timeline_shows_what_was_recorded_missed_and_seen(claimed):
    now_ns = claimed.clock.now_ns()
    tracks = fill_history(claimed.catalog, "gate", now_ns=now_ns)
    start_ns = now_ns - 40 * NS_PER_MINUTE
    line = claimed.client.get(f"/api/v1/cameras/gate/timeline?from={start_ns}&to={now_ns}").json()
    assert len(line["recorded"]) == 2, "40 segments with one gap are two stretches"
    assert line["recorded"][0] == [start_ns, now_ns - 12 * NS_PER_MINUTE]
    (gap,) = line["gaps"]
    assert gap["words"] == "camera not reachable"
    assert gap["end_ns"] - gap["start_ns"] == 3 * NS_PER_MINUTE
    assert len(line["tracks"]) == len(tracks)
    assert {track["lane"] for track in line["tracks"]} == {"people", "vehicles"}
    assert sum(line["counts"]["people"]) == sum(track["lane"] == "people" for track in line["tracks"])
    assert min(line["counts"]["coverage"]) == 0
    assert line["is_truncated"] is False


def test_tracks_are_limited(claimed):
    now_ns = claimed.clock.now_ns()
    fill_history(claimed.catalog, "gate", now_ns=now_ns)
    answer = claimed.client.get(
        f"/api/v1/cameras/gate/tracks?from={now_ns - 40 * NS_PER_MINUTE}&to={now_ns}&limit=3"
    ).json()
    assert len(answer["tracks"]) == 3
    assert answer["is_truncated"] is True


def test_log_is_newest_first_and_pages_to_its_beginning(claimed):
    seen, before = [], None
    while True:
        query = "" if before is None else f"&before={before}"
        page = claimed.client.get(f"/api/v1/log?limit=2{query}").json()
        seen += [entry["index"] for entry in page["entries"]]
        before = page["next_before"]
        if before is None:
            break
    assert seen == list(range(claimed.warden.log.size - 1, -1, -1))


def test_log_filters_by_kind_and_person(claimed):
    claimed.log_in(password="wrong password!")
    page = claimed.client.get("/api/v1/log?kind=login_failed").json()
    assert [entry["kind"] for entry in page["entries"]] == ["login_failed"]
    assert claimed.client.get("/api/v1/log?person=lovelace&kind=login").json()["entries"]
    assert claimed.client.get("/api/v1/log?person=babbage").json()["entries"] == []


def test_log_proof_verifies_against_the_checkpoint(claimed):
    claimed.client.get("/api/v1/log")
    answer = claimed.client.get("/api/v1/log/1/proof")
    assert "attachment" in answer.headers["content-disposition"]
    proof = answer.json()
    arguments = {
        "index": 1,
        "size": proof["tree_size"],
        "path": [base64.b64decode(node) for node in proof["path"]],
        "root": base64.b64decode(proof["root_hash"]),
    }
    verify_inclusion(leaf=base64.b64decode(proof["leaf_hash"]), **arguments)
    assert base64.b64encode(arguments["root"]).decode() in proof["checkpoint"]


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 50)).map(lambda pair: (pair[0], pair[0] + pair[1]))))
def test_merged_stretches_are_sorted_apart_and_cover_the_same(stretches):
    result = merged(stretches)
    assert all(one.end_ns < other.start_ns for one, other in itertools.pairwise(result))
    covered = {n for start, end in stretches for n in range(start, end + 1)}
    assert covered <= {n for one in result for n in range(one.start_ns, one.end_ns + 1)}
    assert sum(one.end_ns - one.start_ns for one in result) <= sum(end - start for start, end in stretches) + len(
        covered
    )


@given(st.integers(0, 10**18), st.integers(1, 25 * 3600 * NS_PER_S))
def test_bins_are_whole_minutes_and_few(start, length):
    bin_ns = bin_ns_for(Ns(start), Ns(start + length))
    assert bin_ns % NS_PER_MINUTE == 0
    assert length <= bin_ns * 360


def test_coverage_of_a_bin_is_its_analysed_share():
    result = counts(
        [], [Coverage(start_ns=Ns(0), end_ns=Ns(90 * NS_PER_S))], start_ns=Ns(0), end_ns=Ns(3 * NS_PER_MINUTE)
    )
    assert result["coverage"] == [1.0, 0.5, 0.0]


def test_failure_table_is_bounded_and_slows_a_spread_attack_on_one_name():
    limits = FailureLimits(ManualClock(), max_rows=100)
    for number in range(1000):
        limits.failed(address=f"10.0.{number // 256}.{number % 256}", name="ada")
    assert len(limits) <= 100
    assert limits.wait_s(address="10.9.9.9", name="ada") > 0
    assert limits.wait_s(address="10.9.9.9", name="grace") == 0


def test_failures_from_one_address_do_not_lock_a_person_out_elsewhere():
    clock = ManualClock()
    limits = FailureLimits(clock)
    for _ in range(20):
        limits.failed(address="10.0.0.1", name="ada")
    assert limits.wait_s(address="10.0.0.1", name="ada") > 60
    assert limits.wait_s(address="10.0.0.2", name="ada") == 0
    clock.advance(16 * 60 * NS_PER_S)
    assert limits.wait_s(address="10.0.0.1", name="ada") == 0


def test_many_right_passwords_do_not_add_up_to_a_wait():
    limits = FailureLimits(ManualClock())
    for _ in range(500):
        limits.failed(address="10.0.0.1", name="ada")
        limits.succeeded(address="10.0.0.1", name="ada")
    assert limits.wait_s(address="10.0.0.1", name="ada") == 0


@pytest.mark.parametrize("password", ["correct horse battery", "Tr0ub4dor&3-and-more", "ein ganz langer Satz"])
def test_good_passwords_pass(password):
    check_password(password, name="Ada")


def test_password_flaw_never_repeats_the_password():
    with pytest.raises(InvalidArgument) as caught:
        check_password("short-secret", name="short-secret")
    assert "short-secret" not in str(caught.value)


@pytest.mark.parametrize("kind", list(AuditKind))
def test_every_kind_of_entry_has_a_sentence(kind):
    sentence = audit_sentence(AuditRecord(kind=kind, actor="Ada", subject="gate", details={}))
    assert sentence.endswith(".")
    assert "{" not in sentence
    assert sentence.startswith("Process ") == (kind is AuditKind.PROCESS_EVENT), "what fits every kind says nothing"


def test_every_role_and_cause_has_words():
    assert set(ROLE_WORDS) == set(Role)
    assert set(CAUSE_WORDS) == set(GapCause)


def test_crossings_are_summed_up_by_line_way_and_lane():
    there, back = make_crossing(1, 5), replace(make_crossing(1, 9), is_forward=False)
    bus = replace(make_crossing(2, 6), object_class=ObjectClass.BUS)
    other = replace(there, line="a yard")
    none = {"people": 0, "vehicles": 0, "other": 0}
    assert line_rows([there, there, back, bus, other]) == [
        {"line": "a yard", "forward": none | {"people": 1}, "backward": none},
        {"line": "gate", "forward": none | {"people": 2, "vehicles": 1}, "backward": none | {"people": 1}},
    ]
    assert line_rows([]) == []


def test_log_tells_whose_training_changed_by_their_name():
    record = AuditRecord(kind=AuditKind.TRAINING_CHANGED, actor="Pia", subject="u4", details={"person": "Op"})
    assert audit_sentence(record) == "Pia changed the training of Op to verify candidates."


def test_log_tells_which_gate_a_listed_vehicle_came_to():
    details = {"label": "Van 3", "zone": "ab12", "zone_name": "North gate"}
    record = AuditRecord(kind=AuditKind.VEHICLE_PASSED, actor="process:analyser", subject="cd34", details=details)
    assert audit_sentence(record) == "The listed vehicle Van 3 came to North gate."
    old = replace(record, details={"label": "Van 3", "zone": "ab12"})
    assert audit_sentence(old) == "The listed vehicle Van 3 came to its zone."
