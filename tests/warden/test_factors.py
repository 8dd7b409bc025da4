"""Second factors: the warden seals the secret and says whether a code is one of now; the secret stays inside."""

from dataclasses import fields

import pyotp
import pytest
from tests.warden.conftest import Site

from custodes.errors import InvalidArgument, SealBroken
from custodes.types.credential import CheckCode, CodeChecked, SealSecret, SecretSealed
from custodes.units import NS_PER_S

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


async def seal(gate, user_id="ann", secret=SECRET):
    return (await gate.answer_server(SealSecret(user_id=user_id, secret=secret))).sealed


async def check(gate, sealed, code, *, user_id="ann", after_step=0):
    return await gate.answer_server(CheckCode(user_id=user_id, sealed=sealed, code=code, after_step=after_step))


def code_of(site, secret=SECRET):
    return pyotp.TOTP(secret).at(site.clock.now_ns() // NS_PER_S)


def test_code_when_right_is_told_its_step_also_after_a_restart_and_once(site: Site) -> None:
    async def main():
        async with site.warden() as gate:
            sealed = await seal(gate)
        async with site.warden() as gate:
            step = (await check(gate, sealed, code_of(site))).step
            assert step == site.clock.now_ns() // NS_PER_S // 30
            assert await check(gate, sealed, code_of(site), after_step=step) == CodeChecked(step=None)
            assert await check(gate, sealed, "000000") == CodeChecked(step=None)

    site.run(main())


def test_sealed_secret_when_of_somebody_else_or_changed_does_not_open(site: Site, tmp_path_factory) -> None:
    async def main():
        other = Site(tmp_path_factory.mktemp("other"))
        async with site.warden() as gate, other.warden() as elsewhere:
            sealed = await seal(gate)
            assert sealed != await seal(gate), "the same secret twice does not show"
            for where, user_id, text in (
                (gate, "ben", sealed),
                (elsewhere, "ann", sealed),
                (gate, "ann", sealed[:-1] + bytes([sealed[-1] ^ 1])),
                (gate, "ann", sealed[:5]),
                (gate, "ann", b""),
            ):
                with pytest.raises(SealBroken, match="does not open"):
                    await check(where, text, code_of(site), user_id=user_id)
            with pytest.raises(InvalidArgument):
                await seal(gate, secret="short")

    site.run(main())


def test_secret_when_sealed_is_in_no_answer_and_in_no_file_of_the_warden(site: Site) -> None:
    async def main():
        async with site.warden() as gate:
            await check(gate, await seal(gate), code_of(site))

    site.run(main())
    assert [one.name for kind in (SecretSealed, CodeChecked) for one in fields(kind)] == ["sealed", "step"]
    assert SECRET not in repr(SealSecret(user_id="ann", secret=SECRET))
    for path in site.paths.warden_dir.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes()
            assert pyotp.TOTP(SECRET).byte_secret() not in path.read_bytes()
