"""The keys of one view: data keys of the segments it reads, and the session's mark. No picture without them.

That a `Marker` exists proves that the warden logged and released: it can be had from here alone, or from what `layers`
gave to a cell for its part of an export, and `render` takes no frame without one.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from custodes.errors import FailedPrecondition, KeyMissing, SealBroken
from custodes.redact.timeline import TrackKey
from custodes.review.permitted import Permitted
from custodes.types.media import SegmentHeader
from custodes.types.message import KeysReleased
from custodes.units import CameraId, SegmentId
from custodes.watermark.mark import Marker
from custodes.watermark.pattern import session_key, slot_key

Release = Callable[[tuple[SegmentHeader, ...]], KeysReleased]
"""`ports.warden.KeyReleaser.release_keys` with the grant's token filled in."""

MAX_KEYS = 64
"""Keys held at once: an hour of one-minute segments. An evicted one is asked for, and logged, again."""


class ViewKeys:
    """Asks the warden for each segment when it is first read, so that the log says what was really opened."""

    def __init__(self, release: Release, camera_id: CameraId) -> None:
        self._release = release
        self._camera_id = camera_id
        self._data_keys: OrderedDict[SegmentId, tuple[SegmentHeader, bytes]] = OrderedDict()
        self._missing: set[SegmentId] = set()
        self._mark_key = b""
        self._marker: Marker | None = None
        self._permitted = Permitted()
        self._hides = False
        self._covered: frozenset[TrackKey] = frozenset()

    def permitted(self) -> Permitted:
        """What the grant shows, by the warden's last word; masked before any key was released."""
        return self._permitted

    def data_key(self, header: SegmentHeader) -> bytes:
        """The 32-byte key of this segment.

        Raises: what `release` raises (PermissionDenied, KeyMissing, Unavailable); SealBroken when the header is
            another camera's, or differs from the one its key was released for.
        """
        if header.camera_id != self._camera_id:
            raise SealBroken(f"segment {header.segment_id} is of camera {header.camera_id}, not {self._camera_id}")
        known = self._data_keys.get(header.segment_id)
        if known is not None:
            if known[0] != header:
                raise SealBroken(f"segment {header.segment_id} has two headers")
            self._data_keys.move_to_end(header.segment_id)
            return known[1]
        if header.segment_id in self._missing:
            raise KeyMissing(f"the key of segment {header.segment_id} is not there any more")
        try:
            released = self._release((header,))
        except KeyMissing:
            self._missing.add(header.segment_id)  # asking again for each GOP would fill the log
            raise
        if self._marker is not None and released.mark_key != self._mark_key:
            raise SealBroken("the warden gave this session a second mark key")
        if self._marker is None and released.mark_key:  # a grant that shows nothing has none
            self._mark_key, self._marker = released.mark_key, Marker(released.mark_key)
        self._covered |= frozenset(released.covered)
        self._hides = self._hides or released.hides
        self._permitted = Permitted(
            fidelity=released.fidelity,
            shown=frozenset(released.shown),
            hidden=self._covered if self._hides else None,
        )
        self._data_keys[header.segment_id] = (header, released.data_keys[0])
        if len(self._data_keys) > MAX_KEYS:
            self._data_keys.popitem(last=False)
        return released.data_keys[0]

    def layers(self, slots: Sequence[int]) -> tuple[bytes, tuple[tuple[int, bytes], ...]]:
        """What marks in these ten seconds alone, for cells that render a part of an export; the key stays here.

        Raises: FailedPrecondition before any key was released.
        """
        self.marker()
        return session_key(self._mark_key), tuple((slot, slot_key(self._mark_key, slot)) for slot in slots)

    def marker(self) -> Marker:
        """The session's marker. Raises: FailedPrecondition before any key was released."""
        if self._marker is None:
            raise FailedPrecondition("no key was released yet, so there is no mark and nothing may be shown")
        return self._marker
