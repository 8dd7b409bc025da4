#!/usr/bin/env python3
"""custodes-verify: checks logs, proofs and evidence bundles of custodes without trusting custodes.

One file, to be read in an hour. It needs Python 3.11 and the package `cryptography` (>= 50, for ML-DSA-44), imports
nothing of custodes, opens no network connection and writes nothing.

    custodes-verify log FOLDER [--policy FILE] [--since OLD_CHECKPOINT]
    custodes-verify proof FILE.tlog-proof [--policy FILE]
    custodes-verify consistency OLD_CHECKPOINT NEW_CHECKPOINT PROOF_FILE [--policy FILE]
    custodes-verify evidence BUNDLE.zip [--policy FILE]
    custodes-verify erasure CERTIFICATE.zip [--policy FILE]
    custodes-verify native FOLDER [--policy FILE]

The policy file (https://c2sp.org/tlog-policy) names the keys you trust. Get it, or the fingerprint that is printed,
from the site on another way than the data: an export brings a policy along, but whoever forged the one could forge
the other. Exit code 0: everything holds. 1: something does not. 2: the arguments are wrong.

Read top down: 1 hashing and proofs (RFC 6962, RFC 9162), 2 signed notes and checkpoints, 3 policy, 4 entries,
5 a whole log, 6 a proof file, 7 evidence, 8 command line.
"""

import argparse
import base64
import binascii
import hashlib
import json
import re
import struct
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey


class Wrong(Exception):
    """Something does not hold; the message says what."""


MAX_FILE = 1 << 26  # no file that is read whole is larger (tiles have 8 KiB, a bundle of 256 entries 16 MiB)

# -- 1. hashing and proofs -------------------------------------------------------------------------------------------


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: list[bytes]) -> bytes:
    """RFC 6962 2.1, MTH over leaf (or subtree) hashes: split at the largest power of two below the length."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    while len(hashes) > 1:
        # Pairing level by level, with an odd last one carried up, is the same tree.
        paired = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        hashes = paired + hashes[len(hashes) & ~1 :]
    return hashes[0]


def check_inclusion(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> None:
    """RFC 9162 2.1.3.2: `leaf` is number `index` of the tree of `size` entries with `root`."""
    if not 0 <= index < size:
        raise Wrong(f"the proof is for entry {index} of {size}")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            raise Wrong("the inclusion proof is too long")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Wrong("the inclusion proof is too short")
    if r != root:
        raise Wrong(f"entry {index} is not in the tree that the checkpoint signs")


def check_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: list[bytes]) -> None:
    """RFC 9162 2.1.4.2: the tree of `old_size` is a prefix of the tree of `new_size`."""
    if not 0 < old_size <= new_size:
        raise Wrong(f"no consistency from {old_size} to {new_size} entries")
    if old_size == new_size:
        if path or old_root != new_root:
            raise Wrong("two checkpoints of one size differ: the log has two histories")
        return
    if not path:
        raise Wrong("the consistency proof is empty")
    proof = path if old_size & (old_size - 1) else [old_root, *path]
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            raise Wrong("the consistency proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Wrong("the consistency proof is too short")
    if fr != old_root or sr != new_root:
        raise Wrong(f"the log of {old_size} entries is not the beginning of the log of {new_size}: it was rewritten")


# -- 2. signed notes, checkpoints, cosignatures (c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature) ------------

ED25519, COSIGN_ED25519, COSIGN_MLDSA44 = 0x01, 0x04, 0x06
KEY_BYTES = {ED25519: 32, COSIGN_ED25519: 32, COSIGN_MLDSA44: 1312}


def unbase64(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Wrong(f"{what} is not base64") from error
    if base64.b64encode(raw).decode() != text:  # two texts for the same bytes: one was changed
        raise Wrong(f"{what} is not canonical base64")
    return raw


@dataclass(frozen=True)
class Key:
    """A public key under a name; `kind` is the C2SP signature type."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]


def parse_vkey(text: str) -> Key:
    """name+hex(key id)+base64(type || public key)"""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = unbase64(encoded, f"the key of {name}")
    key = Key(name, raw[0] if raw else 0, raw[1:])
    if len(key.public) != KEY_BYTES.get(key.kind, -1) or key.key_id.hex() != key_id:
        raise Wrong(f"the key of {name} is damaged or of an unknown type")
    return key


@dataclass(frozen=True)
class Checkpoint:
    text: str
    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]  # name, key id, signature


def parse_checkpoint(note: str) -> Checkpoint:
    """Origin, size, root, blank line, signatures. Nothing is verified here."""
    text, separator, tail = note.rpartition("\n\n")
    if not separator or not tail.endswith("\n") or any(ord(ch) < 32 and ch != "\n" for ch in note):
        raise Wrong("the checkpoint is not a signed note")
    lines = text.split("\n")
    if len(lines) != 3 or not re.fullmatch(r"0|[1-9][0-9]{0,17}", lines[1], re.ASCII):
        raise Wrong("the checkpoint is not origin, size and root")
    root = unbase64(lines[2], "the checkpoint's root")
    if len(root) != 32:
        raise Wrong(f"the checkpoint's root has {len(root)} bytes")
    signatures = []
    for line in tail[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        raw = unbase64(encoded, f"a signature of {name}")
        if dash != "—" or not name or len(raw) < 5:
            raise Wrong("the checkpoint has a malformed signature line")
        signatures.append((name, raw[:4], raw[4:]))
    return Checkpoint(text + "\n", lines[0], int(lines[1]), root, tuple(signatures))


def verify_signature(checkpoint: Checkpoint, key: Key, signature: bytes) -> int:
    """Raises Wrong; returns the time in the signature (POSIX seconds), 0 for a type that has none."""
    try:
        if key.kind == ED25519:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, checkpoint.text.encode())
            return 0
        (time_s,) = struct.unpack(">Q", signature[:8])
        if key.kind == COSIGN_ED25519:
            message = f"cosignature/v1\ntime {time_s}\n{checkpoint.text}".encode()
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature[8:], message)
        else:
            name, origin = key.name.encode(), checkpoint.origin.encode()
            message = b"subtree/v1\n\x00" + bytes([len(name)]) + name + struct.pack(">Q", time_s)
            message += bytes([len(origin)]) + origin + struct.pack(">QQ", 0, checkpoint.size) + checkpoint.root
            MLDSA44PublicKey.from_public_bytes(key.public).verify(signature[8:], message)
        return int(time_s)
    except (InvalidSignature, ValueError, struct.error) as error:
        raise Wrong(f"the signature of {key.name} (type {key.kind:#04x}) does not verify") from error


# -- 3. policy (c2sp.org/tlog-policy) --------------------------------------------------------------------------------


@dataclass
class Policy:
    """Keys of the log, all of which must have signed; witnesses, and how many of which group make a quorum."""

    logs: list[Key] = field(default_factory=list)
    witnesses: dict[str, Key] = field(default_factory=dict)
    groups: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    quorum: str = "none"

    def has_witnessed(self, name: str, signed: set[str]) -> bool:
        if name == "none" or name in signed:
            return True
        need, members = self.groups.get(name, (1, []))
        return sum(self.has_witnessed(member, signed) for member in members) >= need


def parse_policy(text: str) -> Policy:
    policy, has_quorum = Policy(), False
    for line in text.splitlines():
        words = line.split()
        known = policy.witnesses.keys() | policy.groups.keys()
        if not words or words[0].startswith("#"):
            continue
        match words:
            case ["log", vkey, *_]:
                policy.logs.append(parse_vkey(vkey))
            case ["witness", name, vkey, *_] if name not in known | {"none"}:
                policy.witnesses[name] = parse_vkey(vkey)
            case ["group", name, count, *members] if members and name not in known | {"none"}:
                need = {"all": len(members), "any": 1}.get(count) or int(count if count.isdecimal() else 0)
                if not 1 <= need <= len(members) or not set(members) <= known or len(set(members)) < len(members):
                    raise Wrong(f"the policy's group {name} is malformed")
                policy.groups[name] = (need, members)
            case ["quorum", name] if not has_quorum and name in known | {"none"}:
                policy.quorum, has_quorum = name, True
            case _:
                raise Wrong(f"the policy has a line that cannot be read: {line[:80]!r}")
    if not has_quorum or not policy.logs:
        raise Wrong("the policy names no log or no quorum")
    return policy


def verify_checkpoint(note: str, policy: Policy, *, needs_quorum: bool = True) -> tuple[Checkpoint, list[str]]:
    """Every key of the log must have signed, and the quorum of witnesses; unknown signatures are ignored.

    Returns the checkpoint and, per witness that signed, a sentence.
    """
    checkpoint = parse_checkpoint(note)
    keys = [key for key in policy.logs if key.name == checkpoint.origin]
    if not keys:
        raise Wrong(f"the policy does not know the log {checkpoint.origin}")
    for key in keys:
        lines = [s for name, key_id, s in checkpoint.signatures if (name, key_id) == (key.name, key.key_id)]
        if not lines:
            raise Wrong(f"the checkpoint of {checkpoint.origin} lacks the signature of {key.name} ({key.kind:#04x})")
        for signature in lines:
            verify_signature(checkpoint, key, signature)
    signed, said = set(), []
    for name, key in policy.witnesses.items():
        for signer, key_id, signature in checkpoint.signatures:
            if (signer, key_id) == (key.name, key.key_id):
                said.append(f"{key.name} at {verify_signature(checkpoint, key, signature)} s")
                signed.add(name)
    if needs_quorum and not policy.has_witnessed(policy.quorum, signed):
        raise Wrong(f"not enough witnesses signed the checkpoint of {checkpoint.size} entries: {len(signed)}")
    return checkpoint, said


# -- 4. entries ------------------------------------------------------------------------------------------------------


def check_commitment(leaf: bytes, blind: str, personal: str) -> None:
    """A leaf that names a person carries SHA-256(blind || personal part) instead."""
    expected = parse_leaf(leaf).get("commitment")
    if expected != hashlib.sha256(bytes.fromhex(blind) + personal.encode()).hexdigest():
        raise Wrong("a personal part is not the one that the log committed to")


def parse_leaf(leaf: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(leaf)
    except ValueError as error:
        raise Wrong("an entry is not JSON") from error
    if not isinstance(entry, dict) or entry.get("v") != 1 or not isinstance(entry.get("kind"), str):
        raise Wrong("an entry is not one of version 1")
    return entry


# -- 5. a whole log as a folder (c2sp.org/tlog-tiles) ----------------------------------------------------------------


def read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE:
            raise Wrong(f"{path.name} is larger than {MAX_FILE} bytes")
        return path.read_bytes()
    except OSError as error:
        raise Wrong(f"{path} cannot be read: {error.strerror}") from error


def tile_name(level: str, number: int, width: int) -> str:
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.append(f"x{number % 1000:03d}")
    return f"tile/{level}/{'/'.join(reversed(parts))}" + ("" if width == 256 else f".p/{width}")


def read_leaves(folder: Path, size: int) -> Iterator[list[bytes]]:
    """Entry bundles of 256, each entry after its length in two bytes."""
    for number in range(-(-size // 256)):
        width = min(256, size - 256 * number)
        raw, at, leaves = read_file(folder / tile_name("entries", number, width)), 0, []
        for _ in range(width):
            length = int.from_bytes(raw[at : at + 2], "big")
            leaves.append(raw[at + 2 : at + 2 + length])
            at += 2 + length
        if at != len(raw) or not all(leaves):
            raise Wrong(f"entry bundle {number} is damaged")
        yield leaves


def prefix_root(levels: list[list[bytes]], size: int) -> bytes:
    """Root of the first `size` entries. levels[k] holds the hashes of all full subtrees of 256^k entries."""
    hashes: list[bytes] = []
    for level in range(len(levels) - 1, -1, -1):
        width = 256**level
        part = levels[level][size // width // 256 * 256 : size // width]
        for bit in range(len(part).bit_length() - 1, -1, -1):
            if len(part) >> bit & 1:
                at = len(part) >> (bit + 1) << (bit + 1)
                hashes.append(root_of(part[at : at + (1 << bit)]))
    root = hashes.pop() if hashes else root_of([])
    while hashes:
        root = node_hash(hashes.pop(), root)
    return root


def verify_log(folder: Path, policy: Policy, old_notes: list[str]) -> list[str]:
    """Everything in an exported log; `old_notes` are checkpoints that you kept from earlier."""
    newest, said = verify_checkpoint(read_file(folder / "checkpoint").decode(), policy, needs_quorum=False)
    leaves: list[bytes] = []
    kinds: dict[str, int] = {}
    committed: dict[int, bytes] = {}
    for bundle in read_leaves(folder, newest.size):
        for leaf in bundle:
            entry = parse_leaf(leaf)
            kinds[entry["kind"]] = kinds.get(entry["kind"], 0) + 1
            if entry.get("commitment"):
                committed[len(leaves)] = leaf
            leaves.append(leaf_hash(leaf))
    levels = [leaves]
    while len(levels[-1]) >= 256:
        full = levels[-1]
        levels.append([root_of(full[i : i + 256]) for i in range(0, len(full) & ~255, 256)])
    if prefix_root(levels, newest.size) != newest.root:
        raise Wrong("the entries do not give the root that the checkpoint signs: something was changed")
    for level, hashes in enumerate(levels):
        for number in range(-(-len(hashes) // 256)):
            expected = hashes[256 * number : 256 * number + 256]
            name = tile_name(str(level), number, len(expected))
            if read_file(folder / name) != b"".join(expected):
                raise Wrong(f"{name} is not what the entries give")
    report = [f"log of {newest.origin}: {newest.size} entries, root {base64.b64encode(newest.root).decode()}"]
    report += [f"  {count} × {kind}" for kind, count in sorted(kinds.items())]
    report += _verify_older(folder, policy, levels, newest, old_notes)
    report += [f"  newest checkpoint seen by {who}" for who in said]
    return report + _verify_personal(folder, committed)


def _verify_older(
    folder: Path, policy: Policy, levels: list[list[bytes]], newest: Checkpoint, old_notes: list[str]
) -> list[str]:
    """Checkpoints of earlier, here or kept by you, are beginnings of this log; a quorum of witnesses saw one."""
    cosigned = [read_file(path).decode() for path in sorted(folder.glob("cosigned/*"))]
    stamped = [read_file(path).decode() for path in sorted(folder.glob("timestamps/*.note"))]
    report, has_quorum = [], policy.quorum == "none"
    for note in [*cosigned, *stamped, *old_notes]:
        older, who = verify_checkpoint(note, policy, needs_quorum=False)
        if older.size > newest.size or prefix_root(levels, older.size) != older.root:
            raise Wrong(f"the checkpoint of {older.size} entries is not of this log: it has two histories")
        report.append(f"  grew from the checkpoint of {older.size} entries" + "".join(f", seen by {w}" for w in who))
    for note in [read_file(folder / "checkpoint").decode(), *cosigned]:
        try:
            verify_checkpoint(note, policy)
            has_quorum = True
        except Wrong:
            continue
    if not has_quorum:
        raise Wrong("no checkpoint in the export was signed by enough witnesses")
    return report


def _verify_personal(folder: Path, committed: dict[int, bytes]) -> list[str]:
    path, opened = folder / "personal.jsonl", 0
    if not path.exists():
        return [f"  {len(committed)} entries name people; their names are not in this export"]
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            leaf = committed.pop(row["index"], None)
            if leaf is None:
                raise Wrong(f"a personal part is given for entry {row['index']}, which has none, or twice")
            check_commitment(leaf, row["blind"], row["personal"])
            opened += 1
    return [f"  {opened} personal parts are those committed to; {len(committed)} were erased"]


# -- 6. a proof file (c2sp.org/tlog-proof) ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Proven:
    """An entry whose place in the log is proven."""

    index: int
    entry: dict[str, Any]
    checkpoint: Checkpoint
    witnesses: list[str]

    @property
    def who(self) -> str:
        return str(self.entry.get("actor", "(erased)"))


def verify_proof(text: str, policy: Policy) -> Proven:
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines[0] != "c2sp.org/tlog-proof@v1" or len(lines) < 3:
        raise Wrong("not a tlog-proof file")
    if not lines[1].startswith("extra ") or not re.fullmatch(r"index (0|[1-9][0-9]{0,17})", lines[2], re.ASCII):
        raise Wrong("the proof lacks its entry or its index")
    extra = json.loads(unbase64(lines[1][6:], "the proof's entry"))
    leaf, index = extra["leaf"].encode(), int(lines[2][6:])
    path = [unbase64(line, "a hash of the proof") for line in lines[3:]]
    checkpoint, who = verify_checkpoint(note, policy)
    check_inclusion(leaf_hash(leaf), index, checkpoint.size, path, checkpoint.root)
    entry = parse_leaf(leaf)
    if "personal" in extra:
        check_commitment(leaf, extra["blind"], extra["personal"])
        entry |= json.loads(extra["personal"])
    return Proven(index, entry, checkpoint, who)


# -- 7. evidence bundles ---------------------------------------------------------------------------------------------


def check_file(stream: IO[bytes], name: str, said: dict[str, Any]) -> None:
    digest, count = hashlib.sha256(), 0
    while block := stream.read(1 << 20):
        digest.update(block)
        count += len(block)
    if (digest.hexdigest(), count) != (said["sha256"], said["bytes"]):
        raise Wrong(f"{name} is not the file that the manifest names")


def segment_root(stream: IO[bytes]) -> tuple[str, int]:
    """Root of a sealed segment file and its number of fragments; the chain covers the ciphertext, no key is needed.

    header: magic 8 | version u16 | length u32 | body. record: "FRAG" | index u32 | flags u8 | start i64 | end i64 |
    length u32, ciphertext, chain 32. chain = SHA-256(chain before || head || SHA-256(ciphertext)).
    """
    front = stream.read(14)
    if front[:8] != b"CUSTSEG\x00" or len(front) != 14:
        raise Wrong("a native file is not a sealed segment")
    chain, count = hashlib.sha256(front + stream.read(int.from_bytes(front[10:14], "big"))).digest(), 0
    while head := stream.read(29):
        if len(head) != 29 or head[:4] != b"FRAG" or int.from_bytes(head[4:8], "big") != count:
            raise Wrong("a native segment is damaged")
        digest, left = hashlib.sha256(), int.from_bytes(head[25:29], "big")
        while left:
            block = stream.read(min(left, 1 << 20))
            if not block:
                raise Wrong("a native segment is cut")
            digest.update(block)
            left -= len(block)
        chain = hashlib.sha256(chain + head + digest.digest()).digest()
        if stream.read(32) != chain:
            raise Wrong("a native segment was changed")
        count += 1
    return chain.hex(), count


def check_recorded(proof: bytes, policy: Policy, segment_id: str, root: str, fragments: int) -> None:
    """The proof is of the entry with which this very segment was recorded."""
    entry = verify_proof(proof.decode(), policy).entry
    recorded = (entry["kind"], entry.get("subject"), entry["details"]["root"], int(entry["details"]["fragments"]))
    if recorded != ("segment_sealed", segment_id, root, fragments):
        raise Wrong(f"{segment_id} is not the segment that was recorded")


SEALED_BY = {"custodes-erasure/1": "erasure_certified"}
SEALED_BY |= dict.fromkeys(("custodes-evidence/1", "custodes-journey/1", "custodes-posts/1"), "evidence_sealed")


def verify_evidence(path: Path, policy: Policy | None) -> list[str]:
    """A bundle or a certificate: every file as its manifest says, every claim that the log proves, proven."""
    try:
        with zipfile.ZipFile(path) as bundle:
            return _verify_bundle(bundle, policy)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, OSError) as error:
        raise Wrong(f"{path.name} is not a readable ZIP file: {error}") from error


def _verify_bundle(bundle: zipfile.ZipFile, policy: Policy | None) -> list[str]:
    names = bundle.namelist()
    if len(names) != len(set(names)) or "manifest.json" not in names:
        raise Wrong("the bundle has no manifest, or two files of one name")
    raw = read_member(bundle, "manifest.json")
    manifest = json.loads(raw)
    if manifest.get("format") not in SEALED_BY:
        raise Wrong(f"the bundle is of a format that is not known here: {manifest.get('format')!r}")
    files: dict[str, Any] = manifest["files"]
    if odd := set(names) - {"manifest.json", "manifest.tlog-proof", "manifest.tsr"} ^ set(files):
        raise Wrong(f"files and manifest differ: {', '.join(sorted(odd))[:200]}")
    for name, said in files.items():
        with bundle.open(name) as stream:
            check_file(stream, name, said)
    policy = policy or parse_policy(read_member(bundle, "log/policy").decode())
    sealed = prove_member(bundle, "manifest.tlog-proof", policy)
    expected = (SEALED_BY[manifest["format"]], hashlib.sha256(raw).hexdigest())
    if (sealed.entry["kind"], sealed.entry.get("details", {}).get("manifest")) != expected:
        raise Wrong("the log does not know this manifest: it was changed, or another export's proof stands beside it")
    if manifest["format"] == "custodes-erasure/1":
        return _erasure_report(bundle, manifest, sealed, policy)
    asked = f"{manifest['start_utc']} to {manifest['end_utc']}, for {manifest['purpose']} {manifest['reference']}"
    report = [f"evidence {manifest['export_id']}: camera {manifest['camera_id']}, {asked}"]
    report.append(f"  {len(files)} files are whole; the manifest is entry {sealed.index} of the log")
    if manifest["format"] == "custodes-posts/1":  # what others posted: nothing of the site's was granted
        return [report[0].replace(": camera ,", ", posts"), *report[1:]]
    granted = prove_member(bundle, manifest["grant"]["proof"], policy)
    opening = "journey_opened" if manifest["format"] == "custodes-journey/1" else "access_granted"
    if granted.entry["kind"] != opening or granted.index >= sealed.index:
        raise Wrong("the export was not granted before it was made")
    report.append(f"  granted to {granted.who} in entry {granted.index}")
    proven = 0
    for segment in manifest["segments"]:
        with bundle.open(segment["file"]) as stream:
            root, fragments = segment_root(stream)
        if not segment.get("proof"):
            report.append(f"  {segment['segment_id']} was still being recorded: whole, but not yet in the log")
            continue
        check_recorded(read_member(bundle, segment["proof"]), policy, segment["segment_id"], root, fragments)
        proven += 1
    report.append(f"  {proven} of {len(manifest['segments'])} native segments are as the log recorded them")
    if altered := manifest.get("altered_before_storage"):
        report.append(
            f"  in {len(altered)} stretches privacy zones were filled before recording, as the recorder says"
        )
    report += [f"  checkpoint seen by {who}" for who in sealed.witnesses]
    return report


def _erasure_report(bundle: zipfile.ZipFile, said: dict[str, Any], sealed: Proven, policy: Policy) -> list[str]:
    """Granted, then given up, then certified; each recording was one that the log knew; so were the keys."""

    granted, erased = (prove_member(bundle, said[act]["proof"], policy) for act in ("grant", "erased"))
    grant, done = granted.entry["details"], erased.entry["details"]
    acts = (granted.entry["kind"], grant["action"], erased.entry["kind"], grant["grant_id"], grant["request"])
    if acts != ("access_granted", "erase", "footage_erased", done["grant_id"], said["request_id"]):
        raise Wrong("the erasure was not done under the approval that the certificate names")
    ids = sorted([one["segment_id"] for one in said["segments"]] + said["not_erased"])
    if done["segments"] != hashlib.sha256("".join(f"{one}\n" for one in ids).encode()).hexdigest():
        raise Wrong("the certificate lists other recordings than the log")
    if not granted.index < erased.index < sealed.index:
        raise Wrong("the erasure was not granted before it was done, or not done before it was certified")
    for one in (known := [one for one in said["segments"] if one["proof"]]):
        check_recorded(read_member(bundle, one["proof"]), policy, one["segment_id"], one["root"], one["fragments"])
    for key in said["keys_destroyed"]:
        entry = prove_member(bundle, key["proof"], policy).entry
        if (entry["kind"], f"{entry.get('subject')}/{entry['details']['day']}") != ("keys_destroyed", key["key_id"]):
            raise Wrong(f"the log does not know that the key {key['key_id']} was destroyed")
    report = [f"erasure {said['erasure_id']}: {said['camera_id']}, {said['start_utc']} to {said['end_utc']} UTC"]
    report.append(f"  {len(ids)} recordings were given up in entry {erased.index}, by {granted.who}")
    report.append(f"  {len(known)} of them are those that the log had recorded")
    report += [f"  the key {key['key_id']} was destroyed" for key in said["keys_destroyed"]]
    return report + [f"  NOT erased: {one}" for one in said["not_erased"]]


def verify_native(folder: Path, policy: Policy) -> list[str]:
    """A folder of `custodes export-native`: every file as its manifest says, every segment whole and in the log."""
    manifest = json.loads(read_file(folder / "manifest.json"))
    if manifest.get("format") != "custodes-native/1":
        raise Wrong(f"the folder is of a format that is not known here: {manifest.get('format')!r}")
    files: dict[str, Any] = manifest["files"]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if odd := there ^ (set(files) | {"manifest.json"}):
        raise Wrong(f"files and manifest differ: {', '.join(sorted(odd))[:200]}")
    for name, said in files.items():
        if (folder / name).is_symlink():
            raise Wrong(f"{name} is a link")
        with (folder / name).open("rb") as stream:
            check_file(stream, name, said)
    proven, unproven = 0, []
    for segment in manifest["segments"]:
        if segment["file"] not in files:
            raise Wrong(f"{segment['segment_id']} is listed without its file")
        with (folder / segment["file"]).open("rb") as stream:
            if segment_root(stream) != (segment["root"], segment["fragments"]):
                raise Wrong(f"{segment['file']} is not the segment that the manifest names")
        if not segment["proof"]:
            unproven.append(segment["segment_id"])
            continue
        known = (segment["segment_id"], segment["root"], segment["fragments"])
        check_recorded(read_file(folder / segment["proof"]), policy, *known)
        proven += 1
    report = [f"{len(manifest['segments'])} segments of site {manifest['site_id']} are whole, {len(files)} files"]
    report += [f"  {proven} of them are as the log recorded them"]
    return report + ([f"  {len(unproven)} are not proven by a log: {', '.join(unproven)[:200]}"] if unproven else [])


def read_member(bundle: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = bundle.getinfo(name)
    except KeyError as error:
        raise Wrong(f"the bundle lacks {name}") from error
    if info.file_size > MAX_FILE:
        raise Wrong(f"{name} is larger than {MAX_FILE} bytes")
    return bundle.read(info)


def prove_member(bundle: zipfile.ZipFile, name: str, policy: Policy) -> Proven:
    return verify_proof(read_member(bundle, name).decode(), policy)


# -- 8. command line -------------------------------------------------------------------------------------------------


def fingerprint(policy_text: str) -> str:
    """What two people compare on the telephone: SHA-256 over the keys of the log."""
    keys = parse_policy(policy_text).logs
    return hashlib.sha256(b"".join(bytes([key.kind]) + key.public for key in keys)).hexdigest()[:32]


def _policy_text(arguments: argparse.Namespace) -> str:
    if arguments.policy is not None:
        return read_file(arguments.policy).decode()
    if arguments.command in ("log", "native"):
        return read_file(arguments.folder / ("policy" if arguments.command == "log" else "log/policy")).decode()
    if arguments.command in ("evidence", "erasure"):
        with zipfile.ZipFile(arguments.bundle) as bundle:
            return read_member(bundle, "log/policy").decode()
    raise Wrong("name the keys you trust: --policy FILE")


def _run(arguments: argparse.Namespace) -> list[str]:
    text = _policy_text(arguments)
    policy = parse_policy(text)
    if arguments.policy is None:
        print(f"keys are the data's own; compare their fingerprint with the site's: {fingerprint(text)}")
    if arguments.command == "log":
        return verify_log(arguments.folder, policy, [read_file(path).decode() for path in arguments.since])
    if arguments.command == "proof":
        proven = verify_proof(read_file(arguments.file).decode(), policy)
        shown = json.dumps(proven.entry, ensure_ascii=True, sort_keys=True)
        return [f"entry {proven.index} of {proven.checkpoint.size}: {shown}", *proven.witnesses]
    if arguments.command == "consistency":
        old, _ = verify_checkpoint(read_file(arguments.old).decode(), policy, needs_quorum=False)
        new, who = verify_checkpoint(read_file(arguments.new).decode(), policy, needs_quorum=False)
        path = [unbase64(line, "a hash of the proof") for line in read_file(arguments.proof).decode().split()]
        check_consistency(old.size, new.size, old.root, new.root, path)
        return [f"{new.origin} grew from {old.size} to {new.size} entries", *who]
    if arguments.command == "native":
        return verify_native(arguments.folder, policy)
    return verify_evidence(arguments.bundle, policy)


def main() -> None:
    parser = argparse.ArgumentParser(prog="custodes-verify", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    log = commands.add_parser("log", help="a folder from `custodes audit export`")
    log.add_argument("folder", type=Path)
    log.add_argument("--since", type=Path, action="append", default=[], help="a checkpoint you kept from earlier")
    grew = commands.add_parser("consistency", help="two checkpoints and the proof that one grew from the other")
    for name in ("old", "new", "proof"):
        grew.add_argument(name, type=Path)
    commands.add_parser("proof", help="a file from `custodes audit prove`").add_argument("file", type=Path)
    for name, source in (("evidence", "a bundle from `custodes export`"), ("erasure", "from `custodes erase`")):
        commands.add_parser(name, help=source).add_argument("bundle", type=Path)
    commands.add_parser("native", help="a folder from `custodes export-native`").add_argument("folder", type=Path)
    for command in commands.choices.values():
        command.add_argument("--policy", type=Path, help="the keys you trust, as https://c2sp.org/tlog-policy")
    arguments = parser.parse_args()
    try:
        report = _run(arguments)
    except Wrong as error:
        sys.exit(f"NOT GOOD: {error}")
    except (KeyError, TypeError, ValueError, AttributeError, OSError, zipfile.BadZipFile, RecursionError) as error:
        sys.exit(f"NOT GOOD: malformed ({type(error).__name__})")
    print("\n".join(["good", *report]))


if __name__ == "__main__":
    main()
