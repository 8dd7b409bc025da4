"""What waits between a job and a viewer: bounded; a slow viewer loses whole media chunks and goes on at a keyframe."""

import asyncio
from collections import deque

from custodes.app.serving.fragments import starts_with_keyframe
from custodes.ports.views import ViewOutput
from custodes.types.message import MediaChunk, MediaInit, StillRendered, ViewEnded, ViewNote

MAX_CHUNKS = 90
"""Three seconds of one frame each: behind that a picture is no longer live."""

MAX_BYTES = 16 * 1024 * 1024
MAX_STILLS = 8
MAX_NOTES = 64


class OutputQueue:
    """One writer, one reader, on the event loop."""

    def __init__(self) -> None:
        self._waiting: deque[ViewOutput] = deque()
        self._changed = asyncio.Event()
        self._needs_keyframe = False
        self._has_ended = False
        self.dropped_chunks = 0

    def put(self, output: ViewOutput) -> None:
        """Never waits. ViewEnded and the newest MediaInit are never dropped; nothing follows ViewEnded."""
        if self._has_ended:
            return
        if isinstance(output, MediaInit):
            # What was encoded before a new initialisation segment is of a stream that the page will leave.
            self._drop_chunks()
            self._needs_keyframe = False
        if isinstance(output, MediaChunk) and self._needs_keyframe:
            if not starts_with_keyframe(output.payload):
                self.dropped_chunks += 1
                return
            self._needs_keyframe = False
        self._has_ended = isinstance(output, ViewEnded)
        self._waiting.append(output)
        self._bound()
        self._changed.set()

    async def get(self) -> ViewOutput:
        """The next output."""
        while not self._waiting:
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()

    def _bound(self) -> None:
        chunks = [output for output in self._waiting if isinstance(output, MediaChunk)]
        if len(chunks) > MAX_CHUNKS or sum(len(chunk.payload) for chunk in chunks) > MAX_BYTES:
            self._skip_to_keyframe(chunks)
        stills = [at for at, output in enumerate(self._waiting) if isinstance(output, StillRendered)]
        if len(stills) > MAX_STILLS:
            del self._waiting[stills[0]]
        notes = [at for at, output in enumerate(self._waiting) if isinstance(output, ViewNote)]
        if len(notes) > MAX_NOTES:
            del self._waiting[notes[0]]

    def _skip_to_keyframe(self, chunks: list[MediaChunk]) -> None:
        """Keep what begins at the newest keyframe, if that is little enough; else nothing until the next."""
        starts = [at for at, chunk in enumerate(chunks) if at and starts_with_keyframe(chunk.payload)]
        kept = chunks[starts[-1] :] if starts else []
        if len(kept) > MAX_CHUNKS // 2 or sum(len(chunk.payload) for chunk in kept) > MAX_BYTES // 2:
            kept = []
        self._needs_keyframe = not kept
        self.dropped_chunks += len(chunks) - len(kept)
        keep = {id(chunk) for chunk in kept}
        self._waiting = deque(
            output for output in self._waiting if not isinstance(output, MediaChunk) or id(output) in keep
        )

    def _drop_chunks(self) -> None:
        before = len(self._waiting)
        self._waiting = deque(output for output in self._waiting if not isinstance(output, MediaChunk | MediaInit))
        self.dropped_chunks += before - len(self._waiting)
