"""The log as plain files and proofs, read by `custodes-verify`, which shares no code with what wrote them."""

import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import custodes_verify
from custodes.audit.export import export_log, policy_text
from custodes.audit.merkle import fold_complete, root_of_leaves
from custodes.audit.proof import prove_entry
from custodes.audit.tree import StoredTree
from custodes.audit.verify import open_readonly
from custodes.errors import AlreadyExists, FailedPrecondition, InvalidArgument
from custodes.testing.audit import fake_signer, fill, open_test_log
from custodes_verify import Wrong, parse_policy

KEYS = fake_signer().keys
POLICY_TEXT = policy_text(KEYS, [])
POLICY = parse_policy(POLICY_TEXT)
SIZE = 700
LEVELS = [[hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(66_000)]]
while len(LEVELS[-1]) >= 256:
    LEVELS.append([fold_complete(LEVELS[-1][n : n + 256]) for n in range(0, len(LEVELS[-1]) & ~255, 256)])


@pytest.fixture(scope="module")
def log_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.db"
    log = open_test_log(path)
    fill(log, SIZE)
    log.publish(7)
    log.close()
    return path


@pytest.fixture(scope="module")
def exported(log_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "log"
    connection = open_readonly(log_path)
    export_log(connection, KEYS, folder, with_personal=True)
    connection.close()
    return folder


def verify(folder: Path, *since: str) -> str:
    return "\n".join(custodes_verify.verify_log(folder, POLICY, list(since)))


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512])
def test_export_when_of_any_size_then_verifies_and_older_checkpoints_are_its_beginnings(
    tmp_path: Path, size: int
) -> None:
    log = open_test_log(tmp_path / "log.db")
    notes = []
    for stop in sorted({1, min(size, 200), size // 2 or 1, size}):
        fill(log, stop - log.size, group=2048)
        notes.append(log.publish(1).note)
    log.close()
    connection = open_readonly(tmp_path / "log.db")
    export_log(connection, KEYS, tmp_path / "out")
    said = verify(tmp_path / "out", *notes)
    assert f"{size} entries" in said
    assert said.count("grew from the checkpoint") == len(notes)
    connection.close()


def test_export_when_verified_by_the_command_alone_then_good(exported: Path) -> None:
    """The file by itself, isolated from the environment and from custodes."""
    script = Path(custodes_verify.__file__)
    command = [sys.executable, "-I", str(script), "log", str(exported)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    assert done.stdout.startswith("keys are the data's own")
    assert f"{SIZE} entries" in done.stdout
    assert custodes_verify.fingerprint(POLICY_TEXT) in done.stdout


def test_verifier_when_imported_then_needs_nothing_but_cryptography() -> None:
    lines = re.findall(r"^(?:import|from) ([a-z_0-9]+)", Path(custodes_verify.__file__).read_text(), re.MULTILINE)
    wanted = set(lines) - {"the"}  # a line of the docstring begins with "from the site"
    assert wanted - set(sys.stdlib_module_names) == {"cryptography"}


def test_export_when_the_folder_is_there_or_nothing_was_published_then_says_so(log_path: Path, tmp_path: Path) -> None:
    connection = open_readonly(log_path)
    with pytest.raises(AlreadyExists):
        export_log(connection, KEYS, tmp_path)
    connection.close()
    open_test_log(tmp_path / "new.db").close()
    connection = open_readonly(tmp_path / "new.db")
    with pytest.raises(FailedPrecondition):
        export_log(connection, KEYS, tmp_path / "out")
    connection.close()


def test_verify_when_any_file_of_an_export_is_changed_then_refuses(exported: Path, tmp_path: Path) -> None:
    """A byte flipped, cut or lost in each file, but for the policy, which is compared with the site's by people."""
    chance = random.Random(5)
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    for path in sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "policy"):
        whole = path.read_bytes()
        for change in ("flip", "flip", "cut", "lose"):
            raw = bytearray(whole)
            # Never bit 5: a hexadecimal digit in capitals means the same.
            raw[chance.randrange(len(raw))] ^= 1 << chance.choice([0, 1, 2, 3, 4, 6, 7])
            path.write_bytes(raw if change == "flip" else whole[:-2])
            if change == "lose":
                path.unlink()
            if (change, path.name) != ("lose", "personal.jsonl"):  # erased or not given: the report says which
                with pytest.raises((Wrong, ValueError, KeyError)):
                    verify(folder)
        path.write_bytes(whole)
    assert verify(folder) == verify(exported)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 66_000])
def test_prefix_root_when_of_any_size_then_is_that_of_the_tree(size: int) -> None:
    assert custodes_verify.prefix_root(LEVELS, size) == root_of_leaves(LEVELS[0][:size])


def test_verify_when_the_log_was_forked_behind_a_kept_checkpoint_then_refuses(exported: Path, tmp_path: Path) -> None:
    log = open_test_log(tmp_path / "other.db")
    fill(log, 3)
    kept = log.publish(1).note
    log.close()
    # Entry times and blinds differ from the exported log's, so the three entries are others.
    with pytest.raises(Wrong, match="two histories"):
        verify(exported, kept)


def test_proof_when_of_any_entry_then_verifies_and_tells_the_entry(log_path: Path) -> None:
    connection = open_readonly(log_path)
    for index in (0, 1, 255, 256, 511, 512, SIZE - 1):
        proven = custodes_verify.verify_proof(prove_entry(connection, KEYS, index), POLICY)
        assert proven.index == index
        expected = f"person-{index}" if index % 3 == 0 else f"segment-{index}"
        assert proven.entry["subject"] == expected
    with pytest.raises(InvalidArgument, match="no published checkpoint"):
        prove_entry(connection, KEYS, SIZE)
    connection.close()


def test_proof_when_any_character_is_changed_then_refuses(log_path: Path) -> None:
    connection = open_readonly(log_path)
    text = prove_entry(connection, KEYS, 300)
    connection.close()
    chance = random.Random(6)
    for _ in range(300):
        at = chance.randrange(len(text))
        changed = text[:at] + chance.choice("aB0+=\n —{") + text[at + 1 :]
        try:
            proven = custodes_verify.verify_proof(changed, POLICY)
        except (Wrong, ValueError, KeyError):
            continue
        # What is not signed may be written in another way, never to another meaning.
        assert proven == custodes_verify.verify_proof(text, POLICY)


def test_consistency_when_proven_from_the_file_then_the_verifier_agrees(log_path: Path) -> None:
    connection = open_readonly(log_path)
    tree = StoredTree(connection, SIZE)
    roots = {size: custodes_verify.root_of(tree_leaves(tree, size)) for size in (1, 2, 255, 256, 257, 512, 699, SIZE)}
    for old, old_root in roots.items():
        path = list(tree.prove_consistency(old))
        custodes_verify.check_consistency(old, SIZE, old_root, roots[SIZE], path)
        if path:
            with pytest.raises(Wrong):
                custodes_verify.check_consistency(old, SIZE, old_root, roots[SIZE], path[:-1])
    connection.close()


def tree_leaves(tree: StoredTree, size: int) -> list[bytes]:
    return [leaf for number in range(-(-size // 256)) for leaf in tree.tile(0, number)][:size]


@pytest.mark.parametrize(
    "text",
    [
        *("", "quorum none\n", POLICY_TEXT.replace("quorum none", ""), POLICY_TEXT + "quorum none\n"),
        *(POLICY_TEXT + "group g 1\n", POLICY_TEXT + "witness none x\n", POLICY_TEXT.replace("log ", "log x", 1)),
        *(POLICY_TEXT.replace("none", "nobody"), POLICY_TEXT + "what\n"),
    ],
)
def test_policy_when_malformed_then_refuses(text: str) -> None:
    with pytest.raises(Wrong):
        parse_policy(text)


def test_policy_when_groups_are_nested_then_counts_as_specified() -> None:
    vkey = KEYS.ed25519.vkey
    lines = [f"log {vkey}", *(f"witness {name} {vkey}" for name in ("x1", "x2", "x3", "y1"))]
    text = "\n".join([*lines, "group X 2 x1 x2 x3", "group Y any y1", "group XY all X Y", "quorum XY"])
    policy = parse_policy(text)
    assert policy.has_witnessed("XY", {"x1", "x3", "y1"})
    assert not policy.has_witnessed("XY", {"x1", "y1"})
    assert not policy.has_witnessed("XY", {"x1", "x2", "x3"})


def test_main_when_something_does_not_hold_then_exits_1_and_says_what(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    rows = (folder / "personal.jsonl").read_text().splitlines()
    changed = json.loads(rows[0]) | {"personal": '{"actor":"somebody else"}'}
    (folder / "personal.jsonl").write_text("\n".join([json.dumps(changed), *rows[1:]]))
    monkeypatch.setattr(sys, "argv", ["custodes-verify", "log", str(folder)])
    with pytest.raises(SystemExit, match="NOT GOOD: a personal part"):
        custodes_verify.main()
