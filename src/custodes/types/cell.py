"""What an analysis cell is told besides what a hub sends, and what it answers besides facts.

A cell works on 8 to 32 cameras, in a process of its own that may run on another machine (ADR 101). It has no file, no
socket of the site and no key: what survives it is what it answers.
"""

from dataclasses import dataclass

from custodes.types.scene import CameraScene
from custodes.types.vision import DetectArea
from custodes.units import CameraId, Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCamera:
    """The first that a cell is told of a camera. `tracks`, `learnt`: what a cell before answered as `CellState`."""

    camera_id: CameraId
    fps: float
    has_gate: bool
    watches_tampering: bool
    watches_replay: bool
    areas: tuple[DetectArea, ...]
    scene: CameraScene
    tracks: bytes
    learnt: bytes
    now_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class CellScene:
    """Zones, ground or lines of the camera are others from here on."""

    camera_id: CameraId
    areas: tuple[DetectArea, ...]
    scene: CameraScene


@dataclass(frozen=True, slots=True, kw_only=True)
class CellWaiting:
    """`shed` GOPs were dropped before the next packet, and `backlog_ns` of media wait behind it."""

    camera_id: CameraId
    shed: int
    backlog_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReport:
    """Answered with an AnalyserStatus and a CellState of the camera."""

    camera_id: CameraId
    now_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class CellState:
    """What outlives the cell and whoever feeds it. No pixel is in it."""

    camera_id: CameraId
    tracks: bytes
    learnt: bytes
    detector_errors: int
