"""The ASVS self-assessment is whole for its chapters, and every test it names exists."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREE = json.loads((ROOT / "docs" / "asvs-5.0.json").read_text(encoding="utf-8"))
COUNT = {"V6": (13, 22), "V7": (6, 12), "V8": (4, 3)}
"""Requirements of levels 1 and 2 per chapter in ASVS 5.0.0."""


def test_every_requirement_of_its_chapters_is_answered_once() -> None:
    rows = TREE["requirements"]
    assert len({row["id"] for row in rows}) == len(rows)
    for chapter, counts in COUNT.items():
        here = [row["level"] for row in rows if row["id"].startswith(f"{chapter}.")]
        assert (here.count(1), here.count(2)) == counts, chapter
    assert {row["status"] for row in rows} <= {"met", "partly", "gap", "not applicable"}
    assert all(row["how"] for row in rows)


def test_every_named_test_exists() -> None:
    for row in TREE["requirements"]:
        for name in row["tests"]:
            path, _, function = name.partition("::")
            source = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"^def {function}\(", source, re.M), f"{row['id']} names {name}"
