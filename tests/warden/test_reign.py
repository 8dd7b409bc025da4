"""The warden heeds the server that leads: who led before is refused, on whichever connection, and people are not."""

import asyncio
from pathlib import Path

import pytest

from custodes.adapters.ipc.framing import AsyncChannel, RequestClient, answer_requests, serve
from custodes.app.warden_reign import Reign
from custodes.errors import FailedPrecondition, InvalidArgument
from custodes.types.message import Ok, Ping
from custodes.types.servers import LeadSince


def test_leader_of_an_earlier_epoch_is_refused_on_old_and_new_connections(tmp_path: Path) -> None:
    reign, answered = Reign(), []

    async def respond(message: object) -> object:
        answered.append(message)
        return Ok()

    async def to_server(channel: AsyncChannel) -> None:
        await answer_requests(channel, reign.heeding(respond))

    async def main() -> None:
        path = tmp_path / "warden.sock"
        async with await serve(path, to_server):
            person = RequestClient(path)
            old, new = (RequestClient(path, greeting=LeadSince(epoch=epoch)) for epoch in (3, 4))
            await old.request(Ping(), Ok)
            await new.request(Ping(), Ok)
            for _ in range(2):  # on the connection that it had, and on a new one
                with pytest.raises(FailedPrecondition, match="since epoch 4; this one led since 3"):
                    await old.request(Ping(), Ok)
                await old.close()
            await person.request(Ping(), Ok)
            await new.request(Ping(), Ok)
            for one in (person, old, new):
                await one.close()

    asyncio.run(main())
    assert len(answered) == 4


def test_epoch_that_is_none_is_refused() -> None:
    async def respond(message: object) -> object:
        return Ok()

    with pytest.raises(InvalidArgument):
        asyncio.run(Reign().heeding(respond)(LeadSince(epoch=0)))
