"""Leaves: nothing personal stands in the tree, commitments open only to what was committed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.audit.leaf import MAX_DETAIL_CHARS, MAX_DETAILS, SealedLeaf, open_leaf, seal_leaf
from custodes.errors import InvalidArgument, LogCorrupt
from custodes.types.access import AuditKind, AuditRecord
from custodes.units import Ns

BLIND = bytes(range(32))
NOW = Ns(1_700_000_000_000_000_000)
PERSONAL = AuditRecord(
    kind=AuditKind.ACCESS_GRANTED, actor="ann.miller", subject="gate", details={"reference": "case 7 mr. smith"}
)

TEXT = st.text(max_size=60)


@given(st.sampled_from(AuditKind), st.one_of(TEXT, st.just("process:server")), TEXT, st.dictionaries(TEXT, TEXT))
def test_open_when_sealed_then_equal(kind: AuditKind, actor: str, subject: str, details: dict[str, str]) -> None:
    record = AuditRecord(kind=kind, actor=actor, subject=subject, details=details)
    try:
        sealed = seal_leaf(record, NOW, BLIND)
    except InvalidArgument:
        assert len(details) > MAX_DETAILS
        return
    assert open_leaf(sealed) == (NOW, record)


@pytest.mark.parametrize(
    "record",
    [
        PERSONAL,
        replace(PERSONAL, kind=AuditKind.LOGIN_FAILED, subject="mr. smith"),
        replace(PERSONAL, kind=AuditKind.USER_CREATED, actor="process:server", subject="ann.miller"),
        replace(PERSONAL, kind=AuditKind.CAMERA_CHANGED),
    ],
    ids=lambda record: record.kind.value,
)
def test_seal_when_a_person_is_named_then_the_leaf_does_not_say_who(record: AuditRecord) -> None:
    sealed = seal_leaf(record, NOW, BLIND)
    assert b"ann" not in sealed.leaf
    assert b"smith" not in sealed.leaf
    assert open_leaf(sealed)[1] == record


def test_seal_when_a_process_speaks_then_all_is_in_the_leaf() -> None:
    record = AuditRecord(kind=AuditKind.SEGMENT_SEALED, actor="process:server", subject="s1", details={"root": "ab"})
    sealed = seal_leaf(record, NOW, BLIND)
    assert (sealed.blind, sealed.personal) == (b"", b"")
    assert b"process:server" in sealed.leaf and b'"root":"ab"' in sealed.leaf


def test_seal_when_the_blind_differs_then_so_does_the_leaf() -> None:
    """Otherwise a list of names would open the commitments."""
    assert seal_leaf(PERSONAL, NOW, BLIND).leaf != seal_leaf(PERSONAL, NOW, bytes(32)).leaf


def test_open_when_the_personal_part_was_erased_then_says_so_and_keeps_the_rest() -> None:
    sealed = seal_leaf(PERSONAL, NOW, BLIND)
    _, record = open_leaf(SealedLeaf(leaf=sealed.leaf, blind=b"", personal=b""))
    assert (record.kind, record.actor, record.subject, record.details) == (PERSONAL.kind, "(erased)", "gate", {})


def test_open_when_the_personal_part_was_changed_then_refuses() -> None:
    sealed = seal_leaf(PERSONAL, NOW, BLIND)
    other = seal_leaf(replace(PERSONAL, actor="bob"), NOW, BLIND)
    for swapped in (
        replace(sealed, personal=other.personal),
        replace(sealed, blind=bytes(32)),
        replace(sealed, blind=b""),
    ):
        with pytest.raises(LogCorrupt):
            open_leaf(swapped)


@given(st.binary(max_size=200))
def test_open_when_given_anything_then_only_ever_raises_log_corrupt(raw: bytes) -> None:
    with pytest.raises(LogCorrupt):
        open_leaf(SealedLeaf(leaf=raw, blind=b"", personal=b""))


@pytest.mark.parametrize(
    "record",
    [
        replace(PERSONAL, actor="x" * (MAX_DETAIL_CHARS + 1)),
        replace(PERSONAL, details={"x": "y" * (MAX_DETAIL_CHARS + 1)}),
        replace(PERSONAL, details={str(n): "" for n in range(MAX_DETAILS + 1)}),
        replace(PERSONAL, details={str(n): "y" * 1000 for n in range(MAX_DETAILS)}),
    ],
    ids=["actor", "value", "count", "total"],
)
def test_seal_when_out_of_bounds_then_refuses(record: AuditRecord) -> None:
    with pytest.raises(InvalidArgument):
        seal_leaf(record, NOW, BLIND)
