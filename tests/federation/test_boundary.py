"""Nothing that crosses to a centre can carry a picture, a template, a place in a picture or an order."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from custodes.federation.parcel import _Parcel
from custodes.types import federation
from custodes.types.federation import TOPICS, Receipt, Shared, Slug, Topic
from custodes.types.question import CaseQuestion

MOST_CHARS = 80
TEXTS = {("LogGrew", "request"), ("Receipt", "cosigned")}
"""Longer text: signed checkpoints, which the witness's and the warden's code parse; all else in them is refused."""
BYTES = {("Receipt", "tip"), ("_Parcel", "before")}
"""32 bytes each: values of the chain."""
NEVER = frozenset(
    {"face", "template", "vector", "embed", "picture", "image", "frame", "pixel", "box", "track", "person", "plate"}
    | {"address", "host", "url", "password", "token"}
)


def leaves(kind: type[msgspec.Struct]) -> Iterator[tuple[str, str, Any, msgspec.Meta | None]]:
    """Struct, field, plain type, bounds: down to what is no struct."""
    for field, hint in get_type_hints(kind, include_extras=True).items():
        yield from _leaf(kind.__name__, field, hint, None)


def _leaf(name: str, field: str, hint: Any, meta: msgspec.Meta | None) -> Iterator[tuple[str, str, Any, Any]]:
    if get_origin(hint) is Annotated:
        inner, *metas = get_args(hint)
        yield from _leaf(name, field, inner, next((one for one in metas if isinstance(one, msgspec.Meta)), meta))
    elif get_origin(hint) is tuple:
        (inner, dots) = get_args(hint)
        assert dots is Ellipsis and meta is not None and meta.max_length, f"{name}.{field} has no bound"
        assert isinstance(inner, type) and issubclass(inner, msgspec.Struct), f"{name}.{field} is a row of {inner}"
        yield from leaves(inner)
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield from leaves(hint)
    else:
        yield name, field, hint, meta


SHARED = get_args(Shared)


def test_every_fact_belongs_to_a_topic_that_a_site_has_to_list() -> None:
    assert set(TOPICS) == set(SHARED)
    assert set(TOPICS.values()) == set(Topic)
    defined = {one for one in vars(federation).values() if isinstance(one, type) and issubclass(one, msgspec.Struct)}
    assert {one for one in defined if one.__struct_config__.tag is not None} == set(SHARED)


@pytest.mark.parametrize("kind", [*SHARED, Receipt], ids=lambda kind: kind.__name__)
def test_no_field_when_walked_can_hold_more_than_a_number_or_a_name(kind: type[msgspec.Struct]) -> None:
    """No bytes and no lists of numbers: a template is both or either. Every text and number has bounds."""
    assert kind.__struct_config__.forbid_unknown_fields
    for name, field, plain, meta in leaves(kind):
        assert plain in (int, float, bool, str, bytes), f"{name}.{field}: {plain}"
        assert not any(word in field for word in NEVER), f"{name}.{field}"
        if plain is bytes:
            assert (name, field) in BYTES and meta is not None and meta.min_length == meta.max_length == 32
        elif plain is str and (name, field) not in TEXTS:
            assert meta is not None and meta.max_length is not None and meta.max_length <= MOST_CHARS
            assert meta.pattern is not None, f"{name}.{field} takes any character"
        elif plain in (int, float):
            assert meta is not None and meta.ge is not None and meta.le is not None, f"{name}.{field} has no range"


def test_question_when_walked_asks_where_and_when_and_nothing_of_how_anybody_looks() -> None:
    assert CaseQuestion.__struct_config__.forbid_unknown_fields
    about = {"question_id", "site_id", "asker", "case_id", "reason", "entry", "expires_ns"}
    assert set(CaseQuestion.__struct_fields__) == about | {"start_ns", "end_ns", "classes", "cameras", "wants_footage"}
    for field, hint in get_type_hints(CaseQuestion, include_extras=True).items():
        if hint is bool:
            continue
        plain, *metas = get_args(hint)
        assert plain in (int, str, tuple[Slug, ...]), field
        bounded = [one for one in metas if isinstance(one, msgspec.Meta) and (one.max_length or one.le)]
        assert bounded, f"{field} has no bound"


def test_receipt_when_looked_at_has_nothing_that_asks_for_anything() -> None:
    assert set(Receipt.__struct_fields__) == {"site_id", "seq", "tip", "log_size", "cosigned"}


def test_parcel_when_looked_at_holds_facts_and_their_place_alone() -> None:
    assert set(_Parcel.__struct_fields__) == {"site_id", "first", "before", "floor", "facts"}
