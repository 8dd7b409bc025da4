"""Messages about evidence holds, on `server-control.sock`."""

from dataclasses import dataclass

from custodes.units import CameraId, Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold:
    """Keep the recordings of a camera that touch [start, end] until `expires_ns`. Answer: HoldPlaced."""

    owner: str
    """Who answers for it."""
    reason: str
    """Case or ticket, in words."""
    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    expires_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPlaced:
    """The hold's id; `segments` and `bytes_on_disk` it touches now (more may be recorded into it)."""

    hold_id: str
    segments: int
    bytes_on_disk: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHold:
    """End a hold before its time. Answer: Ok."""

    hold_id: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadHolds:
    """Answer: HoldTable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """One hold that has not expired."""

    hold_id: str
    owner: str
    reason: str
    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    expires_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldTable:
    """By camera and start."""

    holds: tuple[HoldRow, ...]
