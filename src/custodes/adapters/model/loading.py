"""From a name to a running Detector: catalogue, licence, digests, runtime. The only way to get a session."""

from pathlib import Path

from custodes.adapters.model.catalogue import scan
from custodes.adapters.model.onnx import OnnxSession
from custodes.adapters.model.openvino import OpenvinoSession
from custodes.detect.detector import SessionDetector
from custodes.detect.manifest import check_licence, model_digest, read_files
from custodes.errors import InvalidArgument, ModelRefused
from custodes.types.model import CatalogueEntry, ModelFormat
from custodes.types.vision import ModelRef, ModelTask

_THREADS_MAX = 64


def find_model(*, models_dir: Path | None, name: str | None, task: ModelTask) -> CatalogueEntry:
    """The model to use for a task. `name` None means the packaged default.

    Raises: ModelRefused if there is none of that name, or it is for another task.
    """
    entries, refused = scan(models_dir)
    wanted = default_name(task) if name is None else name
    found = next((entry for entry in entries if entry.manifest.name == wanted), None)
    if found is None:
        reasons = [item.reason for item in refused if item.path.name.startswith(wanted)]
        names = ", ".join(sorted(entry.manifest.name for entry in entries if entry.manifest.task is task))
        raise ModelRefused(
            "; ".join([f"no model named {wanted!r} can be loaded for {task.value} (there are: {names})", *reasons])
        )
    if found.manifest.task is not task:
        raise ModelRefused(f"model {wanted} is for {found.manifest.task.value}, not for {task.value}")
    return found


def default_name(task: ModelTask) -> str:
    """Name of the packaged model for a task. Raises: ModelRefused if none is packaged."""
    import custodes_models  # scan() has said what is wrong if this is missing

    names = {
        ModelTask.DETECT: custodes_models.DEFAULT_DETECTOR,
        ModelTask.FACE_DETECT: custodes_models.DEFAULT_FACE_DETECTOR,
        ModelTask.FACE_EMBED: custodes_models.DEFAULT_FACE_EMBEDDER,
    }
    if task not in names:
        raise ModelRefused(f"no default model for {task.value}; name one")
    return names[task]


def open_session(
    entry: CatalogueEntry, *, threads: int, acknowledged: frozenset[str], runtime: ModelFormat | None = None
) -> OnnxSession | OpenvinoSession:
    """Check licence and digests, then load.

    Args: `runtime`: which one to use, None for the file's own. ONNX files run on both, OpenVINO IR on OpenVINO only.
    Raises: ModelRefused, InvalidArgument.
    """
    if not 1 <= threads <= _THREADS_MAX:
        raise InvalidArgument(f"{threads} threads for a model; expected 1 to {_THREADS_MAX}")
    manifest, folder = entry.manifest, Path(entry.folder)
    check_licence(manifest, acknowledged)
    contents = read_files(manifest, folder)
    ref = ModelRef(name=manifest.name, sha256=model_digest(manifest))
    session: OnnxSession | OpenvinoSession
    runtime = manifest.format if runtime is None else runtime
    if manifest.format is ModelFormat.OPENVINO and runtime is not ModelFormat.OPENVINO:
        raise ModelRefused(f"model {manifest.name} is OpenVINO IR; ONNX Runtime cannot run it")
    if runtime is ModelFormat.OPENVINO:
        session = OpenvinoSession(contents[0], contents[1] if len(contents) > 1 else b"", ref, threads=threads)
    else:
        session = OnnxSession(contents[0], ref, threads=threads)
    missing = {manifest.input.name} - set(session.input_names) | set(manifest.output.names) - set(session.output_names)
    if missing:
        raise ModelRefused(
            f"model {manifest.name}: its graph has no {', '.join(sorted(missing))}, as the manifest says"
        )
    return session


def load_detector(
    *,
    models_dir: Path | None,
    name: str | None,
    threads: int,
    task: ModelTask = ModelTask.DETECT,
    floor: float | None = None,
    acknowledged: frozenset[str] = frozenset(),
    runtime: ModelFormat | None = None,
) -> SessionDetector:
    """A detector, ready to run.

    Args:
        models_dir: the operator's folder (`CUSTODES_MODELS`), or None for the packaged weights alone.
        name: a model of the catalogue, or None for the default of the task.
        threads: of one forward pass, 1 to 64.
        task: DETECT (people and vehicles) or FACE_DETECT.
        floor: report from this score on, instead of the manifest's floor.
        acknowledged: names of non-commercial models whose licence the operator accepted.
        runtime: see `open_session`.

    Raises: ModelRefused, InvalidArgument.
    """
    entry = find_model(models_dir=models_dir, name=name, task=task)
    session = open_session(entry, threads=threads, acknowledged=acknowledged, runtime=runtime)
    return SessionDetector(session, entry.manifest, floor=floor)
