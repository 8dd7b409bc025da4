"""All footage of a site back from its copy elsewhere: after a restore, or a lost disk. One by one is `recall`'s."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from custodes.app.recall import Recall
from custodes.errors import DataLoss, NotFound
from custodes.record.verify import named_segments
from custodes.types.media import Segment


@dataclass(slots=True, kw_only=True)
class Fetched:
    """What `fetch_all` did. `wrong`: copies that are not what was sealed, each with what is wrong."""

    there: int = 0
    fetched: int = 0
    nowhere: int = 0
    """Neither here nor elsewhere."""
    bytes_fetched: int = 0
    wrong: tuple[str, ...] = ()


def fetch_all(
    recall: Recall,
    data_dir: Path,
    *,
    is_wanted: Callable[[Segment], bool] = lambda segment: True,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Fetched:
    """Fetch all that the journals name and that is not here. For a site that was restored, and does not run.

    Raises: StorageFull, StorageFailed, SiteMismatch; what was fetched before stays.
    """
    newest, deleted = named_segments(data_dir)
    wanted = [one for path, one in sorted(newest.items()) if path not in deleted and one.is_sealed and is_wanted(one)]
    missing = recall.missing(wanted)
    done = Fetched(there=len(wanted) - len(missing))
    for number, segment in enumerate(missing):
        try:
            recall.place(segment, recall.fetch(segment))
        except NotFound:
            done.nowhere += 1
        except DataLoss as error:
            done.wrong += (str(error),)
        else:
            done.fetched += 1
            done.bytes_fetched += segment.bytes_on_disk
        on_progress(number + 1, len(missing))
    return done
