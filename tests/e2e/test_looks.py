"""Clothes' colours of real walkers reach the server, and no file of the site has one."""

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from custodes.adapters.ipc.framing import listening_socket
from custodes.config import SitePaths
from custodes.testing.needles import Needles, files_under, pieces_of_looks
from custodes.testing.site import RunningSite
from custodes.testing.viewer import Viewer
from custodes.types.codec import decode
from custodes.types.looks import LooksSeen

pytestmark = [pytest.mark.e2e, pytest.mark.rtsp]

ENOUGH = 60


class Tap:
    """Between analyser and server: passes on what comes, and keeps it."""

    def __init__(self, path: Path) -> None:
        self._server = path.with_name("looks-server.sock")
        self._path = path
        self.bytes = bytearray()

    @contextlib.contextmanager
    def tapping(self) -> Iterator[None]:
        self._path.rename(self._server)
        listener = listening_socket(self._path)
        listener.setblocking(True)
        thread = threading.Thread(target=self._pass_on, args=(listener,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.rename(self._path)  # the next connection is the server's again
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            listener.close()

    def _pass_on(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                analyser, _ = listener.accept()
                with analyser, socket.socket(socket.AF_UNIX) as server:
                    server.connect(str(self._server))
                    while piece := analyser.recv(1 << 16):
                        self.bytes += piece
                        server.sendall(piece)

    def seen(self) -> list[LooksSeen]:
        """Whole messages."""
        at, found = 0, []
        while at + 4 <= len(self.bytes):
            (length,) = struct.unpack_from(">I", self.bytes, at)
            if at + 4 + length > len(self.bytes):
                break
            found.append(decode(bytes(self.bytes[at + 4 : at + 4 + length])))
            at += 4 + length
        return found


def test_looks_of_walkers_reach_the_map_and_are_in_no_file_of_the_site(site: RunningSite, viewer: Viewer) -> None:
    paths = SitePaths(site.data_dir)
    tap = Tap(paths.socket("server-looks"))
    with tap.tapping():
        os.kill(site.pids("analyser")[0], 9)  # the next one finds the tap
        site.wait_for(lambda: sum(len(one.track_ids) for one in tap.seen()) >= ENOUGH, "looks of walkers", 90)
        seen = tap.seen()
        assert {one.camera_id for one in seen} == {"walkers", "again"}
        pieces = pieces_of_looks(np.concatenate([one.looks for one in seen]))
        assert len(pieces) > 1000
        needles = Needles(pieces)
        assert needles.found_in(bytes(tap.bytes)) > 100
        counted = site.camera("walkers")["tracks"]
        site.wait_for(lambda: site.camera("walkers")["tracks"] > counted, "a track that ended and was stored")
        assert any(dot["is_person"] for floor in viewer.get("map")["floors"] for dot in floor["dots"])
        searched = files_under(site.data_dir)
        names = {path.name for path in searched}
        assert {"catalog.db", "catalog.db-wal", "recorder.journal", "server.log", "log.db"} <= names
        assert any(path.suffix == ".seg" for path in searched)
        assert [str(path) for path in searched if needles.found_in(path.read_bytes())] == []
