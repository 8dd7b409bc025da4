"""Names of values that travel: the codec tells them apart by name alone."""

import ast
from collections import defaultdict
from pathlib import Path

import custodes.types


def test_no_two_classes_of_the_types_have_the_same_name():
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(Path(custodes.types.__file__).parent.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path.name)
    assert len(places) > 100
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
