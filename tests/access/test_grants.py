"""`Granted`: no way around the warden's yes."""

import copy
import dataclasses
import pickle

import pytest

from custodes.access.grants import Granted, granted_from
from custodes.errors import InvalidArgument, PermissionDenied
from custodes.types.access import (
    AccessRequest,
    Action,
    Decision,
    Fidelity,
    Grant,
    Principal,
    Purpose,
    PurposeKind,
    Role,
)
from custodes.types.message import Authorised
from custodes.units import CameraId, Ns, SessionId

REQUEST = AccessRequest(
    principal=Principal(user_id="u", name="Ann", roles=frozenset({Role.OPERATOR})),
    action=Action.WATCH_LIVE,
    purpose=Purpose(kind=PurposeKind.LIVE_DUTY, reference=""),
    camera_id=CameraId("gate"),
    start_ns=Ns(1),
    end_ns=Ns(2),
    fidelity=Fidelity.MASKED,
    session_id=SessionId("s"),
)
GRANT = Grant(grant_id="g", token="t" * 43, request=REQUEST, expires_ns=Ns(100), log_index=3)
YES = Authorised(decision=Decision(is_allowed=True, reasons=("Yes.",), policy_ids=("p",)), grant=GRANT, log_index=3)
NO = Authorised(decision=Decision(is_allowed=False, reasons=("No.", "Never."), policy_ids=()), grant=None, log_index=4)


def test_granted_from_when_allowed_then_carries_the_grant() -> None:
    granted = granted_from(REQUEST, YES)
    assert (granted.grant, granted.request, granted.camera_id, granted.session_id) == (GRANT, REQUEST, "gate", "s")
    assert granted.is_valid_at(Ns(99))
    assert not granted.is_valid_at(Ns(100))
    assert GRANT.token not in repr(granted)


def test_granted_from_when_refused_then_raises_with_the_reasons() -> None:
    with pytest.raises(PermissionDenied, match=r"No\. Never\."):
        granted_from(REQUEST, NO)


@pytest.mark.parametrize(
    "answer", [dataclasses.replace(NO, grant=GRANT), dataclasses.replace(YES, grant=None)], ids=["grant", "decision"]
)
def test_granted_from_when_the_answer_contradicts_itself_then_refuses(answer: Authorised) -> None:
    with pytest.raises(PermissionDenied):
        granted_from(REQUEST, answer)


def test_granted_from_when_the_grant_is_for_another_request_then_refuses() -> None:
    with pytest.raises(InvalidArgument):
        granted_from(dataclasses.replace(REQUEST, camera_id=CameraId("vault")), YES)


def test_granted_when_made_changed_copied_or_pickled_by_hand_then_refuses() -> None:
    granted = granted_from(REQUEST, YES)
    with pytest.raises(PermissionDenied):
        Granted(GRANT, seal=object())  # type: ignore[arg-type]
    with pytest.raises(PermissionDenied):
        granted._grant = dataclasses.replace(GRANT, grant_id="x")
    with pytest.raises(PermissionDenied):
        del granted._grant
    with pytest.raises(PermissionDenied):
        pickle.dumps(granted)
    with pytest.raises(PermissionDenied):
        copy.copy(granted)
    with pytest.raises(TypeError):
        dataclasses.replace(granted, grant=GRANT)  # type: ignore[type-var]
