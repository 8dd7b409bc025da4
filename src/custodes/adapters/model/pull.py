"""Copies a model with its manifest into the operator's folder, from a folder or over HTTPS. Loads nothing."""

import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO

from custodes.adapters.model.catalogue import Unusable, scan_folder
from custodes.config.durable import sync_folder
from custodes.detect.manifest import (
    MANIFEST_SUFFIX,
    MAX_FILE_BYTES,
    MAX_MANIFEST_BYTES,
    file_sha256,
    read_files,
    read_manifest,
    write_manifest,
)
from custodes.errors import AlreadyExists, InvalidArgument, ModelRefused, Unavailable
from custodes.types.model import ModelManifest

_TIMEOUT_S = 60.0
"""Without a byte; model files are on content networks that answer within seconds."""
_CHUNK_BYTES = 1 << 20
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def pull_folder(source: Path, target: Path) -> tuple[list[ModelManifest], list[Unusable]]:
    """Copy every model of a folder that has (or is recognised by) a manifest and whose digests are right.

    Returns: what was copied, and what was left behind and why. Raises: ModelRefused if there is no such folder.
    """
    if not source.is_dir():
        raise ModelRefused(f"{source} is not a folder")
    copied: list[ModelManifest] = []
    refused: list[Unusable] = []
    for item in scan_folder(source, is_packaged=False):
        if isinstance(item, Unusable):
            refused.append(item)
            continue
        try:
            contents = read_files(item.manifest, source)
        except ModelRefused as error:
            refused.append(Unusable(path=source / item.manifest.files[0].name, reason=str(error)))
            continue
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target) as folder:
            for file, content in zip(item.manifest.files, contents, strict=True):
                (Path(folder) / file.name).write_bytes(content)
            place(item.manifest, Path(folder), target)
        copied.append(item.manifest)
    return copied, refused


def pull_url(url: str, target: Path) -> ModelManifest:
    """Fetch a manifest and the files beside it.

    Args: `url`: https, or http on this machine, ending in `.manifest.json`.
    Raises: InvalidArgument, Unavailable, ModelRefused (manifest or digest), AlreadyExists.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise InvalidArgument(f"{url}: a model is pulled over https (or http from this machine)")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as folder:
        manifest_path = Path(folder) / f"pulled{MANIFEST_SUFFIX}"
        _fetch(url, manifest_path, MAX_MANIFEST_BYTES)
        manifest = read_manifest(manifest_path.read_bytes(), origin=url)
        for file in manifest.files:
            path = Path(folder) / file.name
            _fetch(urllib.parse.urljoin(url, urllib.parse.quote(file.name)), path, MAX_FILE_BYTES)
            if file_sha256(path) != file.sha256:
                raise ModelRefused(f"{file.name} from {url}: its sha256 is not the manifest's; nothing was kept")
        place(manifest, Path(folder), target)
    return manifest


def place(manifest: ModelManifest, folder: Path, target: Path) -> Path:
    """Move checked files from `folder` (same file system) into `target`, the manifest last. Returns its path.

    Raises: AlreadyExists if other bytes lie there under one of the names.
    """
    for file in manifest.files:
        there = target / file.name
        if there.exists() and file_sha256(there) != file.sha256:
            raise AlreadyExists(f"{there} exists with other contents; remove it or choose another folder")
    for file in manifest.files:
        (folder / file.name).replace(target / file.name)
    path = target / f"{manifest.name}{MANIFEST_SUFFIX}"
    partial = folder / path.name
    partial.write_bytes(write_manifest(manifest))
    partial.replace(path)
    sync_folder(target)
    return path


def _fetch(url: str, path: Path, limit: int) -> None:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response, path.open("wb") as stream:  # nosec B310  # noqa: S310 - checked
            _copy(response, stream, limit, url)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise Unavailable(f"{url} cannot be fetched: {getattr(error, 'reason', error)}") from error


def _copy(source: IO[bytes], target: IO[bytes], limit: int, url: str) -> None:
    total = 0
    while chunk := source.read(_CHUNK_BYTES):
        total += len(chunk)
        if total > limit:
            raise ModelRefused(f"{url} is larger than {limit} bytes; nothing was kept")
        target.write(chunk)


def adopt_file(manifest: ModelManifest, graph: Path, target: Path) -> Path:
    """Copy one file (and, for OpenVINO IR, the .bin beside it) with a manifest made for it. Returns the manifest."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as folder:
        for file in manifest.files:
            shutil.copyfile(graph.with_name(file.name), Path(folder) / file.name)
        return place(manifest, Path(folder), target)
