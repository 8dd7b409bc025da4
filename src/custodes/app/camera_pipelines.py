"""What begins a camera's pipeline: in an analyser, in a cell of a cluster, and in back-fills, wherever they run."""

from collections.abc import Sequence

import structlog

from custodes.errors import DataLoss, InvalidArgument
from custodes.pipeline.activity_gate import draw_by_hash
from custodes.pipeline.analysis import Looking
from custodes.pipeline.camera import CameraFact, CameraPipeline
from custodes.pipeline.tampering import TamperWatch
from custodes.types.message import CameraSpec
from custodes.types.scene import CameraScene
from custodes.units import CameraId


def new_pipeline(
    camera_id: CameraId,
    looking: Looking,
    *,
    fps: float,
    has_gate: bool,
    watches_tampering: bool,
    watches_replay: bool,
) -> CameraPipeline:
    """Without a scene, and with nothing of before."""
    pipeline = CameraPipeline(camera_id, looking, fps=fps, draw=draw_by_hash(camera_id) if has_gate else None)
    if watches_tampering:
        pipeline.tampering = TamperWatch(watches_replay=watches_replay)
    return pipeline


def of_recordings(camera: CameraSpec, looking: Looking, *, fps: float, has_gate: bool) -> CameraPipeline:
    """For a back-fill: with what people drew, and nobody to tell of tampering. Raises: InvalidArgument."""
    draw = draw_by_hash(camera.camera_id) if has_gate else None
    pipeline = CameraPipeline(camera.camera_id, looking, fps=fps, draw=draw, scene=camera.scene)
    pipeline.areas = camera.detect_areas
    return pipeline


def model_of(looking: Looking) -> str:
    """The detector's name and digest, as a back-fill's stretches tell them."""
    ref = looking.detector.ref
    return f"{ref.name} {ref.sha256[:12]}"


def set_scene(camera_id: CameraId, pipeline: CameraPipeline, scene: CameraScene) -> Sequence[CameraFact]:
    """Facts of tracks that end by it; a scene that cannot be used is said in the log, and the one before stays."""
    try:
        return pipeline.set_scene(scene)
    except InvalidArgument as error:  # the server checks it; an older one may not have
        structlog.get_logger().error("ground and lines cannot be used", camera_id=camera_id, reason=str(error))
        return []


def resume(camera_id: CameraId, pipeline: CameraPipeline, tracks: bytes) -> None:
    """Go on with the tracks of a checkpoint; one that cannot be read is said in the log."""
    try:
        pipeline.resume(tracks)
    except DataLoss as error:
        structlog.get_logger().warning("tracks before the last stop are lost", camera_id=camera_id, reason=str(error))
