"""For tests of views: a data directory with a camera-day key pair, and a warden's port that really unwraps."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from custodes.errors import PermissionDenied
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.review.archive import Archive
from custodes.review.keys import ViewKeys
from custodes.review.render import Renderer
from custodes.sealing.unwrap import generate_camera_day_key, unwrap_data_key
from custodes.testing.clock import ManualClock
from custodes.types.access import Fidelity
from custodes.types.media import Segment, SegmentHeader
from custodes.types.message import KeysReleased
from custodes.units import NS_PER_S, CameraId, SegmentId

START_NS = 1_767_225_600 * NS_PER_S
MARK_KEY = hashlib.sha256(b"session under test").digest()


@dataclass
class UnwrappingReleaser:
    """`ports.warden.KeyReleaser`'s behaviour without the socket: unwraps with the private key, refuses on demand."""

    private_key: bytes
    released: list[SegmentId] = field(default_factory=list)
    is_refusing: bool = False

    def release(self, headers: tuple[SegmentHeader, ...]) -> KeysReleased:
        """Unwrap, or refuse."""
        if self.is_refusing:
            raise PermissionDenied("the grant has ended")
        self.released += [header.segment_id for header in headers]
        keys = tuple(unwrap_data_key(self.private_key, header) for header in headers)
        return KeysReleased(data_keys=keys, mark_key=MARK_KEY, log_index=len(self.released))


@dataclass
class ReviewSite:
    """A data directory with a key pair; makes the parts of a view."""

    data_dir: Path
    public_key: bytes
    releaser: UnwrappingReleaser
    clock: ManualClock
    timeline: MaskTimeline
    keys: ViewKeys

    def renderer(self, max_height_px: int = 720) -> Renderer:
        """Of the site's timeline."""
        return Renderer(fidelity=Fidelity.MASKED, timeline=self.timeline, max_height_px=max_height_px)

    def archive(self, *segments: Segment) -> Archive:
        """Of these segments."""
        archive = Archive(data_dir=self.data_dir, camera_id=CameraId("cam"), keys=self.keys)
        archive.put(segments)
        return archive


def make_review_site(data_dir: Path) -> ReviewSite:
    """Fresh keys; the clock stands an hour after `START_NS`."""
    private_key, public_key = generate_camera_day_key()
    releaser = UnwrappingReleaser(private_key)
    return ReviewSite(
        data_dir=data_dir,
        public_key=public_key,
        releaser=releaser,
        clock=ManualClock(START_NS + 3600 * NS_PER_S),
        timeline=MaskTimeline(MaskPolicy(margin=0.1)),
        keys=ViewKeys(releaser.release, CameraId("cam")),
    )
