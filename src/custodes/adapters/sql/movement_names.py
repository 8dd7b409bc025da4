"""Small numbers for streams (camera and run) and lines, as blocks of columns keep them."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection

from custodes.adapters.sql.columns import Ints
from custodes.adapters.sql.statements import run
from custodes.errors import DataLoss, InvalidArgument
from custodes.types.movement import Streams
from custodes.units import CameraId, RunId

_STREAM, _LINE = "stream", "line"
_FEW = 16
"""More new names than this at once are an archive's: all are read then."""

Pair = tuple[str, str]


class Names:
    """A cache of the committed table `movement_name`; names are never changed or given anew."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str, str], int] = {}
        """Of the writing connection, which alone gives new ones."""
        self._pairs: dict[int, Pair] = {}
        self._newest = 0

    def codes_of(self, connection: Connection, streams: Streams) -> Ints:
        """(n,) int64, given where there was none. Raises: InvalidArgument for an index into nothing."""
        if len(streams.camera_ids) != len(streams.runs):
            raise InvalidArgument(f"{len(streams.camera_ids)} cameras for {len(streams.runs)} runs")
        if len(streams.codes) and not 0 <= int(streams.codes.min()) <= int(streams.codes.max()) < len(streams.runs):
            raise InvalidArgument(f"a row of stream {streams.codes.max()}; there are {len(streams.runs)}")
        pairs = list(zip(map(str, streams.camera_ids), map(str, streams.runs), strict=True))
        return np.array(self.codes(connection, pairs), np.int64)[streams.codes]

    def codes(self, connection: Connection, pairs: Sequence[Pair]) -> list[int]:
        """One per camera and run; with an empty run, of the camera as such."""
        return self._codes_of(connection, [(_STREAM, *pair) for pair in pairs])

    def lines_of(self, connection: Connection, names: Sequence[str]) -> Ints:
        """One per name."""
        return np.array(self._codes_of(connection, [(_LINE, name, "") for name in names]), np.int64)

    def streams_of(self, connection: Connection, codes: Ints) -> Streams:
        """The way back."""
        known = self.all_streams(connection)
        distinct, of_row = np.unique(codes, return_inverse=True)
        try:
            pairs = [known[code] for code in distinct.tolist()]
        except KeyError as error:
            raise DataLoss(f"the catalog names no stream {error}") from error
        return Streams(
            codes=of_row.astype(np.int64),
            camera_ids=tuple(CameraId(camera) for camera, _ in pairs),
            runs=tuple(RunId(run) for _, run in pairs),
        )

    def lines_named(self, connection: Connection, codes: Ints) -> tuple[str, ...]:
        """The way back."""
        found = run(connection, "SELECT code, first FROM movement_name WHERE kind = ?", (_LINE,))
        names = {code: name for code, name in found}
        return tuple(names[code] for code in codes.tolist())

    def streams_on(self, connection: Connection, camera_id: CameraId) -> Ints:
        """All codes of one camera."""
        query = "SELECT code FROM movement_name WHERE kind = ? AND first = ?"
        found = run(connection, query, (_STREAM, str(camera_id)))
        return np.array([code for (code,) in found], np.int64)

    def all_streams(self, connection: Connection) -> dict[int, Pair]:
        """Code → camera and run. New ones are read behind the newest known."""
        query = "SELECT code, first, second FROM movement_name WHERE kind = ? AND code > ?"
        fresh = {code: (camera, run) for code, camera, run in run(connection, query, (_STREAM, self._newest))}
        if fresh:
            self._pairs = self._pairs | fresh  # replaced, never changed: readers share it
            self._newest = max(self._newest, *fresh)
        return self._pairs

    def _codes_of(self, connection: Connection, keys: list[tuple[str, str, str]]) -> list[int]:
        missing = [key for key in dict.fromkeys(keys) if key not in self._codes]
        if missing:
            insert = "INSERT INTO movement_name (kind, first, second) VALUES (?,?,?) ON CONFLICT DO NOTHING"
            run(connection, insert, missing)
            find = "SELECT code FROM movement_name WHERE kind = ? AND first = ? AND second = ?"
            if len(missing) <= _FEW:
                for key in missing:
                    self._codes[key] = int(run(connection, find, key).scalar_one())
            else:
                found = run(connection, "SELECT kind, first, second, code FROM movement_name")
                self._codes = {(kind, first, second): code for kind, first, second, code in found}
        return [self._codes[key] for key in keys]
