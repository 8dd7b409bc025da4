"""Which models are there: manifests beside weights, and weights recognised by their digest. Nothing is loaded."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from custodes.detect.manifest import MANIFEST_SUFFIX, MAX_MANIFEST_BYTES, file_sha256, read_manifest
from custodes.errors import ModelRefused
from custodes.types.model import CatalogueEntry, ModelManifest

_FILES_MAX = 1000
"""A models folder with more files is some other folder."""

_GRAPH_SUFFIXES = frozenset({".onnx", ".xml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A file that looks like a model and may not be loaded, and why."""

    path: Path
    reason: str


def packaged_folder() -> Path:
    """Folder of the installed weights. Raises: ModelRefused when the package custodes-models is missing."""
    return _package_folder("weights_folder")


def _package_folder(function: str) -> Path:
    try:
        import custodes_models
    except ImportError as error:
        raise ModelRefused("the package custodes-models is not installed, so there are no default weights") from error
    folder = getattr(custodes_models, function)()
    assert isinstance(folder, Path)
    return folder


def scan(models_dir: Path | None) -> tuple[list[CatalogueEntry], list[Unusable]]:
    """All models of the operator's folder (if any) and of the package, in that order.

    A name of the operator's folder hides the packaged one. Raises: ModelRefused if the folder does not exist.
    """
    entries: dict[str, CatalogueEntry] = {}
    refused: list[Unusable] = []
    folders = [(packaged_folder(), True)] if models_dir is None else [(models_dir, False), (packaged_folder(), True)]
    for folder, is_packaged in folders:
        if not folder.is_dir():
            raise ModelRefused(f"models folder {folder} does not exist or is not a folder")
        for item in scan_folder(folder, is_packaged=is_packaged):
            if isinstance(item, Unusable):
                refused.append(item)
            else:
                entries.setdefault(item.manifest.name, item)
    return list(entries.values()), refused


def scan_folder(folder: Path, *, is_packaged: bool) -> Iterator[CatalogueEntry | Unusable]:
    """Every model of one folder, usable or not. Raises: ModelRefused if it holds absurdly many files."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    if len(paths) > _FILES_MAX:
        raise ModelRefused(f"models folder {folder} holds {len(paths)} files; at most {_FILES_MAX} are looked at")
    described: set[str] = set()
    for path in paths:
        if not path.name.endswith(MANIFEST_SUFFIX):
            continue
        try:
            manifest = load_manifest(path)
        except ModelRefused as error:
            yield Unusable(path=path, reason=str(error))
            continue
        described.update(file.name for file in manifest.files)
        yield CatalogueEntry(manifest=manifest, folder=str(folder), is_packaged=is_packaged)
    known = _known_manifests()
    for path in paths:
        if path.suffix in _GRAPH_SUFFIXES and path.name not in described:
            # Only a graph whose name a known manifest carries is hashed: folders may hold gigabytes.
            manifests = known.get(path.name, [])
            recognised = next((item for item in manifests if file_sha256(path) == item.files[0].sha256), None)
            if recognised is None:
                yield Unusable(path=path, reason=f"{path} has no manifest; write one with `custodes models adopt`")
            else:
                yield CatalogueEntry(manifest=recognised, folder=str(folder), is_packaged=is_packaged)


def load_manifest(path: Path) -> ModelManifest:
    """Read one manifest file. Raises: ModelRefused."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise ModelRefused(f"manifest {path} cannot be read: {error.strerror}") from error
    return read_manifest(content, origin=str(path))


def _known_manifests() -> dict[str, list[ModelManifest]]:
    """Shipped manifests of files that others publish, by the graph's usual file name."""
    known: dict[str, list[ModelManifest]] = {}
    for path in sorted(_package_folder("known_folder").glob(f"*{MANIFEST_SUFFIX}")):
        manifest = load_manifest(path)
        known.setdefault(manifest.files[0].name, []).append(manifest)
    return known
