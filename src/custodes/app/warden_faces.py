"""The warden's part in recognition, put together: one door for the server, one for matcher and enroller."""

import asyncio

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.adapters.keys.store import FaceSecrets
from custodes.app.warden_candidates import CandidateDesk
from custodes.app.warden_checkpoint import CheckpointDesk
from custodes.app.warden_enrolment import EnrolmentDesk
from custodes.app.warden_journeys import JourneyDesk
from custodes.app.warden_models import ModelDesk
from custodes.app.warden_office import Office
from custodes.app.warden_plates import PlateDesk
from custodes.app.warden_protection import ProtectionDesk
from custodes.app.warden_requests import RequestDesk
from custodes.app.warden_trials import TrialDesk
from custodes.app.warden_zones import RENEW_S, ZoneDesk
from custodes.config import SitePaths
from custodes.errors import CustodesError, ProtocolError
from custodes.types.face_message import FileCandidate, PutTemplate, ReadGalleryChanges
from custodes.types.message import Ok, Ping
from custodes.types.plate import AskPlate
from custodes.types.trial import NoteWalk

SWEEP_S = 5.0
"""How soon what expired is destroyed, and how soon a crash during a withdrawal is made good."""


class FaceDesk:
    """All desks of recognition."""

    def __init__(
        self, office: Office, signer: Ed25519PrivateKey, secrets: FaceSecrets, paths: SitePaths, timezone: str
    ) -> None:
        self._office = office
        self.store = office.store
        self.zones = ZoneDesk(office, signer, paths.zones, timezone)
        self.people = EnrolmentDesk(office, self.zones)
        self.models = ModelDesk(office, self.people)
        self.protection = ProtectionDesk(office, self.people, signer)
        self.candidates = CandidateDesk(office, self.zones, self.people, signer, self.protection.may_tell)
        self.checkpoint = CheckpointDesk(office, self.people, signer, secrets.token_key)
        self.plates = PlateDesk(office, self.zones, secrets.plate_key)
        self.trials = TrialDesk(office, self.zones, self.people)
        self._requests: RequestDesk | None = None
        self.journeys = JourneyDesk(office, self.people, self._known_requests, self.protection)

    def know(self, requests: RequestDesk) -> None:
        """The desk for requests, which itself asks ours whether somebody is protected. Once, before any message."""
        self._requests = requests

    def _known_requests(self) -> RequestDesk:
        assert self._requests is not None, "a message before `know`"
        return self._requests

    async def answer_server(self, message: object) -> object:
        """The answer, or None for what is not about recognition. What makes templates is not the server's to say."""
        if isinstance(message, PutTemplate | ReadGalleryChanges | FileCandidate | AskPlate | NoteWalk):
            return None
        for answer in (
            self.zones.answer,
            self.people.answer,
            self.models.answer,
            self.candidates.answer,
            self.checkpoint.answer,
            self.protection.answer_server,
            self.journeys.answer,
            self.plates.answer,
            self.trials.answer,
        ):
            reply = await answer(message)
            if reply is not None:
                return reply
        return None

    async def answer_process(self, message: object) -> object:
        """Every request of `warden-faces.sock`. Raises: ProtocolError for what is not served there."""
        reply: object = None
        match message:
            case Ping():
                return Ok()
            case FileCandidate():
                return await self.candidates.file(message)
            case NoteWalk():
                return self.trials.note(message)
            case PutTemplate() | ReadGalleryChanges():
                reply = await self.people.answer(message)
            case _:
                reply = await self.checkpoint.answer_enroller(message)
        if reply is None:
            raise ProtocolError(f"the warden does not answer {type(message).__name__} there")
        return reply

    async def run(self) -> None:
        """Renew permits and sweep, for ever."""
        note, since_s = structlog.get_logger(), RENEW_S
        while True:
            try:
                if since_s >= RENEW_S:
                    since_s = 0.0
                    await self.zones.publish()
                await self.people.sweep()
                await self.candidates.sweep()
                await self.plates.sweep()
                await self.trials.sweep()
            except CustodesError as error:
                note.error("zones, enrolments or candidates could not be seen to", error=str(error))
            await asyncio.sleep(SWEEP_S)
            since_s += SWEEP_S

    async def heed(self, gone: frozenset[str]) -> int:
        """End again whom the log says were ended. Returns: how many were there."""
        return await self.people.heed(gone) + await self.trials.heed(gone)

    def close(self) -> None:
        """Close the store."""
        self._office.store.close()
