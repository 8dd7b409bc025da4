"""pytest plugin of bench.mutants: tests are loaded once; each test once, then each mutant, runs in a fork.

First every test alone tells how long it takes and which lines of the changed modules it runs (kept in `mutants/traced`
until a source or a test changes). Then each mutant is tried by the tests that run its line: those that found one of
its function before, then the fastest. The first that fails ends it. What is known is written down mutant by mutant, so
that a run that is stopped (SIGINT, SIGTERM, `--minutes`) tells what it tried.
"""

import contextlib
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

_CPU_S, _TIMES = 10, 8
"""A test on a mutant may take so much CPU, and so many times what it took without it."""
_IDLE_S, _LOOK_S = 20, 2
"""A fork in which for so long nothing runs, nor waits for a processor or a disk, is stuck. Looked at so often."""
_WALL_S = 3600
_MEMORY = 4 << 30
Line = tuple[str, int]
Traced = dict[str, tuple[float, list[Line]]]


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
            for caught in (signal.SIGINT, signal.SIGTERM):
                signal.signal(caught, signal.SIG_DFL)
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
        self._ended = threading.Event()

    def wait(self) -> tuple[int, object]:
        """Its exit code (below zero: killed), and what it told. One that is stuck is killed."""
        watch = threading.Thread(target=self._kill_when_stuck, daemon=True)
        watch.start()
        with os.fdopen(self._read, "rb") as pipe:
            said = pipe.read()
        self._ended.set()
        watch.join()
        _, status = os.waitpid(self.pid, 0)
        self.kill()
        code = os.waitstatus_to_exitcode(status)
        return code, json.loads(said) if said and code == 0 else None

    def kill(self) -> None:
        """With all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _kill_when_stuck(self) -> None:
        """By what it does, not by the clock: on a busy machine a healthy fork may have to wait for minutes."""
        began_s = busy_s = time.monotonic()
        spent = -1
        while not self._ended.wait(_LOOK_S):
            is_running, ticks = _activity(self.pid)
            now_s = time.monotonic()
            if is_running or ticks != spent:
                busy_s, spent = now_s, ticks
            if now_s - busy_s > _IDLE_S or now_s - began_s > _WALL_S:
                self.kill()
                return


def _activity(group: int) -> tuple[bool, int]:
    """Of a process group: whether any thread runs, or waits for a processor or a disk; CPU ticks of all."""
    is_running, ticks = False, 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            if not entry.name.isdigit() or os.getpgid(int(entry.name)) != group:
                continue
            for task in (entry / "task").iterdir():
                fields = (task / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                is_running |= fields[0] in "RD"
                ticks += int(fields[11]) + int(fields[12])
    return is_running, ticks


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


class _Run:
    """One call of pytest: traces, then mutants, until they are through, time is over or somebody stops it."""

    def __init__(self, session: pytest.Session) -> None:
        config = session.config
        self._session = session
        self._end_s = time.monotonic() + 60 * config.getoption("minutes")
        wanted = json.loads(Path(config.getoption("wanted")).read_text(encoding="utf-8"))
        self._mutants: list[tuple[str, str, list[int], int]] = wanted["mutants"]
        self._files = frozenset(wanted["files"])
        self._told = Path(config.getoption("told"))
        self._scratch = Path(config.getoption("basetemp"))
        config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        self._items = {item.nodeid: item for item in session.items}
        self._child: _Child | None = None
        self._is_stopped = False
        for caught in (signal.SIGINT, signal.SIGTERM):
            signal.signal(caught, self._stop)

    def _stop(self, *_: object) -> None:
        self._is_stopped = True
        if self._child is not None:
            self._child.kill()

    def _ask(self, work: Callable[[], object]) -> tuple[int, object]:
        self._child = _Child(work)
        answer = self._child.wait()
        self._child = None
        for entry in self._scratch.iterdir() if self._scratch.exists() else ():
            shutil.rmtree(entry, ignore_errors=True)
        return answer

    def traces(self) -> Traced:
        """By test: CPU seconds, and lines of the changed modules."""
        kept = Path("mutants/traced") / f"{self._fingerprint()}.json"
        if kept.exists():
            return {name: (one[0], [(file, line) for file, line in one[1]]) for name, one in _read(kept).items()}
        found: Traced = {}
        for nodeid, item in self._items.items():
            _, told = self._ask(lambda item=item: _traced(self._session, item, self._files))
            if self._is_stopped:
                return {}
            if not isinstance(told, list) or not told[0]:
                print(f"mutants: {nodeid} fails without any change; left out", file=sys.stderr)
                continue
            found[nodeid] = (told[1], [(file, line) for file, line in told[2]])
        kept.parent.mkdir(exist_ok=True)
        for old in kept.parent.iterdir():
            old.unlink()
        kept.write_text(json.dumps(found), encoding="utf-8")
        return found

    def _fingerprint(self) -> str:
        """Of all that decides which test runs which line: sources as changed, tests, and which tests are run."""
        seen = hashlib.sha256(json.dumps(sorted(self._items)).encode())
        for path in sorted([*Path("mutants/src").rglob("*.py"), *Path("tests").rglob("*.py")]):
            seen.update(f"{path}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
        return seen.hexdigest()

    def outcomes(self, traces: Traced) -> Iterator[tuple[str, str]]:
        """Names, and how each ended (found, missed, unreached, slow)."""
        reach: dict[Line, list[str]] = defaultdict(list)
        for nodeid, (_, lines) in traces.items():
            for line in lines:
                reach[line].append(nodeid)
        spent_s = {nodeid: one[0] for nodeid, one in traces.items()}
        print(f"mutants: {len(spent_s)} tests, {sum(spent_s.values()):.0f} s of CPU traced", file=sys.stderr)
        finders: dict[str, Counter[str]] = defaultdict(Counter)
        for name, file, lines, head in self._mutants:
            if self._is_stopped or time.monotonic() > self._end_s:
                return
            function = name.rpartition("__mutmut_")[0]
            reached = {test for line in (lines or [head]) for test in reach.get((file, line), ())}
            order = sorted(reached, key=lambda test, of=finders[function]: (-of[test], spent_s[test]))
            outcome, finder = self._tried(name, [(self._items[test], spent_s[test]) for test in order])
            if self._is_stopped:
                return
            finders[function].update([finder] if finder else [])
            yield name, outcome

    def _tried(self, name: str, tests: list[tuple[pytest.Item, float]]) -> tuple[str, str]:
        """How it ended, and by which test."""
        if not tests:
            return "unreached", ""

        def work() -> str:
            from mutmut.mutation.trampoline import set_mutant_under_test

            set_mutant_under_test(name)
            resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
            for test, usual_s in tests:
                signal.setitimer(signal.ITIMER_PROF, _CPU_S + _TIMES * usual_s)
                if not _run_one(self._session, test):
                    return test.nodeid
            return ""

        code, told = self._ask(work)
        if code < 0:
            return "slow", ""
        return ("missed", "") if told == "" else ("found", str(told or ""))

    def write(self) -> None:
        """Do it all; a line a mutant."""
        seen: Counter[str] = Counter()
        with self._told.open("w", encoding="utf-8", buffering=1) as told:
            for name, outcome in self.outcomes(self.traces()):
                told.write(json.dumps([name, outcome]) + "\n")
                seen[outcome] += 1
                if seen.total() % 25 == 0:
                    print(f"mutants: {seen.total()} of {len(self._mutants)}: {dict(seen)}", file=sys.stderr)


def _read(path: Path) -> dict[str, list]:  # type: ignore[type-arg]
    kept: dict[str, list] = json.loads(path.read_text(encoding="utf-8"))  # type: ignore[type-arg]
    return kept


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Instead of running the tests."""
    if not session.testsfailed:  # all could be loaded
        _Run(session).write()
    return True
