"""The ASVS self-assessment is whole for its chapters, and every test it names exists."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREE = json.loads((ROOT / "docs" / "asvs-5.0.json").read_text(encoding="utf-8"))
COUNT = {
    "V1": (8, 19),
    "V2": (4, 7),
    "V3": (8, 11),
    "V4": (2, 8),
    "V5": (4, 5),
    "V6": (13, 22),
    "V7": (6, 12),
    "V8": (4, 3),
    "V9": (4, 3),
    "V10": (5, 24),
    "V11": (3, 11),
    "V12": (3, 6),
    "V13": (1, 12),
    "V14": (2, 7),
    "V15": (3, 10),
    "V16": (0, 16),
    "V17": (0, 7),
}
"""Requirements of levels 1 and 2 per chapter in ASVS 5.0.0."""


def test_every_requirement_of_its_chapters_is_answered_once() -> None:
    rows = TREE["requirements"]
    assert len({row["id"] for row in rows}) == len(rows)
    for chapter, counts in COUNT.items():
        here = [row["level"] for row in rows if row["id"].startswith(f"{chapter}.")]
        assert (here.count(1), here.count(2)) == counts, chapter
    assert {row["status"] for row in rows} <= {"met", "partly", "gap", "not applicable"}
    assert all(row["how"] for row in rows)
    assert {row["id"].split(".")[0] for row in rows} == set(COUNT) and len(rows) == 253
    assert [row["id"] for row in rows if row["status"] == "met" and not row["tests"]] == []


def test_every_named_test_exists() -> None:
    for row in TREE["requirements"]:
        for name in row["tests"]:
            path, _, function = name.partition("::")
            source = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"^def {function}\(", source, re.M), f"{row['id']} names {name}"
