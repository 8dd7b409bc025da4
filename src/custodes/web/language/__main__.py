"""`python -m custodes.web.language`: bring the catalogs up to what the sources say, and count what is left to do.

New messages come in untranslated and are said in English until somebody writes their `msgstr`; what nobody says any
more goes. With `--check` nothing is written. Translations are kept by the exact English text.
"""

import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as Entry
from babel.messages.pofile import read_po, write_po

from custodes.web.language.gather import Message, gather
from custodes.web.language.speech import CATALOGS, ENGLISH, LANGUAGES, Language


def brought_up(source: Path, language: Language, gathered: Mapping[Message, set[str]]) -> Catalog:
    """The catalog with exactly the messages that are said, and their translations of before."""
    if source.exists():
        with source.open("rb") as file:
            before = read_po(file, locale=language.locale, charset="utf-8")
    else:
        before = Catalog(locale=language.locale, charset="utf-8")
    after = Catalog(locale=language.locale, charset="utf-8", fuzzy=False)
    for message, places in sorted(gathered.items()):
        known = before.get(message.text, message.context or None)
        forms = _forms(known) if known is not None and not known.fuzzy else ("",)
        after.add(
            (message.text, message.many) if message.many else message.text,
            (*forms, *[""] * after.num_plurals)[: after.num_plurals] if message.many else forms[0],
            auto_comments=[", ".join(sorted(places))],
            context=message.context or None,
        )
    return after


def untranslated(catalog: Catalog) -> list[str]:
    """Messages without a translation."""
    return [
        str(one.id if isinstance(one.id, str) else one.id[0]) for one in catalog if one.id and not all(_forms(one))
    ]


def _forms(message: Entry) -> tuple[str, ...]:
    said = message.string
    return (said,) if isinstance(said, str) else tuple(said or ("",))


def main(arguments: list[str]) -> int:
    """Returns the exit code: 1 where `--check` finds a catalog that is not up to date."""
    gathered, is_stale = gather(), False
    for language in LANGUAGES:
        if language is ENGLISH:
            continue
        source = CATALOGS / f"{language.tag}.po"
        catalog = brought_up(source, language, gathered)
        text = _text(catalog)
        is_stale |= not source.exists() or source.read_bytes() != text
        if "--check" not in arguments:
            source.write_bytes(text)
        left, all_of_them = len(untranslated(catalog)), len(catalog)
        sys.stdout.write(f"{language.tag}: {all_of_them - left} of {all_of_them} messages are translated\n")
    return int(is_stale and "--check" in arguments)


def _text(catalog: Catalog) -> bytes:
    out = BytesIO()
    write_po(out, catalog, width=0, omit_header=True)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
