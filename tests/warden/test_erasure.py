"""Old entries forget the people in them: log first, no name left in any file, every proof as good as before."""

from pathlib import Path

import pytest
from tests.warden.conftest import HOUR, Site

import custodes_verify
from custodes.app.warden_anchors import BelievedClock
from custodes.audit.checkpoint import log_keys
from custodes.audit.export import policy_text
from custodes.audit.leaf import ERASED
from custodes.audit.proof import prove_entry
from custodes.audit.verify import open_readonly
from custodes.config import SiteConfig
from custodes.sealing.published import read_pinned
from custodes.testing.clock import ManualClock
from custodes.types.access import AuditKind

DAY = 24 * HOUR


def proof_of(site: Site, index: int) -> custodes_verify.Proven:
    pinned = read_pinned(site.paths.warden_key)
    keys = log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key)
    connection = open_readonly(site.paths.warden_dir / "log.db")
    text = prove_entry(connection, keys, index)
    connection.close()
    return custodes_verify.verify_proof(text, custodes_verify.parse_policy(policy_text(keys, [])))


def test_forget_when_old_enough_then_names_are_gone_from_the_files_and_the_log_verifies(site: Site) -> None:
    async def main() -> tuple[int, int]:
        async with site.warden() as gate:
            old = (await gate.authorise(site.request())).log_index
            site.clock.advance(40 * DAY)
            new = (await gate.authorise(site.request(session="s2"))).log_index
            assert await gate.forget_people(site.clock.now_ns(), 50) == 0
            assert b"Ann Miller" in written(site.paths.warden_dir)
            assert await gate.forget_people(site.clock.now_ns(), 30) == 1
            assert await gate.forget_people(site.clock.now_ns(), 30) == 0
            await gate.read_checkpoint()
            assert written(site.paths.warden_dir).count(b"Ann Miller") == 1  # the newer entry's
            return old, new

    old, new = site.run(main())
    entries = site.entries()
    assert (entries[old].record.actor, entries[old].record.subject) == (ERASED, "gate")
    assert entries[new].record.actor == "Ann Miller"
    assert entries[-1].record.kind is AuditKind.PERSONAL_ERASED
    assert (entries[-1].record.details["count"], entries[-1].record.details["first"]) == ("1", str(old))
    assert site.verify().erased == 1
    proven = proof_of(site, old)
    assert proven.entry["kind"] == "access_granted"
    assert "actor" not in proven.entry


def written(folder: Path) -> bytes:
    """Every byte of every file, the write-ahead log's included."""
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


def test_believed_clock_when_set_ahead_by_years_then_goes_on_as_before() -> None:
    clock = ManualClock()
    believed, begun = BelievedClock(clock), clock.now_ns()
    clock.advance(HOUR)
    assert believed.now_ns() == begun + HOUR
    clock.jump(3650 * DAY)
    assert believed.now_ns() < begun + 2 * HOUR
    clock.jump(-3651 * DAY)
    assert believed.now_ns() == begun + HOUR - DAY


@pytest.mark.parametrize("days", [0, 29, 100_000])
def test_config_when_names_would_go_too_soon_then_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="personal_days"):
        SiteConfig.model_validate({"audit": {"personal_days": days}})
