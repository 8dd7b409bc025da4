"""What a process did to its files, and every disk that a power cut at some moment may have left behind.

The trace is `faults.c`'s. The model is POSIX's, stricter than any file system: of a file only what was written before
an fsync of *that file* began is sure, of a directory only what was changed before an fsync of *that directory* began.
Everything else may be there, be missing, or be there in part and in another order (Pillai et al., ALICE, OSDI 2014).
"""

import os
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

_FRONT = struct.Struct("=BIQII")
_SECTOR = 512
_NONE = 2**32 - 1


class Op(IntEnum):
    """As in faults.c; MARK is the test's own: something that an observer saw at this moment."""

    OPEN = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC_BEGIN = 4
    SYNC_END = 5
    UNLINK = 6
    RENAME = 7
    LINK = 8
    MKDIR = 9
    RMDIR = 10
    SYNC_FAILED = 11
    MARK = 100


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the traced process."""

    op: Op
    fd: int
    at: int
    name: str
    payload: bytes


class Marker:
    """Appends marks to a running trace. O_APPEND makes each one whole and puts it after what it follows from."""

    def __init__(self, trace: Path) -> None:
        self._fd = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def mark(self, payload: bytes) -> None:
        """Note that this was seen now."""
        os.write(self._fd, _FRONT.pack(Op.MARK, _NONE, 0, 0, len(payload)) + payload)

    def close(self) -> None:
        """Once."""
        os.close(self._fd)


def read_trace(path: Path) -> list[Call]:
    """All whole calls; a last one that a kill cut off is left out."""
    raw, at, calls = path.read_bytes(), 0, []
    while at + _FRONT.size <= len(raw):
        op, fd, where, name_bytes, payload_bytes = _FRONT.unpack_from(raw, at)
        at += _FRONT.size
        if at + name_bytes + payload_bytes > len(raw):
            break
        name = raw[at : at + name_bytes].decode()
        calls.append(Call(Op(op), fd, where, name, raw[at + name_bytes : at + name_bytes + payload_bytes]))
        at += name_bytes + payload_bytes
    return calls


@dataclass(slots=True, eq=False)
class _File:
    sure: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, Call]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Folder:
    sure: dict[str, "_Node"] = field(default_factory=dict)
    now: dict[str, "_Node"] = field(default_factory=dict)
    pending: list[tuple[int, str, "_Node | None"]] = field(default_factory=list)
    """(call, name, what it names from then on)."""


_Node = _File | _Folder


class Disk:
    """The files below `root` as the trace goes on; starts with what lies in `snapshot`, all of it sure."""

    def __init__(self, root: Path, snapshot: Path) -> None:
        self._root = root
        self._top = _read(snapshot)
        self._open: dict[int, _Node] = {}
        self._begun: dict[int, int] = {}
        self._at = 0

    def apply(self, call: Call) -> None:
        """Take the next call."""
        self._at += 1
        match call.op:
            case Op.OPEN:
                self._opened(call)
            case Op.WRITE | Op.TRUNCATE:
                node = self._open.get(call.fd)
                if isinstance(node, _File):
                    node.pending.append((self._at, call))
            case Op.SYNC_BEGIN:
                self._begun[call.fd] = self._at
            case Op.SYNC_END:
                self._synced(self._open.get(call.fd), self._begun.get(call.fd, 0))
            case Op.SYNC_FAILED:
                _forget(self._open.get(call.fd))
            case Op.MKDIR:
                self._name(call.name, _Folder())
            case Op.UNLINK | Op.RMDIR:
                self._name(call.name, None)
            case Op.RENAME | Op.LINK:
                node = self._find(call.name)
                self._name(call.payload.decode(), node)
                if call.op is Op.RENAME:
                    self._name(call.name, None)

    def crash(self, into: Path, *, rng: random.Random | None) -> None:
        """Write what a power cut now may leave: only what is sure, or with `rng` some of the rest."""
        _write(self._top, into, rng)

    def _opened(self, call: Call) -> None:
        node = self._find(call.name)
        if node is None:
            node = _File()
            self._name(call.name, node)
        elif isinstance(node, _File) and call.at & os.O_TRUNC:
            node.pending.append((self._at, Call(Op.TRUNCATE, call.fd, 0, "", b"")))
        self._open[call.fd] = node

    def _synced(self, node: "_Node | None", begun: int) -> None:
        if isinstance(node, _File):
            for _, call in (one for one in node.pending if one[0] < begun):
                _do(node.sure, call)
            node.pending = [one for one in node.pending if one[0] >= begun]
        elif node is not None:
            for _, name, target in (one for one in node.pending if one[0] < begun):
                _put(node.sure, name, target)
            node.pending = [one for one in node.pending if one[0] >= begun]

    def _folder(self, path: str) -> tuple["_Folder | None", str]:
        parts = Path(path).relative_to(self._root).parts
        node: _Node | None = self._top
        for part in parts[:-1]:
            node = node.now.get(part) if isinstance(node, _Folder) else None
        return (node if isinstance(node, _Folder) else None), parts[-1] if parts else ""

    def _find(self, path: str) -> "_Node | None":
        folder, name = self._folder(path)
        if not name:
            return self._top
        return None if folder is None else folder.now.get(name)

    def _name(self, path: str, node: "_Node | None") -> None:
        folder, name = self._folder(path)
        if folder is not None and name:
            _put(folder.now, name, node)
            folder.pending.append((self._at, name, node))


def _put(names: "dict[str, _Node]", name: str, node: "_Node | None") -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _forget(node: "_Node | None") -> None:
    """After a failed fsync the kernel calls the pages clean: the file has its length, and never these bytes."""
    if isinstance(node, _File):
        node.pending = [
            (at, Call(call.op, call.fd, call.at, "", bytes(len(call.payload)))) for at, call in node.pending
        ]


def _do(content: bytearray, call: Call) -> None:
    if call.op is Op.TRUNCATE:
        if len(content) > call.at:
            del content[call.at :]
        else:
            content.extend(bytes(call.at - len(content)))
        return
    if len(content) < call.at:
        content.extend(bytes(call.at - len(content)))
    content[call.at : call.at + len(call.payload)] = call.payload


def _read(folder: Path) -> _Folder:
    made = _Folder()
    for entry in folder.iterdir():
        if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
            continue
        node: _Node = _read(entry) if entry.is_dir() else _File(sure=bytearray(entry.read_bytes()))
        made.sure[entry.name] = made.now[entry.name] = node
    return made


def _write(node: "_Node", into: Path, rng: random.Random | None) -> None:
    if isinstance(node, _File):
        content = bytearray(node.sure)
        for call in _survivors(node, rng):
            _do(content, call)
        into.write_bytes(content)
        into.chmod(0o600)
        return
    into.mkdir(mode=0o700, exist_ok=True)
    names = dict(node.sure)
    if rng is not None:
        # Changes of one directory go through one journal: some first ones of them, in order.
        for _, name, target in node.pending[: rng.randint(0, len(node.pending))]:
            _put(names, name, target)
    for name, target in names.items():
        _write(target, into / name, rng)


def _survivors(node: _File, rng: random.Random | None) -> Iterator[Call]:
    """Of what was not synced: none; or the first ones, the last of them torn; or any, in any order."""
    if rng is None or not node.pending:
        return
    calls = [call for _, call in node.pending]
    if rng.random() < 0.5:
        kept = calls[: rng.randint(0, len(calls))]
    else:
        kept = [call for call in calls if rng.random() < 0.5]
        rng.shuffle(kept)
    for number, call in enumerate(kept):
        if number == len(kept) - 1 and call.op is Op.WRITE and rng.random() < 0.5:
            sectors = range(0, len(call.payload), _SECTOR)
            torn = rng.choice(sectors)
            yield Call(Op.WRITE, call.fd, call.at, "", call.payload[: rng.randint(torn, torn + _SECTOR)])
        else:
            yield call
