"""Who made a device: weighted evidence for brand and for maker, and where the evidence contradicts itself. Pure.

No mark decides alone. Weights of marks for one answer combine as independent chances to be wrong: 1 − Π(1 − w). What
a device says of itself (its label) is cheap to change and weighs on the brand; what its software and its address
give away weighs on the maker.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from custodes.fleet.knowledge import Brand, Knowledge, Maker
from custodes.fleet.observation import Observation
from custodes.fleet.register import owner_of

_LABEL_WEIGHT = 0.9
"""A manufacturer field that names a brand; judged."""
_SCOPE_WEIGHT = 0.6
_MODEL_WEIGHT = 0.5
_MODEL_ON_MAKER = 0.4
_TLS_WEIGHT = 0.6
_MAC_WEIGHT = 0.7
"""An address block belongs to who built the network part, which is mostly who built the device."""
_LABEL_ON_MAKER = 0.4
"""What a label says about the maker, when the brand is built by one maker only; less where by several."""
SURE = 0.8
"""Below, a maker is *probable*: enough to warn, not enough to acquit."""
_LABELS = frozenset({"brand", "onvif_manufacturer", "onvif_model", "scope"})
"""What a device says of itself: a line in a file, and cheap to change."""
_NOISE = 0.3
"""A second maker needs this much to contradict the first; weaker marks are shared by many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One mark: what was seen where, what it speaks for, how strongly."""

    signal: str
    seen: str
    speaks_for: str
    """Name of a brand or a maker."""
    about: str
    """brand or maker."""
    weight: float
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a device probably is. Empty names: unknown."""

    brand: str
    brand_weight: float
    maker_id: str
    maker: str
    maker_weight: float
    model: str
    firmware: str
    evidence: tuple[Evidence, ...]
    contradictions: tuple[str, ...]

    @property
    def is_maker_sure(self) -> bool:
        """Whether lists and rules may acquit the maker: strong evidence, not only labels, nothing against it."""
        has_witness = any(
            one.about == "maker" and one.speaks_for == self.maker and one.signal not in _LABELS
            for one in self.evidence
        )
        return self.maker_weight >= SURE and has_witness and not self.contradictions


def identify(seen: Observation, known: Knowledge) -> Identity:
    """Weigh all marks of one observation. Cost: about 0.3 ms."""
    evidence = [*_labels(seen, known), *_marks(seen, known), *_certificates(seen, known), *_address(seen, known)]
    brand, brand_weight = _heaviest(evidence, "brand")
    evidence += _brand_on_maker(known.brands.get(brand), known)
    maker, maker_weight = _heaviest(evidence, "maker")
    if not brand and maker_weight >= SURE:
        # Nobody named a brand: the maker's own, when it sells one under its name.
        brand, brand_weight = (maker, maker_weight / 2) if maker in known.brands else ("", 0.0)
    onvif = seen.onvif
    return Identity(
        brand=brand,
        brand_weight=brand_weight,
        maker_id=next((one.id for one in known.makers.values() if one.name == maker), ""),
        maker=maker,
        maker_weight=maker_weight,
        model=(onvif.model if onvif else "") or _model_in_scopes(seen),
        firmware=onvif.firmware if onvif else "",
        evidence=tuple(sorted(evidence, key=lambda one: -one.weight)),
        contradictions=tuple(_contradictions(evidence, brand, maker, known)),
    )


def _labels(seen: Observation, known: Knowledge) -> Iterator[Evidence]:
    if seen.onvif is None:
        return
    for signal, text, weight in (
        ("onvif_manufacturer", seen.onvif.manufacturer, _LABEL_WEIGHT),
        *(("scope", _scope_words(scope), _SCOPE_WEIGHT) for scope in seen.onvif.scopes),
    ):
        for pattern, brand in known.brand_words if text else ():
            if pattern.search(text):
                yield Evidence(signal=signal, seen=text, speaks_for=brand.name, about="brand", weight=weight)
    model = seen.onvif.model or _model_in_scopes(seen)
    for pattern, brand in known.brand_models if model else ():
        if pattern.search(model):
            yield Evidence(
                signal="onvif_model", seen=model, speaks_for=brand.name, about="brand", weight=_MODEL_WEIGHT
            )
            if len(brand.makers) == 1:
                maker = known.makers[brand.makers[0]].name
                yield Evidence(
                    signal="onvif_model", seen=model, speaks_for=maker, about="maker", weight=_MODEL_ON_MAKER
                )


def _scope_words(scope: str) -> str:
    """The value of a name or hardware scope; other scopes (places, profiles) say nothing about the brand."""
    found = re.search(r"/(?:name|hardware|manufacturer)/(.{1,120})$", scope, re.IGNORECASE)
    return found[1].replace("%20", " ").replace("_", " ") if found else ""


def _model_in_scopes(seen: Observation) -> str:
    for scope in seen.onvif.scopes if seen.onvif else ():
        _, found, value = scope.partition("/hardware/")
        if found:
            return value.replace("%20", " ")
    return ""


def _marks(seen: Observation, known: Knowledge) -> Iterator[Evidence]:
    texts: list[tuple[str, str]] = [("stream_path", seen.stream_path)]
    for one in seen.banners:
        texts += [(f"{one.scheme}_server", one.server), (f"{one.scheme}_realm", one.realm)]
        if one.scheme == "rtsp":
            texts.append(("rtsp_title", one.title))
    if seen.onvif is not None:
        texts += [("onvif_manufacturer", seen.onvif.manufacturer), ("onvif_model", seen.onvif.model)]
        texts += [("scope", scope) for scope in seen.onvif.scopes]
    for signal, text in texts:
        for pattern, mark in known.marks.get(signal, ()) if text else ():
            if pattern.search(text):
                yield Evidence(
                    signal=signal,
                    seen=text,
                    speaks_for=known.makers[mark.maker].name,
                    about="maker",
                    weight=mark.weight,
                    source=mark.source,
                )
                if mark.brand:
                    yield Evidence(signal=signal, seen=text, speaks_for=mark.brand, about="brand", weight=mark.weight)


def _certificates(seen: Observation, known: Knowledge) -> Iterator[Evidence]:
    for one in seen.tls:
        names = f"{one.subject} {one.issuer}"
        for pattern, maker in known.maker_words:
            if pattern.search(names):
                yield Evidence(
                    signal="tls_name", seen=names[:120], speaks_for=maker.name, about="maker", weight=_TLS_WEIGHT
                )


def _address(seen: Observation, known: Knowledge) -> Iterator[Evidence]:
    if not seen.mac:
        return
    owner = seen.mac_owner or owner_of(known.register, seen.mac)
    owners: list[Maker] = [maker for pattern, maker in known.maker_words if pattern.search(owner)]
    if not owners and not owner:
        found = known.oui.get(seen.mac.replace(":", "")[:6].lower())
        owners = [found] if found else []
    for maker in owners:
        yield Evidence(
            signal="mac_owner",
            seen=f"{seen.mac[:8]} {owner}".strip(),
            speaks_for=maker.name,
            about="maker",
            weight=_MAC_WEIGHT,
            source="register of the IEEE",
        )


def _brand_on_maker(brand: Brand | None, known: Knowledge) -> list[Evidence]:
    """A label alone: the usual maker of this brand, with the less weight the more makers it has."""
    if brand is None:
        return []
    own = any(known.makers[one].name == brand.name for one in brand.makers)
    # A maker's own name on the box is hardly ever on somebody else's; a brand that buys is another matter.
    weight = 0.85 if own and len(brand.makers) == 1 else _LABEL_ON_MAKER / len(brand.makers)
    return [
        Evidence(
            signal="brand",
            seen=brand.name,
            speaks_for=known.makers[one].name,
            about="maker",
            weight=weight,
            source=brand.source,
        )
        for one in brand.makers
    ]


def _heaviest(evidence: list[Evidence], about: str) -> tuple[str, float]:
    weights = _weights(evidence, about)
    if not weights:
        return "", 0.0
    # The first of equals: rules and makers come in a fixed order.
    best = max(weights, key=lambda name: weights[name])
    return best, weights[best]


def _weights(evidence: list[Evidence], about: str) -> dict[str, float]:
    strongest: dict[str, dict[str, float]] = defaultdict(dict)
    for one in evidence:
        if one.about == about:
            kind = strongest[one.speaks_for]
            kind[one.signal] = max(kind.get(one.signal, 0.0), one.weight)  # ten scopes are one witness
    weights = {}
    for name, kinds in strongest.items():
        doubt = 1.0
        for weight in kinds.values():
            doubt *= 1.0 - weight
        weights[name] = 1.0 - doubt
    return weights


def _contradictions(evidence: list[Evidence], brand: str, maker: str, known: Knowledge) -> Iterator[str]:
    of_brand = known.brands[brand].makers if brand in known.brands else ()
    names = {known.makers[one].name for one in of_brand}
    if brand and maker and maker not in names:
        yield f"it says it is {brand}, but what it answers is {maker}'s"
    told = set()
    for one in evidence:
        other = one.speaks_for
        if one.about != "maker" or other == maker or other in told or one.weight < _NOISE or one.signal == "brand":
            continue
        told.add(other)
        what = (
            "its address belongs to" if one.signal == "mac_owner" else f"its {one.signal.replace('_', ' ')} is that of"
        )
        yield f"{what} {other}, not of {maker}"
    brands = _weights(evidence, "brand")
    for other, weight in brands.items():
        shares_maker = other in known.brands and set(known.brands[other].makers) & set(of_brand)
        if other != brand and weight >= SURE and not shares_maker:
            yield f"it says both {brand} and {other}"
