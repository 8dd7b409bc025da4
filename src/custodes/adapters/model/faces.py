"""The networks of recognition, loaded: a finder with landmarks and an embedder. The only way to get either.

Imported by no process at its start: an analyser loads this when the first permit of a zone of its cameras arrives, the
enroller at its first picture.
"""

from pathlib import Path

from custodes.adapters.model.loading import find_model, open_session
from custodes.detect.faces import FaceFinder
from custodes.face.calibration import KNOWN
from custodes.face.embedding import Embedder, EmbedderPart
from custodes.pipeline.faces import FaceTools
from custodes.types.vision import ModelTask


def load_face_tools(
    *,
    models_dir: Path | None,
    finder: str = "",
    embedder: str = "",
    threads: int = 1,
    acknowledged: frozenset[str] = frozenset(),
) -> FaceTools:
    """Finder and embedder.

    Args: finder: model name, the packaged default if empty. embedder: model names with + between them; the packaged
        default if empty. Several weigh by how far their scores spread between different people.
    Raises: ModelRefused, InvalidArgument.
    """
    found = find_model(models_dir=models_dir, name=finder or None, task=ModelTask.FACE_DETECT)
    session = open_session(found, threads=threads, acknowledged=acknowledged)
    names = embedder.split("+") if embedder else [None]
    entries = [find_model(models_dir=models_dir, name=name, task=ModelTask.FACE_EMBED) for name in names]
    parts = [
        EmbedderPart(
            session=open_session(entry, threads=threads, acknowledged=acknowledged),
            manifest=entry.manifest,
            weight=1.0 if len(entries) == 1 else 1.0 / _spread(entry.manifest.name),
        )
        for entry in entries
    ]
    return FaceTools(finder=FaceFinder(session, found.manifest), embedder=Embedder(parts))


def _spread(name: str) -> float:
    known = KNOWN.get(name)
    return known.other_sd if known else 0.1
