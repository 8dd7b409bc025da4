"""ClamAV's daemon over its Unix socket, by its INSTREAM command: the file is sent, never its place on the disk.

Source: clamd(8), COMMANDS; an answer is `stream: OK`, `stream: <name> FOUND` or `<why> ERROR`.
"""

import asyncio
import struct
from pathlib import Path

from custodes.errors import InvalidArgument, Unavailable

_CHUNK_BYTES = 1 << 20
_MAX_ANSWER_BYTES = 4096
_TIMEOUT_S = 60.0
"""A file of 33 MiB takes clamd some seconds; its own limit (MaxScanTime) is two minutes."""


class Clamd:
    """Implements `ports.scanner.FileScanner`; a connection a file."""

    def __init__(self, socket: Path, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._socket = socket
        self._timeout_s = timeout_s

    async def check(self, content: bytes) -> None:
        """See the port."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._asked(content)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            why = str(error) or f"no answer within {self._timeout_s:.0f} s"
            raise Unavailable(f"The virus scanner does not answer, so no file is taken ({why}).") from error
        verdict = answer.removeprefix("stream: ")
        if verdict == "OK":
            return
        if verdict.endswith(" FOUND"):
            raise InvalidArgument(f"The virus scanner found {verdict.removesuffix(' FOUND')[:120]} in that file.")
        raise Unavailable(f"The virus scanner could not look at that file, so it is not taken: {verdict[:200]}")

    async def _asked(self, content: bytes) -> str:
        reader, writer = await asyncio.open_unix_connection(self._socket, limit=_MAX_ANSWER_BYTES)
        try:
            writer.write(b"zINSTREAM\0")
            try:
                for at in range(0, len(content), _CHUNK_BYTES):
                    piece = content[at : at + _CHUNK_BYTES]
                    writer.write(struct.pack(">I", len(piece)) + piece)
                    await writer.drain()
                writer.write(struct.pack(">I", 0))
                await writer.drain()
            except ConnectionError:
                pass  # it says why it stopped reading, below
            return (await reader.readuntil(b"\0"))[:-1].decode("utf-8", "replace").strip()
        finally:
            writer.close()
