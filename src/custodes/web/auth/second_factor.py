"""Codes by time on the server's side: it keeps what the warden sealed, and asks the warden about each code."""

import asyncio
from dataclasses import replace

import structlog

from custodes.errors import CustodesError, SealBroken, Unavailable
from custodes.ports.catalog import Account
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, AuditRecord
from custodes.web.auth.factors import new_secret

_RETRY_S = 5.0


class SecondFactor:
    """The only place that reads or writes an account's second factor."""

    def __init__(self, *, catalog: AsyncCatalog, warden: Warden) -> None:
        self._catalog = catalog
        self._warden = warden
        self._decoy = b""

    async def step(self, account: Account | None, code: str) -> int | None:
        """The time step whose code this is; None for a wrong one, or where none is wanted.

        Asks the warden once whether or not there is such an account, so that the time taken does not tell.
        Raises: Unavailable.
        """
        if account is None or not account.has_totp:
            if not self._decoy:
                self._decoy = await self._warden.seal_secret("", new_secret())
            await self._warden.check_code("", self._decoy, code, after_step=0)
            return None
        # one of before, and the server has only just started
        sealed = account.totp_sealed or await self._warden.seal_secret(account.user_id, account.totp_secret)
        try:
            return await self._warden.check_code(account.user_id, sealed, code, after_step=account.totp_step)
        except SealBroken as error:
            structlog.get_logger().error("second factor does not open", user_id=account.user_id, error=str(error))
            return None

    async def use(self, account: Account, step: int) -> None:
        """The code counts no second time."""
        await self._catalog.put_account(replace(account, totp_step=step))

    async def first_step(self, account: Account, secret: str, code: str) -> tuple[bytes, int | None]:
        """The sealed form of a secret that is being set up, and the step of the first code made from it.

        Raises: InvalidArgument for what is no secret; Unavailable.
        """
        sealed = await self._warden.seal_secret(account.user_id, secret)
        return sealed, await self._warden.check_code(account.user_id, sealed, code, after_step=0)

    async def seal_old(self) -> int:
        """Secrets that catalogs of before hold bare; returns how many. Raises: CustodesError."""
        old = [one for one in await self._catalog.accounts() if one.totp_secret]
        if not old:
            return 0
        sealed = {one.user_id: await self._warden.seal_secret(one.user_id, one.totp_secret) for one in old}
        for one in old:
            details = {"user_id": one.user_id, "what": "code by time", "change": "sealed by the warden"}
            await self._warden.append(
                AuditRecord(
                    kind=AuditKind.CREDENTIAL_CHANGED, actor="process:server", subject=one.name, details=details
                )
            )
        await self._catalog.keep_sealed(sealed)
        return len(old)

    async def seal_old_when_possible(self) -> None:
        """Until it is done; the warden may start later than the server. Never returns."""
        while True:
            try:
                count = await self.seal_old()
            except CustodesError as error:
                if not isinstance(error, Unavailable):
                    structlog.get_logger().error("second factors of before are not sealed yet", error=str(error))
                await asyncio.sleep(_RETRY_S)
                continue
            if count:
                structlog.get_logger().info("second factors of before are sealed", count=count)
            await asyncio.Event().wait()
