"""Which server leads, and how far each replica of the warden is: asked when a page or monitoring wants to know."""

import asyncio
from pathlib import Path
from typing import Self

from custodes.adapters.ipc.framing import AsyncChannel
from custodes.app.serving.leading import LEADER
from custodes.config import SiteConfig, SitePaths
from custodes.errors import CustodesError, ProtocolError
from custodes.ports.leases import Leases
from custodes.types.replica import ReadReplicas, ReplicaTable
from custodes.types.servers import Standing

ANSWER_S = 5.0


class StandingReader:
    """Any server may ask. Args: replicas: the warden's socket for them; None where none are named."""

    def __init__(self, leases: Leases | None, replicas: Path | None) -> None:
        self._leases = leases
        self._replicas = replicas

    async def __call__(self) -> Standing:
        """What is not known is said, and raises nothing."""
        leader, epoch, table, trouble = "", 0, None, ""
        try:
            if self._leases is not None:
                held = [one for one in await asyncio.to_thread(self._leases.leases, LEADER) if one.is_held]
                if held:
                    # `name@machine/process/number`
                    leader, epoch = held[0].holder.partition("@")[0], held[0].epoch
            if self._replicas is not None:
                table = await self._ask(self._replicas)
        except (CustodesError, TimeoutError) as error:
            trouble = str(error) or "the warden does not say in time how far its replicas are"
        return Standing(leader=leader, epoch=epoch, replicas=table, trouble=trouble)

    @classmethod
    def of_site(cls, paths: SitePaths, config: SiteConfig, leases: Leases) -> Self:
        """What this site has of either."""
        replicas = paths.socket("warden-replica") if config.audit.replicas else None
        return cls(leases if config.server.processes > 1 or not config.server.leads else None, replicas)

    async def _ask(self, path: Path) -> ReplicaTable:
        async with asyncio.timeout(ANSWER_S):
            channel = await AsyncChannel.connect(path)
            try:
                await channel.send(ReadReplicas())
                answer = await channel.receive()
            finally:
                await channel.close()
        if not isinstance(answer, ReplicaTable):
            raise ProtocolError("the warden does not tell of its replicas")
        return answer
