"""A bundle with a time stamp of a real authority (`openssl ts`), checked by the command, by openssl, and changed."""

import asyncio
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.server.conftest import Site
from tests.server.test_exports import bench
from tests.server.test_stamps import authority, openssl  # noqa: F401 (fixture)

from custodes.adapters.witness.tsa import TimestampAuthority
from custodes.cli.evidence import evidence
from custodes.errors import DataLoss


def said(bundle: Path, roots: Path) -> str:
    done = CliRunner().invoke(evidence, ["verify", str(bundle), "--tsa", str(roots)], catch_exceptions=False)
    return done.stdout


@pytest.mark.parametrize("is_there", [True, False])
def test_export_with_an_authority_carries_its_stamp_and_goes_without_when_it_is_down(
    site: Site,
    tmp_path: Path,
    authority: tuple[str, Path],  # noqa: F811
    is_there: bool,
) -> None:
    url, roots = authority
    tsa = TimestampAuthority(url if is_there else f"{url}/broken", roots)
    bundle = tmp_path / "bundle.zip"

    async def main() -> None:
        async with bench(site, authority=tsa.stamp) as at:
            state = await at.export()
            assert (state.state, state.detail) == ("ready", "")
            Path(state.path).rename(bundle)

    asyncio.run(main())
    with zipfile.ZipFile(bundle) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    if not is_there:
        assert "manifest.tsr" not in files
        with pytest.raises(DataLoss, match="no time stamp"):
            said(bundle, roots)
        return
    assert "time-stamped 2" in said(bundle, roots)
    for name in ("manifest.json", "manifest.tsr"):
        (tmp_path / name).write_bytes(files[name])
    verified = ["ts", "-verify", "-data", "manifest.json", "-in", "manifest.tsr", "-CAfile", str(roots)]
    assert b"Verification: OK" in openssl(tmp_path, *verified)
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(changed, "w") as opened:
        for name, raw in files.items():
            opened.writestr(name, raw if name != "manifest.tsr" else raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:])
    with pytest.raises(DataLoss, match="time stamp"):
        said(changed, roots)
