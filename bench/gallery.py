"""Exact search among the enrolled, and how long a matcher takes to have them in memory again.

Run `python -m bench.gallery [--smoke]`. Search: the matcher's own `Gallery`, 128 dimensions (the packaged network's),
probes of enrolled people and of strangers in turn; `recall` is the share of probes whose best row is the best of a
float64 comparison with all rows. Cold start: a store of sealed templates, one person and key each, is read in pages as
the warden does, sent through the codec as over the socket, opened and put on the shelf. Beside it plain numpy, one
matrix product without a gallery.
"""

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custodes.adapters.keys.faces import FaceStore
from custodes.face.filling import GalleryFiller
from custodes.face.gallery import Gallery
from custodes.face.matching import Matching
from custodes.face.sealed import seal, template_label
from custodes.types.codec import decode_as, encode
from custodes.types.face_message import GalleryChanges, GalleryMember, ReadGalleryChanges
from eval.report import Report

DIMENSION = 128
CONTRACT = "dlib-face-resnet:0000000000000000"
PAGE = 2000
_CHUNK = 50_000


def templates(count: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn


def search(report: Report, size: int, name: str, probes: int) -> tuple[int, int]:
    gallery, rows = Gallery(), templates(size, 1)
    for begin in range(0, size, _CHUNK):
        part = rows[begin : begin + _CHUNK]
        names = [f"{begin + n}" for n in range(len(part))]
        gallery.add_many(contract="zone", person_ids=names, template_ids=names, vectors=part.copy())
    random = np.random.default_rng(2)
    spent, plain, right = [], [], 0
    for number in range(probes):
        own = (
            rows[int(random.integers(size))]
            + (0.6 if number % 2 else 3.0) * random.normal(size=DIMENSION) / DIMENSION**0.5
        )
        probe = own.astype(np.float32)
        started = time.perf_counter()
        best = gallery.search(contract="zone", probe=probe, limit=5)[0]
        spent.append((time.perf_counter() - started) * 1e3)
        started = time.perf_counter()
        scores = rows @ probe
        found = int(scores.argmax())
        plain.append((time.perf_counter() - started) * 1e3)
        near = np.argpartition(-scores, 5)[:5]
        truth = near[np.argmax(rows[near].astype(np.float64) @ probe.astype(np.float64))]
        right += best.template_id == str(truth)
        assert found >= 0
    report.results[f"search_ms_p95_{name}"] = round(float(np.percentile(spent, 95)), 3)
    report.results[f"search_ms_p50_{name}"] = round(statistics.median(spent), 3)
    report.peers.setdefault("numpy", {})[f"search_ms_p95_{name}"] = round(float(np.percentile(plain, 95)), 3)
    return right, probes


def fill_store(path: Path, kek: bytes, count: int, report: Report) -> None:
    """A store as the warden keeps it, written in bulk: the enrolment of a million people is not what is measured."""
    FaceStore(path, kek).close()
    wrap = AESGCM(kek)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA synchronous=OFF")
        for begin in range(0, count, _CHUNK):
            rows, keys = [], []
            for number, vector in enumerate(templates(min(_CHUNK, count - begin), begin + 7), start=begin):
                person, template, key, nonce = f"p{number}", f"t{number}", os.urandom(32), os.urandom(12)
                keys.append((person, nonce + wrap.encrypt(nonce, key, person.encode())))
                sealed = seal(key, person, template_label(CONTRACT, template), vector.tobytes())
                rows.append((template, person, CONTRACT, sealed, b""))
            database.executemany("INSERT INTO person_key VALUES (?, ?)", keys)
            database.executemany(
                "INSERT INTO template (template_id, person_id, contract, sealed, picture) VALUES (?, ?, ?, ?, ?)", rows
            )
            report.progress(begin + len(rows), count, "sealing")


def cold_start(report: Report, count: int, name: str) -> None:
    kek = os.urandom(32)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=".") as folder:
        path = Path(folder) / "faces.db"
        fill_store(path, kek, count, report)
        members = tuple(GalleryMember(person_id=f"p{number}", zone_ids=("z",)) for number in range(count))
        started, cpu = time.perf_counter(), time.process_time()
        store, matching = FaceStore(path, kek), Matching()
        filler = GalleryFiller(matching)
        while True:
            asked = decode_as(
                ReadGalleryChanges,
                encode(ReadGalleryChanges(version=matching.version, limit=PAGE, roster=filler.roster)),
            )
            found, version = store.templates_after(asked.version, asked.limit)
            changes = GalleryChanges(
                version=version,
                is_complete=len(found) < asked.limit,
                templates=tuple(found),
                members=() if asked.roster else members,
                rules=(),
                roster=1,
            )
            assert filler.take(decode_as(GalleryChanges, encode(changes)))
            if changes.is_complete:
                break
        assert matching.gallery.templates == count
        assert filler.damaged == 0
        report.results[f"cold_start_{name}_s"] = round(time.perf_counter() - started, 2)
        report.results[f"cold_start_{name}_cpu_s"] = round(time.process_time() - cpu, 2)
        matching.clear()
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    is_smoke = parser.parse_args().smoke
    report = Report("bench.gallery", smoke=is_smoke, config={"dimension": DIMENSION, "page": PAGE})
    sizes = [(10_000, "10k"), (100_000, "100k")] + ([] if is_smoke else [(1_000_000, "1m")])
    right = total = 0
    for size, name in sizes:
        found, probes = search(report, size, name, 60 if is_smoke else 200)
        right, total = right + found, total + probes
        report.progress(size, sizes[-1][0], f"search {name}")
    report.results["recall"] = right / total
    cold_start(report, 20_000 if is_smoke else 1_000_000, "20k" if is_smoke else "1m")
    report.finish()


if __name__ == "__main__":
    main()
