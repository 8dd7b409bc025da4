"""Errors from below the page, said in the visitor's language: a page recognises an error by its text.

An error is English wherever it is raised, logged, sent between processes and answered by the API. Where it is shown,
its text is compared with the messages that `gather_errors` read off the lines that raise them, and what it says of
this one camera or that number is put into the translation. What is not recognised stays English.
"""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from babel.messages.mofile import read_mo

from custodes.types.access import Action, Fidelity, PurposeKind, Role
from custodes.types.approval import RequestPhase
from custodes.types.face import CandidatePhase, EnrolmentPhase, ZonePhase
from custodes.web.language.speech import ENGLISH, Language, compiled, spoken

CONTEXT = "error"
"""What sets these messages apart in a catalog (`msgctxt`)."""
WORD = "word"
"""The place of one out of a fixed set of words."""
_WORDS = frozenset({WORD, "roles", "side", "way", "what", "purpose", "reference"})

INTERNAL = "Something went wrong on our side. It has been written to the server's log."
NO_PAGE = "There is no page at {path}."

NO_REPLICA = (
    "A replica of the warden does not answer, and nothing is released or changed without it. Recording goes on. "
    "Tell whoever runs this site."
)
"""What `app.warden_replication` says, which is for whoever runs the machine in all else."""

FROM_NO_LINE = (
    INTERNAL,
    NO_PAGE,
    NO_REPLICA,
    # what one wait for any job's next word says, as its caller wishes
    "the back-fill's job died; resume it to go on",
    "the job that compares clothes died",
    # fields of a camera, before what is wrong with them
    "Address",
    "Camera",
    "Id",
    "Name",
    "Password",
    "User name",
    # what pydantic says of a form that a browser would not have sent
    "Field required",
    "Input should be a valid integer, unable to parse string as an integer",
    "Input should be a valid number, unable to parse string as a number",
    "Input should be greater than or equal to {least}",
    "Input should be less than or equal to {most}",
    "String should have at least {least} characters",
    "String should have at least 1 character",
    "String should have at most {most} characters",
    "String should match pattern {pattern}",
    # words in the places below
    *sorted(
        {
            one.value.replace("_", " ")
            for words in (Action, CandidatePhase, EnrolmentPhase, Fidelity, PurposeKind, RequestPhase, Role, ZonePhase)
            for one in words
        }
    ),
    "no role",
    "down",
    "left",
    "right",
    "up",
    "1 minute",
    "{count} days",
    "1 second",
    "{count} minutes",
    "{count} seconds",
    "with a reference",
    "without a reference",
)
"""Messages that no line raises by itself."""

_MAX_CHARS = 2_000
_MAX_DEPTH = 3
_LEAST_LETTERS = 6
_PLACE = re.compile(r"\{(\w+)\}")
_SENTENCES = re.compile(r"(?<=[.!?]) (?=[A-Z])")
_NESTED = frozenset({"complaint", "error", "refusal", "problem", "reason", "reasons", "wait", "why", "words"})
"""Places of what another error says."""


def is_telling(message: str) -> bool:
    """Whether its own words, without its values, suffice to recognise it."""
    bare = _PLACE.sub("\0", message)
    return "\0\0" not in bare and sum(char.isalpha() for char in bare) >= _LEAST_LETTERS


def reported(text: str) -> str:
    """The text of an error in the language of this request, or as it is."""
    language = spoken()
    if language is ENGLISH or not text or len(text) > _MAX_CHARS:
        return text
    return _recogniser(language).said(text, _MAX_DEPTH) or text


@dataclass(frozen=True, slots=True)
class _Message:
    parts: tuple[str, ...]
    """What stands before, between and after the values."""
    names: tuple[str, ...]
    translation: str

    def values_in(self, text: str, is_word: Callable[[str], bool]) -> dict[str, str] | None:
        """The values that make this text of the message, or None. From left to right, each as short as it can be; only
        in the place of words a value is as long as it takes to be words (`play back`)."""
        first, last = self.parts[0], self.parts[-1]
        if not text.startswith(first) or not text.endswith(last) or len(text) <= len(first) + len(last):
            return None
        values: dict[str, str] = {}
        at, end = len(first), len(text) - len(last)
        for name, part in zip(self.names, self.parts[1:-1], strict=False):
            found = shortest = text.find(part, at + 1, end)
            while found >= 0 and _kind(name) in _WORDS and not is_word(text[at:found]):
                found = text.find(part, found + 1, end)
            found = shortest if found < 0 else found
            if found < 0:
                return None
            values[name] = text[at:found]
            at = found + len(part)
        if at >= end:
            return None
        values[self.names[-1]] = text[at:end]
        return values


def _kind(name: str) -> str:
    """The place's name without the number that tells two of them apart."""
    return name.rstrip("0123456789")


class _Recogniser:
    """The errors of one language's catalog."""

    def __init__(self, messages: Iterator[tuple[str, str]]) -> None:
        self._whole: dict[str, str] = {}
        with_values: list[_Message] = []
        for message, translation in messages:
            pieces = _PLACE.split(message)
            if len(pieces) == 1:
                self._whole[message] = translation
            else:
                with_values.append(_Message(tuple(pieces[::2]), tuple(pieces[1::2]), translation))
        # what says the most by itself is the most certain
        self._with_values = sorted(with_values, key=lambda one: -sum(map(len, one.parts)))

    def said(self, text: str, depth: int) -> str | None:
        """None where it is not recognised. `depth`: how many errors may stand within each other."""
        found = self._whole.get(text)
        if found is not None or depth == 0:
            return found
        for message in self._with_values:
            values = message.values_in(text, self._is_word)
            if values is not None:
                spoken_values = {name: self._value(name, value, depth) for name, value in values.items()}
                return _PLACE.sub(lambda place, of=spoken_values: of[place[1]], message.translation)  # type: ignore[misc] # bound now
        sentences = _SENTENCES.split(text)
        if len(sentences) > 1:
            spoken_sentences = [self.said(one, depth - 1) for one in sentences]
            if any(spoken_sentences):
                joined = " ".join(one or sentences[number] for number, one in enumerate(spoken_sentences))
                return joined.replace("。 ", "。")
            return None
        where, sign, what = text.partition(": ")
        said = self.said(what, depth - 1) if sign else None
        if sign and said is None and what.endswith("."):
            bare = self.said(what[:-1], depth - 1)
            said = bare and f"{bare}."
        return said and f"{self._whole.get(where, where)}: {said}"

    def _value(self, name: str, value: str, depth: int) -> str:
        if _kind(name) in _WORDS:
            return ", ".join(self._whole.get(one, one) for one in value.split(", "))
        return (self.said(value, depth - 1) or value) if _kind(name) in _NESTED else value

    def _is_word(self, value: str) -> bool:
        return all(one in self._whole for one in value.split(", "))


@cache
def _recogniser(language: Language) -> _Recogniser:
    ours: tuple[object, ...] = (CONTEXT, CONTEXT.encode())  # babel 2.18's read_mo leaves the context as bytes
    return _Recogniser(
        (str(one.id), str(one.string))
        for one in read_mo(io.BytesIO(compiled(language)))
        if one.context in ours and one.string
    )
