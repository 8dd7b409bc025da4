"""The gallery in memory: templates of enrolled people, exact cosine search, one matrix per embedding contract.

Nothing here writes anywhere. Templates of different contracts never meet; a removed row is overwritten with zeros.
Thresholds and what follows from a score do not belong here.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.errors import AlreadyExists, InvalidArgument, NotFound, ResourceExhausted

Vector = npt.NDArray[np.float32]

MAX_TEMPLATES = 1_000_000
"""Exact search stays exact up to here (DESIGN 7): 256 dimensions are 1 GB and 0.1 s per probe on two cores."""

_DIMENSIONS = range(16, 4097)
_FIRST_ROWS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One candidate row. `score`: cosine, -1 to 1."""

    person_id: str
    template_id: str
    score: float


class _Shelf:
    """Unit vectors of one contract in one array that grows; rows are kept dense."""

    def __init__(self, dimension: int) -> None:
        self.rows = np.zeros((_FIRST_ROWS, dimension), np.float32)
        self.template_ids: list[str] = []
        self.person_ids: list[str] = []

    def append(self, person_id: str, template_id: str, unit: Vector) -> None:
        count = len(self.template_ids)
        if count == len(self.rows):
            grown = np.zeros((2 * count, self.rows.shape[1]), np.float32)
            grown[:count] = self.rows
            self.rows[:] = 0
            self.rows = grown
        self.rows[count] = unit
        self.template_ids.append(template_id)
        self.person_ids.append(person_id)

    def remove(self, row: int) -> None:
        last = len(self.template_ids) - 1
        self.rows[row] = self.rows[last]
        self.rows[last] = 0
        self.template_ids[row], self.person_ids[row] = self.template_ids[last], self.person_ids[last]
        self.template_ids.pop()
        self.person_ids.pop()


class Gallery:
    """All templates of the matcher process. Not thread-safe."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}

    @property
    def people(self) -> int:
        """Distinct people, whatever the contract."""
        return len({person for shelf in self._shelves.values() for person in shelf.person_ids})

    @property
    def templates(self) -> int:
        """Rows of all contracts."""
        return sum(len(shelf.template_ids) for shelf in self._shelves.values())

    @property
    def contracts(self) -> tuple[str, ...]:
        """Contracts with at least one template, sorted."""
        return tuple(sorted(self._shelves))

    def add(self, *, contract: str, person_id: str, template_id: str, vector: Vector) -> None:
        """Take a template over.

        Args: contract: id of the embedding contract; vector: (d,) float32, finite, not zero, one d per contract.
        Raises: InvalidArgument, AlreadyExists (the template id), ResourceExhausted.
        """
        if any(template_id in shelf.template_ids for shelf in self._shelves.values()):
            raise AlreadyExists(f"template {template_id} is in the gallery")
        if self.templates >= MAX_TEMPLATES:
            raise ResourceExhausted(f"the gallery holds {MAX_TEMPLATES} templates at most")
        unit = _unit(vector)
        shelf = self._shelves.get(contract)
        if shelf is None:
            shelf = self._shelves[contract] = _Shelf(len(unit))
        if len(unit) != shelf.rows.shape[1]:
            raise InvalidArgument(f"{len(unit)} dimensions; contract {contract} has {shelf.rows.shape[1]}")
        shelf.append(person_id, template_id, unit)

    def remove_person(self, person_id: str) -> int:
        """Zero and drop all of a person's templates; returns how many. Raises: NotFound."""
        removed = 0
        for contract, shelf in list(self._shelves.items()):
            for row in reversed([n for n, person in enumerate(shelf.person_ids) if person == person_id]):
                shelf.remove(row)
                removed += 1
            if not shelf.template_ids:
                del self._shelves[contract]
        if not removed:
            raise NotFound(f"person {person_id} has no template in the gallery")
        return removed

    def clear(self) -> None:
        """Zero everything."""
        for shelf in self._shelves.values():
            shelf.rows[:] = 0
        self._shelves.clear()

    def search(self, *, contract: str, probe: Vector, limit: int) -> list[Comparison]:
        """The best rows of one contract, by falling score; empty when the contract has none.

        Args: probe: (d,) float32 of the contract's dimension; zeroed by the caller when done. limit: 1 to 100.
        Raises: InvalidArgument.
        """
        if not 1 <= limit <= 100:
            raise InvalidArgument(f"limit {limit}; expected 1 to 100")
        shelf = self._shelves.get(contract)
        if shelf is None:
            return []
        unit = _unit(probe)
        if len(unit) != shelf.rows.shape[1]:
            raise InvalidArgument(f"probe of {len(unit)} dimensions; contract {contract} has {shelf.rows.shape[1]}")
        scores = shelf.rows[: len(shelf.template_ids)] @ unit
        unit[:] = 0
        best = np.argsort(-scores, kind="stable")[:limit]
        return [
            Comparison(person_id=shelf.person_ids[n], template_id=shelf.template_ids[n], score=float(scores[n]))
            for n in best.tolist()
        ]


def _unit(vector: Vector) -> Vector:
    """A new, unit-length copy."""
    if vector.ndim != 1 or vector.dtype != np.float32 or len(vector) not in _DIMENSIONS:
        raise InvalidArgument(f"a template of shape {vector.shape} {vector.dtype}; expected (16..4096,) float32")
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(length) or length < 1e-6:
        raise InvalidArgument("a template must be finite and not zero")
    unit: Vector = (vector / np.float32(length)).astype(np.float32)
    return unit
