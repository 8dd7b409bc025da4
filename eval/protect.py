"""Are protected people found in what somebody asks to unmask, and how often is somebody else taken for them?

Run `python -m eval.protect --data ../shared/data [--smoke]`. Each of the five people of the asl-gestures asks for
protection in turn, with up to three faces from one clip of theirs; every other clip is what somebody asks to unmask.
Detection, tracking, planning and the job's own code (`app.job_protect`), then the warden's rule (`access.protection`).
Close, frontal film: people far away or turned away are found less often, and nothing here says how much less.

- `found_share`: clips of the protected person in which a track was taken for them; `clips_own`.
- `strangers_share`: comparisons with other people's clips in which one was; `clips_other`.
- `missed_for_quality`: own clips in which no face could be compared at all.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.access import protection
from custodes.adapters.model import acknowledged_from_environment, models_dir_from_environment
from custodes.adapters.model.faces import load_face_tools
from custodes.app.job_protect import Checker
from custodes.cli.redact import make_looker
from custodes.face.calibration import expected, log10_likelihood, model_of
from custodes.face.lawful import Lawful, check_lawful, sign_permit
from custodes.media.film import FILM_CAMERA, FILM_RUN, FilmReader
from custodes.pipeline.faces import FaceTools
from custodes.pipeline.film_tracks import track_film
from custodes.pipeline.protect_looks import PlannedLook
from custodes.types.media import Frame
from custodes.types.protection import CheckPermit, ProtectTask, TrackProbe
from custodes.units import Ns, SessionId
from eval.report import Report

LOOK_EVERY = 5
"""Frames of a clip between two looks: about five looks a second, as live."""

ENROLLED = 3


@dataclass(frozen=True)
class Faces:
    """What the job brought to the warden of one clip, copied before it was overwritten."""

    who: str
    contract: str
    probes: tuple[tuple[np.ndarray, int, float], ...]
    """Vector, samples, quality."""


def faces_of(path: Path, who: str, tools: FaceTools, every: int) -> Faces:
    with FilmReader(path) as reader:
        frames = list(reader.frames())
        looker = make_looker(reader.info.fps / every, 2)
    for frame in frames[::every]:
        looker.take(frame)
    facts = track_film(looker.looks, camera_id=FILM_CAMERA, run=FILM_RUN)
    by_time = {frame.utc_ns: frame for frame in frames}
    taken: list[tuple[np.ndarray, int, float]] = []

    def planned(plan: list[PlannedLook]) -> Iterator[tuple[Frame, list[PlannedLook]]]:
        for utc_ns in sorted({look.utc_ns for look in plan}):
            yield by_time[utc_ns], [look for look in plan if look.utc_ns == utc_ns]

    def compare(_contract: str, probes: tuple[TrackProbe, ...], _is_last: bool) -> None:
        taken.extend((probe.vector.copy(), probe.samples, probe.quality) for probe in probes)

    end_ns = Ns(frames[-1].utc_ns + 1)
    task = ProtectTask(
        camera_id=FILM_CAMERA, session_id=SessionId("eval"), grant_token="", deadline_ns=end_ns,
        start_ns=frames[0].utc_ns, end_ns=end_ns, segments=(),
    )  # fmt: skip
    Checker(
        task, frames=planned, tools=tools, ask_masks=lambda *_: facts, permit=lambda: _permit(end_ns), compare=compare
    ).run()  # fmt: skip
    return Faces(who, tools.embedder.contract, tuple(taken))


def _permit(end_ns: Ns) -> Lawful:
    """As the warden signs it; this evaluation is its own site."""
    key = Ed25519PrivateKey.generate()
    permit = CheckPermit(site_id="eval", camera_id=FILM_CAMERA, from_ns=Ns(0), to_ns=end_ns, until_ns=Ns(1 << 62))
    return check_lawful(sign_permit(key, permit), key.public_key().public_bytes_raw(), "eval", Ns(1))


def is_taken_for(clip: Faces, templates: Iterable[np.ndarray]) -> bool:
    model = model_of(clip.contract)
    assert model is not None
    own = [one / np.linalg.norm(one) for one in templates]
    return any(
        protection.likelihood_of(
            [
                log10_likelihood(
                    float(vector @ one) / float(np.linalg.norm(vector)), expected(model, samples, quality)
                )
                for one in own
            ]
        )
        > protection.LIKELIHOOD
        for vector, samples, quality in clip.probes
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.data / "faces"
    people: dict[str, list[str]] = json.loads((folder / "identities.json").read_text())["asl-gestures"]
    if arguments.smoke:
        people = {who: clips[:1] for who, clips in list(people.items())[:2]}
    every = 8 * LOOK_EVERY if arguments.smoke else LOOK_EVERY
    report = Report("eval.protect", smoke=arguments.smoke, config={"look_every": every, "enrolled": ENROLLED})
    tools = load_face_tools(models_dir=models_dir_from_environment(), acknowledged=acknowledged_from_environment())
    listed = [(who, clip) for who, clips in people.items() for clip in clips]
    clips = []
    for number, (who, name) in enumerate(listed, 1):
        clips.append(faces_of(folder / "asl-gestures" / name, who, tools, every))
        report.progress(number, len(listed), name)
    own = found = others = wrong = unread = 0
    for index, source in enumerate(clips):
        templates = [vector for vector, _, _ in source.probes][:ENROLLED]
        if not templates:
            continue
        for at, clip in enumerate(clips):
            if at == index:
                continue
            is_own, is_found = clip.who == source.who, is_taken_for(clip, templates)
            own, found = own + is_own, found + (is_own and is_found)
            others, wrong = others + (not is_own), wrong + (not is_own and is_found)
            unread += is_own and not clip.probes
    report.results.update(
        {
            "found_share": found / max(own, 1), "clips_own": own, "strangers_share": wrong / max(others, 1),
            "clips_other": others, "missed_for_quality": unread / max(own, 1),
        }
    )  # fmt: skip
    report.finish()


if __name__ == "__main__":
    main()
