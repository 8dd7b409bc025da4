"""Is this video what the camera signed? ONVIF Media Signing verified over NAL units as they come; no decoding.

A camera cuts its stream into partial GOPs. The first picture unit of each is its anchor: hash(unit); every other is
hash(anchor hash ‖ hash(unit)). An SEI carries the hash of all of them, mostly the list too, the anchor of the partial
GOP before, a counter, and a signature over itself. It may come late, so units wait here until their SEI does.

That a key belongs to the camera is not known here: `Verdict.signer` is its fingerprint, to be compared with the one
that this camera used before. Costs about 5 µs per picture and 0.1 ms per SEI on one core (bench.record).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from custodes.errors import MediaError
from custodes.media.signing_sei import SigningSei, is_signing_sei, read_signing_sei
from custodes.types.media import Authenticity
from custodes.units import NS_PER_S, Ns

SIGNABLE_CODECS = frozenset({"h264", "hevc"})

MAX_PENDING = 8192
"""Units that wait for their SEI, five minutes at 25 fps; beyond it the oldest count as not signed."""

MAX_UNSIGNED_NS = 30 * NS_PER_S
"""A stream without any signature for so long is not signed: from then on nothing is hashed until an SEI comes."""

MAX_SEIS = 8
"""Of media signing in one packet; a camera sends one or two, and each costs a signature's verification."""

MAX_CERTIFICATES_BYTES = 64 * 1024

_ALGORITHMS: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One SEI's word on the units it covers, or the end's word on units that nothing covered."""

    state: Authenticity
    start_ns: Ns
    end_ns: Ns
    """UTC of the first and last picture judged."""
    verified: int
    missing: int
    wrong: int
    signer: str
    """SHA-256 of the signer's public key (DER), hex; empty when nothing was signed."""
    detail: str
    """Why it is not authentic; empty otherwise."""


@dataclass(slots=True)
class _Unit:
    plain_hash: bytes
    utc_ns: Ns
    is_gop_start: bool
    sei: Verdict | None = None
    """What an SEI without a signature of its own said; it counts once a signed one covers it."""


@dataclass(frozen=True, slots=True)
class _Match:
    covered: list[_Unit]
    verified: int
    wrong: int
    missing: int
    missing_at_start: int


class StreamVerifier:
    """Verifies one run of one stream. Not thread-safe; never raises for what a camera sent."""

    def __init__(self, codec: str) -> None:
        """`codec` of `SIGNABLE_CODECS`; others carry no such signatures."""
        self._codec = codec
        self._pending: list[_Unit] = []
        self._hash_name = "sha256"
        self._certificates = b""
        self._key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | None = None
        self._signer = ""
        self._counter: int | None = None
        self._anchor = b""
        self._is_synced = False
        self._span_ns = 0
        self.signer_changed = False
        self.vendor = ""
        self.has_signatures = False
        self.is_dormant = False
        """Nothing was signed for `MAX_UNSIGNED_NS`."""

    def add(self, units: Sequence[bytes], utc_ns: Ns) -> list[Verdict]:
        """Take the NAL units of one packet in order; returns what became known with them."""
        verdicts: list[Verdict] = []
        seis = 0
        for unit in units:
            kind = _kind(unit, self._codec)
            if kind == "sei":
                if is_signing_sei(unit, self._codec) and seis < MAX_SEIS:
                    seis += 1
                    self._take(_trimmed(unit), utc_ns, verdicts)
            elif kind and not self.is_dormant:
                self._append(_Unit(self._hash(_trimmed(unit)), utc_ns, kind == "start"), verdicts)
        return verdicts

    def lost(self) -> None:
        """Packets were lost on our side: the next SEI is not held against the camera."""
        self._pending = []
        self._counter, self._anchor, self._is_synced = None, b"", False

    def finish(self) -> list[Verdict]:
        """The run is over. Units behind the last SEI are left unjudged unless nothing was ever signed."""
        pending, self._pending = self._pending, []
        if self.has_signatures or not pending:
            return []
        return [self._not_signed(pending)]

    def _append(self, unit: _Unit, verdicts: list[Verdict]) -> None:
        self._pending.append(unit)
        is_unsigned = unit.utc_ns - self._pending[0].utc_ns > MAX_UNSIGNED_NS and not self._counts_on_more()
        if is_unsigned or len(self._pending) >= MAX_PENDING:
            verdicts.append(self._not_signed(self._pending))
            self.lost()
            self.is_dormant = True

    def _counts_on_more(self) -> bool:
        """A camera that signs rarely gets four times its own pace before it counts as one that stopped."""
        return self.has_signatures and self._pending[-1].utc_ns - self._pending[0].utc_ns <= 4 * self._span_ns

    def _not_signed(self, units: Sequence[_Unit]) -> Verdict:
        return self._verdict(Authenticity.NOT_SIGNED, units, wrong=0, missing=0, detail="", verified=0)

    def _take(self, unit: bytes, utc_ns: Ns, verdicts: list[Verdict]) -> None:
        is_first, self.has_signatures, self.is_dormant = not self.has_signatures, True, False
        try:
            sei = read_signing_sei(unit, self._codec)
            if sei.hash_name and sei.hash_name != self._hash_name:
                if not is_first:
                    raise MediaError(f"the hash algorithm changed to {sei.hash_name} in the middle of a stream")
                # What came before was hashed otherwise and cannot be judged.
                self._hash_name = sei.hash_name
                self._pending.clear()
            if sei.signature:
                self._learn_key(sei)
                self._check_signature(sei)
        except MediaError as error:
            covered = self._pending
            self.lost()
            verdicts.append(
                self._verdict(
                    Authenticity.NOT_AUTHENTIC, covered, verified=0, wrong=len(covered), missing=0,
                    detail=str(error), at_ns=utc_ns,
                )
            )  # fmt: skip
            return
        self.vendor = sei.vendor or self.vendor
        if sei.is_golden:
            return
        verdict = self._judge(sei, utc_ns)
        if sei.signature:
            if verdict is not None:
                verdicts.append(verdict)
            return
        if verdict is not None:
            self._pending.append(_Unit(self._hash(sei.signed_bytes), utc_ns, False, verdict))

    def _learn_key(self, sei: SigningSei) -> None:
        if not sei.certificates_pem or sei.certificates_pem == self._certificates:
            return
        if len(sei.certificates_pem) > MAX_CERTIFICATES_BYTES:
            raise MediaError(f"certificates of {len(sei.certificates_pem)} bytes; at most {MAX_CERTIFICATES_BYTES}")
        try:
            key = x509.load_pem_x509_certificates(sei.certificates_pem)[0].public_key()
        except (ValueError, IndexError, UnsupportedAlgorithm) as error:
            raise MediaError("the signer's certificate cannot be read") from error
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise MediaError(f"the signer's key is a {type(key).__name__}; known are EC and RSA")
        encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        signer = hashlib.sha256(encoded).hexdigest()
        if self._signer and signer != self._signer:
            self.signer_changed = True
        self._key, self._signer, self._certificates = key, signer, sei.certificates_pem

    def _check_signature(self, sei: SigningSei) -> None:
        if self._key is None:
            raise MediaError("no certificate came before the first signature")
        algorithm = _ALGORITHMS[self._hash_name]
        try:
            if isinstance(self._key, rsa.RSAPublicKey):
                self._key.verify(sei.signature, sei.signed_bytes, padding.PKCS1v15(), algorithm)
            else:
                self._key.verify(sei.signature, sei.signed_bytes, ec.ECDSA(algorithm))
        except InvalidSignature as error:
            raise MediaError("the signature does not verify") from error

    def _judge(self, sei: SigningSei, utc_ns: Ns) -> Verdict | None:
        """Compare the pending units with a verified SEI; None when it speaks of what we never saw."""
        step = None if self._counter is None else (sei.counter - self._counter) % 2**32
        detail = self._order_problem(sei, step)
        skipped = self._skipped(sei.hashes) if sei.hashes else 0
        before, self._pending = self._pending[:skipped], self._pending[skipped:]
        match = self._match(sei.hashes) if sei.hashes else self._match_all(sei)
        self._pending = self._pending[len(match.covered) :]
        was_synced, self._is_synced = self._is_synced, True
        self._counter = sei.counter
        self._anchor = sei.hashes[0] if sei.hashes else (match.covered[0].plain_hash if match.covered else b"")
        if match.covered:
            self._span_ns = match.covered[-1].utc_ns - match.covered[0].utc_ns
        if not was_synced and not match.verified:
            return None  # its pictures came before we began to listen
        wrong, missing, verified = match.wrong, match.missing, match.verified
        if not was_synced:
            missing -= match.missing_at_start  # we joined in the middle of it
        elif step == 1:
            wrong += len(before)  # nothing was signed between two stretches that follow each other
        elif step is not None:
            missing += 1  # at least one SEI
        for unit in match.covered:
            if unit.sei is not None:
                verified, wrong = verified + unit.sei.verified - 1, wrong + unit.sei.wrong
                missing, detail = missing + unit.sei.missing, detail or unit.sei.detail
        if self.signer_changed:
            detail = "the signing key changed in the middle of a stream"
        if wrong and not detail:
            detail = f"{wrong} pictures differ from what was signed"
        state = Authenticity.NOT_AUTHENTIC if wrong or detail else Authenticity.AUTHENTIC
        if state is Authenticity.AUTHENTIC and missing:
            state = Authenticity.MISSING
        units = [*before, *match.covered] if was_synced else match.covered
        return self._verdict(
            state, units, verified=verified, wrong=wrong, missing=missing, detail=detail, at_ns=utc_ns
        )

    def _order_problem(self, sei: SigningSei, step: int | None) -> str:
        """Why this SEI cannot follow the one before; empty when it can. One or more may be lost in between."""
        if step is None or not any(sei.linked_hash):
            return ""  # the first here, or the signer began anew
        if step == 1 and self._anchor and sei.linked_hash != self._anchor:
            return "linked to another stretch than the one before"
        if step == 0 or step >= 2**31:
            return f"stretch {sei.counter} comes after stretch {self._counter}: shown again or out of order"
        return ""

    def _skipped(self, expected: Sequence[bytes]) -> int:
        """Pending units before this SEI's anchor; 0 when the anchor is not among them."""
        for number, unit in enumerate(self._pending):
            if unit.plain_hash == expected[0]:
                return number
        return 0

    def _match(self, expected: Sequence[bytes]) -> _Match:
        """Walk pending units along the signed list, in order."""
        anchor, place = expected[0], {value: number for number, value in enumerate(expected)}
        next_place = verified = last_match = 0
        first_place: int | None = None
        for number, unit in enumerate(self._pending[: 2 * len(expected)]):
            if next_place == len(expected):
                break
            found = place.get(self._listed_hash(unit, anchor), -1)
            if found >= next_place:
                first_place = found if first_place is None else first_place
                verified, next_place, last_match = verified + 1, found + 1, number + 1
        # Unmatched units up to the last match are wrong; behind it some may belong to the next stretch.
        covered = self._pending[: last_match + self._tail(last_match, len(expected) - next_place)]
        wrong = len(covered) - verified
        missing = max(len(expected) - verified - wrong, 0)
        return _Match(covered, verified, wrong, missing, min(first_place or 0, missing))

    def _tail(self, last_match: int, room: int) -> int:
        """How many units behind the last match stand in for signed ones: up to the next GOP's first."""
        tail = 0
        for unit in self._pending[last_match:]:
            if tail >= room or (unit.is_gop_start and last_match + tail > 0):
                break
            tail += 1
        return tail

    def _match_all(self, sei: SigningSei) -> _Match:
        """Low-bitrate mode: one hash for all, so all or none."""
        covered = self._pending[: sei.nal_units]
        if not covered:
            return _Match([], 0, 0, sei.nal_units, 0)
        anchor = covered[0].plain_hash
        listed = [anchor, *(self._listed_hash(unit, anchor) for unit in covered[1:])]
        if self._hash(b"".join(listed)) == sei.gop_hash:
            return _Match(covered, len(covered), 0, 0, 0)
        return _Match(covered, 0, len(covered), max(sei.nal_units - len(covered), 0), 0)

    def _listed_hash(self, unit: _Unit, anchor: bytes) -> bytes:
        if unit.plain_hash == anchor or unit.sei is not None:
            return unit.plain_hash
        return self._hash(anchor + unit.plain_hash)

    def _verdict(
        self,
        state: Authenticity,
        units: Sequence[_Unit],
        *,
        verified: int,
        wrong: int,
        missing: int,
        detail: str,
        at_ns: Ns | None = None,
    ) -> Verdict:
        times = [unit.utc_ns for unit in units] or [Ns(at_ns or 0)]
        return Verdict(
            state=state,
            start_ns=min(times),
            end_ns=max(times),
            verified=verified,
            missing=missing,
            wrong=wrong,
            signer=self._signer,
            detail=detail,
        )

    def _hash(self, content: bytes) -> bytes:
        return hashlib.new(self._hash_name, content).digest() if self._hash_name != "sha256" else _sha256(content)


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _trimmed(unit: bytes) -> bytes:
    """Muxers append zero bytes; the hash ends at the byte with the stop bit."""
    return unit.rstrip(b"\x00") if unit[-1] == 0 else unit


def _kind(unit: bytes, codec: str) -> str:
    """`start` (first slice of a picture that begins a GOP), `picture` (another signed slice), `sei`, or empty."""
    if codec == "h264":
        if len(unit) < 2:
            return ""
        kind = unit[0] & 0x1F
        if kind == 1:
            return "picture"
        if kind == 5:
            return "start" if unit[1] & 0x80 else "picture"
        return "sei" if kind == 6 else ""
    if len(unit) < 3:
        return ""
    kind = (unit[0] >> 1) & 0x3F
    if kind in (0, 1):
        return "picture"
    if 16 <= kind <= 21:
        return "start" if unit[2] & 0x80 else "picture"
    return "sei" if kind in (39, 40) else ""
