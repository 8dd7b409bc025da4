"""Mutation score of what `make mutants` has run, module by module, without what only changes an error's words.

    python -m bench.mutants [--folder mutants] [--missed]

A mutant that changes the words of a `raise` alone is counted apart: no caller decides by them. One that no test
reaches counts as missed; one that was not tried yet is counted as such and is in no score. `--missed` shows what was
missed. mutmut numbers mutants within a function; they are read from the files it wrote: asking it takes a second each.
"""

import argparse
import ast
import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FOUND = frozenset({1, 3, 24, 36, 152, 255, -9, -24})
"""Exit codes: a test failed, pytest broke, or it ran out of time."""
_NOT_TRIED = frozenset({None, 2, 34, 37})
_MUTANT = re.compile(r"__mutmut_\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one mutant; `change` is what it changes, in lines of a diff."""

    module: str
    name: str
    kind: str
    """found, missed, words or untried."""
    change: str = ""


def outcomes(folder: Path) -> Iterator[Outcome]:
    """Of every mutant below `folder`, module by module."""
    for meta in sorted(folder.rglob("*.py.meta")):
        try:
            codes: dict[str, int | None] = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        except ValueError as error:
            raise SystemExit(f"{meta} is not whole; is mutmut writing it? ask again when it is done") from error
        source = meta.with_suffix("")
        functions = _mutated(source) if any(_is_missed(code) for code in codes.values()) else {}
        module = ".".join(source.relative_to(folder).with_suffix("").parts).removeprefix("src.custodes.")
        for key, code in codes.items():
            name = key.rpartition(".")[2]
            if code in _NOT_TRIED:
                yield Outcome(module=module, name=name, kind="untried")
            elif not _is_missed(code):
                yield Outcome(module=module, name=name, kind="found")
            else:
                yield _missed(module, name, functions)


def _is_missed(code: int | None) -> bool:
    return code not in _FOUND and code not in _NOT_TRIED


def _mutated(source: Path) -> dict[str, ast.AST]:
    """Functions by name, mutants and originals."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: node for node in found if "__mutmut_" in node.name}


def _missed(module: str, name: str, functions: dict[str, ast.AST]) -> Outcome:
    mutant, original = functions.get(name), functions.get(_MUTANT.sub("__mutmut_orig", name))
    if mutant is None or original is None:
        return Outcome(module=module, name=name, kind="missed")
    is_words = _bare(mutant) == _bare(original)
    lines = difflib.unified_diff(*(ast.unparse(one).split("\n")[1:] for one in (original, mutant)), lineterm="", n=0)
    change = "\n".join(line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))
    return Outcome(module=module, name=name, kind="words" if is_words else "missed", change=change)


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


def _score(counts: Counter[str]) -> float | None:
    tried = counts["found"] + counts["missed"]
    return round(counts["found"] / tried, 3) if tried else None


def main() -> None:
    """One JSON line."""
    parser = argparse.ArgumentParser(prog="bench.mutants")
    parser.add_argument("--folder", type=Path, default=Path("mutants"))
    parser.add_argument("--missed", action="store_true")
    arguments = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    for one in outcomes(arguments.folder):
        counts.setdefault(one.module, Counter())[one.kind] += 1
        if arguments.missed and one.kind == "missed":
            print(f"{one.module} {one.name}\n{one.change}")
    total = sum(counts.values(), Counter[str]())
    scores = {module: score for module, each in counts.items() if (score := _score(each)) is not None}
    print(json.dumps({"name": "mutants", "config": dict(total), "results": {**scores, "all": _score(total)}}))


if __name__ == "__main__":
    main()
