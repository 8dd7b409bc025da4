"""A real RTSP server on loopback that plays prepared clips in real time and without end, as cameras do.

    /usr/bin/python3 demo/rtsp_server.py [--port N] [--login USER:PASSWORD] NAME=CLIP.h264 …

Runs on Debian's python3 with python3-gi, gir1.2-gst-rtsp-server-1.0 and GStreamer's base, good and bad plugins.
Clips come from demo/prepare.py. Each mount is shared: all clients see the same moment. Timestamps go on over the
loop's seam, RTCP sender reports are sent. For tests, `NAME=audio:` serves a tone without video, `NAME=jpeg:` and
`NAME=h265:` a moving test picture. Prints READY with the port and then one URL a line; ends on SIGTERM, SIGINT or,
with --until-eof, when stdin closes.
"""

import argparse
import json
import signal
import sys
from pathlib import Path

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
except (ImportError, ValueError) as error:
    raise SystemExit(
        f"GStreamer's RTSP server is missing ({error}). Install it: apt-get install python3-gi "
        "gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
    ) from None

_MTU = 1400


class Clip:
    """Annex-B access units in memory, with their index."""

    def __init__(self, path: Path) -> None:
        index = json.loads(path.with_name(path.name + ".json").read_text())
        self.fps = tuple(index["fps"])
        raw = path.read_bytes()
        self.frames = [(raw[at : at + length], is_key) for at, length, is_key in index["frames"]]
        if not self.frames:
            raise SystemExit(f"{path}: no frames")


class ClipFactory(GstRtspServer.RTSPMediaFactory):
    """Feeds one clip into one shared pipeline."""

    def __init__(self, clip: Clip) -> None:
        super().__init__()
        self._clip = clip
        self.set_shared(True)
        self.set_suspend_mode(GstRtspServer.RTSPSuspendMode.NONE)
        num, den = clip.fps
        self.set_launch(
            "( appsrc name=source is-live=true block=false format=time max-bytes=0 "
            f'caps="video/x-h264,stream-format=byte-stream,alignment=au,framerate={num}/{den}" '
            f"! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 mtu={_MTU} config-interval=0 )"
        )

    def do_configure(self, media: GstRtspServer.RTSPMedia) -> None:
        """Start feeding when the media is made."""
        Feed(self._clip, media)


class Feed:
    """Pushes frame n at start + n / fps of the pipeline's own clock."""

    def __init__(self, clip: Clip, media: GstRtspServer.RTSPMedia) -> None:
        self._clip = clip
        self._source = media.get_element().get_child_by_name("source")
        self._number = 0
        self._zero = None
        self._timer = GLib.timeout_add(1, self._tick)
        media.connect("unprepared", self._stop)

    def _stop(self, _media: GstRtspServer.RTSPMedia) -> None:
        if self._timer is not None:
            GLib.source_remove(self._timer)
            self._timer = None
        self._source = None

    def _due_ns(self, number: int) -> int:
        num, den = self._clip.fps
        return number * den * Gst.SECOND // num

    def _tick(self) -> bool:
        if self._source is None:
            return False
        clock = self._source.get_clock()
        base = self._source.get_base_time()
        # The clock is handed out a moment before the base time; in between, "now" would be the machine's uptime and
        # the next frame due in an hour. Seen in two of nine starts of three mounts.
        if clock is None or base == 0 or self._source.get_state(0).state < Gst.State.PAUSED:
            self._timer = GLib.timeout_add(5, self._tick)
            return False
        now = clock.get_time() - base
        if self._zero is None or abs(self._zero + self._due_ns(self._number) - now) > 2 * Gst.SECOND:
            # First picture, or the pipeline was paused between two clients and its time was set anew.
            self._zero = now - self._due_ns(self._number)
        while self._zero + self._due_ns(self._number) <= now:
            if not self._push():
                # Flushing while the pipeline changes state; `_stop` ends the feed, nothing else does.
                self._timer = GLib.timeout_add(5, self._tick)
                return False
        wait_ms = max((self._zero + self._due_ns(self._number) - now) // 1_000_000, 1)
        self._timer = GLib.timeout_add(wait_ms, self._tick)
        return False

    def _push(self) -> bool:
        payload, is_key = self._clip.frames[self._number % len(self._clip.frames)]
        buffer = Gst.Buffer.new_wrapped(payload)
        buffer.pts = buffer.dts = self._zero + self._due_ns(self._number)
        buffer.duration = self._due_ns(1)
        if not is_key:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        if self._source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
            return False
        self._number += 1
        return True


_TEST_PICTURE = "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=20/1"
_TEST_CODECS = {
    "jpeg:": "jpegenc ! rtpjpegpay name=pay0 pt=26",
    "h265:": "x265enc speed-preset=ultrafast tune=zerolatency key-int-max=10 ! h265parse config-interval=-1 "
    "! rtph265pay name=pay0 pt=96",
}


def _test_picture(codec: str) -> GstRtspServer.RTSPMediaFactory:
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    factory.set_launch(f"( {_TEST_PICTURE} ! {_TEST_CODECS[codec]} )")
    return factory


def _tone() -> GstRtspServer.RTSPMediaFactory:
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    factory.set_launch("( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 )")
    return factory


def _require_login(server: GstRtspServer.RTSPServer, login: str, is_digest: bool) -> None:
    user, _, password = login.partition(":")
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    if is_digest:
        auth.set_supported_methods(2)  # GST_RTSP_AUTH_DIGEST
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)


def _permit(factory: GstRtspServer.RTSPMediaFactory) -> None:
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--login", default="", help="USER:PASSWORD wanted from clients")
    parser.add_argument("--digest", action="store_true", help="digest instead of basic authentication")
    parser.add_argument("--until-eof", action="store_true", help="end when stdin closes (the parent died)")
    parser.add_argument("mounts", nargs="+", metavar="NAME=CLIP")
    wanted = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(wanted.port))
    if wanted.login:
        _require_login(server, wanted.login, wanted.digest)
    names = []
    for mount in wanted.mounts:
        name, _, clip = mount.partition("=")
        if clip in _TEST_CODECS:
            factory = _test_picture(clip)
        else:
            factory = _tone() if clip == "audio:" else ClipFactory(Clip(Path(clip)))
        if wanted.login:
            _permit(factory)
        server.get_mount_points().add_factory(f"/{name}", factory)
        names.append(name)
    loop = GLib.MainLoop()
    if server.attach(None) == 0:
        raise SystemExit(f"port {wanted.port} is in use")
    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, lambda: loop.quit() or True)
    if wanted.until_eof:
        GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, lambda *_: loop.quit() or False)
    GLib.timeout_add_seconds(10, lambda: server.get_session_pool().cleanup() or True)
    print(f"READY {server.get_bound_port()}", flush=True)
    for name in names:
        print(f"rtsp://127.0.0.1:{server.get_bound_port()}/{name}", flush=True)
    loop.run()


if __name__ == "__main__":
    main()
