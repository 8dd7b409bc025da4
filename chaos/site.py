"""Faults of a whole site: what each does to recording, facts, their order, the centre and the log, as a table.

    python -m chaos.site [--only kill-server,cut-postgres] [--smoke] [--write docs/faults.md]

Needs root (small disks are mounted), gcc, PostgreSQL, NATS, GStreamer and the extras s3 and federation; `site_parts`
says what runs. Before each fault the site is whole; the fault lasts some seconds; then it is waited for until
everything works again. Exit code 1 when something was lost, doubled, out of order or did not come back.
"""

import argparse
import contextlib
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from chaos import shim
from chaos.disks import can_mount
from chaos.links import Link
from chaos.site_parts import CAMERAS, Whole
from custodes.adapters.sql import chunks
from custodes.errors import CustodesError
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId, RunId

HOLD_S = 12.0
"""Of a fault: some segments of four seconds, some parcels, a dozen looks at everything."""

BEFORE_NS = 3 * NS_PER_S
HOLE_S = 1.0
"""Between two recordings of a camera; what is shorter is a seam."""

PATIENCE_S = 400.0
"""For machines that do other things, too; what it took is in the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`may_hole`: recording stops by what it does; anything else has to leave recording alone."""

    name: str
    words: str
    begin: Callable[[Whole], object]
    end: Callable[[Whole], object]
    may_hole: bool = False
    sets_clock: bool = False


def _nothing(whole: Whole) -> None:
    """The part comes back by itself."""


def _kill(kind: str) -> Callable[[Whole], object]:
    return lambda whole: whole.site.kill(kind)


def _fill(name: str) -> Callable[[Whole], object]:
    def fill(whole: Whole) -> None:
        with contextlib.suppress(OSError), (whole.disks[name] / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(1 << 20))

    return fill


def _empty(name: str, again: Callable[[Whole], object] = _nothing) -> Callable[[Whole], object]:
    def empty(whole: Whole) -> None:
        (whole.disks[name] / "filler").unlink()
        again(whole)

    return empty


def _postgres_again(whole: Whole) -> None:
    """A server that ended for want of room is begun by its service manager."""
    with contextlib.suppress(CustodesError):
        whole.postgres.sql("SELECT 1")
        return
    with contextlib.suppress(CustodesError):
        whole.postgres.stop()
    whole.postgres.start(**whole.clocks["postgres"].env)


def _site_again(whole: Whole) -> None:
    whole.start_site()


def _on_link(name: str, act: Callable[[Link], None]) -> Callable[[Whole], object]:
    return lambda whole: act(whole.links[name])


def _clock(name: str, offset_ns: int) -> Callable[[Whole], object]:
    return lambda whole: whole.clocks[name].set_clock(offset_ns)


def _faults() -> list[Fault]:
    kills = [
        Fault(
            name=f"kill-{kind}",
            words=f"`kill -9` of the {kind}",
            begin=_kill(kind),
            end=_nothing,
            may_hole=kind == "recorder",
        )
        for kind in ("recorder", "analyser", "server", "warden", "matcher")
    ]
    kills += [
        Fault(
            name="kill-site",
            words="`kill -9` of the supervisor, and with it of all; begun again",
            begin=Whole.kill_site,
            end=_site_again,
            may_hole=True,
        ),
        Fault(
            name="kill-postgres",
            words="PostgreSQL ends at once; begun again",
            begin=lambda whole: whole.postgres.stop(),
            end=_postgres_again,
        ),
        Fault(
            name="kill-nats",
            words="`kill -9` of NATS; begun again",
            begin=lambda whole: whole.nats.kill(),
            end=lambda whole: whole.nats.start(),
        ),
        Fault(
            name="kill-s3",
            words="`kill -9` of the S3 server; begun again, empty",
            begin=lambda whole: whole.s3.kill(),
            end=lambda whole: whole.start_s3(),
        ),
        Fault(
            name="kill-centre",
            words="`kill -9` of the centre; begun again",
            begin=lambda whole: whole.centre.kill(),
            end=lambda whole: whole.centre.start(),
        ),
    ]
    names = {
        "cameras": "recorder – cameras",
        "postgres": "server – PostgreSQL",
        "nats": "site – NATS",
        "centre-nats": "centre – NATS",
        "s3": "server – S3",
    }
    links = [
        Fault(
            name=f"{verb}-{name}",
            words=f"link {words} {said}",
            begin=_on_link(name, Link.cut if verb == "cut" else Link.slow),
            end=_on_link(name, Link.mend),
            may_hole=name == "cameras",
        )
        for verb, said in (("cut", "is silent"), ("slow", "has 64 kB/s and 250 ms each way"))
        for name, words in names.items()
    ]
    fills = [
        Fault(
            name=f"fill-{name}",
            words=f"disk of {words} is full",
            begin=_fill(name),
            end=_empty(name, _postgres_again if name == "postgres" else _nothing),
            may_hole=name == "site",
        )
        for name, words in {
            "site": "the site",
            "postgres": "PostgreSQL",
            "nats": "NATS",
            "centre": "the centre",
        }.items()
    ]
    clocks = [
        Fault(
            name=f"clock-{name}",
            words=f"clock of {words} an hour ahead, then right again",
            begin=_clock(name, NS_PER_HOUR),
            end=_clock(name, 0),
            sets_clock=name == "site",
        )
        for name, words in {
            "postgres": "PostgreSQL",
            "s3": "the S3 server",
            "centre": "the centre",
            "site": "the site",
        }.items()
    ]
    return [
        Fault(name="none", words="none, to compare with", begin=_nothing, end=_nothing),
        *kills,
        *links,
        *fills,
        *clocks,
    ]


@dataclass(slots=True, kw_only=True)
class Row:
    """What was observed. Seconds; holes and unanalysed time are the worst camera's."""

    fault: str
    words: str
    held_s: float = 0.0
    recorded_meanwhile: bool = False
    hole_s: float = 0.0
    unanalysed_s: float = 0.0
    doubled: int = 0
    disordered: int = 0
    lost_at_centre: int = 0
    refused_at_centre: int = 0
    back_after_s: float = 0.0
    log: str = ""
    wrong: str = ""


class Observer:
    """Looks at a whole site from outside: its database, its disk, the centre's database, the CLI."""

    def __init__(self, whole: Whole) -> None:
        self._whole = whole

    def whole_again(self, since_ns: int) -> str:
        """What does not work yet; empty when recordings, facts, copies and the centre are newer than `since_ns`."""
        whole = self._whole
        segments = dict(whole.rows("SELECT camera_id, max(end_ns) FROM segment GROUP BY camera_id"))
        looked = dict(whole.rows("SELECT camera_id, max(end_ns) FROM coverage GROUP BY camera_id"))
        for one in CAMERAS:
            if int(segments.get(one, 0)) <= since_ns:
                return f"no recording of {one}"
            if int(looked.get(one, 0)) <= since_ns:
                return f"no look at {one}"
        with whole.centre_rows() as store:
            row = store.site(whole.site_id)
        if row.heard_ns <= since_ns:
            return "the centre hears nothing"
        if whole.nothing_waits(row.seq):
            return "" if self._is_copied(since_ns) else "no copy in the S3 store"
        return "the site keeps what the centre has"

    def _is_copied(self, since_ns: int) -> bool:
        """Whether a segment that began after `since_ns` is in the store."""
        where = f"is_sealed AND start_ns > {since_ns}"
        names = [name for (name,) in self._whole.rows(f"SELECT segment_id FROM segment WHERE {where}")]
        keys = list(self._whole.store().keys(""))
        return any(name in key for name in names for key in keys)

    def uncopied(self) -> int:
        """Sealed segments of a minute ago and older that are not in the store."""
        where = f"is_sealed AND end_ns < {time.time_ns() - 60 * NS_PER_S}"
        names = [name for (name,) in self._whole.rows(f"SELECT segment_id FROM segment WHERE {where}")]
        keys = "\n".join(self._whole.store().keys(""))
        return sum(name not in keys for name in names)

    def wait(self, since_ns: int) -> float:
        """Until it is whole again. Returns seconds. Raises: TimeoutError naming what is missing."""
        began, missing = time.monotonic(), "nothing was looked at"
        while time.monotonic() - began < PATIENCE_S:
            try:
                missing = self.whole_again(since_ns)
            except (CustodesError, ValueError) as error:
                missing = str(error)
            if not missing:
                return time.monotonic() - began
            time.sleep(0.5)
        raise TimeoutError(f"after {PATIENCE_S:.0f} s: {missing}")

    def spans(self, table: str, camera: str, start_ns: int, end_ns: int) -> list[tuple[int, int]]:
        """What lies in an interval, merged."""
        where = f"camera_id = '{camera}' AND end_ns > {start_ns} AND start_ns < {end_ns}"
        rows = self._whole.rows(f"SELECT start_ns, end_ns FROM {table} WHERE {where} ORDER BY start_ns")
        merged: list[tuple[int, int]] = []
        for low, high in ((max(int(a), start_ns), min(int(b), end_ns)) for a, b in rows):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        return merged

    def holes_s(self, start_ns: int, end_ns: int) -> float:
        """The worst camera's time without a recording."""
        worst = 0
        for one in CAMERAS:
            edges = [(start_ns, start_ns), *self.spans("segment", one, start_ns, end_ns)]
            holes = [b[0] - a[1] for a, b in itertools.pairwise(edges)]
            worst = max(worst, sum(hole for hole in holes if hole > HOLE_S * NS_PER_S))
        return worst / NS_PER_S

    def unanalysed_s(self, start_ns: int, end_ns: int) -> float:
        """The worst camera's recorded time that no look vouches for: masked whole when it is watched."""
        worst = 0
        for one in CAMERAS:
            looked = self.spans("coverage", one, start_ns, end_ns)
            recorded = self.spans("segment", one, start_ns, end_ns)
            both = sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in recorded for b in looked)
            worst = max(worst, sum(high - low for low, high in recorded) - both)
        return worst / NS_PER_S

    def frames(self, start_ns: int, end_ns: int) -> tuple[int, int]:
        """Doubled and disordered facts: a packet looked at twice, or a later packet with an earlier time."""
        doubled = disordered = 0
        where = f"end_ns > {start_ns} AND start_ns < {end_ns}"
        rows = self._whole.rows(f"SELECT camera_id, run, encode(columns, 'hex') FROM chunk WHERE {where}")
        seen: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for camera, run, packed in rows:
            for fact in chunks.unpack(CameraId(camera), RunId(run), bytes.fromhex(packed)):
                seen.setdefault((camera, run), []).append((fact.frame.seq, fact.frame.utc_ns))
        for found in seen.values():
            found.sort()
            doubled += len(found) - len({seq for seq, _ in found})
            disordered += sum(b[1] < a[1] for a, b in itertools.pairwise(found))
        return doubled, disordered

    def centre(self) -> tuple[int, int, str]:
        """Lost, refused, and an alarm about the log."""
        with self._whole.centre_rows() as store:
            row = store.site(self._whole.site_id)
        return row.lost, row.refused, row.alarm

    def log(self) -> str:
        """`custodes audit verify`, in its own words when it does not agree."""
        done = self._whole.site.cli("audit", "verify")
        return "consistent" if done.returncode == 0 else (done.stderr.strip() or done.stdout.strip())[-200:]

    def check(self) -> str:
        """`custodes check`: files, journal and catalog against each other; empty when nothing is wrong."""
        done = self._whole.site.cli("check", timeout_s=600.0)
        return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()[-600:]


def observe(whole: Whole, fault: Fault, hold_s: float) -> Row:
    """Do it, undo it, wait, judge."""
    observer, row = Observer(whole), Row(fault=fault.name, words=fault.words)
    try:
        observer.wait(time.time_ns() - 2 * NS_PER_S)
        lost, refused, _ = observer.centre()
        start_ns, before, began = time.time_ns() - BEFORE_NS, whole.recorded_bytes(), time.monotonic()
        fault.begin(whole)
        try:
            time.sleep(hold_s)
            now = whole.recorded_bytes()
        finally:
            fault.end(whole)
        row.held_s = round(time.monotonic() - began, 1)
        row.recorded_meanwhile = all(now[one] > before[one] for one in CAMERAS)
        row.back_after_s = round(observer.wait(time.time_ns()), 1)
        end_ns = time.time_ns()
        if not fault.sets_clock:
            row.hole_s = round(observer.holes_s(start_ns, end_ns), 1)
            row.unanalysed_s = round(observer.unanalysed_s(start_ns, end_ns - 5 * NS_PER_S), 1)
        row.doubled, row.disordered = observer.frames(start_ns, end_ns + (NS_PER_HOUR if fault.sets_clock else 0))
        now_lost, now_refused, alarm = observer.centre()
        row.lost_at_centre, row.refused_at_centre = now_lost - lost, now_refused - refused
        row.log = alarm or observer.log()
    except (CustodesError, OSError, TimeoutError, subprocess.SubprocessError, ValueError) as error:
        row.wrong = f"{type(error).__name__}: {error}"[:600]
        return row
    row.wrong = "; ".join(_wrong(row, fault))
    return row


def _wrong(row: Row, fault: Fault) -> Iterator[str]:
    if not fault.may_hole and not row.recorded_meanwhile:
        yield "recording stood still"
    if not fault.may_hole and row.hole_s > HOLE_S:
        yield f"a hole of {row.hole_s} s in the recordings"
    if row.doubled or row.disordered:
        yield "facts doubled or out of order"
    if row.lost_at_centre or row.refused_at_centre:
        yield "facts lost on the way to the centre"
    if row.log != "consistent":
        yield f"the log: {row.log}"


_HEAD = (
    "Two cameras over RTSP, PostgreSQL, NATS, an S3-compatible server (moto's) and a centre, all of them real",
    "processes, each on a small disk of its own and behind links that can be cut. Seconds; the worst camera's.",
    "*Recorded*: both cameras' files grew while the fault lasted. *Hole*: time without a recording.",
    "*Not looked at*: recorded time that no analysis vouches for when everything is back, because a busy machine",
    "shed it or it is still on its way; it is shown masked whole until a back-fill looks at it. *Back*: until",
    "recordings, looks, copies and the centre were newer than the fault's end. A fact counts as doubled when one",
    "packet was looked at twice, as disordered when a later packet has an earlier time, as lost when the centre",
    "misses a number or refuses a parcel.",
)


def table(rows: Sequence[Row], *, commit: str, check: str, uncopied: int, load: float) -> str:
    """Markdown."""
    lines = [
        "# What faults do to a whole site",
        "",
        f"Made by `python -m chaos.site` on {time.strftime('%Y-%m-%d', time.gmtime())} at commit {commit}, on",
        f"{os.cpu_count()} cores at a load of {load:.0f}.",
        *_HEAD,
        "",
        "| fault | lasted | recorded | hole | not looked at | doubled, disordered, lost | log | back | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in rows:
        cells = (
            one.words,
            f"{one.held_s:.0f}",
            "yes" if one.recorded_meanwhile else "no",
            f"{one.hole_s:.1f}",
            f"{one.unanalysed_s:.1f}",
            f"{one.doubled}, {one.disordered}, {one.lost_at_centre + one.refused_at_centre}",
            one.log,
            f"{one.back_after_s:.0f}",
            one.wrong.replace("|", "/").replace("\n", " ") or "good",
        )
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Afterwards `custodes check`: {check or 'nothing wrong'}.",
        f"Recordings without a copy in the S3 server: {uncopied}; moto's has them in memory, so that what it held",
        "before it was killed counts.",
        "",
        "Not tried: NATS's clock (it asks the kernel without libc), a full S3 server, and disks that answer slowly.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="chaos.site")
    parser.add_argument("--only", default="", help="names of faults, with commas")
    parser.add_argument("--smoke", action="store_true", help="two of them, shorter")
    parser.add_argument("--write", type=Path, help="the table as Markdown")
    arguments = parser.parse_args()
    faults = {one.name: one for one in _faults()}
    names = arguments.only.split(",") if arguments.only else list(faults)
    if arguments.smoke and not arguments.only:
        names = ["kill-server", "cut-postgres"]
    unknown = [one for one in names if one not in faults]
    if unknown:
        parser.error(f"there is no fault {unknown[0]!r}; there are {', '.join(faults)}")
    if not can_mount() or not shim.is_available():
        parser.error("needs root, to mount small disks, and gcc")
    folder = Path(tempfile.mkdtemp(prefix="cs-", dir="/tmp"))
    rows: list[Row] = []
    try:
        with Whole(folder, shim.build(folder)) as whole:
            for name in names:
                rows.append(observe(whole, faults[name], HOLD_S / 3 if arguments.smoke else HOLD_S))
                print(json.dumps(asdict(rows[-1])), flush=True)
            check, uncopied = Observer(whole).check(), Observer(whole).uncopied()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    text = table(rows, commit=commit, check=check, uncopied=uncopied, load=os.getloadavg()[0])
    if arguments.write:
        before = arguments.write.read_text() if arguments.write.exists() else ""
        _, mark, others = before.partition("## ")  # what other commands wrote below
        arguments.write.write_text(text + (f"\n{mark}{others}" if mark else ""))
    print(text, file=sys.stderr)
    print(json.dumps({"name": "chaos.site", "commit": commit, "machine": platform.machine(), "check": check}))
    return 0 if not check and all(not one.wrong for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
