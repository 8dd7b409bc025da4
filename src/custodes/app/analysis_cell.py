"""The body of an analysis cell: decode, detect, track for its cameras, wherever a runner put it (`runtime.cells`).

It reaches no file and no socket of the site: what it is told comes as items, what it has to say goes as outputs. So it
reads no recognition zone and no plate, and keeps no sketch; those need the site's own machine (`app.analyser`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from custodes.app import camera_pipelines
from custodes.app.analyser import make_looking
from custodes.config import SiteConfig
from custodes.errors import DataLoss, ProtocolError
from custodes.pipeline.analysis import Looking
from custodes.pipeline.camera import CameraFact, CameraItem, CameraPipeline
from custodes.types.cell import CellCamera, CellReport, CellScene, CellState, CellWaiting
from custodes.types.codec import decode, decode_as, encode
from custodes.types.event import AnalyserStatus
from custodes.types.media import Packet
from custodes.types.message import CameraWatched, StreamClosed, StreamOpened
from custodes.units import CameraId

FACTORY = "custodes.app.analysis_cell:analysis_cell"

CellItem = CameraItem | CellCamera | CellScene | CellWaiting | CellReport
_STATE = msgspec.msgpack.Decoder(tuple[bytes, bytes, bytes])


def analysis_cell(settings: bytes) -> "AnalysisCell":
    """`CellPlan.factory`. `settings`: the site's configuration as JSON. Raises: ModelRefused, InvalidArgument."""
    return AnalysisCell(make_looking(SiteConfig.model_validate_json(settings)))


@dataclass(slots=True)
class _Camera:
    told: CellCamera
    scene: CellScene
    pipeline: CameraPipeline


class AnalysisCell:
    """A `CellBody`; a key is a camera."""

    def __init__(self, looking: Looking) -> None:
        self._looking = looking
        self._cameras: dict[str, _Camera] = {}

    def process(self, key: str, item: bytes) -> Sequence[bytes]:
        """Facts of the camera, encoded. Raises: ProtocolError for an item that is none."""
        value = decode(item)
        if isinstance(value, CellCamera):
            self._begin(value)
            return []
        camera = self._cameras.get(key)
        if camera is None:
            raise ProtocolError(f"nothing was told of camera {key}")
        if isinstance(value, CellReport):
            return [encode(one) for one in self._report(camera, value)]
        try:
            return [encode(fact) for fact in self._work(camera, value)]
        except Exception:
            camera.pipeline.shed(0)  # whatever it was: the next fact does not vouch for it
            raise

    def flush(self) -> Sequence[tuple[str, bytes]]:
        """The ends of all tracks."""
        rest = [(key, encode(fact)) for key, camera in self._cameras.items() for fact in camera.pipeline.flush()]
        self._cameras.clear()
        return rest

    def snapshot(self, key: str) -> bytes:
        """See `CellBody`."""
        camera = self._cameras[key]
        return msgspec.msgpack.encode((encode(camera.told), encode(camera.scene), camera.pipeline.snapshot()))

    def restore(self, key: str, state: bytes) -> None:
        """See `CellBody`. Raises: DataLoss."""
        try:
            told, scene, pipeline = _STATE.decode(state)
            camera = self._begin(decode_as(CellCamera, told), is_new=False)
            camera.scene = decode_as(CellScene, scene)
        except (msgspec.MsgspecError, ProtocolError) as error:
            raise DataLoss(f"the state of camera {key} cannot be read: {error}") from error
        self._set_scene(camera, camera.scene)
        camera.pipeline.restore(pipeline)

    def _begin(self, told: CellCamera, *, is_new: bool = True) -> _Camera:
        """`is_new`: what the site kept of it counts; else a snapshot of this run is about to."""
        pipeline = camera_pipelines.new_pipeline(
            told.camera_id,
            self._looking,
            fps=told.fps,
            has_gate=told.has_gate,
            watches_tampering=told.watches_tampering,
            watches_replay=told.watches_replay,
        )
        scene = CellScene(camera_id=told.camera_id, areas=told.areas, scene=told.scene)
        camera = self._cameras[told.camera_id] = _Camera(told, scene, pipeline)
        self._set_scene(camera, scene)
        if is_new:
            camera_pipelines.resume(told.camera_id, pipeline, told.tracks)
            pipeline.begin_with(told.learnt, told.now_ns)
        return camera

    def _work(self, camera: _Camera, value: object) -> Sequence[CameraFact]:
        if isinstance(value, CellScene):
            return self._set_scene(camera, value)
        if isinstance(value, CellWaiting):
            camera.pipeline.backlog_ns = value.backlog_ns
            if value.shed:
                camera.pipeline.shed(value.shed)
            return []
        if isinstance(value, StreamOpened | Packet | StreamClosed | CameraWatched):
            return camera.pipeline.process(value)
        raise ProtocolError(f"a cell got {type(value).__name__}")

    def _set_scene(self, camera: _Camera, scene: CellScene) -> Sequence[CameraFact]:
        camera.scene, camera.pipeline.areas = scene, scene.areas
        return camera_pipelines.set_scene(scene.camera_id, camera.pipeline, scene.scene)

    def _report(self, camera: _Camera, asked: CellReport) -> Sequence[AnalyserStatus | CellState]:
        pipeline = camera.pipeline
        return (
            pipeline.status(asked.now_ns),
            CellState(
                camera_id=CameraId(asked.camera_id),
                tracks=pipeline.checkpoint(),
                learnt=pipeline.learnt(),
                detector_errors=pipeline.counters.detector_errors,
            ),
        )
