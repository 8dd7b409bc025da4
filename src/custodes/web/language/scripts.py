"""What JavaScript modules say: every template literal with the tag `t`, and the words of `plural`."""

import re

_PLURAL = re.compile(r"""\bplural\([^"]*?,\s*"([^"\\]+)",\s*"([^"\\]+)"\)""")
_TAG = re.compile(r"(?<![\w$.])t`")


def messages_of(source: str) -> list[tuple[str, str]]:
    """Message and its form for many (or ""), in order; values as `{0}`, `{1}`. As `words.js` makes its keys."""
    found = [(tagged, "") for tagged in _tagged(source)]
    return list(dict.fromkeys([*found, *_PLURAL.findall(source)]))


def _tagged(source: str) -> list[str]:
    messages: list[str] = []
    for start in _TAG.finditer(source):
        parts, at, count = [""], start.end(), 0
        while at < len(source) and source[at] != "`":
            if source.startswith("${", at):
                at = after_value(source, at + 2)
                parts.append(f"{{{count}}}")
                count += 1
            elif source[at] == "\\":
                parts.append(source[at + 1])
                at += 2
            else:
                parts.append(source[at])
                at += 1
        messages.append("".join(parts).strip())
    return messages


def after_value(source: str, at: int) -> int:
    """Behind the `}` that closes a value; braces, strings and literals within it are passed over."""
    depth = 1
    while at < len(source) and depth:
        char = source[at]
        if char in "\"'`":
            at = after_string(source, at + 1, char)
            continue
        depth += {"{": 1, "}": -1}.get(char, 0)
        at += 1
    return at


def after_string(source: str, at: int, quote: str) -> int:
    """Behind the quote that closes a string or literal of which `at` is the first character."""
    while at < len(source) and source[at] != quote:
        if source[at] == "\\":
            at += 2
        elif quote == "`" and source.startswith("${", at):
            at = after_value(source, at + 2)
        else:
            at += 1
    return at + 1
