"""Films as an export's job renders them: written to files as the pieces come, with what the job says of them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from custodes.audit.evidence import Film
from custodes.types.message import MediaChunk, MediaInit, ViewEnded, ViewNote
from custodes.units import Ns

_MAX_UNREADABLE = 100


@dataclass(slots=True, kw_only=True)
class Reel:
    """Films as the job renders them."""

    folder: Path
    films: list[Film] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    signatures: list[dict[str, object]] = field(default_factory=list)
    altered: list[dict[str, object]] = field(default_factory=list)
    problem: str = ""
    position_ns: int = 0
    is_through: bool = False
    _stream: BinaryIO | None = None

    def take(self, message: object) -> None:
        """One message of the job; on the event loop, writes some kilobytes."""
        match message:
            case MediaInit(payload=payload):
                self.close()
                path = self.folder / f"film-{len(self.films) + 1}.mp4"
                self._stream = path.open("xb")
                self._stream.write(payload)
                self.films.append(Film(path=path, frames=0, fully_masked_frames=0, first_ns=Ns(0), last_ns=Ns(0)))
            case MediaChunk() if self._stream is not None:
                self._stream.write(message.payload)
                film = self.films[-1]
                self.films[-1] = Film(
                    path=film.path,
                    frames=film.frames + message.frames,
                    fully_masked_frames=film.fully_masked_frames + message.is_fully_masked * message.frames,
                    first_ns=film.first_ns if film.frames else message.utc_ns,
                    last_ns=message.utc_ns,
                )
                self.position_ns = message.utc_ns
            case ViewNote(code="end"):
                self.is_through = True
            case ViewNote(code="unreadable", message=text) if len(self.unreadable) < _MAX_UNREADABLE:
                self.unreadable.append(text)
            case ViewNote(code="signature", message=text) if len(self.signatures) < _MAX_UNREADABLE:
                self.signatures.append(json.loads(text))
            case ViewNote(code="altered", message=text) if len(self.altered) < _MAX_UNREADABLE:
                self.altered.append(json.loads(text))
            case ViewEnded(error=error):
                self.problem = error

    def close(self) -> None:
        """Idempotent."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
