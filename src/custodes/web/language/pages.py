"""Templates and the words of scripts in each language, compiled once each. Renders nothing by itself."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.templating import Jinja2Templates

from custodes.web.language.markup import Spoken
from custodes.web.language.reported import reported
from custodes.web.language.scripts import messages_of
from custodes.web.language.speech import (
    ENGLISH,
    Language,
    catalog_of,
    moment_text,
    number_text,
    say_count,
    spoken,
    translated,
)

_MODULE = re.compile(r'src="/static/js/(\w+)\.js"')
_IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?["']\./(\w+)\.js["']""")
_ALWAYS = ("common", "menu", "install")
"""What every page loads (`base.html`)."""


class Pages:
    """The templates of `custodes.web`, in the language of each request."""

    def __init__(self, static: Path, filters: Mapping[str, Callable[..., str]] | None = None) -> None:
        """Args:
        static: the folder with the scripts, whose words a page carries.
        filters: further ones for the templates; they speak the request's language themselves.
        """
        self._filters = dict(filters or {})
        self._scripts = Scripts(static / "js")
        self._by_tag: dict[str, Jinja2Templates] = {}

    def spoken(self) -> Jinja2Templates:
        """Those of this request's language; made when it is first asked for."""
        language = spoken()
        if language.tag not in self._by_tag:
            self._by_tag[language.tag] = Jinja2Templates(env=self._environment(language))
        return self._by_tag[language.tag]

    def _environment(self, language: Language) -> Environment:
        environment = Environment(
            loader=PackageLoader("custodes.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            extensions=[Spoken],
        )
        if language is not ENGLISH:
            environment.translate = catalog_of(language).gettext  # type: ignore[attr-defined] # of the extension
        environment.filters.update(self._filters)
        environment.filters["utc"] = moment_text
        environment.filters["reported"] = reported
        environment.filters["decimal"] = number_text
        environment.globals["tag_of_language"] = language.tag
        environment.globals["_"] = translated
        environment.globals["ngettext"] = say_count
        environment.globals["script_words"] = lambda tags: self._scripts.words(language, str(tags))
        return environment


class Scripts:
    """Which words the modules of a page want, by following their imports."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.words = cache(self._words)

    def _words(self, language: Language, tags: str) -> Markup:
        """The element from which `words.js` reads: the translations of what these modules say; empty in English."""
        if language is ENGLISH:
            return Markup()
        catalog = catalog_of(language)
        said: dict[str, str | list[str]] = {}
        for module in self._reached({*_ALWAYS, *_MODULE.findall(tags)}):
            for one, many in messages_of((self._folder / f"{module}.js").read_text("utf-8")):
                if many:
                    said[one] = [catalog.ngettext(one, many, 1), catalog.ngettext(one, many, 2)]
                elif catalog.gettext(one) != one:
                    said[one] = catalog.gettext(one)
        # a block of data: browsers run nothing of it, whatever the policy says of scripts (HTML, "prepare the script")
        text = json.dumps(said, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        return Markup(f'<script type="application/json" id="words">{text}</script>')  # nosec B704  # noqa: S704 - `<` is escaped

    def _reached(self, modules: set[str]) -> list[str]:
        found: set[str] = set()
        while modules:
            module = modules.pop()
            path = self._folder / f"{module}.js"
            if module in found or not path.exists():
                continue
            found.add(module)
            modules |= set(_IMPORT.findall(path.read_text("utf-8")))
        return sorted(found)
