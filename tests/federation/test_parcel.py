"""Parcels and receipts: what is signed comes out as it went in, and nothing else comes out at all."""

import random
from dataclasses import replace

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from custodes.audit.note import NoteVerifier
from custodes.errors import InvalidArgument, ProtocolError
from custodes.federation import parcel as module
from custodes.federation.parcel import (
    MAX_FACTS,
    MAX_PARCEL_BYTES,
    NO_TIP,
    Parcel,
    cut,
    encode_fact,
    link,
    open_parcel,
    open_receipt,
    seal_parcel,
    seal_receipt,
)
from custodes.federation.sequence import Fit, Placed, place
from custodes.testing.outbox import encoded, make_counts
from custodes.types.federation import CountsOfQuarter, LineCount, Receipt

KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
VERIFIER = NoteVerifier(name="site-a", public_key=KEY.public_key().public_bytes_raw())
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)


def sealed(first: int = 1, count: int = 3, *, before: bytes = NO_TIP, floor: int = 0, start: int = 0) -> bytes:
    facts = encoded(*(make_counts(number) for number in range(start, start + count)))
    return seal_parcel(KEY, site_id="site-a", first=first, before=before, floor=floor, encoded=facts)


def opened(*args: int, **kwargs: object) -> Parcel:
    return open_parcel(sealed(*args, **kwargs), site_id="site-a", key=VERIFIER)  # type: ignore[arg-type]


def test_parcel_when_opened_is_what_was_sealed() -> None:
    parcel = opened(7, 3, before=b"\x01" * 32, floor=4)
    assert parcel.facts == tuple(map(make_counts, range(3)))
    assert (parcel.first, parcel.last, parcel.floor) == (7, 9, 4)
    assert parcel.tips[0] == link(b"\x01" * 32, 7, encode_fact(make_counts(0)))


def test_parcel_when_any_byte_is_another_is_refused() -> None:
    whole = sealed(count=1)
    for position in range(len(whole)):
        bent = bytearray(whole)
        bent[position] ^= 1
        with pytest.raises(ProtocolError):
            open_parcel(bytes(bent), site_id="site-a", key=VERIFIER)


def test_parcel_when_of_another_key_site_or_kind_is_refused() -> None:
    facts = encoded(make_counts(0))
    forged = seal_parcel(OTHER, site_id="site-a", first=1, before=NO_TIP, floor=0, encoded=facts)
    with pytest.raises(ProtocolError, match="not signed by site-a"):
        open_parcel(forged, site_id="site-a", key=VERIFIER)
    with pytest.raises(ProtocolError, match="a parcel of site-a"):
        open_parcel(sealed(), site_id="site-b", key=VERIFIER)
    receipt = Receipt(site_id="site-a", seq=1, tip=NO_TIP, log_size=0, cosigned="")
    with pytest.raises(ProtocolError, match="neither"):
        open_parcel(seal_receipt(KEY, receipt), site_id="site-a", key=VERIFIER)
    with pytest.raises(ProtocolError, match="another site"):
        open_receipt(seal_receipt(KEY, receipt), site_id="site-b", key=VERIFIER)
    assert open_receipt(seal_receipt(KEY, receipt), site_id="site-a", key=VERIFIER) == receipt


def signed(body: bytes) -> bytes:
    return module._PARCEL + KEY.sign(module._PARCEL + body) + body


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("a fact of no kind", {"facts": [{"type": "Picture", "jpeg": b"\xff\xd8"}]}),
        ("a field too many", {"facts": [{**msgspec.to_builtins(make_counts(0)), "template": [0.1] * 512}]}),
        ("a negative count", {"facts": [{**msgspec.to_builtins(make_counts(0)), "start_ns": -1}]}),
        ("a name that is a program", {"facts": [{**msgspec.to_builtins(make_counts(0)), "camera_id": "a\n<b>"}]}),
        ("no facts", {"facts": []}),
        ("too many facts", {"facts": [msgspec.to_builtins(make_counts(0))] * (MAX_FACTS + 1)}),
        ("a floor above itself", {"floor": 1}),
        ("fact number 0", {"first": 0}),
        ("a short chain value", {"before": b"\x00"}),
        ("an order", {"show": "camera-1"}),
    ],
)
def test_parcel_when_its_own_site_signed_nonsense_is_refused(what: str, change: dict[str, object]) -> None:
    tree = {
        "site_id": "site-a",
        "first": 1,
        "before": NO_TIP,
        "floor": 0,
        "facts": [msgspec.to_builtins(make_counts(0))],
    }
    open_parcel(signed(msgspec.msgpack.encode(tree)), site_id="site-a", key=VERIFIER)
    with pytest.raises(ProtocolError):
        open_parcel(signed(msgspec.msgpack.encode(tree | change)), site_id="site-a", key=VERIFIER)


@given(st.binary(max_size=200))
def test_parcel_when_signed_bytes_are_anything_raises_nothing_else(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        open_parcel(signed(body), site_id="site-a", key=VERIFIER)


def test_parcel_when_nested_deeply_or_large_is_refused() -> None:
    for body in (b"\x91" * 100_000, bytes(MAX_PARCEL_BYTES)):
        with pytest.raises(ProtocolError):
            open_parcel(signed(body), site_id="site-a", key=VERIFIER)


def test_fact_when_out_of_its_own_bounds_is_never_sent() -> None:
    line = LineCount(line="x" * 81, is_forward=True, object_class="car", count=10)
    fact = msgspec.structs.replace(make_counts(0), counts=(line,))
    assert isinstance(fact, CountsOfQuarter)
    with pytest.raises(InvalidArgument):
        encode_fact(fact)


def test_cut_when_facts_are_many_or_large_keeps_within_both_bounds() -> None:
    assert cut([b"x"] * 1000) == MAX_FACTS
    assert cut([bytes(90_000)] * 100) == 5
    assert cut([bytes(MAX_PARCEL_BYTES)]) == 1


def test_place_tells_new_known_early_and_another_past() -> None:
    one = opened(1, 4)
    tip = one.tips[-1]
    assert place(one, seq=0, tip=NO_TIP) == Placed(fit=Fit.NEW)
    assert place(one, seq=4, tip=tip).fit is Fit.KNOWN
    assert place(one, seq=9, tip=tip).fit is Fit.KNOWN
    assert place(one, seq=2, tip=one.tips[1]) == Placed(fit=Fit.NEW, skip=2)
    assert place(one, seq=2, tip=tip).fit is Fit.FORK
    assert place(opened(5, 2, before=tip), seq=4, tip=tip) == Placed(fit=Fit.NEW)
    assert place(opened(5, 2, before=NO_TIP), seq=4, tip=tip).fit is Fit.FORK
    assert place(opened(6, 2, before=tip), seq=4, tip=tip).fit is Fit.EARLY
    assert place(opened(6, 2, before=tip, floor=5), seq=4, tip=tip) == Placed(fit=Fit.NEW, lost=1)


def test_facts_when_parcels_come_in_any_order_cut_anyhow_and_often_are_taken_once_in_order() -> None:
    draw = random.Random(12)
    facts = encoded(*map(make_counts, range(60)))
    tips = [NO_TIP]
    for seq, one in enumerate(facts, 1):
        tips.append(link(tips[-1], seq, one))
    taken: list[object] = []
    seq, tip = 0, NO_TIP
    for _ in range(3000):
        first = draw.randint(1, 60)
        last = draw.randint(first, min(first + 9, 60))
        raw = seal_parcel(
            KEY, site_id="site-a", first=first, before=tips[first - 1], floor=0, encoded=facts[first - 1 : last]
        )
        parcel = open_parcel(raw, site_id="site-a", key=VERIFIER)
        placed = place(parcel, seq=seq, tip=tip)
        assert placed.fit is not Fit.FORK
        if placed.fit is Fit.NEW:
            taken += parcel.facts[placed.skip :]
            seq, tip = parcel.last, parcel.tips[-1]
    assert taken == [make_counts(number) for number in range(60)]


def test_key_when_it_is_a_witness_key_opens_no_parcel() -> None:
    from custodes.audit.note import KeyType

    with pytest.raises(ProtocolError):
        open_parcel(sealed(), site_id="site-a", key=replace(VERIFIER, key_type=KeyType.COSIGN_ED25519))
