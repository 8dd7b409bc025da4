"""A centre's wishes and questions on the site's own page: the books of `answers` and `wishes`, and exports to give."""

from collections.abc import Sequence

from custodes.app.serving.answers import Answerer
from custodes.errors import FailedPrecondition
from custodes.ports.exports import ExportDesk
from custodes.types.access import Principal
from custodes.types.wish import AskedByCentre, GiveFootage, RefuseWish, Wish


class SiteCentreDesk:
    """`ports.centre_desk.CentreDesk`. Used on the event loop only; who asks was proven by their session."""

    def __init__(self, answerer: Answerer, exports: ExportDesk) -> None:
        self._answerer, self._exports = answerer, exports

    def wishes(self) -> Sequence[Wish]:
        """See the port."""
        return self._answerer.wishes.waiting()

    def asked(self) -> Sequence[AskedByCentre]:
        """See the port."""
        return self._answerer.book.rows()

    async def give(self, question_id: str, export_id: str, who: Principal) -> None:
        """See the port. Whether the bundle is what was wished for is judged by the log alone (ADR 113)."""
        own = {one.state.export_id: one for one in self._exports.of_person(who.user_id)}
        export = own.get(export_id)
        if export is None or export.sealed is None:
            raise FailedPrecondition("There is no such export of yours that is ready.")
        await self._answerer.wishes.answer(
            GiveFootage(
                question_id=question_id,
                manifest=export.sealed.manifest,
                sealed_index=export.sealed.sealed_index,
                grant_index=export.sealed.grant_index,
                person=who.name,
                password="",  # nosec B106
            ),
            who,
        )

    async def refuse(self, question_id: str, reason: str, who: Principal) -> None:
        """See the port."""
        refusal = RefuseWish(question_id=question_id, reason=reason, person=who.name, password="")  # nosec B106
        await self._answerer.wishes.answer(refusal, who)
