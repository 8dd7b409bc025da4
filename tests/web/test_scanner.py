"""The virus scanner that uploads are shown to: clamd's protocol as it was recorded, the pages, and a real clamd."""

import asyncio
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.web.test_leaks import PNG, ann, put  # noqa: F401

from custodes.adapters.clamd import Clamd
from custodes.config import SiteConfig
from custodes.errors import ConfigError, InvalidArgument, Unavailable
from custodes.testing.ending import stop

SAMPLE = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The harmless file that scanners agree to find, in two pieces so that none finds this test."""


async def read_stream(reader: asyncio.StreamReader) -> bytes:
    """A file as INSTREAM sends it, in pieces with their lengths, ended by an empty one."""
    assert await reader.readexactly(10) == b"zINSTREAM\0"
    content = b""
    while length := struct.unpack(">I", await reader.readexactly(4))[0]:
        content += await reader.readexactly(length)
    return content


def asked(path: Path, answer: Callable[[bytes], bytes | None], content: bytes, *, timeout_s: float = 60.0) -> None:
    """`Clamd.check` before a daemon that says `answer`, or nothing more for None."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = answer(await read_stream(reader))
        if said is None:
            await asyncio.Event().wait()
        writer.write(said or b"")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_unix_server(serve, path)
        try:
            await Clamd(path, timeout_s=timeout_s).check(content)
        finally:
            server.close()

    asyncio.run(main())


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 12_000], ids=len)
def test_scanner_gets_the_whole_file_in_pieces_and_its_ok_is_taken(tmp_path: Path, content: bytes) -> None:
    seen = []
    asked(tmp_path / "s", lambda told: seen.append(told) or b"stream: OK\0", content)
    assert seen == [content]


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (b"stream: Eicar-Test-Signature FOUND\0", InvalidArgument, "found Eicar-Test-Signature in"),
        (b"INSTREAM size limit exceeded. ERROR\0", Unavailable, "size limit exceeded"),
        (b"UNKNOWN COMMAND\0", Unavailable, "UNKNOWN COMMAND"),
        (b"stream: OK and more\0", Unavailable, "not taken"),
        (b"stream: OK", Unavailable, "does not answer"),
        (b"", Unavailable, "does not answer"),
        (b"x" * 9000, Unavailable, "does not answer"),
    ],
)
def test_scanner_that_says_anything_but_ok_has_the_file_refused(tmp_path, said, kind, words) -> None:
    with pytest.raises(kind, match=words):
        asked(tmp_path / "s", lambda _: said, b"a file")


def test_scanner_that_is_not_there_or_silent_has_the_file_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        asyncio.run(Clamd(tmp_path / "nobody").check(b"a file"))
    with pytest.raises(Unavailable, match="no answer within"):
        asked(tmp_path / "s", lambda _: None, b"a file", timeout_s=0.1)


def test_scanner_that_stops_reading_is_heard_all_the_same(tmp_path: Path) -> None:
    """clamd closes when a file is beyond its StreamMaxLength, and says so before."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INSTREAM size limit exceeded. ERROR\0")
        writer.close()

    async def main() -> None:
        async with await asyncio.start_unix_server(serve, tmp_path / "s"):
            await Clamd(tmp_path / "s").check(bytes(20 << 20))

    with pytest.raises(Unavailable):
        asyncio.run(main())


def test_socket_of_the_scanner_is_named_by_its_whole_path() -> None:
    for wrong in ("clamd.ctl", "../clamd.ctl"):
        with pytest.raises((ValueError, ConfigError), match="whole path"):
            SiteConfig.model_validate({"name": "x", "data_dir": "/x", "server": {"clamd": wrong}})
    config = SiteConfig.model_validate({"name": "x", "data_dir": "/x", "server": {"clamd": "/run/clamd.ctl"}})
    assert config.server.clamd == Path("/run/clamd.ctl")


class Finder:
    """Finds something in what it is told to, and keeps what it saw."""

    def __init__(self, bad: bytes) -> None:
        self.bad = bad
        self.seen: list[bytes] = []

    async def check(self, content: bytes) -> None:
        self.seen.append(content)
        if content == self.bad:
            raise InvalidArgument("The virus scanner found Worm.X in that file.")


def test_files_that_people_upload_are_shown_to_the_scanner_before_they_are_kept(ann) -> None:  # noqa: F811
    finder = Finder(PNG)
    ann.site.app.state.deps = replace(ann.site.app.state.deps, scanner=finder)
    answer = put(ann)
    assert answer.status_code == 400 and "Worm.X" in answer.text
    assert ann.get("/api/v1/leaks").json()["traces"] == []
    post = {"account": "@one", "at": "2026-05-01T10:00", "csrf": ann.site.csrf}
    files = [("picture", ("a.png", PNG))]
    answer = ann.site.client.post("/cases/2026-7/posts", data=post, files=files)
    assert answer.status_code == 400 and "Worm.X" in answer.text
    assert ann.get("/api/v1/cases/2026-7/posts").json()["posts"] == []
    assert finder.seen == [PNG, PNG]
    finder.bad = b""
    assert put(ann).status_code == 303 and finder.seen == [PNG, PNG, PNG]
    table = "id,account,time,picture\na,@one,2026-05-01T10:00:00Z,a.png\nb,@two,2026-05-01T11:00:00Z,a.png\n"
    files = [("table", ("posts.csv", table.encode())), ("pictures", ("a.png", PNG))]
    answer = ann.site.client.post("/cases/2026-7/posts/import", data={"csrf": ann.site.csrf}, files=files)
    assert answer.status_code == 303 and finder.seen[3:] == [PNG], "of two posts, and seen once"


@pytest.mark.slow
def test_real_clamd_finds_its_sample_and_nothing_in_a_picture(tmp_path: Path) -> None:
    if shutil.which("clamd") is None:
        pytest.skip("no clamd here: apt-get install clamav-daemon")
    (tmp_path / "signatures").mkdir()
    signature = "44d88612fea8a8f36de82e1278abb02f:68:Test.Sample\n"  # MD5 of the sample, its size, its name
    (tmp_path / "signatures" / "own.hdb").write_text(signature)
    path = tmp_path / "clamd.ctl"
    lines = (f"LocalSocket {path}", f"DatabaseDirectory {tmp_path}/signatures", "Foreground yes", "User root")
    (tmp_path / "clamd.conf").write_text("\n".join(lines) + "\n")
    daemon = subprocess.Popen(
        ["clamd", "-c", str(tmp_path / "clamd.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await_socket(path, daemon)
        scanner = Clamd(path)
        asyncio.run(scanner.check(PNG))
        asyncio.run(scanner.check(bytes(3 << 20)))
        with pytest.raises(InvalidArgument, match=r"found Test\.Sample"):
            asyncio.run(scanner.check(SAMPLE))
    finally:
        stop(daemon)


def _await_socket(path: Path, daemon: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert daemon.poll() is None, "clamd ended at its start"
        with suppress(OSError), socket.socket(socket.AF_UNIX) as one:
            one.connect(str(path))
            return
        with suppress(subprocess.TimeoutExpired):
            daemon.wait(0.1)
    raise AssertionError("clamd does not listen")
