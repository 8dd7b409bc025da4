"""The curated rules: makers, brands, marks, ban lists, firmware rules, ends of support. Typed, checked, dated.

The shipped files lie in `rules/`, written by hand with a source a row. An operator's newer or own file replaces or
adds to them (`merge`). What the rules say about a device is `identify` and `verdicts`.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from importlib import resources
from typing import Literal

import msgspec

from custodes.errors import InvalidArgument

MAX_RULE_BYTES = 16 * 1024 * 1024
STALE_DAYS = 30
"""Of data; after that its age is itself a finding (KEV grows several times a week)."""

Signal = Literal[
    "onvif_manufacturer", "onvif_model", "scope", "http_server", "http_realm", "rtsp_server", "rtsp_realm",
    "rtsp_title", "stream_path", "tls_name", "mac_owner",
]  # fmt: skip


class Maker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who builds devices. `names`: as registers and certificates spell it, lower case, matched as whole words."""

    id: str
    name: str
    names: tuple[str, ...]
    oui: tuple[str, ...] = ()
    """Some of its address blocks, six hexadecimal digits, for sites without a register at hand."""


class Brand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is printed on the box. `makers`: who builds it, the usual one first."""

    name: str
    makers: tuple[str, ...]
    names: tuple[str, ...]
    """As devices spell it, lower case."""
    models: str = ""
    """Regular expression of model numbers that nobody else uses."""
    source: str = ""
    """Where it is said that another builds it."""


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something in an answer that betrays who built the device."""

    signal: Signal
    pattern: str
    maker: str
    weight: float
    """0 to 1: how often it is right, alone."""
    brand: str = ""
    source: str = ""


class Listed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list that forbids makers. `makers`: named; `affiliates`: subsidiaries of those named, which lists include."""

    id: str
    title: str
    date: date
    source: str
    makers: tuple[str, ...]
    affiliates: tuple[str, ...] = ()
    severity: Literal["high", "medium", "low"] = "high"
    checked: str = ""
    """When and where the source was read again; empty: written from memory."""


class FirmwareRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One known weakness. Out of what it does not say nothing follows: then the answer is *unknown*."""

    id: str
    """CVE number, or another that people can look up."""
    title: str
    makers: tuple[str, ...]
    models: str = ""
    """Regular expression of affected model numbers, matched at their start. Empty: of no use without `brand_wide`."""
    is_brand_wide: bool = False
    """It is about the firmware, whatever the model."""
    order: Literal["build", "version", "none"] = "none"
    """How `first` and `fixed` compare: build dates yymmdd, or dotted numbers; none: every firmware."""
    first: str = ""
    fixed: str = ""
    """Affected is first ≤ firmware < fixed; empty `fixed` with an order: never fixed."""
    last: str = ""
    """Affected is firmware ≤ last; nothing is said about what came after unless `fixed` is given, too."""
    is_fixed_proven: bool = False
    """The source says which firmware is mended, so that *not affected* may be said."""
    severity: Literal["critical", "high", "medium", "low"] = "high"
    exploited_since: str = ""
    """Date in the catalogue of exploited vulnerabilities, as of this file."""
    checked: str = ""
    """When and where the source was read again; without it *not affected* is never said."""
    source: str


class EndOfLife(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Devices that get no more firmware."""

    maker: str
    models: str
    since: str
    """ISO date or year."""
    source: str


class UnsignedFirmware(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Devices that install firmware which nobody signed."""

    maker: str
    models: str = ""
    """Regular expression, matched at the start; empty: all of the maker's, as of the source."""
    since: str
    """When the source said so."""
    checked: str = ""
    """When and where the source was read again."""
    source: str


class Cloud(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Domains under which a maker's devices phone home."""

    maker: str
    domains: tuple[str, ...]


class Streams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Paths of a maker's streams, and what is odd about its devices."""

    maker: str
    main: str
    sub: str = ""
    channel: str = ""
    """Of a recorder: the main stream of channel {n}, or {nn} with two digits."""
    quirk: str = ""


class RuleFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One YAML or JSON document."""

    title: str
    date: date
    makers: tuple[Maker, ...] = ()
    brands: tuple[Brand, ...] = ()
    marks: tuple[Mark, ...] = ()
    lists: tuple[Listed, ...] = ()
    firmware: tuple[FirmwareRule, ...] = ()
    ends: tuple[EndOfLife, ...] = ()
    unsigned: tuple[UnsignedFirmware, ...] = ()
    clouds: tuple[Cloud, ...] = ()
    streams: tuple[Streams, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Data with its age, for the report."""

    title: str
    date: date
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploited:
    """One entry of the catalogue of exploited vulnerabilities."""

    cve: str
    since: str
    product: str
    """Vendor and product, as the catalogue spells them."""


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """All rules, indexed once. Immutable; share it."""

    files: tuple[RuleFile, ...]
    exploited: dict[str, "Exploited"] = field(default_factory=dict)
    """By CVE number, from the operator's catalogue; empty where none was given."""
    exploited_date: date | None = None
    register: dict[str, str] = field(default_factory=dict)
    """Address blocks of the IEEE to their owners, where the operator took them in."""
    register_date: date | None = None
    """Of the oldest of its files."""
    doubts: tuple[str, ...] = ()
    """What is wrong with where the data come from, in sentences."""

    @cached_property
    def makers(self) -> dict[str, Maker]:
        """By id."""
        return {one.id: one for file in self.files for one in file.makers}

    @cached_property
    def brands(self) -> dict[str, Brand]:
        """By name."""
        return {one.name: one for file in self.files for one in file.brands}

    @cached_property
    def marks(self) -> dict[str, tuple[tuple["re.Pattern[str]", Mark], ...]]:
        """By signal."""
        found: dict[str, list[tuple[re.Pattern[str], Mark]]] = {}
        for file in self.files:
            for one in file.marks:
                found.setdefault(one.signal, []).append((re.compile(one.pattern, re.IGNORECASE), one))
        return {signal: tuple(marks) for signal, marks in found.items()}

    @cached_property
    def brand_words(self) -> tuple[tuple["re.Pattern[str]", Brand], ...]:
        """Whole words by which devices name themselves."""
        return tuple((_words(one.names), one) for one in self.brands.values())

    @cached_property
    def brand_models(self) -> tuple[tuple["re.Pattern[str]", Brand], ...]:
        """Model numbers that give a brand away."""
        return tuple((re.compile(one.models, re.IGNORECASE), one) for one in self.brands.values() if one.models)

    @cached_property
    def maker_words(self) -> tuple[tuple["re.Pattern[str]", Maker], ...]:
        """Whole words by which registers and certificates name makers."""
        return tuple((_words(one.names), one) for one in self.makers.values())

    @cached_property
    def exploited_of(self) -> dict[str, tuple[Exploited, ...]]:
        """Catalogue entries by the maker whose name or brand their product carries."""
        words = [(one.id, pattern) for pattern, one in self.maker_words]
        words += [(maker, pattern) for pattern, brand in self.brand_words for maker in brand.makers[:1]]
        found: dict[str, list[Exploited]] = {}
        for entry in self.exploited.values():
            for maker in dict.fromkeys(maker for maker, pattern in words if pattern.search(entry.product)):
                found.setdefault(maker, []).append(entry)
        return {maker: tuple(entries) for maker, entries in found.items()}

    @cached_property
    def oui(self) -> dict[str, Maker]:
        """First six hexadecimal digits of an address to the maker."""
        return {prefix.lower(): one for one in self.makers.values() for prefix in one.oui}

    @cached_property
    def clouds(self) -> dict[str, str]:
        """Domain to the name of the maker whose devices phone there."""
        return {
            domain: self.makers[one.maker].name for file in self.files for one in file.clouds for domain in one.domains
        }

    def cloud_of(self, name: str) -> str:
        """The maker in whose domains a name lies; empty for none."""
        labels = name.lower().rstrip(".").split(".")
        for first in range(max(len(labels) - 4, 0), len(labels)):
            found = self.clouds.get(".".join(labels[first:]))
            if found:
                return found
        return ""

    def stream_of(self, text: str) -> Streams | None:
        """Paths of the maker that a text names."""
        maker = self.maker_in(text)
        rows = (one for file in self.files for one in file.streams)
        return next((one for one in rows if self.makers[one.maker].name == maker), None)

    def maker_in(self, text: str) -> str:
        """Name of the first maker, or of a brand's usual maker, that a text names; empty for none."""
        for pattern, maker in self.maker_words if text else ():
            if pattern.search(text):
                return maker.name
        for pattern, brand in self.brand_words if text else ():
            if pattern.search(text):
                return self.makers[brand.makers[0]].name
        return ""

    @cached_property
    def lists(self) -> tuple[Listed, ...]:
        """Ban lists."""
        return tuple(one for file in self.files for one in file.lists)

    @cached_property
    def firmware(self) -> dict[str, tuple[tuple["re.Pattern[str]", FirmwareRule, date], ...]]:
        """By maker; with the date of their file."""
        found: dict[str, list[tuple[re.Pattern[str], FirmwareRule, date]]] = {}
        for file in self.files:
            for one in file.firmware:
                for maker in one.makers:
                    pattern = re.compile(one.models or "(?!)", re.IGNORECASE)
                    found.setdefault(maker, []).append((pattern, one, file.date))
        return {maker: tuple(rules) for maker, rules in found.items()}

    @cached_property
    def ends(self) -> dict[str, tuple[tuple["re.Pattern[str]", EndOfLife, date], ...]]:
        """By maker; with the date of their file."""
        found: dict[str, list[tuple[re.Pattern[str], EndOfLife, date]]] = {}
        for file in self.files:
            for one in file.ends:
                found.setdefault(one.maker, []).append((re.compile(one.models, re.IGNORECASE), one, file.date))
        return {maker: tuple(rules) for maker, rules in found.items()}

    @cached_property
    def unsigned(self) -> dict[str, tuple[tuple["re.Pattern[str]", UnsignedFirmware, date], ...]]:
        """By maker; with the date of their file."""
        found: dict[str, list[tuple[re.Pattern[str], UnsignedFirmware, date]]] = {}
        for file in self.files:
            for one in file.unsigned:
                found.setdefault(one.maker, []).append((re.compile(one.models, re.IGNORECASE), one, file.date))
        return {maker: tuple(rules) for maker, rules in found.items()}

    def sets(self) -> tuple[DataSet, ...]:
        """Every file with its age; also the catalogue, where there is one."""
        found = [
            DataSet(title=one.title, date=one.date, entries=_entries(one)) for one in self.files
        ]  # fmt: skip
        if self.exploited_date is not None:
            title = "Known exploited vulnerabilities (CISA KEV)"
            found.append(DataSet(title=title, date=self.exploited_date, entries=len(self.exploited)))
        if self.register_date is not None:
            title = "Register of address blocks (IEEE)"
            found.append(DataSet(title=title, date=self.register_date, entries=len(self.register)))
        return tuple(found)


def _entries(file: RuleFile) -> int:
    judged = (file.makers, file.brands, file.marks, file.lists, file.firmware, file.ends, file.unsigned)
    rows = (*judged, file.clouds, file.streams)
    return sum(len(one) for one in rows)


def _words(names: tuple[str, ...]) -> "re.Pattern[str]":
    return re.compile(
        r"(?<![a-z0-9])(?:" + "|".join(re.escape(one) for one in names) + r")(?![a-z0-9])", re.IGNORECASE
    )


def read_rules(payload: bytes, *, where: str) -> RuleFile:
    """One rule file. Raises: InvalidArgument naming the file and what is wrong in it."""
    if len(payload) > MAX_RULE_BYTES:
        raise InvalidArgument(f"{where}: {len(payload)} bytes; rules have at most {MAX_RULE_BYTES}")
    try:
        file = msgspec.yaml.decode(payload, type=RuleFile)
        for pattern in _patterns(file):
            re.compile(pattern)
    except (msgspec.MsgspecError, ValueError, RecursionError, re.error) as error:
        raise InvalidArgument(f"{where} is no rule file: {error}") from error
    return file


def _patterns(file: RuleFile) -> list[str]:
    found = [one.pattern for one in file.marks] + [one.models for one in file.firmware]
    found += [one.models for one in file.unsigned]
    return found + [one.models for one in file.ends] + [one.models for one in file.brands]


def load_knowledge(extra: tuple[RuleFile, ...] = ()) -> Knowledge:
    """The shipped rules, and the operator's after them.

    Raises: InvalidArgument when a rule names a maker or brand that no file describes.
    """
    folder = resources.files("custodes.fleet").joinpath("rules")
    shipped = [
        read_rules(one.read_bytes(), where=one.name)
        for one in sorted(folder.iterdir(), key=lambda one: one.name)
        if one.name.endswith(".yaml")
    ]
    known = Knowledge(files=(*shipped, *extra))
    _check(known)
    return known


def _check(known: Knowledge) -> None:
    named = {maker for one in known.brands.values() for maker in one.makers}
    for file in known.files:
        named |= {one.maker for rows in (file.marks, file.ends, file.clouds, file.streams) for one in rows}
        named |= {one.maker for one in file.unsigned}
        named |= {maker for one in file.firmware for maker in one.makers}
        named |= {maker for one in file.lists for maker in (*one.makers, *one.affiliates)}
    unknown = sorted(named - set(known.makers))
    if unknown:
        raise InvalidArgument(f"the rules name makers that they do not describe: {', '.join(unknown)}")


class _KevRow(msgspec.Struct, frozen=True):
    cveID: str  # noqa: N815 - CISA's spelling
    dateAdded: str  # noqa: N815
    vendorProject: str = ""  # noqa: N815
    product: str = ""


class _Kev(msgspec.Struct, frozen=True):
    dateReleased: str  # noqa: N815
    vulnerabilities: tuple[_KevRow, ...]


def with_exploited(known: Knowledge, payload: bytes, *, where: str) -> Knowledge:
    """The same with CISA's catalogue (its JSON). Raises: InvalidArgument."""
    if len(payload) > MAX_RULE_BYTES:
        raise InvalidArgument(f"{where}: {len(payload)} bytes; the catalogue has at most {MAX_RULE_BYTES}")
    try:
        found = msgspec.json.decode(payload, type=_Kev)
        released = date.fromisoformat(found.dateReleased[:10])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{where} is not the catalogue of exploited vulnerabilities: {error}") from error
    rows = {
        one.cveID: Exploited(cve=one.cveID, since=one.dateAdded, product=f"{one.vendorProject} {one.product}"[:200])
        for one in found.vulnerabilities
    }
    return replace(known, exploited=rows, exploited_date=released)


def with_register(known: Knowledge, owners: dict[str, str], of: date) -> Knowledge:
    """The same with one more file of the IEEE's register."""
    oldest = min(of, known.register_date or of)
    return replace(known, register={**known.register, **owners}, register_date=oldest)
