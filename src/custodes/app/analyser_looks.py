"""What an analyser keeps of what it decodes anyway: sketches for the content index, views without people.

Both are sealed at once with the camera's published keys, so no analyser opens them again: sketches under the day's
key, so that they die with it; backgrounds under the year's (`published.background_key_id`). A disk or a key that fails
costs them and never the analysis.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import structlog

from custodes.config import LeakConfig, SitePaths
from custodes.config.durable import make_folder
from custodes.errors import CustodesError
from custodes.leaks.background import BackgroundMaker, pack_background, regime_of
from custodes.leaks.sketch import sketch
from custodes.leaks.sketchbook import Dated, pack
from custodes.sealing.apart import seal_apart
from custodes.sealing.published import PublishedKey, background_key_id, exactly, latest_usable, read_pinned
from custodes.types.media import Frame
from custodes.types.scene import CameraScene
from custodes.types.vision import TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns

SKETCHES, BACKGROUND = "sketches/1", "background/1"
CHUNK_NS = 600 * NS_PER_S
"""Of sketches, in a file: a day is 144 files of 100 kB."""
RENEW_NS = 3600 * NS_PER_S
"""A view is kept anew so often, beside the one before it."""

FindKey = Callable[[CameraId, str], PublishedKey]
"""Camera and `yyyymmdd`, or `yyyy0000` → the key to seal to. Raises: KeyMissing, SealBroken."""


def published_finder(paths: SitePaths) -> FindKey:
    """Keys as they lie in the data directory, verified."""

    def find(camera_id: CameraId, day: str) -> PublishedKey:
        pinned = read_pinned(paths.warden_key)
        if day.endswith("0000"):
            return exactly(paths.public_keys, background_key_id(camera_id, day[:4]), pinned)
        return latest_usable(paths.public_keys, camera_id, day, pinned)

    return find


@dataclass(slots=True)
class _Camera:
    dated: list[Dated] = field(default_factory=list)
    sampled_ns: int = 0
    makers: dict[str, BackgroundMaker] = field(default_factory=dict)
    kept_ns: dict[str, int] = field(default_factory=dict)


class LookKeeper:
    """All cameras of one analyser. Owned by the working thread."""

    def __init__(self, paths: SitePaths, config: LeakConfig, find_key: FindKey) -> None:
        self._paths = paths
        self._config = config
        self._find_key = find_key
        self._cameras: dict[CameraId, _Camera] = {}
        self._told: set[str] = set()

    def look(self, frame: Frame, found: TrackedFrame, scene: CameraScene) -> None:
        """A frame that was decoded and looked at, and whoever is in it. 0.5 ms when a sketch is due, else nothing."""
        camera = self._cameras.setdefault(frame.camera_id, _Camera())
        if self._config.sketch_every_s > 0:
            self._sketch(camera, frame)
        if self._config.background_days and self._is_due(camera, frame):
            camera.sampled_ns = frame.utc_ns
            self._sample(camera, frame, found, scene)

    def close(self) -> None:
        """Seal what waits."""
        for camera_id, camera in self._cameras.items():
            self._seal_sketches(camera_id, camera)

    def _sketch(self, camera: _Camera, frame: Frame) -> None:
        since_ns = frame.utc_ns - camera.dated[-1].utc_ns if camera.dated else CHUNK_NS
        if 0 <= since_ns < self._config.sketch_every_s * NS_PER_S * 0.9:
            return
        one = Dated(utc_ns=frame.utc_ns, sketch=sketch(frame.y))
        is_other = bool(camera.dated) and (
            since_ns < 0
            or frame.utc_ns - camera.dated[0].utc_ns >= CHUNK_NS
            or one.sketch.luma.shape != camera.dated[0].sketch.luma.shape
            or _day(frame.utc_ns) != _day(camera.dated[0].utc_ns)
        )
        if is_other:
            self._seal_sketches(frame.camera_id, camera)
        camera.dated.append(one)

    def _seal_sketches(self, camera_id: CameraId, camera: _Camera) -> None:
        dated, camera.dated = camera.dated, []
        if not dated:
            return
        first_ns, last_ns = dated[0].utc_ns, dated[-1].utc_ns
        self._keep(
            self._paths.index / camera_id / f"{first_ns}-{last_ns}.skx",
            camera_id,
            day=_day(first_ns),
            name=f"{first_ns}-{last_ns}-sketches",
            start_ns=Ns(first_ns),
            label=SKETCHES,
            make=lambda: pack(dated),
        )

    def _is_due(self, camera: _Camera, frame: Frame) -> bool:
        # A clock that was set back must not end it for ever.
        return not 0 <= frame.utc_ns - camera.sampled_ns < self._config.background_every_s * NS_PER_S

    def _sample(self, camera: _Camera, frame: Frame, found: TrackedFrame, scene: CameraScene) -> None:
        regime = regime_of(frame.y, frame.u, frame.v)
        maker = camera.makers.setdefault(regime, BackgroundMaker())
        maker.add(frame.utc_ns, frame.y, np.asarray(found.boxes_norm, np.float32), _polygons(scene))
        if 0 <= frame.utc_ns - camera.kept_ns.get(regime, -RENEW_NS) < RENEW_NS:
            return
        view = maker.made()
        if view is None:
            return
        camera.kept_ns[regime] = frame.utc_ns
        self._keep(
            self._paths.backgrounds / frame.camera_id / f"{view.start_ns}-{view.end_ns}-{regime}.bkg",
            frame.camera_id,
            day=_day(frame.utc_ns)[:4] + "0000",
            name=f"{view.start_ns}-{view.end_ns}-background",
            start_ns=view.start_ns,
            label=BACKGROUND,
            make=lambda: pack_background(view),
        )

    def _keep(
        self,
        path: Path,
        camera_id: CameraId,
        *,
        day: str,
        name: str,
        start_ns: Ns,
        label: str,
        make: Callable[[], bytes],
    ) -> None:
        temporary = path.with_suffix(f".{os.getpid()}.new")
        try:
            key = self._find_key(camera_id, day)
            sealed = seal_apart(key, name=name, start_ns=start_ns, label=label, payload=make())
            make_folder(path.parent, mode=0o700)
            # Not synced: after a power cut the next trace makes sketches anew, and the next hour a view.
            temporary.touch(mode=0o600)
            temporary.write_bytes(sealed)
            temporary.replace(path)
        except (CustodesError, OSError) as error:
            if label not in self._told:
                self._told.add(label)
                structlog.get_logger().warning("what was seen is not kept", what=label, reason=str(error))


def _day(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y%m%d")


def _polygons(scene: CameraScene) -> Sequence[Sequence[tuple[float, float]]]:
    return [[(float(x), float(y)) for x, y in polygon] for polygon in scene.privacy]
