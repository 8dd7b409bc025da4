"""The log as a folder of plain files in C2SP tlog-tiles form, for whoever wants to check it without us.

    checkpoint                      newest published checkpoint, both signatures of the log
    tile/<L>/<N>[.p/<W>]            hashes; tile/entries/<N>[.p/<W>] entries
    policy                          C2SP tlog-policy: keys of the log and of the witnesses the site knows
    cosigned/<n>                    checkpoints with the signatures of witnesses
    timestamps/<size>.{note,tsr}    RFC 3161 tokens over SHA-256 of a checkpoint's note
    personal.jsonl                  what opens the commitments; only when asked for, since it names people

Source: https://c2sp.org/tlog-tiles
"""

import json
import sqlite3
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from custodes.audit.checkpoint import LogKeys, open_published
from custodes.audit.log_tables import TILE_WIDTH, translated
from custodes.audit.note import NoteVerifier
from custodes.audit.tree import StoredTree
from custodes.errors import AlreadyExists, FailedPrecondition
from custodes.types.access import Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class LogExport:
    """What was written."""

    checkpoint: Checkpoint
    files: int
    uncovered: int
    """Entries newer than the checkpoint; they are not in the export."""


def tile_path(level: str, number: int, width: int) -> str:
    """Path below `tile/`, as tlog-tiles encodes it: 1234067 becomes x001/x234/067."""
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.append(f"x{number % 1000:03d}")
    path = f"{level}/{'/'.join(reversed(parts))}"
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def policy_text(keys: LogKeys, witnesses: Sequence[NoteVerifier]) -> str:
    """C2SP tlog-policy. Whoever relies on it compares the keys with what they got another way."""
    lines = [f"log {verifier.vkey}" for verifier in keys.verifiers]
    names = [f"w{number}" for number in range(1, len(witnesses) + 1)]
    lines += [f"witness {name} {verifier.vkey}" for name, verifier in zip(names, witnesses, strict=True)]
    if names:
        lines.append(f"group witnesses any {' '.join(names)}")
    lines.append(f"quorum {'witnesses' if names else 'none'}")
    return "\n".join(lines) + "\n"


def export_log(
    connection: sqlite3.Connection,
    keys: LogKeys,
    folder: Path,
    *,
    witnesses: Sequence[NoteVerifier] = (),
    with_personal: bool = False,
) -> LogExport:
    """Write the log up to the checkpoint published last.

    Args:
        folder: made by this; must not exist.

    Raises: AlreadyExists; FailedPrecondition when nothing was published yet; LogCorrupt, Unavailable.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise AlreadyExists(f"{folder} is there already; an export goes into a folder of its own") from error
    try:
        connection.execute("BEGIN")  # one snapshot
        row = connection.execute("SELECT value FROM state WHERE name = 'published'").fetchone()
        if row is None:
            raise FailedPrecondition("no checkpoint was published yet; start the site once")
        checkpoint = open_published(str(row[0]), keys)
        (total,) = connection.execute("SELECT count(*) FROM entries").fetchone()
        writer = _Writer(folder)
        writer.put("checkpoint", checkpoint.note.encode())
        writer.put("policy", policy_text(keys, witnesses).encode())
        for level, number, hashes in StoredTree(connection, checkpoint.size).tiles():
            writer.put("tile/" + tile_path(str(level), number, len(hashes)), b"".join(hashes))
        _write_entries(connection, writer, checkpoint.size)
        _write_signed_by_others(connection, writer)
        if with_personal:
            _write_personal(connection, writer, checkpoint.size)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise translated(error) from error
    return LogExport(checkpoint=checkpoint, files=writer.count, uncovered=total - checkpoint.size)


class _Writer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.count = 0

    def put(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.count += 1


def _write_entries(connection: sqlite3.Connection, writer: _Writer, size: int) -> None:
    rows = connection.execute("SELECT leaf FROM entries WHERE idx < ? ORDER BY idx", (size,))
    number = 0
    while bundle := rows.fetchmany(TILE_WIDTH):
        content = b"".join(struct.pack(">H", len(leaf)) + leaf for (leaf,) in bundle)
        writer.put("tile/" + tile_path("entries", number, len(bundle)), content)
        number += 1


def _write_signed_by_others(connection: sqlite3.Connection, writer: _Writer) -> None:
    for number, (note,) in enumerate(connection.execute("SELECT note FROM cosigned ORDER BY witness")):
        writer.put(f"cosigned/{number}", note.encode())
    for size, note, token in connection.execute("SELECT size, note, token FROM timestamps ORDER BY size"):
        writer.put(f"timestamps/{size}.note", note.encode())
        writer.put(f"timestamps/{size}.tsr", token)


def _write_personal(connection: sqlite3.Connection, writer: _Writer, size: int) -> None:
    rows = connection.execute("SELECT idx, blind, data FROM personal WHERE idx < ? ORDER BY idx", (size,))
    lines = [
        json.dumps({"index": index, "blind": blind.hex(), "personal": data.decode()}) for index, blind, data in rows
    ]
    writer.put("personal.jsonl", "".join(line + "\n" for line in lines).encode())
