"""pytest plugin of bench.mutants: tests are loaded once; each test once, then each mutant, runs in a fork.

First every test alone tells how long it takes and which lines of the changed modules it runs. Then each mutant is
tried by the tests that run its line: those that found one of its function before, then the fastest. The first that
fails ends it.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

_CPU_S, _TIMES = 10, 8
"""A mutant's tests may take so much CPU, and so many times what they took without it."""
_WALL_S = 60
_MEMORY = 4 << 30
Line = tuple[str, int]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Files between bench.mutants and this process."""
    parser.addoption("--wanted", required=True)
    parser.addoption("--told", required=True)
    parser.addoption("--minutes", type=float, required=True)


class _Child:
    """A fork in a process group of its own that runs tests and tells something."""

    def __init__(self, work: Callable[[], object]) -> None:
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.setpgid(0, 0)
            null = os.open(os.devnull, os.O_RDWR)
            for standard in (0, 1, 2):
                os.dup2(null, standard)
            code = 1
            with contextlib.suppress(BaseException):
                said = json.dumps(work()).encode()
                with os.fdopen(write, "wb") as pipe:
                    pipe.write(said)
                code = 0
            os._exit(code)
        os.close(write)
        self._read = read

    def wait(self, limit_s: float) -> tuple[int, object]:
        """Its exit code (below zero: killed), and what it told."""
        timer = threading.Timer(limit_s, lambda: os.killpg(self.pid, signal.SIGKILL))
        timer.start()
        with os.fdopen(self._read, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(self.pid, 0)
        timer.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(status), json.loads(said) if said else None


def _run_one(session: pytest.Session, item: pytest.Item) -> bool:
    """Whether it passed."""
    before = session.testsfailed
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    return session.testsfailed == before


def _traced(session: pytest.Session, item: pytest.Item, files: frozenset[str]) -> object:
    """Whether it passes, its CPU seconds, and the lines of `files` it runs."""
    lines: set[Line] = set()

    def in_file(frame: FrameType, event: str, _argument: object) -> object:
        lines.add((frame.f_code.co_filename, frame.f_lineno))
        return in_file

    def anywhere(frame: FrameType, event: str, argument: object) -> object:
        return in_file(frame, event, argument) if frame.f_code.co_filename in files else None

    threading.settrace(anywhere)
    sys.settrace(anywhere)
    started = time.process_time()
    passed = _run_one(session, item)
    spent_s = time.process_time() - started
    sys.settrace(None)
    return passed, spent_s, sorted(lines)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Instead of running the tests."""
    if session.testsfailed:  # not all could be loaded
        return True
    config = session.config
    wanted = json.loads(Path(config.getoption("wanted")).read_text(encoding="utf-8"))
    files = frozenset(file for _, file, _, _ in wanted)
    scratch = Path(config.getoption("basetemp"))
    config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    items = {item.nodeid: item for item in session.items}
    spent_s: dict[str, float] = {}
    reach: dict[Line, list[str]] = defaultdict(list)
    for nodeid, item in items.items():
        _, told = _Child(lambda item=item: _traced(session, item, files)).wait(600)
        if told is None or not told[0]:
            print(f"mutants: {nodeid} fails without any change; left out", file=sys.stderr)
            continue
        spent_s[nodeid] = told[1]
        for file, line in told[2]:
            reach[file, line].append(nodeid)
        _emptied(scratch)
    print(f"mutants: {len(spent_s)} tests, {sum(spent_s.values()):.0f} s of CPU traced", file=sys.stderr)
    told_path, outcomes = Path(config.getoption("told")), {}
    finders: dict[str, Counter[str]] = defaultdict(Counter)
    end_s = time.monotonic() + 60 * config.getoption("minutes")
    for number, (name, file, lines, head) in enumerate(wanted, start=1):
        if time.monotonic() > end_s:
            break
        function = name.rpartition("__mutmut_")[0]
        reached = {test for line in (lines or [head]) for test in reach.get((file, line), ())}
        order = sorted(reached, key=lambda test: (-finders[function][test], spent_s[test]))
        outcomes[name], finder = _tried(
            session, name, [items[test] for test in order], sum(spent_s[test] for test in order)
        )
        if finder:
            finders[function][finder] += 1
        _emptied(scratch)
        if number % 50 == 0:
            print(f"mutants: {number} of {len(wanted)}: {dict(Counter(outcomes.values()))}", file=sys.stderr)
    told_path.write_text(json.dumps(outcomes), encoding="utf-8")
    return True


def _tried(session: pytest.Session, name: str, tests: list[pytest.Item], usual_s: float) -> tuple[str, str]:
    """How it ended (found, missed, unreached, slow), and by which test."""
    if not tests:
        return "unreached", ""

    def work() -> str:
        from mutmut.mutation.trampoline import set_mutant_under_test

        set_mutant_under_test(name)
        signal.setitimer(signal.ITIMER_PROF, _CPU_S + _TIMES * usual_s)
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        return next((test.nodeid for test in tests if not _run_one(session, test)), "")

    code, told = _Child(work).wait(_WALL_S + 10 * _TIMES * usual_s)
    if code < 0:
        return "slow", ""
    return ("missed", "") if told == "" else ("found", str(told or ""))


def _emptied(folder: Path) -> None:
    for entry in folder.iterdir() if folder.exists() else ():
        shutil.rmtree(entry, ignore_errors=True)
