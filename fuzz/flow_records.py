"""NetFlow 9 and IPFIX: whatever an exporter sends, `adapters.fleet.netflow_templates` gives flows or InvalidArgument.

python -m fuzz.flow_records [-max_total_time=60] [CORPUS]
"""

import struct

from custodes.adapters.fleet.netflow_templates import read_templated
from custodes.errors import InvalidArgument
from custodes.fleet.flow import is_address

_FIELDS = ((8, 4), (12, 4), (4, 1), (11, 2), (1, 4), (22, 4), (82, 0xFFFF), (152, 8))


def one(case: bytes) -> None:
    """A file of export packets."""
    try:
        for flow in read_templated(case, where="file"):
            assert is_address(flow.source) and is_address(flow.target)
            assert 0 <= flow.port < 65536 and flow.sent >= 0 and flow.received >= 0
    except InvalidArgument as error:
        assert str(error).isprintable() and len(str(error)) < 400


def _sets(template_set: int) -> bytes:
    template = struct.pack("!HH", 300, len(_FIELDS)) + b"".join(struct.pack("!HH", *one) for one in _FIELDS)
    record = bytes(range(8)) + struct.pack("!BHII", 17, 51820, 180, 9000) + b"\x04eth0" + struct.pack("!Q", 10**12)
    found = ((template_set, template), (300, record), (1 if template_set == 0 else 3, b"\x01\x2d\0\0"))
    return b"".join(struct.pack("!HH", number, len(body) + 4) + body for number, body in found)


def seeds() -> list[bytes]:
    """Packets of both versions, alone and after each other."""
    nine = struct.pack("!HHIIII", 9, 2, 10_000, 1_795_000_000, 1, 7) + _sets(0)
    body = _sets(2)
    ten = struct.pack("!HHIII", 10, 16 + len(body), 1_795_000_000, 1, 7) + body
    return [nine, ten, nine + ten, ten + nine]
