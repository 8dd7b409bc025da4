"""Static analysis for security: nothing is found that is not fixed or justified on its line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEMGREP = next(
    (one for one in (ROOT / ".venv-sast/bin/semgrep", shutil.which("semgrep")) if one and Path(one).exists()), None
)

SCAN = ("scan", "--metrics=off", "--disable-version-check", "--json", "--quiet")


@pytest.mark.slow  # 13 s, and ruff's S rules, its port, look at every file in each lint; make sast runs it
def test_bandit_finds_nothing_of_medium_or_high_severity() -> None:
    pytest.importorskip("bandit")
    arguments = ["-q", "-r", "src", "packages/custodes-models/src", "-ll", "-f", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "bandit", *arguments], cwd=ROOT, capture_output=True, timeout=600, check=False
    )
    report = json.loads(done.stdout)
    assert report["errors"] == []
    assert [f"{one['filename']}:{one['line_number']} {one['test_id']}" for one in report["results"]] == []


def test_every_suppression_of_bandit_names_its_rule_and_stands_beside_a_reason() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "src").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "# nosec" in line and "# nosec B" not in line
    ]
    assert bare == []


@pytest.mark.slow
@pytest.mark.skipif(SEMGREP is None, reason="make sast installs semgrep beside the environment")
def test_semgrep_finds_nothing_by_our_rules(tmp_path: Path) -> None:
    arguments = [
        "scan",
        "--metrics=off",
        "--disable-version-check",
        "--config",
        ".ci/semgrep.yaml",
        "--json",
        "--quiet",
        "src",
    ]
    done = subprocess.run(
        [str(SEMGREP), *arguments],
        cwd=ROOT,
        env={"HOME": str(tmp_path), "PATH": f"{Path(str(SEMGREP)).parent}:/usr/bin:/bin"},
        capture_output=True,
        timeout=900,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["errors"] == []
    assert len(report["paths"]["scanned"]) > 500
    assert [f"{one['path']}:{one['start']['line']} {one['check_id']}" for one in report["results"]] == []


@pytest.mark.slow
@pytest.mark.skipif(SEMGREP is None, reason="make sast installs semgrep beside the environment")
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("web/a.py", "import random\nx = random.random()\n"),
        ("web/b.py", "def f(self, token):\n    return token == self.other_token\n"),
        ("web/c.py", "def f(db, x):\n    db.execute(f'SELECT {x}')\n"),
        ("web/d.py", "import subprocess\nsubprocess.run('ls', shell=True)\n"),
        ("web/e.py", "from custodes.access.grants import Granted\nx = Granted(scope=None)\n"),
        ("web/templates/a.html", "<p>{{ x | safe }}</p>\n"),
        ("web/templates/b.html", '<p onclick="go()">x</p>\n'),
        ("web/static/a.js", "document.body.innerHTML = name;\n"),
    ],
)
def test_semgrep_finds_what_a_rule_is_about(tmp_path: Path, name: str, code: str) -> None:
    target = tmp_path / "src/custodes" / name
    target.parent.mkdir(parents=True)
    target.write_text(code)
    arguments = [
        "scan",
        "--metrics=off",
        "--disable-version-check",
        "--no-git-ignore",
        "--json",
        "--quiet",
        "--config",
    ]
    done = subprocess.run(
        [str(SEMGREP), *arguments, str(ROOT / ".ci/semgrep.yaml"), "src"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": f"{Path(str(SEMGREP)).parent}:/usr/bin:/bin"},
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert len(json.loads(done.stdout)["results"]) == 1
