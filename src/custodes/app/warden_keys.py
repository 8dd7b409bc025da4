"""The warden's desk for passkeys: learns, vouches, forgets; each step logged first. What counts is `access.keys`'."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from custodes.access import keys, requests
from custodes.access.assertion import check_assertion, credential_of
from custodes.adapters.keys.requests import RequestStore
from custodes.app.warden_log import Append
from custodes.errors import AlreadyExists, NotFound, PermissionDenied, ProtocolError
from custodes.ports.clock import Clock
from custodes.types.access import Action, AuditKind, AuditRecord, Principal
from custodes.types.approval import EnrolKey, EnrolledKey, ForgetKey, KeyTable, ReadKeys, VouchForKey
from custodes.types.message import Appended

KEY_MESSAGES = (EnrolKey, ForgetKey, VouchForKey, ReadKeys)
_PIECE = 1000
"""A detail of a log entry has at most 1024 characters."""


class KeyDesk:
    """Answers everything about passkeys, one step at a time; shares the requests' store and lock."""

    def __init__(
        self,
        *,
        store: RequestStore,
        append: Append,
        lock: asyncio.Lock,
        clock: Clock,
        may: Callable[[Principal, Action], bool],
        trusted: frozenset[str] = frozenset(),
    ) -> None:
        """Args: trusted: fingerprints from `access.trusted_keys`, vouched for by whoever wrote site.yaml."""
        self._store = store
        self._append = append
        self._lock = lock
        self._clock = clock
        self._may = may
        self._trusted = trusted

    async def answer(self, message: object) -> object:
        """The answer. Raises: what the steps raise; ProtocolError for what is not about passkeys."""
        async with self._lock:
            match message:
                case EnrolKey():
                    return await self._enrol(message)
                case ForgetKey():
                    return await self._forget(message)
                case VouchForKey():
                    return await self._vouch(message)
                case ReadKeys():
                    return KeyTable(keys=tuple(self._store.passkeys()))
        raise ProtocolError(f"the key desk does not answer {type(message).__name__}")

    async def _enrol(self, message: EnrolKey) -> Appended:
        told, who = message.key, message.principal
        known = self._store.key(told.credential_id)
        if told.user_id != who.user_id or (known is not None and known.user_id != who.user_id):
            raise PermissionDenied("A passkey is enrolled by its owner.")
        key = keys.enrolled(known, told)
        if not key.vouched_by and keys.fingerprint(key) in self._trusted:
            key = replace(key, vouched_by=keys.CONFIGURED)
        elif not key.vouched_by and not self._store.is_rooted:
            key = replace(key, vouched_by=keys.FIRST)
        details = {
            "credential": key.credential_id.hex()[:128],
            "change": "added",
            "name": message.name[:64],
            "vouched_by": key.vouched_by or "nobody yet",
        }
        index = await self._append(credential_record(who, details))
        self._store.put_key(key)
        return Appended(index=index)

    async def _forget(self, message: ForgetKey) -> Appended:
        key = self._store.key(message.credential_id)
        if key is None or key.user_id != message.principal.user_id:
            raise NotFound("no such passkey of yours")
        now_ns = self._clock.now_ns()
        before = self._store.records()
        after = [requests.without_key(record, key.credential_id, now_ns) for record in before]
        changed = [now for now, was in zip(after, before, strict=True) if now is not was]
        void = [one.request.request_id for one in changed]
        details = {
            "credential": key.credential_id.hex()[:128],
            "change": "removed",
            **({"approvals_void": ",".join(void)[:_PIECE]} if void else {}),
        }
        index = await self._append(credential_record(message.principal, details))
        for without in changed:
            self._store.put(without)
        self._store.forget_key(key.credential_id)
        return Appended(index=index)

    async def _vouch(self, message: VouchForKey) -> Appended:
        """By its owner with an older passkey, or by somebody who approves or manages people."""
        who, key = message.principal, self._store.key(message.credential_id)
        if key is None:
            raise NotFound("There is no such passkey.")
        if key.vouched_by:
            raise AlreadyExists("Somebody has vouched for that passkey already.")
        own = self._store.key(credential_of(message.assertion))
        if own is None or own.user_id != who.user_id or not own.vouched_by:
            raise PermissionDenied("Vouch with a passkey of yours that somebody has vouched for.")
        is_second = any(self._may(who, action) for action in (Action.APPROVE, Action.MANAGE_PEOPLE))
        if key.user_id != who.user_id and not is_second:
            raise PermissionDenied("For others' passkeys vouches who approves or manages people.")
        count = check_assertion(message.assertion, own, keys.digest(key))
        # Before the log, so that not even a crash lets the same assertion count twice.
        self._store.put_key(replace(own, sign_count=count))
        details = {
            "credential": key.credential_id.hex()[:128],
            "change": "vouched for",
            "owner": key.user_id,
            "hash": keys.digest(key).hex(),
            **pieces(message.assertion),
        }
        index = await self._append(credential_record(who, details))
        self._store.put_key(replace(key, vouched_by=who.name))
        return Appended(index=index)


def require_vouched(key: EnrolledKey) -> None:
    """Raises: PermissionDenied for a passkey that only the server speaks for."""
    if not key.vouched_by:
        raise PermissionDenied(
            "Nobody has vouched for that passkey yet. Somebody who approves or manages people does it under Requests."
        )


def pieces(assertion: str) -> dict[str, str]:
    """The assertion in pieces that fit into a log entry's details: anybody can check it against the hash."""
    return {f"assertion_{n}": assertion[n * _PIECE : (n + 1) * _PIECE] for n in range(-(-len(assertion) // _PIECE))}


def credential_record(who: Principal, details: dict[str, str]) -> AuditRecord:
    """A change of what proves who somebody is."""
    details = {"user_id": who.user_id, "what": "passkey", **details}
    return AuditRecord(kind=AuditKind.CREDENTIAL_CHANGED, actor=who.name, subject=who.name, details=details)
