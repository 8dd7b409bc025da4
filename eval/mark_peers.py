"""Other people's marks on the same frames and attacks: what they read blind, without registration."""

import importlib.util
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.attacks import ATTACKS
from eval.report import Report

if TYPE_CHECKING:
    from eval.mark import Moment

_ATTACKS = ("none", "jpeg 50", "crop 25 %", "screenshot", "phone photo")
_BITS = 32
_READ_BITS = 30
"""A read of 30 of 32 bits counts as found, generously."""


def measure_peers(report: Report, points: "Sequence[Moment]", *, is_smoke: bool) -> None:
    if importlib.util.find_spec("blind_watermark") is None:
        report.note("peer blind-watermark is not installed")
    else:
        _blind_watermark(report, points, ("none",) if is_smoke else _ATTACKS)
    if importlib.util.find_spec("imwatermark") is None:
        report.note("peer invisible-watermark is not installed (it brings torch)")


def _blind_watermark(report: Report, points: "Sequence[Moment]", names: Sequence[str]) -> None:
    import blind_watermark
    from blind_watermark import WaterMark

    blind_watermark.bw_notes.close()
    bits = np.random.default_rng(1).integers(0, 2, _BITS).astype(bool)
    read = total = 0
    spent, psnr = [], []
    for number, point in enumerate(points):
        picture = np.repeat(point.leaked.y[:, :, None], 3, axis=2)
        writer: Any = WaterMark(password_img=1, password_wm=1, processes=1)
        since = time.thread_time()
        writer.read_img(img=picture)
        writer.read_wm(bits, mode="bit")
        marked = np.clip(writer.embed(), 0, 255).astype(np.uint8)
        spent.append(1000 * (time.thread_time() - since))
        psnr.append(10 * np.log10(255**2 / np.mean((marked.astype(float) - picture) ** 2)))
        for attack in (one for one in ATTACKS if one.name in names):
            # Each colour by itself, the same way: it hides a part of itself in colour.
            planes = [np.ascontiguousarray(marked[:, :, channel]) for channel in range(3)]
            shown = np.stack([attack.act(plane, np.random.default_rng(number)) for plane in planes], axis=2)
            total += 1
            try:
                reader: Any = WaterMark(password_img=1, password_wm=1, processes=1)
                answer = np.asarray(reader.extract(embed_img=shown, wm_shape=_BITS, mode="bit")) > 0.5
            except (AssertionError, IndexError, ValueError):
                continue  # it refuses pictures that are too small for it
            read += int((answer == bits).sum() >= _READ_BITS)
    report.peers["blind-watermark"] = {
        "named_share_48db_crf28": round(read / max(total, 1), 3),
        "embed_ms": round(float(np.mean(spent)), 1),
        "psnr_db": round(float(np.mean(psnr)), 1),
    }
