"""Proofs of log entries as bundles and certificates carry them, and the policy to check them with."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from custodes.app.serving.witnesses import WitnessRound
from custodes.audit.checkpoint import log_keys
from custodes.audit.export import policy_text
from custodes.audit.note import parse_vkey
from custodes.config import SiteConfig, SitePaths
from custodes.errors import DataLoss, Unavailable
from custodes.ports.warden import Warden
from custodes.sealing.published import read_pinned
from custodes_verify import Wrong, parse_policy, verify_proof

_WITNESS_TIMEOUT_S = 15.0
_PROOFS_AT_ONCE = 64


class ProofDesk:
    """Asks warden and witnesses. Used on the event loop only."""

    def __init__(
        self,
        *,
        warden: Warden,
        witnesses: Sequence[WitnessRound],
        paths: SitePaths,
        config: SiteConfig,
        authority: Callable[[str], bytes] | None = None,
    ) -> None:
        """`authority`: a verified time stamp over a text (`adapters.witness.tsa`), blocking."""
        self._authority = authority
        self._warden = warden
        self._witnesses = witnesses
        self._paths = paths
        self._config = config

    async def of(self, indices: Sequence[int]) -> dict[int, str]:
        """Proof files by log index. Raises: Unavailable and what the warden raises."""
        proofs: dict[int, str] = {}
        for first in range(0, len(indices), _PROOFS_AT_ONCE):
            asked = tuple(indices[first : first + _PROOFS_AT_ONCE])
            proofs.update(zip(asked, await self._warden.prove_entries(asked), strict=True))
        return proofs

    async def ask_witnesses(self) -> bool:
        """Have the newest checkpoint signed; False when nobody did."""

        async def ask(one: WitnessRound) -> None:
            async with asyncio.timeout(_WITNESS_TIMEOUT_S):
                await one.bring(await self._warden.read_checkpoint())

        answers = await asyncio.gather(*(ask(one) for one in self._witnesses), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                structlog.get_logger().warning("a witness did not sign", error=str(answer))
        return any(answer is None for answer in answers)

    def policy(self, proofs: Iterable[str]) -> str:
        """The keys to check a bundle with; witnesses are demanded only when all proofs carry one."""
        pinned = read_pinned(self._paths.warden_key)
        keys = log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key)
        witnesses = [parse_vkey(key) for each in self._config.audit.witnesses for key in each.keys]
        text = policy_text(keys, witnesses)
        try:
            for proof in proofs if witnesses else ():
                verify_proof(proof, parse_policy(text))
        except Wrong:
            return policy_text(keys, [])
        return text

    async def stamp(self, manifest: bytes) -> bytes:
        """An RFC 3161 token over it; empty without an authority, or when that does not answer."""
        if self._authority is None:
            return b""
        try:
            return await asyncio.to_thread(self._authority, manifest.decode())
        except (Unavailable, DataLoss) as error:
            structlog.get_logger().warning("a bundle goes without a time stamp", error=str(error))
            return b""

    def check(self, proof: str, policy: str) -> None:
        """Whether the last proof fits the policy that stands in the bundle already. Raises: Unavailable."""
        try:
            verify_proof(proof, parse_policy(policy))
        except Wrong as error:
            raise Unavailable(f"the bundle cannot be proven: {error}; try again") from error
