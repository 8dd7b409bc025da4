"""Mutation score of what `make mutants` has run, module by module, without what only changes an error's words.

A mutant that changes a message alone (a string that begins and ends in XX, another case, None for a text) is counted
apart: no caller decides by it. mutmut 3 names them by number only, so its own diff is read.
"""

import ast
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

FOUND, MISSED = {"killed", "timeout", "caught by type check"}, {"survived", "suspicious", "no tests"}


def results() -> dict[str, str]:
    """Status by mutant."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("mutmut")), "results", "--all", "true"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = (line.strip().rpartition(": ") for line in done.stdout.splitlines() if ": " in line)
    return {name: status for name, _, status in rows}


def strings_alone(name: str) -> bool:
    """Whether the mutant differs from the original in texts alone. Blocking."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("mutmut")), "show", name], capture_output=True, text=True, check=True
    )
    lines = [line for line in done.stdout.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    old, new = ("\n".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
    return _bare(old) == _bare(new) and old != new


def _bare(source: str) -> str:
    """Source with every text that is part of a `raise` made the same."""
    try:
        tree = ast.parse(source.strip())
    except SyntaxError:
        return source
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            for part in ast.walk(node):
                if isinstance(part, ast.Call):
                    part.args = []
    return ast.dump(tree)


def main() -> None:
    """One JSON line."""
    counts: dict[str, Counter[str]] = {}
    for name, status in results().items():
        module = name.rpartition(".")[0]
        if status in FOUND:
            kind = "found"
        elif status in MISSED:
            kind = "words" if strings_alone(name) else "missed"
        else:
            continue
        counts.setdefault(module, Counter())[kind] += 1
    scores = {
        module.removeprefix("custodes."): round(one["found"] / max(one["found"] + one["missed"], 1), 3)
        for module, one in sorted(counts.items())
    }
    all_ = sum(counts.values(), Counter())
    scores["all"] = round(all_["found"] / max(all_["found"] + all_["missed"], 1), 3)
    scores["all_with_words"] = round(all_["found"] / max(sum(all_.values()), 1), 3)
    print(json.dumps({"name": "mutants", "config": dict(all_), "results": scores}))


if __name__ == "__main__":
    main()
