"""Who may ask in a centre's name, and how they show it: each question is signed by a key made from a password.

The database has the public half. So whoever writes into it, and even whoever runs commands on the centre's machine,
asks in nobody else's name: the running centre sends what its person signed, and nothing else (ADR 131).
"""

import os
from collections.abc import Sequence

import msgspec
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from custodes.adapters.sql.centre import CentreStore
from custodes.adapters.sql.centre_people import CentrePerson
from custodes.errors import FailedPrecondition, InvalidArgument, Unauthenticated
from custodes.federation.parcel import seal_question
from custodes.types.question import CaseQuestion

MIN_PASSWORD_CHARS = 12
MAX_PASSWORD_CHARS = 1024
MAX_NAME_CHARS = 80
_CONTEXT = b"custodes.centre-question/v1\n"
_SALT_BYTES = 16
_TIME_COST, _MEMORY_KIB, _PARALLELISM = 3, 64 * 1024, 4
"""RFC 9106, section 4, the second recommended choice."""


def add_person(store: CentreStore, name: str, password: str, now_ns: int) -> None:
    """Raises: InvalidArgument for name or password; FailedPrecondition when somebody of that name may ask already."""
    if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable() or name != name.strip() or ":" in name:
        raise InvalidArgument(f"a name has 1 to {MAX_NAME_CHARS} characters in one line, without a colon")
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        raise InvalidArgument(f"a password has at least {MIN_PASSWORD_CHARS} characters")
    if store.people.find(name) is not None:
        raise FailedPrecondition(f"{name} is there already; disable the account first to begin another")
    salt = os.urandom(_SALT_BYTES)
    public = _key_of(password, salt).public_key().public_bytes_raw()
    store.people.put(CentrePerson(name=name, salt=salt, public_key=public, added_ns=now_ns))


def prove(store: CentreStore, name: str, password: str) -> Ed25519PrivateKey:
    """The key of this person. 0.1 s, of a core and 64 MB, also for a name that is unknown. Raises: Unauthenticated."""
    person = store.people.find(name)
    key = _key_of(password[:MAX_PASSWORD_CHARS], person.salt if person is not None else bytes(_SALT_BYTES))
    if person is None or key.public_key().public_bytes_raw() != person.public_key:
        raise Unauthenticated("nobody of the centre has this name and this password")
    return key


def ask(
    store: CentreStore,
    receipts: Ed25519PrivateKey,
    questions: Sequence[CaseQuestion],
    person: Ed25519PrivateKey,
    now_ns: int,
) -> None:
    """Sign and file them; the running centre logs and sends. Args: person: of who asks (`prove`).

    Raises: InvalidArgument when one is out of its bounds; then none is filed.
    """
    for question in questions:
        if question.start_ns >= question.end_ns:
            raise InvalidArgument("the time that is asked about ends before it begins")
        seal_question(receipts, question)  # out of bounds: said here, not in the running centre's log
    for question in questions:
        store.people.put_signature(question.question_id, question.asker, person.sign(_signed(question)))
        store.put_question(question, asked_ns=now_ns)


def is_signed(store: CentreStore, question: CaseQuestion) -> bool:
    """Whether who asks is somebody of the centre, and this is what they asked."""
    person = store.people.find(question.asker)
    if person is None:
        return False
    try:
        public = Ed25519PublicKey.from_public_bytes(person.public_key)
        public.verify(store.people.signature(question.question_id), _signed(question))
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(question: CaseQuestion) -> bytes:
    return _CONTEXT + msgspec.msgpack.encode(msgspec.structs.replace(question, entry=0))


def _key_of(password: str, salt: bytes) -> Ed25519PrivateKey:
    seed = hash_secret_raw(
        password.encode(),
        salt,
        time_cost=_TIME_COST,
        memory_cost=_MEMORY_KIB,
        parallelism=_PARALLELISM,
        hash_len=32,
        type=Type.ID,
    )
    return Ed25519PrivateKey.from_private_bytes(seed)
