"""Which language a request is answered in, and texts, numbers and dates in it. Knows no template and no request.

The language is a context variable: each request runs in a context of its own. Everything that is not asked by a page
(the log, the command line, other processes) speaks English, because nothing sets it there.
"""

import gettext
import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TypeVar

from custodes.errors import DataLoss
from custodes.units import NS_PER_S, Ns

Key = TypeVar("Key")

CATALOGS = Path(__file__).parent / "catalogs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """`tag` as HTML and browsers write it (BCP 47); `locale` as Babel's data are called; `name` in itself."""

    tag: str
    locale: str
    name: str


ENGLISH = Language(tag="en", locale="en", name="English")
LANGUAGES = (
    ENGLISH,
    Language(tag="de", locale="de", name="Deutsch"),
    Language(tag="zh-Hant", locale="zh_Hant", name="繁體中文"),
    Language(tag="th", locale="th", name="ไทย"),
)
_BY_TAG = {one.tag: one for one in LANGUAGES}
_TRADITIONAL = ("zh-hant", "zh-tw", "zh-hk", "zh-mo")
"""What browsers call Chinese in traditional script. Simplified is another script: English then."""
_MOST_RANGES = 16

_speaking: ContextVar[Language] = ContextVar("language", default=ENGLISH)


def language_of(tag: str) -> Language | None:
    """The language with exactly this tag, or None."""
    return _BY_TAG.get(tag)


def preferred(accept_language: str) -> Language:
    """What a browser's Accept-Language asks for first of what we have (RFC 9110, 12.5.4); English when nothing is."""
    ranges: list[tuple[float, int, str]] = []
    for number, part in enumerate(accept_language[:512].split(",")[:_MOST_RANGES]):
        name, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight.strip() else 1.0
        except ValueError:
            continue
        if 0 < quality <= 1:
            ranges.append((-quality, number, name.strip().lower()))
    for _, _, name in sorted(ranges):
        if name.startswith(_TRADITIONAL):
            return _BY_TAG["zh-Hant"]
        found = _BY_TAG.get(name.split("-")[0])
        if found is not None:
            return found
    return ENGLISH


def speak(language: Language) -> None:
    """From here on in this context, that is for the rest of this request."""
    _speaking.set(language)


def spoken() -> Language:
    """What this request is answered in."""
    return _speaking.get()


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """For the block only."""
    token = _speaking.set(language)
    try:
        yield
    finally:
        _speaking.reset(token)


@cache
def catalog_of(language: Language) -> gettext.NullTranslations:
    """The translations into it; nothing is translated into English.

    A wheel brings them compiled (`setup.py`); a checkout has their sources only, and compiles them here (0.1 s, once).

    Raises: DataLoss when the package lacks them.
    """
    if language is ENGLISH:
        return gettext.NullTranslations()
    try:
        return gettext.GNUTranslations(io.BytesIO(compiled(language)))
    except (OSError, ValueError) as error:
        raise DataLoss(f"the translations into {language.name} are not readable: {error}") from error


def compiled(language: Language) -> bytes:
    """The MO of its catalog. Raises: OSError, ValueError."""
    source = CATALOGS / f"{language.tag}.po"
    return compile_catalog(source) if source.exists() else source.with_suffix(".mo").read_bytes()


def compile_catalog(source: Path) -> bytes:
    """A gettext MO of a PO file, without what is marked as uncertain. Raises: OSError, ValueError."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with source.open("rb") as file:
        catalog = read_po(file, locale=source.stem.replace("-", "_"), charset="utf-8")
    out = io.BytesIO()
    write_mo(out, catalog, use_fuzzy=False)
    return out.getvalue()


def translated(message: str) -> str:
    """The message in the language of this request, or itself."""
    language = _speaking.get()
    return message if language is ENGLISH or not message else catalog_of(language).gettext(message)


def say(message: str, **values: object) -> str:
    """A sentence with values: `say("{count} of {all} cameras", count=1, all=2)`."""
    return translated(message).format(**values)


def say_count(count: int, one: str, many: str, **values: object) -> str:
    """A sentence that depends on a number, which it may name as `{count}`."""
    return catalog_of(_speaking.get()).ngettext(one, many, count).format(count=_grouped(count), **values)


def _grouped(count: int) -> str:
    language = _speaking.get()
    if language is ENGLISH or count < 1000:
        return f"{count:,}"
    from babel.numbers import format_decimal

    return format_decimal(count, locale=language.locale)


class Words(dict[Key, str]):
    """Words by key that come out in the language of the request. The values stand in the source, where `gather` finds
    them; whoever iterates over `values()` gets English."""

    def __getitem__(self, key: Key) -> str:
        """Raises: KeyError."""
        return translated(super().__getitem__(key))

    def get(self, key: Key, default: str = "") -> str:  # type: ignore[override] # never None: these are words
        """Translated like the others; `default` as it is."""
        found = super().get(key)
        return default if found is None else translated(found)


class WordPairs(dict[Key, tuple[str, str]]):
    """As `Words`: a name and what it means."""

    def __getitem__(self, key: Key) -> tuple[str, str]:
        """Raises: KeyError."""
        name, meaning = super().__getitem__(key)
        return translated(name), translated(meaning)


def number_text(value: float, digits: int = 0) -> str:
    """With the signs of the language; English as Python writes it, without groups."""
    return decimal_signs(f"{value:.{digits}f}")


def decimal_signs(plain: str) -> str:
    """A number as Python writes it, with the language's sign between whole and parts."""
    language = _speaking.get()
    if language is ENGLISH or "." not in plain:
        return plain
    from babel.numbers import get_decimal_symbol

    return plain.replace(".", get_decimal_symbol(language.locale))


def moment_text(utc_ns: Ns) -> str:
    """A moment to the second, said as UTC; year first in English, the language's own order elsewhere.

    Years are those of the common era everywhere, also in Thai: evidence is compared across borders.
    """
    moment = datetime.fromtimestamp(utc_ns // NS_PER_S, UTC)
    language = _speaking.get()
    if language is ENGLISH:
        return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    from babel.dates import format_date

    return f"{format_date(moment, 'medium', locale=language.locale)} {moment:%H:%M:%S} UTC"
