"""Every fuzz target on seeds and on seeds bent at random: a smoke test of `make fuzz`."""

import random
from types import ModuleType

import pytest

from fuzz import (
    backup_files,
    camera_http,
    camera_xml,
    container_header,
    flow_records,
    fmp4_boxes,
    journal_records,
    nal_units,
    published_keys,
    sealed_fragments,
    signing_sei,
    stream_time,
    wire_messages,
)

TARGETS = [
    camera_xml,
    camera_http,
    nal_units,
    stream_time,
    container_header,
    sealed_fragments,
    flow_records,
    fmp4_boxes,
    journal_records,
    signing_sei,
    wire_messages,
    published_keys,
    backup_files,
]
RUNS = 120


def bent(seed: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, bits turned, pieces cut out, doubled or put in."""
    case = bytearray(seed)
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(case) + 1)
        match chance.randrange(5):
            case 0 if at < len(case):
                case[at] = chance.randrange(256)
            case 1 if at < len(case):
                case[at] ^= 1 << chance.randrange(8)
            case 2:
                case[at:at] = chance.randbytes(chance.randrange(40))
            case 3:
                del case[at : at + chance.randrange(40)]
            case _:
                case[at:at] = case[at : at + chance.randrange(40)] or chance.randbytes(4)
    return bytes(case)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_target_when_seeds_are_bent_then_it_keeps_its_promises(target: ModuleType) -> None:
    chance = random.Random(target.__name__)
    seeds = target.seeds()
    for seed in seeds:
        target.one(seed)
    for _ in range(RUNS):
        target.one(bent(chance.choice(seeds), chance))
