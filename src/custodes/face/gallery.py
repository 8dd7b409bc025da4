"""The gallery in memory: templates of enrolled people, exact cosine search, one matrix per shelf.

A *shelf* holds what one probe may be compared with: the people of one zone under one embedding contract. Templates of
different contracts never meet. Nothing here writes anywhere; a removed row is overwritten with zeros. Thresholds and
what follows from a score do not belong here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.errors import AlreadyExists, InvalidArgument, NotFound, ResourceExhausted
from custodes.face.calibration import NOBODY, Others

Vector = npt.NDArray[np.float32]

MAX_TEMPLATES = 1_000_000
"""Exact search stays exact up to here (DESIGN 7): 128 dimensions are 0.5 GB and 60 ms per probe on two cores."""

BY_PERSON_ROWS = 5000
"""Up to here templates of one person count as one chance of a stranger, above each alone: 0.1 ms, and with so many
people it makes no difference to a threshold."""

_DIMENSIONS = range(16, 4097)
_FIRST_ROWS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One candidate row. `score`: cosine, -1 to 1."""

    person_id: str
    template_id: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One probe against a whole shelf. `best`: its best row; `others`: cosines of everybody else, a score a person or,
    on a long shelf, a row; `compared`: how many scores were candidates for the best."""

    best: Comparison
    others: Others
    compared: int


class _Shelf:
    """Unit vectors in one array that grows; rows are kept dense."""

    def __init__(self, dimension: int) -> None:
        self.rows = np.zeros((_FIRST_ROWS, dimension), np.float32)
        self.template_ids: list[str] = []
        self.person_ids: list[str] = []
        self.people: dict[str, set[str]] = {}
        self._owners: npt.NDArray[np.intp] | None = None

    def owners(self) -> npt.NDArray[np.intp]:
        """(n,) which person each row is of, as 0 … people - 1."""
        if self._owners is None:
            self._owners = np.unique(np.array(self.person_ids), return_inverse=True)[1]
        return self._owners

    @property
    def has_several(self) -> bool:
        """Whether anybody has more than one row."""
        return len(self.people) < len(self.template_ids)

    def scores(self, probe: Vector, contract: str) -> Vector:
        """(n,) cosines of all rows. Raises: InvalidArgument."""
        unit = _unit(probe)
        if len(unit) != self.rows.shape[1]:
            raise InvalidArgument(f"probe of {len(unit)} dimensions; contract {contract} has {self.rows.shape[1]}")
        scores = self.rows[: len(self.template_ids)] @ unit
        unit[:] = 0
        return scores

    def reserve(self, more: int) -> None:
        count = len(self.template_ids)
        if count + more > len(self.rows):
            grown = np.zeros((max(2 * len(self.rows), count + more), self.rows.shape[1]), np.float32)
            grown[:count] = self.rows[:count]
            self.rows[:] = 0
            self.rows = grown

    def extend(self, person_ids: Sequence[str], template_ids: Sequence[str], units: Vector) -> None:
        self._owners = None
        count = len(self.template_ids)
        self.reserve(len(units))
        self.rows[count : count + len(units)] = units
        self.template_ids.extend(template_ids)
        self.person_ids.extend(person_ids)
        for person_id, template_id in zip(person_ids, template_ids, strict=True):
            self.people.setdefault(person_id, set()).add(template_id)

    def remove(self, row: int) -> None:
        self._owners = None
        last = len(self.template_ids) - 1
        person_id, template_id = self.person_ids[row], self.template_ids[row]
        self.people[person_id].discard(template_id)
        if not self.people[person_id]:
            del self.people[person_id]
        self.rows[row] = self.rows[last]
        self.rows[last] = 0
        self.template_ids[row], self.person_ids[row] = self.template_ids[last], self.person_ids[last]
        self.template_ids.pop()
        self.person_ids.pop()


class Gallery:
    """All templates of the matcher process. Not thread-safe."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}
        self._known: dict[str, set[str]] = {}

    @property
    def people(self) -> int:
        """Distinct people, whatever the shelf."""
        return len({person for shelf in self._shelves.values() for person in shelf.people})

    @property
    def templates(self) -> int:
        """Rows of all shelves."""
        return sum(len(shelf.template_ids) for shelf in self._shelves.values())

    @property
    def contracts(self) -> tuple[str, ...]:
        """Shelves with at least one template, sorted."""
        return tuple(sorted(self._shelves))

    def size(self, contract: str) -> tuple[int, int]:
        """People and templates of one shelf."""
        shelf = self._shelves.get(contract)
        return (len(shelf.people), len(shelf.template_ids)) if shelf else (0, 0)

    def add(self, *, contract: str, person_id: str, template_id: str, vector: Vector) -> None:
        """Take a template over.

        Args: contract: the shelf; vector: (d,) float32, finite, not zero, one d per shelf.
        Raises: InvalidArgument, AlreadyExists (the template id on this shelf), ResourceExhausted.
        """
        _check(vector)
        self.add_many(contract=contract, person_ids=[person_id], template_ids=[template_id], vectors=vector[None])

    def add_many(
        self, *, contract: str, person_ids: Sequence[str], template_ids: Sequence[str], vectors: Vector
    ) -> None:
        """Take templates over, all or none. `vectors`: (n, d) float32. Raises: as `add`. O(n · d)."""
        if not len(vectors):
            return
        if vectors.ndim != 2 or vectors.dtype != np.float32 or vectors.shape[1] not in _DIMENSIONS:
            raise InvalidArgument(
                f"templates of shape {vectors.shape} {vectors.dtype}; expected (n, 16..4096) float32"
            )
        known = self._known.setdefault(contract, set())
        if len(set(template_ids)) < len(template_ids) or not known.isdisjoint(template_ids):
            double = next((one for one in template_ids if one in known), template_ids[0])
            raise AlreadyExists(f"template {double} is in the gallery")
        if self.templates + len(vectors) > MAX_TEMPLATES:
            raise ResourceExhausted(f"the gallery holds {MAX_TEMPLATES} templates at most")
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        if not np.isfinite(lengths).all() or float(lengths.min()) < 1e-6:
            raise InvalidArgument("a template must be finite and not zero")
        shelf = self._shelves.get(contract)
        if shelf is None:
            shelf = self._shelves[contract] = _Shelf(vectors.shape[1])
        if vectors.shape[1] != shelf.rows.shape[1]:
            raise InvalidArgument(f"{vectors.shape[1]} dimensions; contract {contract} has {shelf.rows.shape[1]}")
        units = (vectors / lengths[:, None].astype(np.float32)).astype(np.float32, copy=False)
        shelf.extend(person_ids, template_ids, units)
        known.update(template_ids)
        units[:] = 0

    def remove_person(self, person_id: str) -> int:
        """Zero and drop all of a person's templates; returns how many. Raises: NotFound."""
        removed = sum(self.remove_from(contract, person_id) for contract in list(self._shelves))
        if not removed:
            raise NotFound(f"person {person_id} has no template in the gallery")
        return removed

    def remove_from(self, contract: str, person_id: str) -> int:
        """The same on one shelf; 0 when there is none."""
        shelf = self._shelves.get(contract)
        if shelf is None or person_id not in shelf.people:
            return 0
        self._known[contract] -= shelf.people[person_id]
        rows = [n for n, person in enumerate(shelf.person_ids) if person == person_id]
        for row in reversed(rows):
            shelf.remove(row)
        if not shelf.template_ids:
            del self._shelves[contract]
            self._known.pop(contract, None)
        return len(rows)

    def holds(self, contract: str, template_id: str) -> bool:
        """Whether a template is on a shelf."""
        return template_id in self._known.get(contract, ())

    def people_of(self, contract: str) -> frozenset[str]:
        """Who is on a shelf."""
        shelf = self._shelves.get(contract)
        return frozenset(shelf.people) if shelf else frozenset()

    def clear(self) -> None:
        """Zero everything."""
        for shelf in self._shelves.values():
            shelf.rows[:] = 0
        self._shelves.clear()
        self._known.clear()

    def scan(self, *, contract: str, probe: Vector) -> Scan | None:
        """The best row of one shelf and what the probe scores with everybody else; None on an empty shelf.

        Args: as `search`. Raises: InvalidArgument. O(n · d).
        """
        shelf = self._shelves.get(contract)
        if shelf is None:
            return None
        scores = shelf.scores(probe, contract)
        row = int(scores.argmax())
        best = Comparison(
            person_id=shelf.person_ids[row], template_id=shelf.template_ids[row], score=float(scores[row])
        )
        if len(scores) <= BY_PERSON_ROWS:
            owners = shelf.owners()
            others = best_of_each(scores, owners, len(shelf.people))
            others = np.delete(others, owners[row])
            return Scan(best=best, others=_summed(others), compared=len(shelf.people))
        own = [n for n, person in enumerate(shelf.person_ids) if person == best.person_id] if shelf.has_several else []
        return Scan(best=best, others=_summed(np.delete(scores, own or [row])), compared=len(scores))

    def scores_between(self, contract: str, limit: int) -> npt.NDArray[np.float64]:
        """(n, n) cosines of one template of each of at most `limit` people with the people of the shelf, as `scan`
        would see them; NaN on the diagonal. O(n² · d)."""
        shelf = self._shelves.get(contract)
        if shelf is None:
            return np.zeros((0, 0))
        firsts: dict[str, int] = {}
        for row, person in enumerate(shelf.person_ids):
            firsts.setdefault(person, row)
            if len(firsts) >= limit:
                break
        rows = list(firsts.values())
        count = len(shelf.template_ids)
        if count <= BY_PERSON_ROWS:
            owners = shelf.owners()
            every = shelf.rows[:count]
            found = np.stack([best_of_each(every @ shelf.rows[row], owners, len(shelf.people)) for row in rows])
            found = found[:, owners[rows]]
        else:
            found = shelf.rows[rows] @ shelf.rows[rows].T
        result = found.astype(np.float64)
        np.fill_diagonal(result, np.nan)
        return result

    def search(self, *, contract: str, probe: Vector, limit: int) -> list[Comparison]:
        """The best rows of one shelf, by falling score; empty when there is none. Exact: every row is compared.

        Args: probe: (d,) float32 of the shelf's dimension; zeroed by the caller when done. limit: 1 to 100.
        Raises: InvalidArgument.
        """
        if not 1 <= limit <= 100:
            raise InvalidArgument(f"limit {limit}; expected 1 to 100")
        shelf = self._shelves.get(contract)
        if shelf is None:
            return []
        scores = shelf.scores(probe, contract)
        # Only what can be among the best is sorted; of equal scores the earlier row comes first.
        if limit < len(scores):
            least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
            rows = np.flatnonzero(scores >= least)
        else:
            rows = np.arange(len(scores))
        best = rows[np.argsort(-scores[rows], kind="stable")[:limit]]
        return [
            Comparison(person_id=shelf.person_ids[n], template_id=shelf.template_ids[n], score=float(scores[n]))
            for n in best.tolist()
        ]


def best_of_each(scores: Vector, owners: npt.NDArray[np.intp], people: int) -> Vector:
    """(people,) the best score of each person. Args: scores, owners: (n,)."""
    best = np.full(people, -2.0, np.float32)
    np.maximum.at(best, owners, scores)
    return best


def _summed(scores: Vector) -> Others:
    if not len(scores):
        return NOBODY
    mean = float(scores.mean(dtype=np.float64))
    apart = scores - np.float32(mean)
    return Others(count=len(scores), mean=mean, square_sum=float(apart @ apart))


def _check(vector: Vector) -> None:
    if vector.ndim != 1 or vector.dtype != np.float32 or len(vector) not in _DIMENSIONS:
        raise InvalidArgument(f"a template of shape {vector.shape} {vector.dtype}; expected (16..4096,) float32")


def _unit(vector: Vector) -> Vector:
    """A new, unit-length copy."""
    _check(vector)
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(length) or length < 1e-6:
        raise InvalidArgument("a template must be finite and not zero")
    unit: Vector = (vector / np.float32(length)).astype(np.float32)
    return unit
