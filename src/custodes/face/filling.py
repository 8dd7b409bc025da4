"""The gallery in RAM made to be what the warden says: new templates opened, who is missing zeroed.

Zone by zone: somebody in two zones stands on two shelves, so that each probe meets exactly who agreed to its zone.
"""

from collections.abc import Iterable

import numpy as np

from custodes.errors import DataLoss
from custodes.face.matching import Matching, shelf_of
from custodes.face.sealed import open_sealed, template_label
from custodes.types.face_message import GalleryChanges, SealedTemplate

_Key = tuple[str, int]


class GalleryFiller:
    """State: opened templates that belong to no shelf yet are not kept; what is needed later is asked for again."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._zones: dict[str, tuple[str, ...]] = {}
        self._members: dict[str, tuple[str, ...]] = {}
        self.roster = 0
        """The list of members that `take` saw last."""
        self.damaged = 0
        """Templates that did not open."""

    def take(self, changes: GalleryChanges) -> bool:
        """Apply one page.

        Returns: False when somebody counts anew or in other zones, or the gallery was re-keyed: then all has to be
            read again from version 0, which is rare.
        """
        if changes.rotation != self._matching.rotation:
            has_old = bool(self._matching.gallery.templates)
            self._matching.turn_by(changes.rotation)
            if has_old:
                return False  # those that are there are turned by another secret
        is_new = changes.roster == 0 or changes.roster != self.roster
        if is_new:
            self._members = {one.person_id: one.zone_ids for one in changes.members}
            self.roster = changes.roster
        members = self._members
        gone = [person for person, zones in self._zones.items() if members.get(person) != zones] if is_new else []
        for person in gone:
            self._drop(person)
        self._matching.rules = {rule.zone_id: rule for rule in changes.rules}
        fresh = {row.person_id for row in changes.templates}
        for contract, rows in _by_contract(row for row in changes.templates if members.get(row.person_id)):
            self._load(contract, rows, members)
        self._matching.version = changes.version
        self._zones.update({person: members[person] for person in fresh if members.get(person)})
        if not changes.is_complete or not (is_new or fresh):
            return True
        return len(self._zones) >= sum(bool(zones) for zones in members.values())

    def _drop(self, person: str) -> None:
        del self._zones[person]
        for shelf in self._matching.gallery.contracts:
            self._matching.gallery.remove_from(shelf, person)
        self._matching.forget_learnt()

    def _load(self, contract: str, rows: list[SealedTemplate], members: dict[str, tuple[str, ...]]) -> None:
        opened: list[tuple[SealedTemplate, bytes]] = []
        for row in rows:
            try:
                opened.append(
                    (row, open_sealed(row.key, row.person_id, template_label(contract, row.template_id), row.sealed))
                )
            except DataLoss:
                self.damaged += 1
        lengths = {len(plain) for _, plain in opened}
        if len(lengths) != 1:
            self.damaged += len(opened)
            return
        vectors = (
            np.frombuffer(b"".join(plain for _, plain in opened), "<f4").reshape(len(opened), -1).astype(np.float32)
        )
        for zone_id in sorted({zone for row, _ in opened for zone in members[row.person_id]}):
            shelf = shelf_of(zone_id, contract)
            # The warden gives templates new numbers when somebody counts again: those that are here come twice.
            chosen = [
                n
                for n, (row, _) in enumerate(opened)
                if zone_id in members[row.person_id] and not self._matching.gallery.holds(shelf, row.template_id)
            ]
            self._matching.gallery.add_many(
                contract=shelf,
                person_ids=[opened[n][0].person_id for n in chosen],
                template_ids=[opened[n][0].template_id for n in chosen],
                vectors=vectors[chosen],
            )
        vectors[:] = 0


def _by_contract(rows: Iterable[SealedTemplate]) -> list[tuple[str, list[SealedTemplate]]]:
    found: dict[str, list[SealedTemplate]] = {}
    for row in rows:
        found.setdefault(row.contract, []).append(row)
    return list(found.items())
