"""What there is to translate: the messages of templates, scripts and Python. Reads sources, writes nothing."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from custodes.web.language.gather_errors import gather_errors
from custodes.web.language.markup import rewrite
from custodes.web.language.reported import CONTEXT
from custodes.web.language.scripts import messages_of

WEB = Path(__file__).parents[1]

_MARKED = re.compile(r"""(?<!\w)_\(\s*"([^"\\]+)"\s*\)""")
_COUNTED = re.compile(r"""(?<!\w)ngettext\([^"]*?,\s*"([^"\\]+)",\s*"([^"\\]+)\"""")
_STATEMENT = re.compile(r"\{%-?\s*(?:set|for|call|with)\b.*?%\}|\{\{.*?\}\}", re.DOTALL)
_STRING = re.compile(r'(==|!=|\[|\bin)?\s*"([^"\\]*)"')
_SAYS_ONE = frozenset({"say", "translated"})
_LINKS = frozenset({"PageLink", "PageGroup"})
_TABLES = frozenset({"Words", "WordPairs"})


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """A text in English; `many`: its form for other numbers than one, or empty; `context`: what sets it apart from the
    same text elsewhere, or empty."""

    text: str
    many: str = ""
    context: str = ""


def gather(web: Path = WEB) -> dict[Message, set[str]]:
    """All messages of the package `web`, and of errors that it shows, with the names of the files that say them."""
    found: dict[Message, set[str]] = defaultdict(set)
    for template in sorted((web / "templates").glob("*.html")):
        for message in of_template(template.read_text("utf-8")):
            found[message].add(template.name)
    for script in sorted((web / "static/js").glob("*.js")):
        if script.name == "words.js":
            continue
        for text, many in messages_of(script.read_text("utf-8")):
            found[Message(text, many)].add(script.name)
    for module in sorted(web.rglob("*.py")):
        for message in of_module(module.read_text("utf-8")):
            found[message].add(str(module.relative_to(web)))
    for text, places in gather_errors(web.parent).items():
        found[Message(text, context=CONTEXT)] |= places
    return found


def of_template(source: str) -> list[Message]:
    """Texts, and what `_` and `ngettext` are called with."""
    texts: list[str] = []

    def heard(message: str) -> str:
        texts.append(message)
        return message

    rewrite(source, heard)
    marked = [Message(text) for text in _MARKED.findall(source)]
    counted = [Message(one, many) for one, many in _COUNTED.findall(source)]
    return [*map(Message, texts), *marked, *counted]


def of_module(source: str) -> list[Message]:
    """What `say`, `translated` and `say_count` are called with, tables of words, and labels of the navigation."""
    return list(_of_tree(ast.parse(source)))


def _of_tree(tree: ast.AST) -> Iterator[Message]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        name = node.func.id
        if name in _SAYS_ONE and node.args:
            yield from map(Message, _texts(node.args[0]))
        elif name == "say_count" and len(node.args) > 2:
            ones, manys = list(_texts(node.args[1])), list(_texts(node.args[2]))
            yield from (Message(one, many) for one, many in zip(ones, manys, strict=True))
        elif name in _LINKS:
            yield from (Message(t) for word in node.keywords if word.arg == "label" for t in _texts(word.value))
        elif name in _TABLES and node.args and isinstance(node.args[0], ast.Dict):
            yield from (Message(text) for value in node.args[0].values for text in _texts(value) if text)


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Tuple):
        for one in node.elts:
            yield from _texts(one)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def unmarked_of_template(source: str) -> list[str]:
    """Words in statements and calls of a template that nothing translates: two words, or one with a capital."""
    found: list[str] = []
    said = {message.text for message in of_template(source)}
    for statement in _STATEMENT.finditer(source):
        bare = _COUNTED.sub("", _MARKED.sub("", statement.group()))
        words = [text for before, text in _STRING.findall(bare) if not before]
        found += [text for text in words if _is_said(text) and text.strip() not in said]
    return found


def _is_said(text: str) -> bool:
    words = re.findall(r"[^\W\d_]{2,}", text)
    is_name = text.startswith(("/", "#", ".")) or re.search(r"\w[_.]\w", text) is not None
    return bool(words) and not is_name and ((len(words) > 1 and " " in text) or text[0].isupper())
