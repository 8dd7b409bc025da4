"""The centre as a witness: a log that grew is signed, one that was rewritten or shrank is an alarm that stays."""

from pathlib import Path

import pytest
from tests.federation.conftest import SITE, SITE_KEY, SITE_VERIFIER, CentreHere

from custodes.audit.cosignature import open_cosignatures
from custodes.audit.log import AuditLog
from custodes.audit.witness import request_body
from custodes.federation.parcel import NO_TIP, encode_fact, open_parcel, open_receipt, seal_parcel
from custodes.testing.audit import ORIGIN, fill, open_test_log
from custodes.testing.outbox import make_counts
from custodes.types.access import Checkpoint
from custodes.types.federation import LogGrew, Receipt, Shared


class Telling:
    """A site's chain, told straight to the centre."""

    def __init__(self, here: CentreHere) -> None:
        self.here, self.seq, self.tip = here, 0, NO_TIP

    def tell(self, *facts: Shared) -> bytes:
        sealed = seal_parcel(
            SITE_KEY,
            site_id=SITE,
            first=self.seq + 1,
            before=self.tip,
            floor=0,
            encoded=[encode_fact(one) for one in facts],
        )
        self.here.centre.take(SITE, sealed)
        self.seq, self.tip = self.seq + len(facts), open_parcel(sealed, site_id=SITE, key=SITE_VERIFIER).tips[-1]
        return sealed

    def receipt(self) -> Receipt:
        return open_receipt(self.here.centre.receipt(SITE), site_id=SITE, key=self.here.receipts)


@pytest.fixture
def telling(here: CentreHere) -> Telling:
    return Telling(here)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = open_test_log(tmp_path / "log.db")
    fill(log, 5)
    return log


def grew(log: AuditLog, old: int) -> LogGrew:
    checkpoint = log.publish(1)
    path = log.prove_consistency(old, checkpoint.size) if 0 < old < checkpoint.size else ()
    return LogGrew(request=request_body(old, path, checkpoint.note).decode())


def test_log_when_it_grows_is_signed_and_the_receipt_carries_the_signatures(
    telling: Telling, log: AuditLog, here: CentreHere
) -> None:
    telling.tell(make_counts(0), grew(log, 0), make_counts(1))
    fill(log, 4)
    telling.tell(grew(log, telling.receipt().log_size))
    receipt = telling.receipt()
    assert (receipt.seq, receipt.log_size) == (4, 9)
    checkpoint = log.publish(1)
    signed = Checkpoint(origin=ORIGIN, size=9, root_hash=checkpoint.root_hash, note=receipt.cosigned)
    assert [one.verifier for one in open_cosignatures(signed, here.witness_keys)] == here.witness_keys
    log.store_cosigned(receipt.cosigned, here.witness_keys)
    assert here.store.site(SITE).alarm == ""


def test_log_when_rewritten_by_its_own_keys_is_an_alarm_with_the_evidence(
    telling: Telling, log: AuditLog, here: CentreHere, tmp_path: Path
) -> None:
    telling.tell(grew(log, 0))
    forged = open_test_log(tmp_path / "forged.db")
    fill(forged, 8, group=3)
    told = grew(forged, 5)
    telling.tell(told, make_counts(0))
    row = here.store.site(SITE)
    assert "does not contain" in row.alarm and row.evidence == told.request
    assert telling.receipt().log_size == 5  # nothing of the forged log was signed
    assert row.seq == 3  # what else it tells is taken
    fill(log, 1)
    telling.tell(grew(log, 5))
    assert here.store.site(SITE).alarm == row.alarm and telling.receipt().log_size == 6
    here.store.clear_alarm(SITE)
    assert here.store.site(SITE).alarm == ""


def test_log_when_another_one_of_the_same_size_is_an_alarm(
    telling: Telling, log: AuditLog, here: CentreHere, tmp_path: Path
) -> None:
    telling.tell(grew(log, 0))
    forged = open_test_log(tmp_path / "forged.db")
    fill(forged, 5, group=3)
    telling.tell(grew(forged, 5))
    assert "does not contain" in here.store.site(SITE).alarm


def test_log_when_it_shrank_is_an_alarm(telling: Telling, log: AuditLog, here: CentreHere, tmp_path: Path) -> None:
    telling.tell(grew(log, 0))
    short = open_test_log(tmp_path / "short.db")
    fill(short, 3)
    telling.tell(LogGrew(request=request_body(5, (), short.publish(1).note).decode()))
    assert here.store.site(SITE).alarm == "its log has 3 entries; 5 were witnessed"


def test_checkpoint_when_old_or_nonsense_is_no_alarm(telling: Telling, log: AuditLog, here: CentreHere) -> None:
    first = grew(log, 0)
    telling.tell(first)
    fill(log, 2)
    telling.tell(grew(log, 5))
    telling.tell(
        first, LogGrew(request=""), LogGrew(request="old 7\n\nnothing\nx\n\n"), LogGrew(request="old 1\n\n\n")
    )
    row = here.store.site(SITE)
    assert (row.alarm, row.seq, telling.receipt().log_size) == ("", 6, 7)
    assert row.refused == 3


def test_centre_when_killed_between_its_two_memories_takes_the_parcel_again(
    telling: Telling, log: AuditLog, here: CentreHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The witness remembers in a file of its own; the facts were not stored yet."""
    told = (make_counts(0), grew(log, 0), make_counts(1))

    def dying(row: object, facts: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(here.store, "take", dying)
        telling.tell(*told)
    here.close()
    here.open()
    telling.tell(*told)
    row = here.store.site(SITE)
    assert (row.seq, row.alarm, row.log_size) == (3, "", 5)
    assert telling.receipt().cosigned


def test_parcel_when_forged_is_counted_and_of_a_stranger_forgotten(telling: Telling, here: CentreHere) -> None:
    sealed = telling.tell(make_counts(0))
    here.centre.take(SITE, sealed[:-1] + b"\x00")
    here.centre.take("stranger", sealed)
    row = here.store.site(SITE)
    assert (row.seq, row.refused) == (1, 1) and "not signed" in row.refusal
    assert here.store.site("stranger").seq == 0
