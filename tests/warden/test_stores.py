"""The warden's three stores on their own: what is kept, in which order, what a second start finds, what is gone."""

import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.access.test_requests import look

from custodes.adapters.keys import faces, requests
from custodes.adapters.keys.cases import CaseStore
from custodes.adapters.keys.faces import FaceStore
from custodes.adapters.keys.requests import RequestStore
from custodes.errors import DataLoss, NotFound, StorageFailed
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.approval import RequestRecord
from custodes.types.cases import Case, CaseMember, CaseNote
from custodes.types.face import Training
from custodes.units import CameraId, Ns, SegmentId

KEK = bytes(range(32))
ANN = CaseMember(user_id="u1", name="Ann")


def vector(seed: int, length: int = 8) -> bytes:
    drawn = np.random.default_rng(seed).normal(size=length).astype("<f4")
    return (drawn / np.linalg.norm(drawn)).astype("<f4").tobytes()


def is_same(one: bytes, other: bytes) -> bool:
    return bool(np.allclose(np.frombuffer(one, "<f4"), np.frombuffer(other, "<f4"), atol=1e-6))


@pytest.fixture
def store(tmp_path):
    made = FaceStore(tmp_path / "faces.db", KEK)
    yield made
    made.close()


def given(store: FaceStore, person_id: str, count: int, contract: str = "net:1", first: int = 0) -> None:
    if not store.has_key(person_id):
        store.make_key(person_id)
    for number in range(first, first + count):
        name = f"{person_id}-{contract}-{number}"
        store.put_template(name, person_id, contract, vector(number), f"picture {name}".encode())


def test_templates_that_come_after_somebody_went_are_read_by_who_has_read_all_before(store: FaceStore) -> None:
    """Numbers are never given twice, also those that a renewal gave: a matcher reads on from the last that it saw."""
    given(store, "a", 5)
    given(store, "b", 2)
    store.renumber("a")
    found, version = store.templates_after(0, 100)
    assert [one.person_id for one in found] == ["b"] * 2 + ["a"] * 5
    store.destroy("a")
    given(store, "c", 3)
    store.renumber("c")
    found, later = store.templates_after(version, 100)
    assert [one.person_id for one in found] == ["c"] * 3 and later > version
    store.destroy("c")
    store.renumber("b")
    assert [one.person_id for one in store.templates_after(later, 100)[0]] == ["b"] * 2


def test_templates_are_read_in_pages_with_the_key_that_opens_them(store: FaceStore, tmp_path: Path) -> None:
    given(store, "a", 3)
    page, at = store.templates_after(0, 2)
    rest, end = store.templates_after(at, 2)
    assert [one.template_id for one in (*page, *rest)] == [f"a-net:1-{n}" for n in range(3)]
    assert store.templates_after(end, 2) == ([], end)
    assert {one.key for one in (*page, *rest)} == {store.key("a")}
    assert [contract for contract, _ in store.own_templates("a")] == ["net:1"] * 3
    assert all(is_same(plain, vector(n)) for n, (_, plain) in enumerate(store.own_templates("a")))
    assert store.picture("a") == b"picture a-net:1-0"
    store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("faces.db*"))
    assert vector(0) not in content and b"picture a" not in content
    assert stat.S_IMODE((tmp_path / "faces.db").stat().st_mode) == 0o600


def test_rotation_turns_every_template_and_leaves_everybody_as_they_were(
    store: FaceStore, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(faces, "_REKEYED_AT_ONCE", 2)
    given(store, "a", 3)
    given(store, "b", 2, "wide:1")
    store.make_key("w")
    store.put_template("w-1", "w", "big:1", vector(7, 16), b"p")
    before = {one.template_id: one.sealed for one in store.templates_after(0, 99)[0]}
    epoch, secret = store.epoch, store.rotation
    pieces = store.rekeying()
    assert next(pieces) == 2 and (store.epoch, store.rotation) == (epoch, secret), "nothing changes before the end"
    store.destroy("b")
    assert list(pieces) == [4]
    assert store.epoch == epoch + 1 and store.rotation != secret
    after = {one.template_id: one.sealed for one in store.templates_after(0, 99)[0]}
    assert set(after) == set(before) - {"b-wide:1-0", "b-wide:1-1"}, "who went meanwhile stays gone"
    assert all(after[name] != before[name] for name in after)
    assert all(is_same(plain, vector(n)) for n, (_, plain) in enumerate(store.own_templates("a")))
    assert is_same(store.own_templates("w")[0][1], vector(7, 16))
    assert store.rekey() == 4 and store.epoch == epoch + 2
    store.close()
    with closing(FaceStore(tmp_path / "faces.db", KEK)) as again:
        assert (again.epoch, again.rotation) == (store.epoch, store.rotation)
        assert is_same(again.own_templates("w")[0][1], vector(7, 16))


def test_person_when_destroyed_is_gone_with_all_they_opened_and_nobody_else_is(store: FaceStore) -> None:
    for who in ("a", "b"):
        given(store, who, 2)
        store.put_probe(f"c-{who}", who, b"probe")
        store.put_touches("piece", {who: store.seal_touch(who, "piece", b"found")})
    assert store.touch("a", "piece") == b"found" and store.touches("a") == [b"found"]
    assert store.touch("a", "other piece") is None
    store.destroy("a")
    store.destroy("a")
    assert not store.has_key("a") and store.has_key("b")
    assert store.touch("a", "piece") is None and store.touches("a") == []
    for ask in (store.key, store.picture, lambda who: store.probe(f"c-{who}"), lambda who: store.seal(who, "x", b"")):
        with pytest.raises(NotFound):
            ask("a")
    assert (store.picture("b"), store.probe("c-b")) == (b"picture b-net:1-0", b"probe")
    assert store.contract_counts() == {"b": {"net:1": 2}}
    store.drop_probe("c-b")
    store.drop_probe("c-b")
    with pytest.raises(NotFound):
        store.probe("c-b")


def test_what_is_kept_of_a_check_has_one_length_found_or_not(store: FaceStore) -> None:
    store.make_key("a")
    lengths = {len(store.seal_touch("a", "piece", bytes(size))) for size in (0, 1, faces.TOUCH_BYTES - 4)}
    assert len(lengths) == 1
    longer = store.seal_touch("a", "piece", bytes(range(256)) * 20)
    assert len(longer) - lengths.pop() == faces.TOUCH_BYTES
    store.put_touches("piece", {"a": longer})
    assert store.touch("a", "piece") == bytes(range(256)) * 20
    store.put_touches("piece", {"a": store.seal_touch("a", "piece", b"newer")})
    assert store.touches("a") == [b"newer"]


def test_network_when_forgotten_leaves_what_other_networks_made(store: FaceStore) -> None:
    given(store, "a", 2)
    given(store, "a", 3, "wide:1")
    given(store, "b", 1, "wide:1")
    assert store.counts_of("a") == {"net:1": 2, "wide:1": 3} and store.counts_of("z") == {}
    assert store.contract_counts() == {"a": {"net:1": 2, "wide:1": 3}, "b": {"wide:1": 1}}
    assert store.forget_contract("wide:1") == 4 and store.forget_contract("wide:1") == 0
    assert store.contract_counts() == {"a": {"net:1": 2}}


def test_items_are_kept_by_kind_oldest_first_and_say_when_something_changed(store: FaceStore, tmp_path) -> None:
    def training(number: int, days: int = 1) -> Training:
        return Training(user_id=f"u{number}", name="N", given_by="B", given_ns=Ns(1), until_ns=Ns(days))

    revision = store.revision
    for number in (3, 1, 2):
        store.put(f"u{number}", training(number))
    store.put("u3", training(3, days=9))
    assert store.revision > revision
    store.forget(Training, "u1")
    store.forget(Training, "u1")
    expected = [training(3, days=9), training(2)]
    assert store.all(Training) == expected and store.get(Training, "u1") is None
    assert store.get(Training, "u2") == training(2) and store.heeded == 0
    store.heed(7)
    store.heed(9)
    store.close()
    with closing(FaceStore(tmp_path / "faces.db", KEK)) as again:
        assert again.all(Training) == expected and again.heeded == 9


def test_store_of_faces_when_damaged_or_under_another_key_says_so(store: FaceStore, tmp_path) -> None:
    given(store, "a", 1)
    store.close()
    with pytest.raises(DataLoss):
        FaceStore(tmp_path / "faces.db", bytes(32))
    (tmp_path / "other.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(DataLoss, match=r"other\.db is damaged"):
        FaceStore(tmp_path / "other.db", KEK)


# -- requests ------------------------------------------------------------------------------------------------


def record(number: int) -> RequestRecord:
    return RequestRecord(request=look(request_id=f"r{number}"))


def test_requests_are_kept_in_their_order_and_beyond_the_bound_the_oldest_go(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(requests, "MAX_KEPT", 3)
    path = tmp_path / "requests.db"
    store = RequestStore(path)
    for number in (4, 1, 3, 2):
        store.put(record(number))
    changed = replace(record(1), withdrawn_by="ann", withdrawn_ns=Ns(5))
    store.put(changed)
    expected = [changed, record(3), record(2)]
    assert store.records() == expected and store.record("r4") is None and store.record("r1") == changed
    store.close()
    with closing(RequestStore(path)) as again:
        assert again.records() == expected
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_passkeys_are_kept_until_forgotten_and_the_first_that_counted_is_remembered(tmp_path) -> None:
    path = tmp_path / "requests.db"
    key = FakeAuthenticator().enrolled("u1")
    with closing(RequestStore(path)) as store:
        assert not store.is_rooted
        store.put_key(key)
        assert not store.is_rooted, "nobody vouched for it"
        store.put_key(replace(key, sign_count=4, vouched_by="Ben"))
        assert store.is_rooted and [one.sign_count for one in store.passkeys()] == [4]
    with closing(RequestStore(path)) as store:
        assert store.key(key.credential_id) == replace(key, sign_count=4, vouched_by="Ben")
        store.forget_key(key.credential_id)
        store.forget_key(key.credential_id)
        assert store.key(key.credential_id) is None
    with closing(RequestStore(path)) as store:
        assert store.is_rooted and store.passkeys() == []


def test_erased_segments_stay_erased_all_of_a_call_or_none(tmp_path) -> None:
    path = tmp_path / "requests.db"
    a, b, c = (SegmentId(one) for one in "abc")
    with closing(RequestStore(path)) as store:
        store.put_erased((a, b), 7)
        store.put_erased((b, c), 8)
        assert store.erased((a, c, SegmentId("d"))) == {a, c} and store.erased(()) == set()
        with pytest.raises(StorageFailed):
            store.put_erased((SegmentId("e"), b"no text"), 9)
        assert store.erased((SegmentId("e"),)) == set()
        store.put_erased((SegmentId("f"),), 9)
    with closing(RequestStore(path)) as store:
        assert store.erased((a, b, c, SegmentId("f"))) == {a, b, c, "f"}
        store.close()
        for act in (lambda: store.put(record(1)), lambda: store.erased((a,))):
            with pytest.raises(StorageFailed):
                act()


@pytest.mark.parametrize("kind", [RequestStore, CaseStore])
def test_store_when_damaged_says_to_restore_it(tmp_path, kind) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DataLoss, match=r"x\.db is damaged; restore"):
        kind(path)
    (tmp_path / "y.db").touch()
    kind(tmp_path / "y.db").close()
    with closing(sqlite3.connect(tmp_path / "y.db")) as database, database:
        table = "request (id, body)" if kind is RequestStore else "matter (key, body)"
        database.execute(f"INSERT INTO {table} VALUES ('k', x'00')")
    with pytest.raises(DataLoss):
        kind(tmp_path / "y.db")


# -- cases ---------------------------------------------------------------------------------------------------


def case(number: str, opened_ns: int) -> Case:
    return Case(
        number=number,
        title="T",
        reason="a good reason",
        owner=ANN,
        members=(ANN,),
        opened_ns=Ns(opened_ns),
        keep_days=1,
    )


def test_cases_are_found_whatever_the_case_of_letters_and_notes_in_their_order(tmp_path) -> None:
    path = tmp_path / "cases.db"

    def note(text: str) -> CaseNote:
        return CaseNote(number="Th-1", author="Ann", utc_ns=Ns(1), text=text, camera_id=CameraId(""), moment_ns=Ns(0))

    with closing(CaseStore(path)) as store:
        store.put(case("Th-1", 9))
        store.put(case("2026-1", 3))
        for text in ("first", "second"):
            store.add_note(note(text))
        store.add_note(replace(note("elsewhere"), number="2026-1"))
        assert store.case(" tH-1 ") == case("Th-1", 9) and store.case("th-2") is None
        assert store.count_notes("TH-1") == 2
    with closing(CaseStore(path)) as store:
        assert [one.number for one in store.cases()] == ["2026-1", "Th-1"], "by when they were opened"
        assert store.notes("th-1") == [note("first"), note("second")]
        store.erase_notes("TH-1")
        store.erase_notes("TH-1")
        assert store.notes("Th-1") == [] and store.count_notes("2026-1") == 1
        assert not any(b"second" in one.read_bytes() for one in tmp_path.iterdir())
        store.close()
        with pytest.raises(StorageFailed):
            store.put(case("3", 1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
