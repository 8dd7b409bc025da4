"""Words that a person reads and that nobody marked: found in scripts and in Python by their shape.

A rule of thumb that reads sources: two words beside each other, or one with a capital, outside of what is marked and
of what is certainly for a machine (selectors, classes, keys, comparisons). Templates have their own (`gather`).
"""

import ast
import re
from collections.abc import Iterator

from custodes.web.language.scripts import after_string, after_value

_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|(?P<tag>[\w$.]*)`|"(?P<double>(?:[^"\\\n]|\\.)*)"|'(?P<single>(?:[^'\\\n]|\\.)*)'""",
    re.DOTALL,
)
_FOR_MACHINES = re.compile(
    r"""(?:[!=]==?|\b(?:class|role|type|rel):|\b(?:className|font|background)\s=|querySelector(?:All)?\(|closest\(|matches\(
    |matchMedia\(|\bin\swindow[^;]*|Error\(|^)\s*$|"[\w-]+"\sin\s\w+[^;]*\(?$""",
    re.VERBOSE,
)
_PAGES = frozenset({"page", "_page"})
_SHOWN = frozenset({"caption", "hint", "problem", "said", "text", "title", "why", "words"})


def unmarked_of_script(source: str) -> list[str]:
    """String literals of a module that a person may read."""
    return [
        text
        for text, before, tag in _literals(source)
        if tag not in ("t", "not") and not _FOR_MACHINES.search(before) and _is_said(text)
    ]


def _literals(source: str) -> Iterator[tuple[str, str, str]]:
    """Text with values as NUL, what stands before it on its line, and the tag of a template literal."""
    at = 0
    while found := _TOKEN.search(source, at):
        at = found.end()
        before = source[source.rfind("\n", 0, found.start()) + 1 : found.start()]
        if found.group().endswith("`"):
            at = after_string(source, found.end(), "`")
            parts: list[str] = []
            inner = found.end()
            while inner < at - 1:
                if source.startswith("${", inner):
                    end = after_value(source, inner + 2)
                    yield from _literals(source[inner + 2 : end - 1])
                    parts.append("\0")
                    inner = end
                else:
                    parts.append(source[inner])
                    inner += 1
            yield "".join(parts), before, found["tag"]
        elif not found.group().startswith("/"):
            yield found["double"] or found["single"] or "", before, ""


def _is_said(text: str) -> bool:
    if re.search(r"[\w-]+[=(]|^[#./]|[_{}<>]|;\s*$|--", text):  # markup, selectors, addresses, styles
        return False
    between = re.search(r"(?:[A-Za-z,;:.]|\0) [a-z]{2,}(?: |\0|[.,;:?!]|$)", text)
    return between is not None or re.fullmatch(r"[A-Z][a-z]+[.!?…]?", text) is not None


def unmarked_of_module(source: str) -> list[str]:
    """Sentences of Python that go onto a page as they are: `page(…, problem="…")`, `problem = f"…"`."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            found += [text for word in node.keywords if word.arg in _SHOWN for text in _sentence(word.value)]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if any(name.rpartition("_")[2] in _SHOWN | {"warning"} for name in names):
                found += _sentence(node.value)
            if any(name.endswith("WORDS") for name in names) and isinstance(node.value, ast.Dict):
                found += [text for value in node.value.values for text in _sentence(value)]  # write Words({…})
    return found


def _sentence(node: ast.expr) -> list[str]:
    match node:
        case ast.Constant(value=str(text)):
            words = text
        case ast.JoinedStr(values=values):
            words = "".join(str(one.value) if isinstance(one, ast.Constant) else "\0" for one in values)
        case ast.IfExp(body=body, orelse=orelse):
            return [*_sentence(body), *_sentence(orelse)]
        case _:
            return []
    return [words] if re.search(r"[A-Za-z]{2,}[,;:]? [a-z]{2,}", words) else []
