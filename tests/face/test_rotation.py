"""A site's turn of templates: exact inside the site, nothing across sites, renewed without anybody coming again."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from tests.warden.office import CONTRACT, face

from custodes.adapters.keys.faces import FaceStore
from custodes.face.rotation import turn_of, turned, turned_back
from custodes.face.sealed import open_sealed, template_label

SITES = [bytes([number] * 32) for number in (1, 2)]
KEK = bytes(range(32))
GOLDEN = [-0.463776244294, -0.085761967083, -0.32803182426]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_turned_when_both_are_then_their_cosine_is_the_same() -> None:
    turn, a, b = turn_of(SITES[0], 128), face(1), face(2)
    assert cosine(turned(a, turn), turned(b, turn)) == pytest.approx(cosine(a, b), abs=1e-6)
    assert turned_back(turned(a, turn), turn) == pytest.approx(a, abs=1e-6)


def test_turn_when_made_again_then_it_is_the_same_to_the_last_gallery() -> None:
    turn = turn_of(SITES[0], 16)
    assert turn @ turn.T == pytest.approx(np.eye(16), abs=1e-12)
    # Golden: if this changes, every gallery is lost.
    assert turn[0, :3] == pytest.approx(GOLDEN, abs=1e-9)


def test_sites_when_the_same_people_are_enrolled_at_both_then_they_cannot_be_linked() -> None:
    first, second = (turn_of(site, 128) for site in SITES)
    here = np.stack([turned(face(number), first) for number in range(300)])
    there = np.stack([turned(face(number, 1), second) for number in range(300)])
    scores = here @ there.T
    own, other = np.diag(scores), scores[~np.eye(300, dtype=bool)]
    ranks = np.searchsorted(np.sort(other), own) / len(other)
    assert abs(float(ranks.mean()) - 0.5) <= 0.05  # the area under the curve


def kept(path: Path) -> list[bytes]:
    with sqlite3.connect(path) as database:
        return [bytes(row[0]) for row in database.execute("SELECT sealed FROM template ORDER BY number")]


def filled(path: Path, people: int = 3) -> FaceStore:
    store = FaceStore(path, KEK)
    for number in range(people):
        store.make_key(f"p{number}")
        store.put_template(f"t{number}", f"p{number}", CONTRACT, face(number).astype("<f4").tobytes(), b"picture")
    return store


def test_rekey_when_done_then_templates_and_secret_are_others_and_people_the_same(tmp_path: Path) -> None:
    store = filled(tmp_path / "faces.db")
    before, secret = kept(tmp_path / "faces.db"), store.rotation
    opened = [open_sealed(store.key(f"p{n}"), f"p{n}", template_label(CONTRACT, f"t{n}"), before[n]) for n in range(3)]
    assert store.rekey() == 3
    after = [
        open_sealed(store.key(f"p{n}"), f"p{n}", template_label(CONTRACT, f"t{n}"), sealed)
        for n, sealed in enumerate(kept(tmp_path / "faces.db"))
    ]
    assert secret != store.rotation
    old, new = (np.stack([np.frombuffer(one, "<f4") for one in rows]) for rows in (opened, after))
    assert new @ new.T == pytest.approx(old @ old.T, abs=1e-5)
    assert np.abs(np.diag(old @ new.T)).max() < 0.6
    for number in range(3):
        ((_, vector),) = store.own_templates(f"p{number}")
        assert np.frombuffer(vector, "<f4") == pytest.approx(face(number), abs=1e-5)
    store.close()
    again = FaceStore(tmp_path / "faces.db", KEK)
    assert (again.rotation, again.epoch) == (store.rotation, 2)
    again.close()
    assert secret not in (tmp_path / "faces.db").read_bytes()


def test_store_when_of_before_there_were_rotations_then_its_templates_are_turned_once(tmp_path: Path) -> None:
    path = tmp_path / "faces.db"
    store = filled(path)
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE rotation")
        for number in range(3):
            sealed = store.seal(f"p{number}", template_label(CONTRACT, f"t{number}"), face(number).tobytes())
            database.execute("UPDATE template SET sealed = ? WHERE template_id = ?", (sealed, f"t{number}"))
    store.close()
    for _ in range(2):
        store = FaceStore(path, KEK)
        ((_, vector),) = store.own_templates("p1")
        assert np.frombuffer(vector, "<f4") == pytest.approx(face(1), abs=1e-5)
        assert store.epoch == 1
        store.close()


def test_theft_when_without_the_key_then_no_template_is_in_the_file(tmp_path: Path) -> None:
    store = filled(tmp_path / "faces.db", people=20)
    turn = turn_of(store.rotation, 128)
    store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for number in range(20):
        for vector in (face(number), turned(face(number), turn)):
            assert vector.astype("<f4").tobytes()[100:116] not in content
