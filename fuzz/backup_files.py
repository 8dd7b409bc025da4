"""A backup that comes back from somewhere else: its manifest names nothing outside the folder it is restored to, the
description of its recovery key and the shares that people type in are read or refused."""

import contextlib
import json
import tempfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from custodes.app.backup_format import MANIFEST, BackupFile, Manifest, read_manifest, write_manifest
from custodes.app.recovery import decode_recovery
from custodes.errors import DataLoss, InvalidArgument
from custodes.sealing.shares import parse_share, share_text, split


@lru_cache
def folder() -> tempfile.TemporaryDirectory[str]:
    """Kept as long as the process."""
    return tempfile.TemporaryDirectory(prefix="fuzz-backup-")


def one(case: bytes) -> None:
    """The case is a manifest, a description and a share."""
    place = Path(folder().name)
    (place / MANIFEST).write_bytes(case)
    try:
        manifest = read_manifest(place)
    except DataLoss:
        pass
    else:
        for file in (*manifest.files, *manifest.segments):
            for name in (file.name, file.stored):
                assert (place / name).resolve().is_relative_to(place.resolve()), name
    with contextlib.suppress(DataLoss):
        decode_recovery(case)
    try:
        share = parse_share(case.decode(errors="replace"))
    except InvalidArgument:
        return
    assert parse_share(share_text(share)) == share


def seeds() -> list[bytes]:
    """A manifest, one that climbs, shares."""
    file = BackupFile(name="catalog.db", stored="files/0", bytes_stored=9, sha256="00" * 32)
    manifest = Manifest(
        site_id="ab" * 8, made_ns=1, recovery="{}", sealed_key="", log_size=1, log_root="00", files=[file]
    )
    place = Path(folder().name)
    write_manifest(place, manifest)
    whole = (place / MANIFEST).read_bytes()
    write_manifest(place, replace(manifest, segments=[replace(file, name="../x", stored="/etc/passwd")]))
    climbing = (place / MANIFEST).read_bytes()
    shares = split(bytes(range(32)), needed=2, shares=3, recovery_id="r1", random=lambda count: bytes(count))
    return [whole, climbing, json.dumps([]).encode(), *(share_text(one).encode() for one in shares)]
