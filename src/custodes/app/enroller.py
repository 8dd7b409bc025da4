"""The enroller process: one picture that its owner gave into a judgement, and a template if it is good enough.

The server brings pictures on `enroller.sock`; before one becomes a vector the warden says that its owner signed for
it. The template goes to the warden, never back to the server. Networks are loaded at the first picture. No camera is
here.
"""

import asyncio

import numpy as np
import structlog

from custodes.adapters.ipc.connections import Connections
from custodes.adapters.ipc.framing import AsyncChannel, RequestClient, answer_requests, serve
from custodes.adapters.model import acknowledged_from_environment, models_dir_from_environment
from custodes.adapters.model.faces import load_face_tools
from custodes.app.process import run_process
from custodes.config import SiteConfig, SitePaths
from custodes.errors import InvalidArgument, ProtocolError
from custodes.face import presentation
from custodes.face.calibration import expected, log10_likelihood, model_of
from custodes.face.embedding import Vector
from custodes.face.lawful import read_site_key, sample_lawful
from custodes.face.quality import ENROLMENT, QualityLimits, problem
from custodes.media.still import Picture, read_picture, small_jpeg
from custodes.pipeline.faces import FaceTools, JudgedFace, card
from custodes.runtime.clock import SystemClock
from custodes.types.face import Signal, Speaks
from custodes.types.face_message import (
    BeginSample,
    GiveSample,
    HolderVerified,
    NoteVerification,
    OpenToken,
    PutTemplate,
    SampleAllowed,
    SampleJudged,
    TemplateKept,
    TokenOpened,
    VerifyHolder,
)
from custodes.types.message import Appended, Ok, Ping

CHECKPOINT = QualityLimits(inter_eye_px=30.0, pose=0.35, sharpness=0.15, light=0.15, whole=0.5)
"""For a desk at night too; a poor picture is taken again, which takes a second."""

SAME_LIKELIHOOD = 3.0
"""log10: a thousand times likelier one person than two. FMR about 1e-3 with the packaged network (eval.faces)."""

_FLAT_SHARPNESS = 0.12
_OTHERS_SHARE = 0.35
"""A second face so large beside the first makes it unclear who is meant."""


class Enroller:
    """Answers one picture at a time, on a thread so that the socket stays alive."""

    def __init__(self, paths: SitePaths, config: SiteConfig) -> None:
        self._paths = paths
        self._config = config
        self._warden = RequestClient(paths.socket("warden-faces"))
        self._tools: FaceTools | None = None
        self._next: FaceTools | None = None
        self._lock = asyncio.Lock()
        self._clock = SystemClock()

    async def answer(self, request: object) -> object:
        """Every request of `enroller.sock`."""
        match request:
            case Ping():
                return Ok()
            case GiveSample():
                async with self._lock:
                    return await self._sample(request)
            case VerifyHolder():
                async with self._lock:
                    return await self._verify(request)
        raise ProtocolError(f"the enroller does not answer {type(request).__name__}")

    async def close(self) -> None:
        """Hang up."""
        await self._warden.close()

    def _loaded(self) -> FaceTools:
        if self._tools is None:
            self._tools = self._load(self._config.faces.embedder)
        return self._tools

    def _all(self) -> tuple[FaceTools, ...]:
        """Of the network in force, and before it of one that is being prepared."""
        name = self._config.faces.next_embedder
        if name and self._next is None:
            self._next = self._load(name)
        return (self._loaded(),) if self._next is None else (self._next, self._loaded())

    def _load(self, embedder: str) -> FaceTools:
        return load_face_tools(
            models_dir=models_dir_from_environment() or self._config.models_dir,
            embedder=embedder,
            acknowledged=acknowledged_from_environment(),
        )

    async def _sample(self, request: GiveSample) -> SampleJudged:
        every = await asyncio.to_thread(self._all)
        contracts = tuple(one.embedder.contract for one in every)
        allowed = await self._warden.request(BeginSample(token=request.token, contracts=contracts), SampleAllowed)
        picture, face, trouble = await asyncio.to_thread(self._look, request.picture, ENROLMENT)
        if trouble or face is None:
            quality = face.quality if face else None
            return SampleJudged(is_taken=False, problem=trouble, quality=quality, templates=0, wanted=0)
        kept = [
            await self._put(request.token, tools, picture, face, allowed)
            for tools in every
            if tools.embedder.contract in allowed.contracts
        ]
        return SampleJudged(
            is_taken=True,
            problem="",
            quality=face.quality,
            templates=min(one.templates for one in kept),
            wanted=max(one.wanted for one in kept),
        )

    async def _put(
        self, token: str, tools: FaceTools, picture: Picture, face: JudgedFace, allowed: SampleAllowed
    ) -> TemplateKept:
        vector = await asyncio.to_thread(self._vector, tools, picture, face, allowed)
        message = PutTemplate(
            token=token,
            contract=tools.embedder.contract,
            vector=vector,
            quality=face.quality.score,
            picture=small_jpeg(card(picture, face.found)),
        )
        try:
            return await self._warden.request(message, TemplateKept, is_repeatable=False)
        finally:
            vector[:] = 0

    async def _verify(self, request: VerifyHolder) -> HolderVerified:
        if len(request.turning) >= presentation.LOOKS_MAX:
            raise InvalidArgument(f"A check takes at most {presentation.LOOKS_MAX} pictures.")
        opened = await self._warden.request(OpenToken(text=request.text, operator=request.operator), TokenOpened)
        picture, face, trouble = await asyncio.to_thread(self._look, request.picture, CHECKPOINT)
        likelihood = 0.0
        if not trouble and face is not None:
            likelihood = await self._likelihood(picture, face, opened)
        signals: list[Signal] = []
        if face is not None:
            signals = await asyncio.to_thread(self._signals, picture, face, request)
        is_same = not trouble and likelihood >= SAME_LIKELIHOOD
        await self._warden.request(
            NoteVerification(
                subject=request.text[-16:],
                operator=request.operator,
                is_same=is_same,
                likelihood=likelihood,
                problem=trouble,
                presentation=presentation.worst(signals),
            ),
            Appended,
            is_repeatable=False,
        )
        return HolderVerified(
            is_same=is_same,
            likelihood=likelihood,
            problem=trouble,
            quality=face.quality if face else None,
            signals=tuple(signals),
        )

    async def _likelihood(self, picture: Picture, face: JudgedFace, opened: TokenOpened) -> float:
        """log10 of the likelihood ratio of face and token. The vectors are overwritten."""
        if self._loaded().embedder.contract != opened.contract:
            raise InvalidArgument("This token was made with another network; its holder needs a new one.")
        allowed = SampleAllowed(permit=opened.permit, subject="")
        vector = await asyncio.to_thread(self._vector, self._loaded(), picture, face, allowed)
        held = np.array(opened.vector, np.float32)
        cosine = float(vector @ held / max(float(np.linalg.norm(held)), 1e-9))
        vector[:] = 0
        held[:] = 0
        model = model_of(opened.contract)
        if model is None:
            raise InvalidArgument("Nobody measured what scores of this network mean.")
        # The holder's template is a mean of several looks, so the scores are as those of a fused probe.
        return log10_likelihood(cosine, expected(model, 3, face.quality.score))

    def _signals(self, picture: Picture, face: JudgedFace, request: VerifyHolder) -> list[Signal]:
        """From the landmarks of all looks; none of those after the first becomes a vector."""
        pictures, looks = [picture], [face.found.points_px]
        for content in request.turning:
            later = read_picture(content)
            faces = self._loaded().finder.find(later)
            if faces:
                pictures.append(later)
                looks.append(max(faces, key=lambda one: float(one.box_px[2] - one.box_px[0])).points_px)
        found = presentation.signals_of(pictures, looks, request.asked)
        if face.quality.sharpness < _FLAT_SHARPNESS:
            soft = "unusually soft for its size, as a screen or a print would be"
            found.insert(0, Signal(speaks=Speaks.FAKE, words=soft))
        return found

    def _look(self, content: bytes, limits: QualityLimits) -> tuple[Picture, JudgedFace | None, str]:
        """The picture, the one face that is meant, and what is wrong with it."""
        picture = read_picture(content)
        faces = self._loaded().judged(picture)
        if not faces:
            return picture, None, "no face was found; face the camera, in good light"
        faces.sort(key=lambda one: -one.quality.inter_eye_px)
        best = faces[0]
        if len(faces) > 1 and faces[1].quality.inter_eye_px > _OTHERS_SHARE * best.quality.inter_eye_px:
            return picture, best, "several faces: only the person concerned may be in the picture"
        return picture, best, problem(best.quality, limits)

    def _vector(self, tools: FaceTools, picture: Picture, face: JudgedFace, allowed: SampleAllowed) -> Vector:
        site_id, site_key = read_site_key(self._paths.warden_key)
        now_ns = self._clock.now_ns()
        lawful = sample_lawful(allowed.permit, site_key, site_id, now_ns)
        return tools.vector(picture, face.found, lawful, utc_ns=now_ns)


async def run(paths: SitePaths, config: SiteConfig, *, stop: asyncio.Event) -> None:
    """Serve until `stop`."""
    service = Enroller(paths, config)
    connections = Connections()

    async def to_server(channel: AsyncChannel) -> None:
        await answer_requests(channel, service.answer)

    server = await serve(paths.socket("enroller"), connections.tracked(to_server))
    structlog.get_logger().info("enroller serves")
    await stop.wait()
    server.close()
    await connections.end()
    await service.close()
    structlog.get_logger().info("enroller stopped")


async def _serve(paths: SitePaths, config: SiteConfig, stop: asyncio.Event, _name: str) -> None:
    await run(paths, config, stop=stop)


def main() -> None:
    """Entry point of the process."""
    run_process("enroller", _serve)


if __name__ == "__main__":
    main()
