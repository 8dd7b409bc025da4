"""A site's own turn of all templates: cosines inside it stay as they are, across sites they say nothing. Pure.

ISO/IEC 24745 asks for templates that can be renewed and that two sites cannot link. An orthogonal matrix from a secret
does both: R₂·R₁ᵀ re-keys a gallery without anybody coming again. It is not irreversible: who has the secret, or enough
pairs of pictures and templates, turns it back. That is what the keys per person are for.
"""

import hashlib

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Vectors = npt.NDArray[np.float32]
Turn = npt.NDArray[np.float64]

SECRET_BYTES = 32
_DOMAIN = b"custodes.template-rotation/v1\n"


def turn_of(secret: bytes, dimension: int) -> Turn:
    """(d, d) orthogonal, the same for the same secret on every machine to 1e-12; the identity for an empty secret.

    Normal numbers from an AES-CTR stream by Box and Muller, then QR with a positive diagonal: uniform over rotations
    and mirrors. NumPy's own generators may change with its version, which would lose a gallery. O(d³).
    """
    if not secret:
        return np.eye(dimension)
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a rotation has {SECRET_BYTES} secret bytes, not {len(secret)}")
    key = hashlib.sha256(_DOMAIN + dimension.to_bytes(4, "big") + secret).digest()
    count = dimension * dimension + dimension * dimension % 2
    stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(8 * count))
    uniform = (np.frombuffer(stream, "<u8").astype(np.float64) + 0.5) / 2.0**64
    radius, angle = np.sqrt(-2 * np.log(uniform[: count // 2])), 2 * np.pi * uniform[count // 2 :]
    normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[: dimension * dimension]
    turned, upper = np.linalg.qr(normal.reshape(dimension, dimension))
    result: Turn = turned * np.sign(np.diag(upper))
    return result


def turned(vectors: Vectors, turn: Turn) -> Vectors:
    """Args: vectors: (..., d). Returns: a copy, turned."""
    return (vectors.astype(np.float64) @ turn.T).astype(np.float32)


def turned_back(vectors: Vectors, turn: Turn) -> Vectors:
    """The inverse of `turned`."""
    return (vectors.astype(np.float64) @ turn).astype(np.float32)
