"""Other people's marks on the same frames and attacks: what they read blind, without registration.

`blind-watermark`, and of `invisible-watermark` the two ways dwtDct and rivaGan. The latter declares torch, gigabytes
that it uses to turn arrays about; its weights are ONNX files in the wheel. `pip install --no-deps invisible-watermark`
is enough here: its files are loaded one by one, rivaGan's networks by ONNX Runtime.
"""

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eval.attacks import ATTACKS
from eval.report import Report

if TYPE_CHECKING:
    from eval.mark import Moment

_ATTACKS = ("none", "jpeg 50", "crop 25 %", "screenshot", "phone photo")
_BITS = 32
_READ_BITS = 30
"""A read of 30 of 32 bits counts as found, generously."""

Picture = npt.NDArray[np.uint8]
Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    name: str
    write: Callable[[Picture], Picture]
    """BGR → marked BGR."""
    read: Callable[[Picture], Bits]
    """Raises what it raises for pictures that are too small for it."""


def measure_peers(report: Report, points: "Sequence[Moment]", *, is_smoke: bool) -> None:
    bits = np.random.default_rng(1).integers(0, 2, _BITS).astype(bool)
    names = ("none",) if is_smoke else _ATTACKS
    for package, make in (("blind_watermark", _blind_watermark), ("imwatermark", _invisible_watermark)):
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            report.note(f"peer {package} is not installed")
            continue
        for peer in make(Path(spec.submodule_search_locations[0]), bits):
            if not (is_smoke and peer.name.endswith("rivaGan")):  # six seconds a picture
                _measure(report, peer, points, names, bits)


def _measure(report: Report, peer: Peer, points: "Sequence[Moment]", names: Sequence[str], bits: Bits) -> None:
    read = total = 0
    spent, psnr = [], []
    for number, point in enumerate(points):
        picture = np.repeat(point.leaked.y[:, :, None], 3, axis=2)
        since = time.thread_time()
        marked = peer.write(picture)
        spent.append(1000 * (time.thread_time() - since))
        psnr.append(10 * np.log10(255**2 / np.mean((marked.astype(float) - picture) ** 2)))
        for attack in (one for one in ATTACKS if one.name in names):
            # Each colour by itself, the same way: some hide a part of themselves in colour.
            planes = [np.ascontiguousarray(marked[:, :, channel]) for channel in range(3)]
            shown = np.stack([attack.act(plane, np.random.default_rng(number)) for plane in planes], axis=2)
            total += 1
            try:
                answer = peer.read(shown)
            except (AssertionError, IndexError, ValueError, RuntimeError):
                continue
            read += int((answer == bits).sum() >= _READ_BITS)
        report.progress(number + 1, len(points), peer.name)
    report.peers[peer.name] = {
        "named_share_48db_crf28": round(read / max(total, 1), 3),
        "embed_ms": round(float(np.mean(spent)), 1),
        "psnr_db": round(float(np.mean(psnr)), 1),
    }


def _blind_watermark(_: Path, bits: Bits) -> Iterator[Peer]:
    import blind_watermark
    from blind_watermark import WaterMark

    blind_watermark.bw_notes.close()

    def write(picture: Picture) -> Picture:
        writer: Any = WaterMark(password_img=1, password_wm=1, processes=1)
        writer.read_img(img=picture)
        writer.read_wm(bits, mode="bit")
        return np.clip(writer.embed(), 0, 255).astype(np.uint8)

    def read(shown: Picture) -> Bits:
        reader: Any = WaterMark(password_img=1, password_wm=1, processes=1)
        return np.asarray(reader.extract(embed_img=shown, wm_shape=_BITS, mode="bit")) > 0.5

    yield Peer(name="blind-watermark", write=write, read=read)


def _invisible_watermark(folder: Path, bits: Bits) -> Iterator[Peer]:
    spec = importlib.util.spec_from_file_location("max_dct", folder / "maxDct.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dwt: Any = module.EmbedMaxDct([int(bit) for bit in bits], wmLen=_BITS)
    yield Peer(name="invisible-watermark dwtDct", write=dwt.encode, read=lambda shown: np.asarray(dwt.decode(shown)))
    yield _riva_gan(folder, bits)


def _riva_gan(folder: Path, bits: Bits) -> Peer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    writer, reader = (
        onnxruntime.InferenceSession(folder / f"rivagan_{name}.onnx", options, providers=["CPUExecutionProvider"])
        for name in ("encoder", "decoder")
    )

    def planes(picture: Picture) -> npt.NDArray[np.float32]:
        return np.ascontiguousarray((picture.astype(np.float32) / 127.5 - 1.0).transpose(2, 0, 1))[None, :, None]

    def write(picture: Picture) -> Picture:
        told = {"frame": planes(picture), "data": bits[None].astype(np.float32)}
        made = np.clip(writer.run(None, told)[0], -1, 1)[0, :, 0].transpose(1, 2, 0)
        return ((made + 1.0) * 127.5).astype(np.uint8)

    def read(shown: Picture) -> Bits:
        return np.asarray(reader.run(None, {"frame": planes(shown)})[0][0] > 0.52)

    return Peer(name="invisible-watermark rivaGan", write=write, read=read)
