"""Copies of a warm process, and whose children they are."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from custodes.errors import Unavailable
from custodes.runtime.forks import ask_fork
from custodes.testing.ending import first_line, killed_after

SERVER = """
import os, socket, sys, threading
from custodes.runtime.forks import wait_to_be_forked
held = {held}
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("listening", flush=True)
words = wait_to_be_forked(listener, os.getppid())
print(*words, held, os.getppid(), os.getsid(0) == os.getpid(), flush=True)
sys.exit(7)
"""
OWNER = """
import asyncio, os, pathlib, subprocess, sys, time
from custodes.runtime.forks import adopt_orphans, ask_fork, reap_orphans
assert adopt_orphans()
server = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]], stdout=subprocess.PIPE)
server.stdout.readline()
read_end, write_end = os.pipe()
job = asyncio.run(ask_fork(pathlib.Path(sys.argv[1]), ("a", "b c"), write_end))
os.close(write_end)
code = job.wait()
print(code, os.read(read_end, 1000).decode().strip() == f"a b c [1] {os.getpid()} True")
orphan = subprocess.Popen(["/bin/sh", "-c", "sleep 0.01 & echo $!"], stdout=subprocess.PIPE)
orphan_pid = int(orphan.stdout.readline())
while pathlib.Path(f"/proc/{orphan_pid}").exists():
    reap_orphans(frozenset({orphan.pid, server.pid}))
    if orphan.poll() is None:
        continue
    time.sleep(0.01)
print("buried")
server.kill()
"""


def test_copy_when_asked_for_is_the_askers_child_with_what_was_loaded(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", OWNER, str(tmp_path / "s"), SERVER.format(held="[1]")],
        capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    assert found.stdout.split("\n")[:2] == ["7 True", "buried"]


@pytest.mark.parametrize(
    ("held", "stranger", "why"),
    [
        ("threading.Thread(target=threading.Event().wait, daemon=True).start()", False, "2 threads"),
        ("[1]", True, "not the supervisor"),
    ],
)
def test_copy_is_refused_by_a_process_with_threads_and_to_who_is_not_its_parent(
    tmp_path: Path, held: str, stranger: bool, why: str
) -> None:
    program = [sys.executable, "-c", textwrap.dedent(SERVER).format(held=held), str(tmp_path / "s")]
    if stranger:
        program = ["/bin/sh", "-c", '"$@"; :', "sh", *program]
    with killed_after(subprocess.Popen(program, stdout=subprocess.PIPE, start_new_session=True)) as server:
        try:
            assert first_line(server) == b"listening\n"
            with pytest.raises(Unavailable, match=why):
                asyncio.run(ask_fork(tmp_path / "s", ("a",), 1))
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # the shell's child, too


def test_refusal_is_told_though_it_came_before_the_request_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as pool:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"not today")

        refused, send = pool.submit(refuse), socket.send_fds

        def send_late(*what: Any) -> int:
            refused.result(180)
            return send(*what)

        monkeypatch.setattr(socket, "send_fds", send_late)
        with pytest.raises(Unavailable, match="not forked: not today"):
            asyncio.run(ask_fork(tmp_path / "s", ("a",), 1))


def test_copy_when_nobody_listens_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nothing to fork"):
        asyncio.run(ask_fork(tmp_path / "s", ("a",), 1))
