"""The LD_PRELOAD library of `faults.c`: built with gcc, steered through a page of shared memory."""

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("faults.c")
_CONTROL = struct.Struct("=qiiiiqi")
UNLIMITED = 2**31 - 1
_CONTROL_BYTES = 64


def is_available() -> bool:
    """Whether there is a C compiler."""
    return shutil.which("gcc") is not None


def build(folder: Path) -> Path:
    """Compile the library into `folder`. Raises: CalledProcessError with gcc's words."""
    library = folder / "faults.so"
    command = ["gcc", "-O1", "-Wall", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"]
    subprocess.run(command, check=True)
    return library


class Shim:
    """One process's faults. All off at first; what is set counts from the process's next call on."""

    def __init__(self, library: Path, folder: Path, root: Path, *, is_traced: bool = False) -> None:
        """`root`: files below it are traced and made to fail. `folder`: for control page and trace, outside of it."""
        self._library = library
        self._root = root
        self._control = folder / f"{root.name}.control"
        self._control.write_bytes(bytes(_CONTROL_BYTES))
        self.trace = folder / f"{root.name}.trace" if is_traced else None
        with self._control.open("r+b") as stream:
            self._page = mmap.mmap(stream.fileno(), _CONTROL_BYTES)

    @property
    def env(self) -> dict[str, str]:
        """For the process."""
        env = {
            "LD_PRELOAD": str(self._library),
            "CHAOS_ROOT": str(self._root),
            "CHAOS_CONTROL": str(self._control),
        }
        return env | ({"CHAOS_TRACE": str(self.trace)} if self.trace else {})

    @property
    def faults(self) -> int:
        """How many calls were made to fail so far."""
        return int(_CONTROL.unpack_from(self._page)[5])

    def set_clock(self, offset_ns: int) -> None:
        """The process's wall clock runs so far ahead (or behind)."""
        self._page[0:8] = struct.pack("=q", offset_ns)

    def fail(self, *, writes: int = 0, syncs: int = 0, permille: int = 1000, times: int = UNLIMITED) -> None:
        """Writes and syncs fail with these errnos, so many in a thousand and so often; 0 lets them be."""
        self._page[8:24] = struct.pack("=iiii", writes, permille, syncs, permille)
        self._page[32:36] = struct.pack("=i", times)
