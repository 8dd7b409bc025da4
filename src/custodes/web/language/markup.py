"""Texts of templates: found by themselves, and replaced when a template is compiled, once for each language.

No text of a template is marked by hand, so none can be forgotten. A message is what stands between two tags or
statements, with its values as `{name}` and its inline tags as `<1>`…`</1>`; so are `title`, `aria-label`,
`placeholder` and `alt`, and the words that a value chooses from (`{{ "here" if one.is_this else "away" }}`). Words
elsewhere in statements (`{% set what = _("the cameras") %}`) are marked: `gather` reports those that are not.

A template is text of ours, not input: this need not withstand markup that we would not write.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

from jinja2 import Environment, nodes
from jinja2.ext import Extension

Translate = Callable[[str], str]

_JINJA = r"\{\{.*?\}\}|\{%.*?%\}|\{\#.*?\#\}"
_TOKEN = re.compile(
    rf"""(?P<comment>\{{\#.*?\#\}}|<!.*?>)
    |(?P<expression>\{{\{{.*?\}}\}})
    |(?P<verbatim><(?:pre|script|style)\b.*?</(?:pre|script|style)>
        |\{{%\s*block\s+body_class\s*%\}}.*?\{{%\s*endblock\s*%\}})
    |(?P<statement>\{{%.*?%\}})
    |(?P<tag></?[a-zA-Z](?:{_JINJA}|"(?:{_JINJA}|[^"])*"|[^>"{{]|\{{)*>)""",
    re.DOTALL | re.VERBOSE,
)
_INLINE = frozenset({"a", "abbr", "b", "code", "em", "kbd", "small", "strong", "time"})
_TAG_NAME = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)")
_ATTRIBUTE = re.compile(rf'\b(title|aria-label|placeholder|alt)="((?:{_JINJA}|[^"])*)"', re.DOTALL)
_LETTER = re.compile(r"[^\W\d_]")
_STRING = re.compile(r'"([^"\\]*)"')
_PLACE = re.compile(r"\{(\w+)\}|</?(\d)>")
_BARE = Environment()  # nosec B701  # noqa: S701 - parses expressions, renders nothing


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """text, comment, statement, expression, verbatim, tag"""
    source: str

    @property
    def is_inline(self) -> bool:
        return self.kind in ("text", "expression") or (self.kind == "tag" and _tag_name(self.source) in _INLINE)


class Spoken(Extension):
    """Jinja extension: `environment.translate` gets every message of a template, and says what stands there."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.extend(translate=lambda message: message)

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The template in the environment's language."""
        translate: Translate = self.environment.translate  # type: ignore[attr-defined] # made by extend()
        return rewrite(source, translate)


def rewrite(source: str, translate: Translate) -> str:
    """A template's source with each message replaced by what `translate` says; as it was where that is the message."""
    out: list[str] = []
    unit: list[_Token] = []
    for token in [*_tokens(source), _Token("comment", "")]:
        if token.is_inline:
            unit.append(_Token(token.kind, _attributes(token.source, translate)) if token.kind == "tag" else token)
            continue
        out.append(_unit(unit, translate))
        unit = []
        out.append(_attributes(token.source, translate) if token.kind == "tag" else token.source)
    return "".join(out)


def _tokens(source: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    for found in _TOKEN.finditer(source):
        if found.start() > at:
            tokens.append(_Token("text", source[at : found.start()]))
        tokens.append(_Token(str(found.lastgroup), found.group()))
        at = found.end()
    if at < len(source):
        tokens.append(_Token("text", source[at:]))
    return tokens


def _tag_name(source: str) -> str:
    found = _TAG_NAME.match(source)
    return found.group(1).lower() if found else ""


def _attributes(source: str, translate: Translate) -> str:
    def replaced(found: re.Match[str]) -> str:
        out: list[str] = []
        unit: list[_Token] = []
        for token in [*_tokens(found.group(2)), _Token("comment", "")]:
            if token.kind in ("text", "expression"):
                unit.append(token)
                continue
            out += [_unit(unit, translate), token.source]
            unit = []
        return f'{found.group(1)}="{"".join(out)}"'

    return _ATTRIBUTE.sub(replaced, source)


def _unit(unit: list[_Token], translate: Translate) -> str:
    """What stands between two borders: translated as one message, or piece by piece where its tags do not pair."""
    tags = [token.source for token in unit if token.kind == "tag"]
    if not _pairs(tags):
        return "".join(t.source if t.kind == "tag" else _unit([t], translate) for t in unit)
    start, end = 0, len(unit)
    while True:
        while start < end and unit[start].kind == "text" and not unit[start].source.strip():
            start += 1
        while start < end and unit[end - 1].kind == "text" and not unit[end - 1].source.strip():
            end -= 1
        if end - start >= 2 and unit[start].kind == "tag" and _closes(unit[start:end]):
            start, end = start + 1, end - 1
            continue
        break
    before, inner, after = unit[:start], unit[start:end], unit[end:]
    return "".join(t.source for t in before) + _message(inner, translate) + "".join(t.source for t in after)


def _pairs(tags: list[str]) -> bool:
    open_names: list[str] = []
    for tag in tags:
        if not tag.startswith("</"):
            open_names.append(_tag_name(tag))
        elif not open_names or open_names.pop() != _tag_name(tag):
            return False
    return not open_names


def _closes(unit: list[_Token]) -> bool:
    """Whether the first tag is closed by the last token, so that both surround all of it."""
    depth = 0
    for number, token in enumerate(unit):
        if token.kind == "tag":
            depth += -1 if token.source.startswith("</") else 1
            if depth == 0:
                return number == len(unit) - 1
    return False


def _message(unit: list[_Token], translate: Translate) -> str:
    expressions = [token.source for token in unit if token.kind == "expression"]
    spoken = {source: _chosen_words(source, translate) for source in expressions}
    literal = "".join(token.source for token in unit if token.kind == "text")
    if not _LETTER.search(html.unescape(literal)):
        return "".join(spoken.get(token.source, token.source) for token in unit)
    places: dict[str, str] = {}
    parts: list[str] = []
    open_numbers: list[int] = []
    opened = 0
    for token in unit:
        if token.kind == "text":
            parts.append(token.source)
        elif token.kind == "expression":
            name = _place_name(token.source, places)
            places[name] = spoken[token.source]
            parts.append(f"{{{name}}}")
        elif token.source.startswith("</"):
            number = open_numbers.pop()
            places[f"/{number}"] = token.source
            parts.append(f"</{number}>")
        else:
            opened += 1
            open_numbers.append(opened)
            places[str(opened)] = token.source
            parts.append(f"<{opened}>")
    whole = "".join(parts)
    message = " ".join(whole.split())
    said = translate(message)
    if said == message:
        return "".join(spoken.get(token.source, token.source) for token in unit)
    lead, trail = whole[: len(whole) - len(whole.lstrip())], whole[len(whole.rstrip()) :]
    return lead + _fill(said.replace('"', "&quot;"), places) + trail


def _fill(said: str, places: dict[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found.group(1):
            return places[found.group(1)]
        return places[found.group().strip("<>")]

    return _PLACE.sub(value, said)


def holes(message: str) -> list[str]:
    """The values and tags of a message, sorted; a translation has the same."""
    return sorted(found.group() for found in _PLACE.finditer(message))


def _place_name(expression: str, taken: dict[str, str]) -> str:
    inner = expression.strip("{}").strip().split("|")[0].strip()
    found = re.fullmatch(r"[\w.]*?(\w+)(\[\w+\]|\(\))?", inner)
    name = found.group(1) if found and not found.group(1).isdigit() else "value"
    unique, number = name, 2
    while unique in taken:
        unique, number = f"{name}{number}", number + 1
    return unique


def _chosen_words(expression: str, translate: Translate) -> str:
    """The expression with the words that it chooses from translated."""
    if '"' not in expression:
        return expression
    (output,) = [node for node in _BARE.parse(expression).body if isinstance(node, nodes.Output)]
    words = set(_choices(output.nodes[0]))

    def replaced(found: re.Match[str]) -> str:
        text = found.group(1)
        if text not in words or not _LETTER.search(text):
            return found.group()
        message = text.strip()
        said = translate(message)
        return found.group() if said == message else f'"{text.replace(message, said)}"'

    return _STRING.sub(replaced, expression)


def _choices(node: nodes.Node) -> list[str]:
    if isinstance(node, nodes.Const):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, nodes.CondExpr):
        return [*_choices(node.expr1), *(_choices(node.expr2) if node.expr2 else [])]
    if isinstance(node, nodes.Concat):
        return [text for one in node.nodes for text in _choices(one)]
    if isinstance(node, (nodes.Or, nodes.Add)):
        return [*_choices(node.left), *_choices(node.right)]
    return []
