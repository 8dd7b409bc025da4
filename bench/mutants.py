"""Mutation score of what decides and proves, and of the warden, by part: does a test fail where the code is changed?

    python -m bench.mutants [--part access|audit|warden] [--sample N] [--minutes M] [--seed S]
                            [--missed] [--only NAME…] [--files NAME… [--tests PATH…]]

mutmut changes the code (in `mutants/`, nothing else is touched); `bench.mutant_runner` loads the part's tests once and
forks for each mutant, with the tests that run the changed line. `--sample` tries that many of each part, drawn by
`--seed`, `--minutes` as many of those as fit into that time; then the interval (Wilson, 95 %) is told in which the
whole part's score lies. One that is stopped (Ctrl-C, SIGTERM) tells what it tried until then. What changes the words
of a `raise` alone is counted apart and not tried: no caller decides by them. A mutant whose line no test runs counts
as missed, one that ran out of time or hangs as found. `--missed` shows what was missed; `--only` tries mutants by name
again. While a test is written: `--files app/warden_cases.py --tests tests/warden/test_case_desk.py` changes one file
and asks one test file, so it tells the least that is found.
"""

import argparse
import ast
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from custodes.pipeline.reliability import wilson

FOLDER, _MEMORY_DISK = Path("mutants"), Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Part:
    """What is changed, by which tests it is held, and which of them are not asked."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()


PARTS = {
    "access": Part(("access/*.py",), ("tests/access",)),
    "audit": Part(("audit/*.py",), ("tests/audit",)),
    # crash points and real processes: a mutant is changed in the process that forks, not in one that a test starts
    "warden": Part(
        ("app/warden*.py", "adapters/keys/*.py"),
        ("tests/warden",),
        ("tests/warden/test_crashes.py", "tests/warden/test_process.py"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change; `lines` of the changed file are those where the original differs, empty for a function's head."""

    name: str
    module: str
    file: str
    lines: tuple[int, ...]
    head: int
    """The line of the original's `def`, reached by whoever calls it."""
    change: str
    is_words: bool


@dataclass(slots=True)
class Tally:
    """Of one part or module."""

    counts: Counter[str] = field(default_factory=Counter)

    def score(self) -> float | None:
        """Found by how many of those tried."""
        tried = self.counts["found"] + self.counts["missed"]
        return round(self.counts["found"] / tried, 3) if tried else None

    def interval(self) -> tuple[float, float]:
        """Wilson's, at 95 %."""
        low, high = wilson(self.counts["found"], self.counts["found"] + self.counts["missed"])
        return round(low, 3), round(high, 3)


def make(part: Part, files: Sequence[str] = ()) -> list[Mutant]:
    """Write the changed modules of `part` into a copy of the sources, and list what was changed."""
    try:
        from mutmut.mutation.file_mutation import mutate_file_contents
    except ImportError as error:
        raise SystemExit("bench.mutants: mutmut is not installed; `make mutants` installs it") from error
    shutil.rmtree(FOLDER / "src", ignore_errors=True)
    shutil.copytree("src", FOLDER / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    found: list[Mutant] = []
    for pattern in files or part.files:
        for source in sorted(Path("src/custodes").glob(pattern)):
            text, target = source.read_text(encoding="utf-8"), FOLDER / source
            kept = FOLDER / "made" / hashlib.sha256(text.encode()).hexdigest()
            if not kept.exists():  # a second a hundred lines
                changed = mutate_file_contents(str(source), text)
                kept.parent.mkdir(exist_ok=True)
                kept.write_text(json.dumps([changed.code, list(changed.mutant_names)]), encoding="utf-8")
            code, names = json.loads(kept.read_text(encoding="utf-8"))
            target.write_text(code, encoding="utf-8")
            found += _listed(target, ".".join(source.relative_to("src").with_suffix("").parts), names)
    return found


def _listed(file: Path, module: str, names: Iterable[str]) -> Iterator[Mutant]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = {
        node.name: node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "__mutmut_" in node.name
    }
    for full in names:
        name = full.rpartition(".")[2]
        original, mutant = functions[name.rpartition("__mutmut_")[0] + "__mutmut_orig"], functions[name]
        was, now = ast.unparse(original).split("\n")[1:], ast.unparse(mutant).split("\n")[1:]
        yield Mutant(
            name=f"{module}.{name}",
            module=module.removeprefix("custodes."),
            file=str(file.resolve()),
            lines=tuple(sorted(differing(original, mutant))),
            head=original.lineno,
            change="\n".join(
                [f"- {line.strip()}" for line in was if line not in now]
                + [f"+ {line.strip()}" for line in now if line not in was]
            ),
            is_words=_bare(original) == _bare(mutant),
        )


def differing(original: ast.AST, mutant: ast.AST) -> set[int]:
    """Lines of `original`'s innermost statements that `mutant` has otherwise; none where its head differs."""
    lines: set[int] = set()
    for name, value in ast.iter_fields(original):
        other = getattr(mutant, name)
        if name in ("body", "orelse", "finalbody", "handlers", "cases") and isinstance(value, list):
            if len(value) != len(other):
                return {inner.lineno for one in value for inner in ast.walk(one) if isinstance(inner, ast.stmt)}
            for one, twin in zip(value, other, strict=True):
                if ast.dump(one) != ast.dump(twin):
                    lines |= differing(one, twin) if type(one) is type(twin) else _span(one)
    if lines or isinstance(original, ast.FunctionDef | ast.AsyncFunctionDef):
        return lines
    return _span(original)


def _span(node: ast.AST) -> set[int]:
    """Its lines, without those of what it holds; a case of a `match` is its first statement's."""
    body = getattr(node, "body", None)
    inner = body[0] if isinstance(body, list) and body else None
    if isinstance(node, ast.match_case):
        return {node.body[0].lineno}
    if not isinstance(node, ast.stmt | ast.excepthandler):
        return set()
    end = max(node.lineno, inner.lineno - 1) if inner is not None else node.end_lineno or node.lineno
    return set(range(node.lineno, end + 1))


def _bare(function: ast.AST) -> str:
    """The function without its name, and without what it says when it raises."""
    tree = ast.parse(ast.unparse(function))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.name = ""
        if isinstance(node, ast.Raise):
            for part in ast.walk(node):
                if isinstance(part, ast.Call):
                    part.args, part.keywords = [], []
    return ast.dump(tree)


def run(
    part: Part, mutants: list[Mutant], files: Iterable[str], *, minutes: float, tests: Sequence[str] = ()
) -> dict[str, str]:
    """Outcomes (found, missed, unreached, slow) by name, of those that fitted into `minutes`.

    Args: files: all changed modules of the part. Raises: Stopped, with the outcomes until then.
    """
    wanted, told = FOLDER / "wanted.json", FOLDER / "told.jsonl"
    told.unlink(missing_ok=True)
    asked = {"files": sorted(set(files)), "mutants": [[m.name, m.file, m.lines, m.head] for m in mutants]}
    wanted.write_text(json.dumps(asked), encoding="utf-8")
    # In memory where there is such a disk: a mutant's tests wait for some thousand writes.
    scratch = Path(tempfile.mkdtemp(prefix="mutants-", dir=_MEMORY_DISK if _MEMORY_DISK.is_dir() else None))
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-s", "-p", "bench.mutant_runner", "-p", "no:cacheprovider"),
        *("-m", "not slow", "-o", f"pythonpath={FOLDER}/src .", f"--basetemp={scratch}/tmp"),
        *(
            "-o",
            "tmp_path_retention_policy=failed",
            f"--wanted={wanted}",
            f"--told={told}",
            f"--minutes={minutes}",
            *(tests or part.tests),
        ),
        *(f"--ignore={path}" for path in part.without),
    ]
    is_stopped = False
    with subprocess.Popen(command, env={**os.environ, "MUTANT_UNDER_TEST": ""}, stdout=subprocess.DEVNULL) as runner:
        try:
            ended = runner.wait()
        except KeyboardInterrupt:
            is_stopped = True
            runner.terminate()
            ended = runner.wait()
    shutil.rmtree(scratch, ignore_errors=True)
    if not told.exists() and not is_stopped:
        raise SystemExit(f"bench.mutants: the tests could not be loaded (pytest ended with {ended})")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    answers = dict(json.loads(line) for line in lines)
    if is_stopped:
        raise Stopped(answers)
    return answers


class Stopped(Exception):
    """Somebody stopped it; the outcomes that are known."""

    def __init__(self, outcomes: dict[str, str]) -> None:
        super().__init__("stopped")
        self.outcomes = outcomes


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """One JSON line."""
    parser = argparse.ArgumentParser(prog="bench.mutants")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--sample", type=int, help="try so many of each part, not all")
    parser.add_argument("--minutes", type=float, default=1e6, help="of each part, as many as fit into that time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=(), help="mutants by the end of their name")
    parser.add_argument("--files", nargs="+", default=(), help="of the part, by their place below src/custodes")
    parser.add_argument("--tests", nargs="+", default=(), help="ask these alone")
    parser.add_argument("--missed", action="store_true", help="show what was missed")
    arguments = parser.parse_args()
    parts = arguments.part or list(PARTS)
    results: dict[str, object] = {}
    total: Counter[str] = Counter()
    is_stopped = False
    signal.signal(signal.SIGTERM, _interrupt)
    for name in parts:
        if is_stopped:
            break
        made = make(PARTS[name], arguments.files)
        tried = [one for one in made if not one.is_words]
        if arguments.only:
            tried = [one for one in tried if one.name.endswith(tuple(arguments.only))]
        else:  # in a random order: those that fit into the time are a sample too
            tried = random.Random(arguments.seed).sample(tried, min(arguments.sample or len(tried), len(tried)))
        whole = sum(not one.is_words for one in made)
        try:
            files = {one.file for one in made}
            told = run(PARTS[name], tried, files, minutes=arguments.minutes, tests=arguments.tests)
        except Stopped as stopped:
            told, is_stopped = stopped.outcomes, True
        tried = [one for one in tried if one.name in told]
        tallies: dict[str, Tally] = {"": Tally()}
        for one in tried:
            kind = told[one.name]
            score = "found" if kind in ("found", "slow") else "missed"
            for key in ("", one.module):
                tallies.setdefault(key, Tally()).counts[score] += 1
            total[kind] += 1
            if arguments.missed and score == "missed":
                print(f"{kind} {one.name}\n{one.change}")
        results[name] = {
            "score": tallies[""].score(),
            **({"interval_95": tallies[""].interval()} if 0 < len(tried) < whole else {}),
            "tried": len(tried),
            "of": whole,
            "words": len(made) - whole,
            **({"is_stopped": True} if is_stopped else {}),
            "modules": {key: tally.score() for key, tally in sorted(tallies.items()) if key},
        }
    print(json.dumps({"name": "mutants", "config": {"seed": arguments.seed, **total}, "results": results}))


if __name__ == "__main__":
    main()
