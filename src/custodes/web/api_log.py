"""The audit log over HTTP: newest first, filtered, with a proof of inclusion for each entry."""

import base64
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from custodes.errors import InvalidArgument, NotFound
from custodes.types.access import AuditKind, LogEntry
from custodes.units import NS_PER_S, Ns
from custodes.web.asked_names import names_of
from custodes.web.deps import WebDeps, deps_of, present
from custodes.web.recognition_words import ABOUT_ENROLLED
from custodes.web.words import audit_sentence, utc_text

router = APIRouter(prefix="/api/v1")

_READ_AT_ONCE = 500
_MAX_READS = 20
"""A filter looks through at most 10,000 entries per request and then says where to go on."""


@router.get("/log")
async def log(
    request: Request,
    before: Annotated[int | None, Query(ge=0)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    kind: Annotated[str, Query(max_length=40)] = "",
    camera: Annotated[str, Query(max_length=64)] = "",
    person: Annotated[str, Query(max_length=64)] = "",
    routine: bool = True,
) -> dict[str, object]:
    """Entries with index below `before`, newest first. `next_before` continues; null at the log's beginning.

    Without `routine`, what recorders write of each sealed piece is left out, unless its kind is asked for.
    """
    deps = deps_of(request)
    wanted_kind = _kind(kind)
    page = await deps.warden.read_log(0, 1)
    checkpoint = page.checkpoint
    end = checkpoint.size if before is None else min(before, checkpoint.size)
    found: list[LogEntry] = []
    for _ in range(_MAX_READS):
        if end == 0 or len(found) >= limit:
            break
        start = max(0, end - _READ_AT_ONCE)
        entries = (await deps.warden.read_log(start, end - start)).entries
        for entry in reversed(entries):
            end = entry.index
            if _matches(entry, wanted_kind, camera, person, routine=routine):
                found.append(entry)
                if len(found) >= limit:
                    break
        if not entries:
            break
    people = {entry.record.subject for entry in found if entry.record.kind in ABOUT_ENROLLED}
    names = await names_of(deps, present(request).principal, people)
    return {
        "entries": [_row(entry, names) for entry in found],
        "next_before": end if end > 0 else None,
        "checkpoint": {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root_hash.hex(),
            "note": checkpoint.note,
        },
        "witnesses": [
            {"name": seen.witness, "size": seen.size, "utc": utc_text(Ns(seen.time_s * NS_PER_S)), "note": seen.note}
            for seen in await deps.warden.read_cosigned()
        ],
    }


@router.get("/log/{index}/proof")
async def proof(request: Request, index: int) -> JSONResponse:
    """Audit path (RFC 6962 2.1.1) of one entry to the newest checkpoint, to keep and to check without us."""
    deps = deps_of(request)
    entry = await _entry(deps, index)
    checkpoint = await deps.warden.read_checkpoint()
    path = await deps.warden.prove_inclusion(index, checkpoint.size)
    body = {
        "index": index,
        "leaf_hash": _base64(entry.leaf_hash),
        "tree_size": path.size,
        "root_hash": _base64(checkpoint.root_hash),
        "path": [_base64(node) for node in path.path],
        "checkpoint": checkpoint.note,
        "entry": _row(entry),
        "how": "RFC 6962: hash the leaf with its path to the root; the root is signed in the checkpoint.",
    }
    return JSONResponse(body, headers={"content-disposition": f'attachment; filename="entry-{index}-proof.json"'})


def _kind(kind: str) -> AuditKind | None:
    try:
        return AuditKind(kind) if kind else None
    except ValueError as error:
        raise InvalidArgument("There is no such kind of entry.") from error


def _matches(entry: LogEntry, kind: AuditKind | None, camera: str, person: str, *, routine: bool) -> bool:
    record = entry.record
    if kind is None and not routine and record.kind is AuditKind.SEGMENT_SEALED:
        return False
    if kind is not None and record.kind is not kind:
        return False
    if camera and camera not in (record.subject, record.details.get("camera"), record.details.get("camera_id")):
        return False
    return not person or person.casefold() in f"{record.actor}\n{record.subject}".casefold()


async def _entry(deps: WebDeps, index: int) -> LogEntry:
    if not 0 <= index < 2**63:
        raise NotFound(f"The log has no entry {index}.")
    page = await deps.warden.read_log(index, 1)
    if not page.entries or page.entries[0].index != index:
        raise NotFound(f"The log has no entry {index}; it has {page.checkpoint.size}.")
    return page.entries[0]


def _row(entry: LogEntry, names: Mapping[str, str] | None = None) -> dict[str, object]:
    """`names`: for the page alone; what is kept to be checked elsewhere has none."""
    record = entry.record
    return {
        "index": entry.index,
        "utc_ns": entry.utc_ns,
        "utc": utc_text(entry.utc_ns),
        "kind": record.kind.value,
        "sentence": audit_sentence(record, names),
        "actor": record.actor,
        "subject": record.subject,
        "details": record.details,
        "leaf_hash": entry.leaf_hash.hex(),
    }


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
