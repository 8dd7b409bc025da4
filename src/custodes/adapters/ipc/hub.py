"""The recorder's hub: packets from camera threads to any number of subscribers, none of whom can delay recording.

One thread per hub does all socket work. Each camera keeps its current GOP, so that a late subscriber starts at a
keyframe at once. A subscriber that does not keep up loses whole GOPs of the camera concerned, and they are counted.
What the packets look like on the wire (plain or sealed) is the `PacketForm`'s business; who reads them uses
`hub_subscriber`.
"""

import contextlib
import os
import selectors
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import structlog

from custodes.adapters.ipc.framing import frame, listening_socket, peer_uid
from custodes.adapters.ipc.hub_queue import Feed, Kind, PacketForm, Subscriber
from custodes.errors import ProtocolError
from custodes.types.codec import decode_as
from custodes.types.media import Packet, StreamInfo
from custodes.types.message import CameraWatched, StreamClosed, StreamOpened, Subscribe
from custodes.units import CameraId, RunId

MAX_SUBSCRIBERS = 640
"""More than `views.max_jobs` (512) and `analyser.processes` (64) together."""

MAX_SUBSCRIBE_BYTES = 1 << 20
_LENGTH = struct.Struct(">I")


class PlainForm:
    """StreamOpened, Packet, StreamClosed: for analysers on this machine."""

    def __init__(self, info: StreamInfo) -> None:
        self._info = info

    def opened(self) -> bytes:
        """StreamOpened."""
        return frame(StreamOpened(info=self._info))

    def packet(self, packet: Packet) -> bytes:
        """Packet."""
        return frame(packet)

    def closed(self) -> bytes:
        """StreamClosed."""
        return closed_message(self._info.camera_id, self._info.run)


def closed_message(camera_id: CameraId, run: RunId) -> bytes:
    """StreamClosed, framed."""
    return frame(StreamClosed(camera_id=camera_id, run=run))


class Hub:
    """Listens on one unix socket (mode 0600). `publish` and friends never block on a subscriber; thread-safe."""

    def __init__(
        self,
        path: Path,
        *,
        on_watched: Callable[[CameraId, bool], None] = lambda _camera_id, _is_watched: None,
        tells_watched: bool = False,
    ) -> None:
        """`on_watched`: called on the hub's thread when a camera gets its first subscriber or loses its last.
        `tells_watched`: subscribers are told what `set_watched` says."""
        self._path = path
        self._on_watched = on_watched
        self._tells_watched = tells_watched
        self._watched: set[CameraId] = set()
        self._lock = threading.Lock()
        self._feeds: dict[CameraId, Feed] = {}
        self._subscribers: dict[int, Subscriber] = {}
        self._dropped: Counter[CameraId] = Counter()
        self._is_stopping = False
        self._is_woken = False
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._listener = listening_socket(path)
        self._log = structlog.get_logger().bind(hub=path.name)
        self._thread = threading.Thread(target=self._run, name=path.stem, daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def stop(self) -> None:
        """Close every connection; what is queued is given up."""
        self._is_stopping = True
        self._wake()
        self._thread.join(timeout=2.0)
        self._path.unlink(missing_ok=True)

    def open_stream(self, camera_id: CameraId, form: PacketForm) -> None:
        """Announce a stream, or a new form of it; the packets that follow begin with a keyframe."""
        with self._lock:
            feed = self._feeds[camera_id] = Feed(form=form)
            self._offer(camera_id, Kind.CONTROL, feed.form.opened() if self._has_readers(camera_id) else None)
        self._wake()

    def publish(self, packet: Packet) -> None:
        """Hand one packet to all subscribers of its camera; without `open_stream` before, it is ignored."""
        with self._lock:
            feed = self._feeds.get(packet.camera_id)
            if feed is None:
                return
            if not self._subscribers or not self._has_readers(packet.camera_id):
                feed.add(packet, None)
                return
            wire = feed.form.packet(packet)
            feed.add(packet, wire)
            self._offer(packet.camera_id, Kind.KEYFRAME if packet.is_keyframe else Kind.DELTA, wire)
        self._wake()

    def close_stream(self, camera_id: CameraId) -> None:
        """The stream is over; idempotent."""
        with self._lock:
            feed = self._feeds.pop(camera_id, None)
            if feed is not None:
                self._offer(camera_id, Kind.CONTROL, feed.form.closed())
        self._wake()

    def set_watched(self, camera_id: CameraId, is_watched: bool) -> None:
        """Somebody watches the camera live, or nobody does any more."""
        with self._lock:
            if is_watched:
                self._watched.add(camera_id)
            else:
                self._watched.discard(camera_id)
            self._offer(camera_id, Kind.CONTROL, self._watched_message(camera_id))
        self._wake()

    def _watched_message(self, camera_id: CameraId) -> bytes:
        return frame(CameraWatched(camera_id=camera_id, is_watched=camera_id in self._watched))

    def dropped_gops(self, camera_id: CameraId) -> int:
        """GOPs that some subscriber of this camera lost, since the start."""
        with self._lock:
            return self._dropped[camera_id]

    def _has_readers(self, camera_id: CameraId) -> bool:
        return any(sub.cameras is not None and camera_id in sub.cameras for sub in self._subscribers.values())

    def _offer(self, camera_id: CameraId, kind: Kind, wire: bytes | None) -> None:
        if wire is None:
            return
        for subscriber in self._subscribers.values():
            if subscriber.cameras is not None and camera_id in subscriber.cameras:
                self._dropped[camera_id] += subscriber.offer(camera_id, kind, wire)

    def _wake(self) -> None:
        if self._is_woken:
            return
        self._is_woken = True
        with contextlib.suppress(OSError):  # full pipe: a wake-up is under way already
            self._wake_write.send(b"\x00")

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ)
        selector.register(self._wake_read, selectors.EVENT_READ)
        while not self._is_stopping:
            for key, mask in selector.select():
                if key.fileobj is self._listener:
                    self._accept(selector)
                elif key.fileobj is self._wake_read:
                    with contextlib.suppress(BlockingIOError):
                        self._wake_read.recv(4096)
                    # After the pipe was emptied, or a byte sent in between would be swallowed and nobody ever wake us
                    # again; before the queues are looked at, so that what is queued from here on does.
                    self._is_woken = False
                elif mask & selectors.EVENT_READ:
                    self._read(selector, self._subscribers[key.fd])
            self._send_all(selector)
        for subscriber in list(self._subscribers.values()):
            self._drop(selector, subscriber)
        selector.close()
        for sock in (self._listener, self._wake_read, self._wake_write):
            sock.close()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if len(self._subscribers) >= MAX_SUBSCRIBERS or peer_uid(sock) not in (os.getuid(), 0):
            sock.close()
            return
        sock.setblocking(False)
        with self._lock:
            self._subscribers[sock.fileno()] = Subscriber(sock=sock)
        selector.register(sock, selectors.EVENT_READ)

    def _read(self, selector: selectors.BaseSelector, subscriber: Subscriber) -> None:
        try:
            part = subscriber.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part or subscriber.cameras is not None:  # gone, or talks out of turn
            self._drop(selector, subscriber)
            return
        subscriber.received += part
        try:
            wanted = _parse_subscribe(bytes(subscriber.received))
        except ProtocolError as error:
            self._log.warning("subscriber refused", reason=str(error))
            self._drop(selector, subscriber)
            return
        if wanted is not None:
            self._subscribe(subscriber, frozenset(wanted.camera_ids))

    def _subscribe(self, subscriber: Subscriber, cameras: frozenset[CameraId]) -> None:
        with self._lock:
            first = [camera_id for camera_id in cameras if not self._has_readers(camera_id)]
            subscriber.cameras = cameras
            for camera_id in sorted(cameras):
                if self._tells_watched:
                    subscriber.offer(camera_id, Kind.CONTROL, self._watched_message(camera_id))
                feed = self._feeds.get(camera_id)
                if feed is None:
                    continue
                if not feed.packets:
                    subscriber.waits_for_keyframe.add(camera_id)
                for kind, wire in feed.replay():
                    self._dropped[camera_id] += subscriber.offer(camera_id, kind, wire)
        for camera_id in first:
            self._on_watched(camera_id, True)

    def _send_all(self, selector: selectors.BaseSelector) -> None:
        for subscriber in list(self._subscribers.values()):
            if subscriber.is_given_up:
                self._log.warning("a subscriber that reads nothing is cut off")
                self._drop(selector, subscriber)
                continue
            try:
                is_blocked = self._send(subscriber)
            except OSError:
                self._drop(selector, subscriber)
                continue
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if is_blocked else 0)
            if selector.get_key(subscriber.sock).events != events:
                selector.modify(subscriber.sock, events)

    def _send(self, subscriber: Subscriber) -> bool:
        """Send what the socket takes; True when something is left."""
        while True:
            with self._lock:
                buffers = subscriber.buffers()
                if not buffers:
                    return False
                try:
                    # Non-blocking, so the lock is held for one copy into the kernel at most (212 kB).
                    count = subscriber.sock.sendmsg(buffers)
                except BlockingIOError:
                    return True
                subscriber.sent(count)

    def _drop(self, selector: selectors.BaseSelector, subscriber: Subscriber) -> None:
        selector.unregister(subscriber.sock)
        with self._lock:
            del self._subscribers[subscriber.sock.fileno()]
            left = [camera_id for camera_id in subscriber.cameras or () if not self._has_readers(camera_id)]
        subscriber.sock.close()
        for camera_id in left:
            self._on_watched(camera_id, False)


def _parse_subscribe(received: bytes) -> Subscribe | None:
    """The request once it is whole. Raises: ProtocolError."""
    if len(received) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(received)
    if length > MAX_SUBSCRIBE_BYTES:
        raise ProtocolError(f"subscription of {length} bytes; at most {MAX_SUBSCRIBE_BYTES}")
    if len(received) < _LENGTH.size + length:
        return None
    return decode_as(Subscribe, received[_LENGTH.size : _LENGTH.size + length])
