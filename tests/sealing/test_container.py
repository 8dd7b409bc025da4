"""The segment file: round trip, every cut point, every flipped byte, hostile headers."""

import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.errors import InvalidArgument, SealBroken
from custodes.sealing.container import (
    FragmentSealer,
    chain_start,
    encode_header,
    read_fragment,
    read_fragment_range,
    read_header,
    scan_fragments,
)
from custodes.testing.keys import sample_segment
from custodes.types.media import SegmentHeader
from custodes.units import Ns

HEADER, DATA_KEY = sample_segment()
PAYLOADS = [b"init segment", b"first gop " * 20, b"", b"last gop" * 5]


def make_file(header: SegmentHeader = HEADER, data_key: bytes = DATA_KEY) -> tuple[bytes, list[int], FragmentSealer]:
    """File, end of each record, and the sealer."""
    sealer = FragmentSealer(header, data_key)
    raw, ends = encode_header(header), []
    for number, payload in enumerate(PAYLOADS):
        raw += sealer.seal(payload, start_ns=Ns(10 * number), end_ns=Ns(10 * number + 10), is_init=number == 0)
        ends.append(len(raw))
    return raw, ends, sealer


FILE, ENDS, SEALER = make_file()


def test_read_when_nothing_changed_then_gives_back_what_was_sealed() -> None:
    stream = io.BytesIO(FILE)
    assert read_header(stream) == HEADER
    fragments = scan_fragments(stream)
    assert [read_fragment(stream, HEADER, DATA_KEY, f) for f in fragments] == PAYLOADS
    assert [(f.index, f.start_ns, f.end_ns, f.is_init) for f in fragments] == [
        (0, 0, 10, True),
        (1, 10, 20, False),
        (2, 20, 30, False),
        (3, 30, 40, False),
    ]
    assert fragments[-1].chain == SEALER.root
    assert SEALER.count == 4


def test_scan_when_cut_at_every_byte_then_valid_up_to_the_last_whole_fragment() -> None:
    header_bytes = len(encode_header(HEADER))
    for cut in range(len(FILE) + 1):
        stream = io.BytesIO(FILE[:cut])
        if cut < header_bytes:
            with pytest.raises(SealBroken):
                scan_fragments(stream)
            continue
        fragments = scan_fragments(stream)
        assert len(fragments) == sum(end <= cut for end in ENDS)
        assert [read_fragment(stream, HEADER, DATA_KEY, f) for f in fragments] == PAYLOADS[: len(fragments)]


def test_read_when_any_byte_is_flipped_then_never_gives_back_anything_else() -> None:
    """Whatever is changed, what is still readable is a true prefix, and the chain notices."""
    for at in range(len(FILE)):
        changed = bytearray(FILE)
        changed[at] ^= 0x41
        stream = io.BytesIO(bytes(changed))
        try:
            header = read_header(stream)
            fragments = scan_fragments(stream)
        except SealBroken:
            assert at < len(encode_header(HEADER))
            continue
        assert len(fragments) < len(PAYLOADS), f"byte {at} went unnoticed"
        for fragment in fragments:
            assert read_fragment(stream, header, DATA_KEY, fragment) == PAYLOADS[fragment.index]


def test_read_when_heads_alone_were_scanned_then_flipped_ciphertext_is_still_refused() -> None:
    for at in range(ENDS[0], ENDS[1] - 32):
        changed = bytearray(FILE)
        changed[at] ^= 1
        stream = io.BytesIO(bytes(changed))
        listed = scan_fragments(stream, checks_chain=False)
        if at >= ENDS[0] + 29:  # behind the head: a scan of heads cannot see it
            assert len(listed) == 4
        if len(listed) > 1:
            with pytest.raises(SealBroken):
                read_fragment(stream, HEADER, DATA_KEY, listed[1])


def test_scan_when_going_on_behind_a_fragment_then_finds_only_what_is_new() -> None:
    stream = io.BytesIO(FILE[: ENDS[1]])
    known = scan_fragments(stream)
    later = scan_fragments(io.BytesIO(FILE), after=known[-1])
    assert known + later == scan_fragments(io.BytesIO(FILE))


def test_scan_when_junk_or_zeros_follow_then_ignores_them() -> None:
    for junk in (bytes(500), b"FRAG" + bytes(200), b"FRAG" + b"\xff" * 200, FILE[ENDS[0] : ENDS[1]]):
        assert len(scan_fragments(io.BytesIO(FILE + junk))) == 4


def test_scan_when_two_records_are_swapped_or_one_is_missing_then_stops_before() -> None:
    one, two = FILE[ENDS[0] : ENDS[1]], FILE[ENDS[1] : ENDS[2]]
    assert len(scan_fragments(io.BytesIO(FILE[: ENDS[0]] + two + one))) == 1
    assert len(scan_fragments(io.BytesIO(FILE[: ENDS[0]] + two))) == 1


@pytest.mark.parametrize("field", ["site_id", "camera_id", "run", "segment_id", "key_id"])
def test_read_when_moved_under_another_header_then_refuses(field: str) -> None:
    other = replace(HEADER, **{field: "elsewhere"})
    moved = encode_header(other) + FILE[len(encode_header(HEADER)) :]
    stream = io.BytesIO(moved)
    assert scan_fragments(stream) == []
    fragment = scan_fragments(stream, checks_chain=False)[1]
    with pytest.raises(SealBroken):
        read_fragment(stream, other, DATA_KEY, fragment)


def test_read_when_the_data_key_is_anothers_then_refuses() -> None:
    stream = io.BytesIO(FILE)
    with pytest.raises(SealBroken):
        read_fragment(stream, HEADER, bytes(32), scan_fragments(stream)[1])


def test_read_range_when_inside_then_is_the_slice() -> None:
    stream = io.BytesIO(FILE)
    fragment = scan_fragments(stream)[1]
    assert read_fragment_range(stream, HEADER, DATA_KEY, fragment, 3, 33) == PAYLOADS[1][3:33]


def test_root_when_nothing_is_sealed_then_is_the_headers_hash() -> None:
    assert FragmentSealer(HEADER, DATA_KEY).root == chain_start(HEADER)


@pytest.mark.parametrize(("start_ns", "end_ns"), [(-1, 0), (2, 1), (0, 2**63)])
def test_seal_when_times_are_out_of_bounds_then_refuses_and_stays_unchanged(start_ns: int, end_ns: int) -> None:
    sealer = FragmentSealer(HEADER, DATA_KEY)
    with pytest.raises(InvalidArgument):
        sealer.seal(b"x", start_ns=Ns(start_ns), end_ns=Ns(end_ns), is_init=False)
    assert (sealer.count, sealer.root) == (0, chain_start(HEADER))


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_read_header_when_given_anything_then_only_ever_raises_seal_broken(raw: bytes) -> None:
    for front in (b"", encode_header(HEADER)[:8], encode_header(HEADER)[:14], encode_header(HEADER)[:40]):
        with pytest.raises(SealBroken):
            read_header(io.BytesIO(front + raw))


@pytest.mark.parametrize("bad", ["", "a b", "../x", "x" * 129, "ü", "a\n"])
def test_encode_header_when_an_id_is_out_of_bounds_then_refuses(bad: str) -> None:
    with pytest.raises(InvalidArgument):
        encode_header(replace(HEADER, site_id=bad))


def test_scan_when_a_record_announces_gigabytes_then_does_not_allocate_them() -> None:
    class Counting(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None and size >= 0
            Counting.largest = max(Counting.largest, size)
            return super().read(size)

    changed = bytearray(FILE)
    head = ENDS[0]
    changed[head + 25 : head + 29] = b"\xff\xff\xff\xff"
    assert len(scan_fragments(Counting(bytes(changed)))) == 1
    assert Counting.largest < 10_000
